package sdks_test

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell/webhook"
)

// A line is one header line. JSON writes the value in base64, since it need not
// be UTF-8.
type line struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// A message is a request on its way, and who receives it: the secret that the
// receiver has, and the receiver's time.
type message struct {
	url    string
	lines  []line
	body   []byte
	secret string
	at     time.Time
}

// messageOf is a message to a receiver who has the secret.
func messageOf(r webhook.Request, secret string) message {
	m := message{url: r.URL, body: r.Body, secret: secret, at: r.At}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			m.lines = append(m.lines, line{name, []byte(value)})
		}
	}
	return m
}

// clone is a copy that can be changed.
func (m message) clone() message {
	m.lines, m.body = slices.Clone(m.lines), slices.Clone(m.body)
	return m
}

// request is what net/http makes of the message.
func (m message) request() webhook.Request {
	header := http.Header{}
	for _, l := range m.lines {
		header.Add(l.Name, string(l.Value))
	}
	return webhook.Request{Method: http.MethodPost, URL: m.url, Header: header, Body: m.body, At: m.at}
}

func (m message) ask(op, sdk string) question {
	return question{Op: op, SDK: sdk, Secret: m.secret, URL: m.url, Headers: m.lines, Body: m.body, At: m.at.UnixMilli()}
}

// index is where the first line with a name is, or -1.
func (m message) index(name string) int {
	return slices.IndexFunc(m.lines, func(l line) bool { return strings.EqualFold(l.Name, name) })
}

// sendable says whether an HTTP server would read the message at all: Go's and
// Node's refuse control characters in a header, and trim white space around it.
func (m *message) sendable() bool {
	for i, l := range m.lines {
		m.lines[i].Value = []byte(strings.Trim(string(l.Value), " \t"))
		for _, b := range l.Value {
			if b < ' ' && b != '\t' || b == 0x7f {
				return false
			}
		}
	}
	return true
}

// A place is where in a message a text is: in a header, or in the body where
// the header is "". The text is the first group of the pattern.
type place struct {
	header  string
	pattern *regexp.Regexp
	form    bool // it is escaped as in a form
}

func in(header, pattern string) place { return place{header, regexp.MustCompile(pattern), false} }

func inForm(pattern string) place { return place{"", regexp.MustCompile(pattern), true} }

func (p place) within(m message) []byte {
	if p.header == "" {
		return m.body
	}
	if i := m.index(p.header); i >= 0 {
		return m.lines[i].Value
	}
	return nil
}

// get returns the text, or "" where there is none.
func (p place) get(m message) string {
	if p.pattern == nil {
		return ""
	}
	found := p.pattern.FindSubmatch(p.within(m))
	if found == nil {
		return ""
	}
	text := string(found[1])
	if p.form {
		text, _ = url.QueryUnescape(text)
	}
	return text
}

// set replaces the text.
func (p place) set(m *message, text string) {
	whole := p.within(*m)
	at := p.pattern.FindSubmatchIndex(whole)
	if at == nil {
		return
	}
	if p.form {
		text = url.QueryEscape(text)
	}
	changed := slices.Concat(whole[:at[2]], []byte(text), whole[at[3]:])
	if p.header == "" {
		m.body = changed
	} else {
		m.lines[m.index(p.header)].Value = changed
	}
}
