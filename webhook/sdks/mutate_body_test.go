package sdks_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
)

// simple is a mutation of the body alone.
func simple(name string, change func(r *rand.Rand, body []byte) []byte) mutation {
	return mutation{name, func(r *rand.Rand, _ adapter, m *message) bool {
		changed := change(r, m.body)
		if changed == nil || bytes.Equal(changed, m.body) {
			return false
		}
		m.body = changed
		return true
	}}
}

// signedAnew is the same body from a sender who signs it.
func signedAnew(name string, change func(r *rand.Rand, body []byte) []byte) mutation {
	return mutation{name + ", signed anew", anew(simple(name, change).change)}
}

var bodyMutations = []mutation{
	simple("body: one bit flipped", func(r *rand.Rand, body []byte) []byte {
		changed := bytes.Clone(body)
		changed[r.IntN(len(body))] ^= 1 << r.IntN(8)
		return changed
	}),
	simple("body: one byte deleted", func(r *rand.Rand, body []byte) []byte {
		at := r.IntN(len(body))
		return slices.Concat(body[:at], body[at+1:])
	}),
	simple("body: one byte inserted", func(r *rand.Rand, body []byte) []byte {
		at := r.IntN(len(body))
		return slices.Concat(body[:at], []byte{byte(r.IntN(256))}, body[at:])
	}),
	simple("body: one digit another", digitAnother),
	simple("body: white space after it", after(" ", "\n", "\r\n", "\t", "  \n")),
	simple("body: white space before it", before(" ", "\n", "\r\n", "\t")),
	simple("body: a byte-order mark before it", before("\ufeff")),
	simple("body: NUL after it", after("\x00")),
	simple("body: empty", func(*rand.Rand, []byte) []byte { return []byte{} }),
	simple("body: cut short", func(r *rand.Rand, body []byte) []byte { return body[:1+r.IntN(len(body)-1)] }),
	simple("body: twice", func(_ *rand.Rand, body []byte) []byte { return slices.Concat(body, body) }),
	simple("body: lines end with CRLF", func(_ *rand.Rand, body []byte) []byte { return bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n")) }),
	simple("body: JSON written anew", func(r *rand.Rand, body []byte) []byte {
		var changed bytes.Buffer
		if pick(r, true, false) {
			json.Compact(&changed, body)
		} else {
			json.Indent(&changed, body, "", pick(r, " ", "  ", "\t"))
		}
		return changed.Bytes()
	}),
	simple("body: JSON with its members in another order", func(_ *rand.Rand, body []byte) []byte {
		var root map[string]json.RawMessage
		if json.Unmarshal(body, &root) != nil {
			return nil
		}
		changed, _ := json.Marshal(root)
		return changed
	}),
	simple("body: a letter as an escape", func(_ *rand.Rand, body []byte) []byte { return bytes.Replace(body, []byte("ë"), []byte(`\u00eb`), 1) }),
	simple("body: a letter decomposed", func(_ *rand.Rand, body []byte) []byte { return bytes.Replace(body, []byte("ë"), []byte("e\u0308"), 1) }),
	simple("body: a slash as an escape", func(_ *rand.Rand, body []byte) []byte { return bytes.Replace(body, []byte("/"), []byte(`\/`), 1) }),
	simple("body: U+FFFD as a byte that is no UTF-8", func(r *rand.Rand, body []byte) []byte {
		return bytes.Replace(body, []byte("\ufffd"), []byte(pick(r, "\xff", "\xc0", "\xef\xbf", "\x80")), 1)
	}),
	simple("body: a member repeated", func(_ *rand.Rand, body []byte) []byte {
		return bytes.Replace(body, []byte("{"), []byte(`{"id":"evt_other",`), 1)
	}),
	simple("body: letters of the other case", func(_ *rand.Rand, body []byte) []byte { return []byte(otherCase(string(body))) }),

	signedAnew("body: white space around it", func(_ *rand.Rand, body []byte) []byte { return slices.Concat([]byte("\r\n "), body, []byte("\n")) }),
	signedAnew("body: a byte-order mark before it", before("\ufeff")),
	signedAnew("body: NUL after it", after("\x00")),
	signedAnew("body: empty", func(*rand.Rand, []byte) []byte { return []byte{} }),
	signedAnew("body: not JSON", func(*rand.Rand, []byte) []byte { return []byte("id=tr_7UhSN1zuXS") }),
	signedAnew("body: not UTF-8", func(r *rand.Rand, body []byte) []byte {
		return bytes.Replace(body, []byte("ë"), []byte(pick(r, "\xeb", "\xc3", "\xff", "\xed\xa0\x80")), 1)
	}),
	signedAnew("body: letters beyond ASCII", func(_ *rand.Rand, body []byte) []byte {
		return bytes.Replace(body, []byte("ë"), []byte("北京 🛎 İ"), 1)
	}),
	signedAnew("body: one digit another", digitAnother),
	signedAnew("body: a member repeated", func(_ *rand.Rand, body []byte) []byte {
		return bytes.Replace(body, []byte("{"), []byte(`{"zz":1,"zz":2,`), 1)
	}),
}

func after(texts ...string) func(*rand.Rand, []byte) []byte {
	return func(r *rand.Rand, body []byte) []byte { return slices.Concat(body, []byte(pick(r, texts...))) }
}

func before(texts ...string) func(*rand.Rand, []byte) []byte {
	return func(r *rand.Rand, body []byte) []byte { return slices.Concat([]byte(pick(r, texts...)), body) }
}

func digitAnother(r *rand.Rand, body []byte) []byte {
	var digits []int
	for i, b := range body {
		if '0' <= b && b <= '9' {
			digits = append(digits, i)
		}
	}
	if len(digits) == 0 {
		return nil
	}
	changed := bytes.Clone(body)
	at := digits[r.IntN(len(digits))]
	changed[at] = '0' + (changed[at]-'0'+1+byte(r.IntN(9)))%10
	return changed
}

// otherCase makes small letters of capitals, and the other way.
func otherCase(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsUpper(c) {
			return unicode.ToLower(c)
		}
		return unicode.ToUpper(c)
	}, text)
}

// readsTheSame says whether two texts are the same once each byte that is no
// UTF-8 is read as U+FFFD, as JavaScript does.
func readsTheSame(a, b []byte) bool {
	read := func(text []byte) string {
		whole := strings.ToValidUTF8(string(text), "\ufffd")
		for strings.Contains(whole, "\ufffd\ufffd") { // how many of them is not looked at
			whole = strings.ReplaceAll(whole, "\ufffd\ufffd", "\ufffd")
		}
		return whole
	}
	return read(a) == read(b)
}
