package braintree

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// A tree is the text of each element of an XML document, by the dotted path of
// names that leads to it. Of a list, the first item is read: Braintree writes
// the newest transaction of a subscription first.
type tree map[string]string

const maxDepth = 32

// parse reads a document. Outside of lists, no element may be there twice: it
// could be read in two ways.
func parse(document []byte) (tree, error) {
	d := xml.NewDecoder(bytes.NewReader(document))
	t := tree{}
	type level struct {
		path string
		list bool // type="array"
		skip bool
	}
	at := []level{{}}
	ended := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.New("not valid XML")
		}
		top := &at[len(at)-1]
		switch token := token.(type) {
		case xml.Directive:
			return nil, errors.New("the XML has a directive, and should have none")
		case xml.StartElement:
			if ended || len(at) > maxDepth {
				return nil, errors.New("the XML is nested too deep, or goes on after its end")
			}
			next := level{path: strings.TrimPrefix(top.path+"."+token.Name.Local, "."), skip: top.skip}
			if _, twice := t[next.path]; twice && !next.skip {
				if !top.list {
					return nil, errors.New("an element is there twice")
				}
				next.skip = true
			}
			for _, a := range token.Attr {
				next.list = next.list || a.Name.Local == "type" && a.Value == "array"
			}
			if !next.skip {
				t[next.path] = ""
			}
			at = append(at, next)
		case xml.EndElement:
			at = at[:len(at)-1]
			ended = len(at) == 1
		case xml.CharData:
			if !top.skip && top.path != "" {
				t[top.path] += string(token)
			}
		}
	}
	if len(t) == 0 {
		return nil, errors.New("the XML has no element")
	}
	for path, text := range t {
		t[path] = strings.TrimSpace(text)
	}
	return t, nil
}

// below returns what is below a path, by the rest of each path.
func (t tree) below(path string) tree {
	inner := tree{}
	for at, text := range t {
		if rest, ok := strings.CutPrefix(at, path+"."); ok {
			inner[rest] = text
		}
	}
	return inner
}
