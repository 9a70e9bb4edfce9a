package custom

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A template is the signed text: literals, and places where parts of the
// request stand.
type template []piece

type piece struct {
	literal string
	part    string // body, timestamp, header …; empty: a literal
	name    string // of the header or query parameter
}

// parts are what may stand in braces, and whether a name follows.
var parts = map[string]bool{
	"body": false, "timestamp": false, "id": false, "method": false, "url": false, "path": false,
	"header": true, "query": true,
}

func parseTemplate(text string) (template, error) {
	var t template
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t = append(t, piece{literal: literal.String()})
			literal.Reset()
		}
	}
	for text != "" {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			literal.WriteString(text)
			break
		}
		literal.WriteString(text[:i])
		if text = text[i:]; strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "}}") {
			literal.WriteByte(text[0])
			text = text[2:]
			continue
		}
		inside, rest, closed := strings.Cut(text[1:], "}")
		if text[0] == '}' || !closed {
			return nil, errors.New("has a brace without its other half; write {{ and }} for braces themselves")
		}
		part, name, named := strings.Cut(inside, ":")
		if needs, known := parts[part]; !known {
			return nil, fmt.Errorf("has {%s}, which is not known; there are {body}, {timestamp}, {id}, {method}, {url}, {path}, {header:Name} and {query:name}", inside)
		} else if needs != named || named && name == "" {
			return nil, fmt.Errorf("has {%s}; header and query take a name as in {header:X-Time}, the others none", inside)
		}
		flush()
		t = append(t, piece{part: part, name: name})
		text = rest
	}
	flush()
	return t, nil
}

// has says whether a part stands in t.
func (t template) has(part string) bool {
	return slices.ContainsFunc(t, func(p piece) bool { return p.part == part })
}

// usesURL says whether t depends on the address of the request.
func (t template) usesURL() bool {
	return t.has("url") || t.has("path") || t.has("query")
}

// A signing is what a template's parts are filled from.
type signing struct {
	webhook.Request
	url           string // as registered, or as called
	timestamp, id string
}

// fill returns the signed text of a request.
func (t template) fill(s signing) ([]byte, error) {
	var text []byte
	for _, p := range t {
		switch p.part {
		case "":
			text = append(text, p.literal...)
		case "body":
			text = append(text, s.Body...)
		case "timestamp":
			text = append(text, s.timestamp...)
		case "id":
			text = append(text, s.id...)
		case "method":
			text = append(text, s.Method...)
		case "url":
			text = append(text, s.url...)
		case "header":
			value, err := webhook.Header(s.Header, p.name)
			if err != nil {
				return nil, err
			}
			text = append(text, value...)
		default:
			value, err := fromURL(s.url, p)
			if err != nil {
				return nil, err
			}
			text = append(text, value...)
		}
	}
	return text, nil
}

// fromURL returns the path as it was written, or the one value of a query
// parameter.
func fromURL(address string, p piece) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("the address of the request is not a URL")
	}
	if p.part == "path" {
		return u.EscapedPath(), nil
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || len(query[p.name]) != 1 {
		return "", fmt.Errorf("the address does not have query parameter %s exactly once", p.name)
	}
	return query[p.name][0], nil
}

// holds refuses an id that has in it the text which is to end it: the signed
// text could then be told with another id.
func (t template) holds(id string) error {
	if err := order.CheckID(id); err != nil {
		return fmt.Errorf("id %w", err)
	}
	for i, p := range t {
		if p.part != "id" {
			continue
		}
		for _, j := range []int{i - 1, i + 1} {
			if j >= 0 && j < len(t) && t[j].literal != "" && strings.Contains(id, t[j].literal) {
				return errors.New("id contains the text that stands beside it in what is signed")
			}
		}
	}
	return nil
}
