package sdks_test

import (
	"crypto"
	_ "crypto/md5"
	_ "crypto/sha1"
	"crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// ofSignature is a mutation of the signature's text.
func ofSignature(name string, change func(r *rand.Rand, a adapter, text string) string) mutation {
	return mutation{"signature: " + name, func(r *rand.Rand, a adapter, m *message) bool {
		text := a.signature.get(*m)
		if text == "" {
			return false
		}
		changed := change(r, a, text)
		a.signature.set(m, changed)
		return changed != text
	}}
}

// byOther is a mutation that signs what is to be signed otherwise.
func byOther(name string, sum func(a adapter, m *message) []byte) mutation {
	return mutation{"signature: " + name, func(_ *rand.Rand, a adapter, m *message) bool {
		if a.text == nil {
			return false
		}
		return a.set(m, sum(a, m))
	}}
}

var signatureMutations = []mutation{
	ofSignature("one character another", func(r *rand.Rand, _ adapter, text string) string {
		at := r.IntN(len(text) - 2) // the last ones of base64 have bits that count for nothing
		return text[:at] + pick(r, "0", "3", "a", "f") + text[at+1:]
	}),
	ofSignature("one bit flipped", func(r *rand.Rand, _ adapter, text string) string {
		changed := []byte(text)
		changed[r.IntN(len(text)-2)] ^= 1 << r.IntN(8)
		return string(changed)
	}),
	ofSignature("hex in capitals", func(_ *rand.Rand, a adapter, text string) string {
		if a.base64 {
			return text
		}
		return strings.ToUpper(text)
	}),
	ofSignature("base64 of the other case", func(_ *rand.Rand, a adapter, text string) string {
		if !a.base64 {
			return text
		}
		return otherCase(text)
	}),
	ofSignature("base64 for URLs", func(_ *rand.Rand, a adapter, text string) string {
		if !a.base64 {
			return text
		}
		return strings.NewReplacer("+", "-", "/", "_").Replace(text)
	}),
	ofSignature("base64 without padding", func(_ *rand.Rand, _ adapter, text string) string { return strings.TrimRight(text, "=") }),
	ofSignature("base64 with more padding", func(r *rand.Rand, a adapter, text string) string {
		if !a.base64 {
			return text
		}
		return text + pick(r, "=", "==", "====")
	}),
	ofSignature("base64 with stray bits at its end", func(_ *rand.Rand, a adapter, text string) string {
		last := strings.IndexByte(text, '=') - 1
		if !a.base64 || last < 0 {
			return text
		}
		return text[:last] + string(base64Alphabet[strings.IndexByte(base64Alphabet, text[last])|1]) + text[last+1:]
	}),
	ofSignature("cut short", func(r *rand.Rand, _ adapter, text string) string { return text[:len(text)-2-r.IntN(len(text)/2)] }),
	ofSignature("cut by half a byte", func(_ *rand.Rand, a adapter, text string) string {
		if a.base64 {
			return text
		}
		return text[:len(text)-1]
	}),
	ofSignature("longer", func(r *rand.Rand, _ adapter, text string) string { return text + pick(r, "00", "ab", "AAAA", "0") }),
	ofSignature("with stray characters after it", func(r *rand.Rand, _ adapter, text string) string { return text + pick(r, "zz", "!", "%", "\xe9", "*") }),
	ofSignature("with stray characters within it", func(r *rand.Rand, _ adapter, text string) string {
		return text[:8] + pick(r, "!", "%", "\xe9", "-", " ", "\t", "*") + text[8:]
	}),
	ofSignature("twice", func(_ *rand.Rand, _ adapter, text string) string { return text + text }),
	ofSignature("empty", func(*rand.Rand, adapter, string) string { return "" }),
	ofSignature("zeros", func(_ *rand.Rand, a adapter, _ string) string { return a.encode(make([]byte, a.hash.Size())) }),
	ofSignature("a null", func(r *rand.Rand, _ adapter, _ string) string {
		return pick(r, "null", "undefined", "true", "[object Object]")
	}),
	ofSignature("white space after it", func(_ *rand.Rand, _ adapter, text string) string { return text + " " }),
	ofSignature("white space before it", func(_ *rand.Rand, _ adapter, text string) string { return " " + text }),
	ofSignature("an algorithm before it", func(r *rand.Rand, _ adapter, text string) string {
		return pick(r, "sha256=", "sha1=", "0x", "HMAC ") + text
	}),
	ofSignature("quoted", func(_ *rand.Rand, _ adapter, text string) string { return `'` + text + `'` }),
	ofSignature("percent-encoded", func(_ *rand.Rand, a adapter, text string) string {
		if a.base64 {
			return strings.NewReplacer("=", "%3D", "+", "%2B", "/", "%2F").Replace(text)
		}
		return fmt.Sprintf("%%%x", text[0]) + text[1:]
	}),
	ofSignature("in the other encoding", func(_ *rand.Rand, a adapter, text string) string {
		if a.base64 {
			return hex.EncodeToString(a.decode(text))
		}
		return base64.StdEncoding.EncodeToString(a.decode(text))
	}),
	ofSignature("base64 of the text", func(_ *rand.Rand, _ adapter, text string) string {
		return base64.StdEncoding.EncodeToString([]byte(text))
	}),
	byOther("by SHA-1", func(a adapter, m *message) []byte { return a.sum(crypto.SHA1, m.secret, a.text(*m)) }),
	byOther("by SHA-512", func(a adapter, m *message) []byte { return a.sum(crypto.SHA512, m.secret, a.text(*m)) }),
	byOther("by MD5", func(a adapter, m *message) []byte { return a.sum(crypto.MD5, m.secret, a.text(*m)) }),
	byOther("by the empty key", func(a adapter, m *message) []byte { return a.sum(a.hash, "", a.text(*m)) }),
	byOther("by another key", func(a adapter, m *message) []byte { return a.sum(a.hash, a.other, a.text(*m)) }),
	byOther("by no key at all", func(a adapter, m *message) []byte {
		sum := sha256.Sum256(slices.Concat([]byte(m.secret), a.text(*m)))
		return sum[:]
	}),
	byOther("of the empty text", func(a adapter, m *message) []byte { return a.sum(a.hash, m.secret, nil) }),
}

// ofHeader is a mutation of one of the headers that sign or are signed.
func ofHeader(name string, change func(r *rand.Rand, m *message, at int) bool) mutation {
	return mutation{"header: " + name, func(r *rand.Rand, a adapter, m *message) bool {
		if len(a.headers) == 0 {
			return false
		}
		at := m.index(pick(r, a.headers...))
		return at >= 0 && change(r, m, at)
	}}
}

// renamed is a header under another form of its name.
func renamed(name string, change func(r *rand.Rand, name string) string) mutation {
	return ofHeader(name, func(r *rand.Rand, m *message, at int) bool {
		m.lines[at].Name = change(r, m.lines[at].Name)
		return true
	})
}

// revalued is a header with another value.
func revalued(name string, change func(r *rand.Rand, value string) string) mutation {
	return ofHeader(name, func(r *rand.Rand, m *message, at int) bool {
		m.lines[at].Value = []byte(change(r, string(m.lines[at].Value)))
		return true
	})
}

const another = "t=1,v1=00"

var headerMutations = []mutation{
	ofHeader("missing", func(_ *rand.Rand, m *message, at int) bool { m.lines = slices.Delete(m.lines, at, at+1); return true }),
	renamed("name in small letters", func(_ *rand.Rand, name string) string { return strings.ToLower(name) }),
	renamed("name in capitals", func(_ *rand.Rand, name string) string { return strings.ToUpper(name) }),
	renamed("name of the other case", func(_ *rand.Rand, name string) string { return otherCase(name) }),
	renamed("name with underscores", func(_ *rand.Rand, name string) string { return strings.ReplaceAll(name, "-", "_") }),
	renamed("name with more", func(_ *rand.Rand, name string) string { return name + "-2" }),
	revalued("empty", func(*rand.Rand, string) string { return "" }),
	revalued("another", func(*rand.Rand, string) string { return another }),
	revalued("white space around it", func(r *rand.Rand, value string) string {
		return pick(r, " ", "\t", "  ") + value + pick(r, "", " ", "\t")
	}),
	revalued("quoted", func(_ *rand.Rand, value string) string { return `"` + value + `"` }),
	revalued("of the other case", func(_ *rand.Rand, value string) string { return otherCase(value) }),
	ofHeader("twice the same", func(_ *rand.Rand, m *message, at int) bool { m.lines = append(m.lines, m.lines[at]); return true }),
	ofHeader("twice, the genuine first", func(_ *rand.Rand, m *message, at int) bool {
		m.lines = append(m.lines, line{m.lines[at].Name, []byte(another)})
		return true
	}),
	ofHeader("twice, the genuine last", func(_ *rand.Rand, m *message, at int) bool {
		m.lines = slices.Insert(m.lines, at, line{m.lines[at].Name, []byte(another)})
		return true
	}),
	revalued("two values with a comma, the genuine first", func(r *rand.Rand, value string) string { return value + pick(r, ",", ", ") + another }),
	revalued("two values with a comma, the genuine last", func(r *rand.Rand, value string) string { return another + pick(r, ",", ", ") + value }),
	revalued("twice the same with a comma", func(r *rand.Rand, value string) string { return value + pick(r, ",", ", ") + value }),
	{"header: one that nothing signs", func(_ *rand.Rand, _ adapter, m *message) bool {
		m.lines = append(m.lines, line{"X-Forwarded-For", []byte("203.0.113.7")})
		return true
	}},
}

// ofList is a mutation of a header that can list signatures: change is given
// the genuine entry, and a maker of others that are well formed and wrong.
func ofList(name string, change func(r *rand.Rand, l list, value, entry string, wrong func() string) string) mutation {
	return mutation{"list: " + name, func(r *rand.Rand, a adapter, m *message) bool {
		if a.list == (list{}) {
			return false
		}
		at := m.index(a.headers[0])
		wrong := func() string {
			sum := make([]byte, a.hash.Size())
			for i := range sum {
				sum[i] = byte(r.Uint32())
			}
			return a.list.name + a.list.joint + a.encode(sum)
		}
		value := string(m.lines[at].Value)
		changed := change(r, a.list, value, a.list.name+a.list.joint+a.signature.get(*m), wrong)
		m.lines[at].Value = []byte(changed)
		return changed != value
	}}
}

var listMutations = []mutation{
	ofList("a wrong signature before it", func(_ *rand.Rand, l list, value, entry string, wrong func() string) string {
		return strings.Replace(value, entry, wrong()+l.separator+entry, 1)
	}),
	ofList("a wrong signature after it", func(_ *rand.Rand, l list, value, entry string, wrong func() string) string {
		return value + l.separator + wrong()
	}),
	ofList("fifteen wrong signatures before it", func(_ *rand.Rand, l list, value, entry string, wrong func() string) string {
		return strings.Replace(value, entry, strings.Repeat(wrong()+l.separator, 15)+entry, 1)
	}),
	ofList("forty wrong signatures before it", func(_ *rand.Rand, l list, value, entry string, wrong func() string) string {
		return strings.Replace(value, entry, strings.Repeat(wrong()+l.separator, 40)+entry, 1)
	}),
	ofList("an unknown scheme before it", func(r *rand.Rand, l list, value, entry string, _ func() string) string {
		return strings.Replace(value, entry, pick(r, "v0", "v9", "x")+l.joint+"abc"+l.separator+entry, 1)
	}),
	ofList("an unknown scheme after it", func(r *rand.Rand, l list, value, _ string, _ func() string) string {
		return value + l.separator + pick(r, "v0", "v9", "x") + l.joint + "abc"
	}),
	ofList("an unknown scheme for it", func(r *rand.Rand, l list, value, entry string, _ func() string) string {
		name := pick(r, "v0", "v2", "h2", strings.ToUpper(l.name), l.name+"a", "")
		return strings.Replace(value, entry, name+strings.TrimPrefix(entry, l.name), 1)
	}),
	ofList("its own scheme, ill formed, before it", func(r *rand.Rand, l list, value, entry string, _ func() string) string {
		return strings.Replace(value, entry, l.name+l.joint+pick(r, "zz", "", "00")+l.separator+entry, 1)
	}),
	ofList("an entry without a joint", func(_ *rand.Rand, l list, value, _ string, _ func() string) string { return value + l.separator + "x" }),
	ofList("its scheme alone, before it", func(_ *rand.Rand, l list, value, entry string, _ func() string) string {
		return strings.Replace(value, entry, l.name+l.separator+entry, 1)
	}),
	ofList("a separator after it", func(_ *rand.Rand, l list, value, _ string, _ func() string) string { return value + l.separator }),
	ofList("a separator before it", func(_ *rand.Rand, l list, value, _ string, _ func() string) string { return l.separator + value }),
	ofList("white space after the separators", func(_ *rand.Rand, l list, value, _ string, _ func() string) string {
		return strings.ReplaceAll(value, l.separator, l.separator+" ")
	}),
	ofList("another separator", func(r *rand.Rand, l list, value, _ string, _ func() string) string {
		return strings.ReplaceAll(value, l.separator, pick(r, "&", "|", ";", " ", ","))
	}),
	ofList("in another order", func(_ *rand.Rand, l list, value, _ string, _ func() string) string {
		entries := strings.Split(value, l.separator)
		slices.Reverse(entries)
		return strings.Join(entries, l.separator)
	}),
	ofList("a second joint in the signature", func(_ *rand.Rand, l list, value, entry string, _ func() string) string {
		return strings.Replace(value, entry, entry+l.joint+"x", 1)
	}),
}

// ofTime is a mutation of the signed time, of which the sender knows nothing or,
// signed anew, everything.
func ofTime(name string, change func(r *rand.Rand, seconds string) string) []mutation {
	set := func(r *rand.Rand, a adapter, m *message) bool {
		text := a.timestamp.get(*m)
		if text == "" {
			return false
		}
		changed := change(r, text)
		a.timestamp.set(m, changed)
		return changed != text
	}
	return []mutation{{"time: " + name, set}, {"time: " + name + ", signed anew", anew(set)}}
}

// aged is a genuine message that is received so many seconds after it was
// signed, and up to a second more.
func aged(name string, millis []int, seconds ...int) mutation {
	return mutation{"time: " + name, func(r *rand.Rand, a adapter, m *message) bool {
		if a.timestamp.pattern == nil {
			return false
		}
		m.at = at(pick(r, seconds...), pick(r, millis...))
		a.timestamp.set(m, strconv.FormatInt(now.Unix(), 10))
		return a.sign(m)
	}}
}

var (
	wholeSeconds = []int{0}
	halfSeconds  = []int{1, 400, 499, 500, 600, 999}
)

var timeMutations = slices.Concat(
	ofTime("moved a little", func(r *rand.Rand, text string) string { return moved(text, pick(r, -60, -1, 1, 60)) }),
	ofTime("moved far", func(r *rand.Rand, text string) string { return moved(text, pick(r, -86400, 86400, -3600, 3600)) }),
	ofTime("with a sign", func(_ *rand.Rand, text string) string { return "+" + text }),
	ofTime("negative", func(_ *rand.Rand, text string) string { return "-" + text }),
	ofTime("with a leading zero", func(_ *rand.Rand, text string) string { return "0" + text }),
	ofTime("with a fraction", func(r *rand.Rand, text string) string { return text + pick(r, ".0", ".5", ".999") }),
	ofTime("with letters after it", func(r *rand.Rand, text string) string { return text + pick(r, "abc", "s", "Z", "_") }),
	ofTime("with white space within", func(_ *rand.Rand, text string) string { return text[:5] + " " + text[5:] }),
	ofTime("with an exponent", func(_ *rand.Rand, text string) string { return text + "e0" }),
	ofTime("in hex", func(_ *rand.Rand, text string) string {
		seconds, _ := strconv.ParseInt(text, 10, 64)
		return "0x" + strconv.FormatInt(seconds, 16)
	}),
	ofTime("in milliseconds", func(_ *rand.Rand, text string) string { return text + "000" }),
	ofTime("in other digits", func(_ *rand.Rand, text string) string { return strings.ReplaceAll(text, "1", "１") }),
	ofTime("no number", func(r *rand.Rand, _ string) string { return pick(r, "NaN", "Infinity", "null", "x") }),
	ofTime("beyond 64 bits", func(_ *rand.Rand, text string) string { return text + "00000000000000" }),
	ofTime("empty", func(*rand.Rand, string) string { return "" }),
	[]mutation{
		aged("received within the window", wholeSeconds, 0, 1, 4, 5, 30, 299),
		aged("received before it was signed, within the window", wholeSeconds, -1, -5, -30, -299),
		aged("received at the end of the window", wholeSeconds, 300),
		aged("received before it was signed, at the end of the window", wholeSeconds, -300),
		aged("received too late", wholeSeconds, 301, 302, 600, 86400),
		aged("received too early", wholeSeconds, -301, -302, -600, -86400),
		aged("received a fraction of a second too late", halfSeconds, 300),
		aged("received a fraction of a second too early", halfSeconds, -301),
	},
)

func moved(text string, seconds int) string {
	was, _ := strconv.ParseInt(text, 10, 64)
	return strconv.FormatInt(was+int64(seconds), 10)
}
