package sdks_test

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// ofAddress is a mutation of an address that is signed.
func ofAddress(name string, change func(r *rand.Rand, address string) string) mutation {
	return mutation{"address: " + name, func(r *rand.Rand, a adapter, m *message) bool {
		before := m.url
		m.url = change(r, m.url)
		return a.addressed && m.url != before
	}}
}

var addressMutations = []mutation{
	ofAddress("another path", func(_ *rand.Rand, address string) string { return strings.Replace(address, "/webhooks/", "/hooks/", 1) }),
	ofAddress("without its query", func(_ *rand.Rand, address string) string { return strings.Split(address, "?")[0] }),
	ofAddress("another scheme", func(_ *rand.Rand, address string) string { return strings.Replace(address, "https://", "http://", 1) }),
	ofAddress("more in its query", func(_ *rand.Rand, address string) string { return address + "&x=1" }),
	ofAddress("a digit of its query another", func(r *rand.Rand, address string) string {
		path, query, _ := strings.Cut(address, "?")
		return path + "?" + string(digitAnother(r, []byte(query)))
	}),
	ofAddress("its query repeated", func(_ *rand.Rand, address string) string {
		_, query, _ := strings.Cut(address, "?")
		return address + "&" + query
	}),
	ofAddress("its query escaped", func(_ *rand.Rand, address string) string {
		path, query, _ := strings.Cut(address, "?")
		return path + "?" + strings.Replace(query, ".", "%2E", 1)
	}),
}

// ofForm is a mutation of a body that is a form.
func ofForm(name string, change func(r *rand.Rand, pairs []string) []string) mutation {
	return mutation{"form: " + name, func(r *rand.Rand, a adapter, m *message) bool {
		before := string(m.body)
		m.body = []byte(strings.Join(change(r, strings.Split(before, "&")), "&"))
		return a.signature.form && string(m.body) != before
	}}
}

var formMutations = []mutation{
	ofForm("in another order", func(_ *rand.Rand, pairs []string) []string { slices.Reverse(pairs); return pairs }),
	ofForm("a field more", func(_ *rand.Rand, pairs []string) []string { return append(pairs, "note=1") }),
	ofForm("an empty field more", func(_ *rand.Rand, pairs []string) []string { return append(pairs, "note=") }),
	ofForm("a field less", func(r *rand.Rand, pairs []string) []string {
		at := r.IntN(len(pairs))
		return slices.Delete(pairs, at, at+1)
	}),
	ofForm("a field twice the same", func(r *rand.Rand, pairs []string) []string { return append(pairs, pick(r, pairs...)) }),
	ofForm("a field twice, the genuine first", func(r *rand.Rand, pairs []string) []string {
		name, _, _ := strings.Cut(pick(r, pairs...), "=")
		return append(pairs, name+"=1")
	}),
	ofForm("a field twice, the genuine last", func(r *rand.Rand, pairs []string) []string {
		name, _, _ := strings.Cut(pick(r, pairs...), "=")
		return slices.Insert(pairs, 0, name+"=1")
	}),
	ofForm("an empty pair", func(_ *rand.Rand, pairs []string) []string { return append(pairs, "") }),
	ofForm("spaces for plus signs", func(_ *rand.Rand, pairs []string) []string { return replaced(pairs, "%2B", "+") }),
	ofForm("plus signs escaped", func(_ *rand.Rand, pairs []string) []string { return replaced(pairs, "+", "%20") }),
	ofForm("escapes in small letters", func(_ *rand.Rand, pairs []string) []string {
		return replaced(pairs, "%2F", "%2f", "%3D", "%3d", "%3A", "%3a")
	}),
	ofForm("a letter escaped", func(_ *rand.Rand, pairs []string) []string { return replaced(pairs, "sign", "%73ign") }),
	ofForm("escaped twice", func(_ *rand.Rand, pairs []string) []string { return replaced(pairs, "%", "%25") }),
	ofForm("a percent sign alone", func(_ *rand.Rand, pairs []string) []string { return append(pairs, "note=%") }),
	ofForm("a semicolon in a field more", func(_ *rand.Rand, pairs []string) []string { return append(pairs, "note=a;b") }),
	ofForm("semicolons for ampersands", func(_ *rand.Rand, pairs []string) []string { return []string{strings.Join(pairs, ";")} }),
	{"form: a field that is no UTF-8, signed anew", anew(ofForm("", func(r *rand.Rand, pairs []string) []string {
		return append(pairs, pick(r, "note=%FF", "note=%C3", "note=%B1%B1%BE%A9"))
	}).change)},
	ofForm("the signature of another key", func(_ *rand.Rand, pairs []string) []string {
		return replaced(pairs, "xbh5z9mq7k2w4n8t", "xbh5z9mq7k2w4n8u")
	}),
	ofForm("another algorithm", func(r *rand.Rand, pairs []string) []string {
		return replaced(pairs, "sign_type=RSA2", "sign_type="+pick(r, "RSA", "rsa2", "MD5", ""))
	}),
}

func replaced(pairs []string, oldnew ...string) []string {
	replacer := strings.NewReplacer(oldnew...)
	for i := range pairs {
		pairs[i] = replacer.Replace(pairs[i])
	}
	return pairs
}
