package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Diagnose says, in words that a merchant understands, why p does not verify a
// request: it asks what else would have been verified. Others are the sources
// whose secret may have been meant, by their names; addresses are those that the
// provider may have signed for. Empty: the request is verified.
//
// What it finds is for whoever holds the secrets. It must not be told to a
// sender, who could try bodies by it.
func Diagnose(p Provider, r Request, others map[string]Provider, addresses []string) string {
	err := attempt(p, r)
	if err == nil {
		return ""
	}
	said := strings.TrimPrefix(err.Error(), ErrUnverified.Error()+": ")
	late := ""
	if window := new(WindowError); errors.As(err, &window) {
		r.At = window.Signed
		if err = attempt(p, r); err == nil {
			return fmt.Sprintf("%s; all else fits, so it was genuine when it was signed, at %s", said, window.Signed.UTC().Format("2006-01-02T15:04:05Z"))
		}
		late = fmt.Sprintf("%s. Besides, ", said)
		said = strings.TrimPrefix(err.Error(), ErrUnverified.Error()+": ")
	}
	for _, name := range sorted(others) {
		if attempt(others[name], r) == nil {
			return late + "it is signed with another secret, that of source " + name + ": the provider sends it to the wrong address"
		}
	}
	for _, address := range addresses {
		if other := r; address != r.URL {
			if other.URL = address; attempt(p, other) == nil {
				return late + "it is signed for another address, " + address + ": set public_url, so that it is the one that the provider has"
			}
		}
	}
	for _, v := range variants(r.Body) {
		other := r
		if other.Body = v.body; attempt(p, other) == nil {
			return late + "the body was changed after signing: " + v.change
		}
	}
	tried := "neither other line ends nor another way of writing its JSON make the body fit"
	if len(others) > 0 {
		tried += ", and no other source's secret does"
	}
	return late + said + " (" + tried + ")"
}

// attempt asks a provider whether it verifies a request. One that breaks down
// does not.
func attempt(p Provider, r Request) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: the provider's reader broke down", ErrUnverified)
		}
	}()
	if _, err := p.Open(r); errors.Is(err, ErrUnverified) {
		return err
	}
	return nil
}

func sorted(providers map[string]Provider) []string {
	names := make([]string, 0, len(providers))
	for name := range providers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// A variant is a body as it may have been before something changed it.
type variant struct {
	body   []byte
	change string
}

// variants are what proxies, frameworks and editors do to a body, undone.
func variants(body []byte) []variant {
	all := []variant{
		{bytes.TrimRight(body, "\r\n"), "a line end was added to it"},
		{bytes.TrimSpace(body), "white space was added around it"},
		{append(slices.Clone(body), '\n'), "the line end after it was cut off"},
		{append(slices.Clone(body), "\r\n"...), "the line end after it was cut off"},
		{bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), "its line ends were made CRLF"},
		{bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n")), "its line ends were made LF: was it stored as text?"},
		{bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), "a byte order mark was put before it"},
	}
	if decoded, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(body))); err == nil {
		all = append(all, variant{decoded, "it was written in base64, as some gateways and logs do"})
	}
	if !json.Valid(body) {
		return all
	}
	var text string
	if json.Unmarshal(body, &text) == nil {
		all = append(all, variant{[]byte(text), "it was written as a text of JSON, with quotes around it"})
	}
	const parsed = "was it parsed and re-serialised? The sender wrote its JSON "
	for _, form := range []struct {
		as    string
		write func([]byte) []byte
	}{
		{"with other escapes", func(b []byte) []byte { return b }},
		{"compact", compact},
		{"with a space after each comma and colon", spaced},
		{"indented by two", indented("  ")},
		{"indented by four", indented("    ")},
		{"indented by tabs", indented("\t")},
	} {
		written := form.write(body)
		for _, escape := range []func([]byte) []byte{
			func(b []byte) []byte { return b },
			func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`\/`), []byte("/")) },
			func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("/"), []byte(`\/`)) },
			escapeNonASCII,
			unescapeHTML,
			escapeHTML,
		} {
			all = append(all, variant{escape(written), parsed + form.as})
		}
	}
	return all
}

func compact(body []byte) []byte {
	var b bytes.Buffer
	json.Compact(&b, body) // it is valid
	return b.Bytes()
}

func indented(by string) func([]byte) []byte {
	return func(body []byte) []byte {
		var b bytes.Buffer
		json.Indent(&b, body, "", by) // it is valid
		return b.Bytes()
	}
}

// spaced writes JSON as Python's json does.
func spaced(body []byte) []byte {
	var b []byte
	text, escaped := false, false
	for _, c := range compact(body) {
		b = append(b, c)
		switch {
		case escaped:
			escaped = false
		case text && c == '\\':
			escaped = true
		case c == '"':
			text = !text
		case !text && (c == ',' || c == ':'):
			b = append(b, ' ')
		}
	}
	return b
}

func escapeNonASCII(body []byte) []byte {
	var b []byte
	for i := 0; i < len(body); {
		r, size := utf8.DecodeRune(body[i:])
		switch {
		case r < utf8.RuneSelf:
			b = append(b, body[i])
		case r > 0xffff:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += size
	}
	return b
}

// Go, and some others, write these three characters so that a page of HTML may
// hold them.
var html = []string{"<", `\u003c`, ">", `\u003e`, "&", `\u0026`}

func escapeHTML(body []byte) []byte {
	return []byte(strings.NewReplacer(html...).Replace(string(body)))
}

func unescapeHTML(body []byte) []byte {
	back := slices.Clone(html)
	slices.Reverse(back)
	return []byte(strings.NewReplacer(back...).Replace(string(body)))
}
