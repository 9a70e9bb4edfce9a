package strictjson

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	errDuplicate = errors.New("strictjson: duplicate name in an object")
	errEnd       = errors.New("strictjson: the JSON text ends too early")
	errTrailing  = errors.New("strictjson: something follows the JSON value")
	errDepth     = fmt.Errorf("strictjson: nested deeper than %d", MaxDepth)
)

// A parser reads one text, in one pass. The members and elements that it has
// met of all open objects and arrays lie on its two stacks, so that a map or a
// list is made once, at its size.
type parser struct {
	text     string
	at       int // the next byte
	members  []member
	elements []Value
}

type member struct {
	name  string
	value Value
}

var parsers = sync.Pool{New: func() any { return new(parser) }}

// keptStack is how long a stack may be that waits for the next text.
const keptStack = 256

func (p *parser) free() {
	if cap(p.members) > keptStack || cap(p.elements) > keptStack {
		return
	}
	clear(p.members[:cap(p.members)])
	clear(p.elements[:cap(p.elements)])
	*p = parser{members: p.members[:0], elements: p.elements[:0]}
	parsers.Put(p)
}

func (p *parser) whole(data []byte) (Value, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("strictjson: invalid JSON: the text is not UTF-8")
	}
	p.text = string(data)
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.peek() != 0 || p.at < len(p.text) {
		return nil, errTrailing
	}
	return v, nil
}

// invalid is the error at the next byte.
func (p *parser) invalid() error {
	if p.at >= len(p.text) {
		return errEnd
	}
	return fmt.Errorf("strictjson: invalid JSON at byte %d", p.at)
}

// peek skips white space and returns the next byte, and 0 at the end.
func (p *parser) peek() byte {
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case ' ', '\n', '\r', '\t':
		default:
			return c
		}
	}
	return 0
}

func (p *parser) value(depth int) (Value, error) {
	switch c := p.peek(); c {
	case '"':
		s, err := p.string()
		return s, err
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case 't':
		return true, p.literal("true")
	case 'f':
		return false, p.literal("false")
	case 'n':
		return nil, p.literal("null")
	default:
		n, err := p.number(c)
		return Number(n), err
	}
}

func (p *parser) literal(want string) error {
	for i := range len(want) {
		if p.at >= len(p.text) || p.text[p.at] != want[i] {
			return p.invalid()
		}
		p.at++
	}
	return nil
}

func (p *parser) object(depth int) (Value, error) {
	if depth == MaxDepth {
		return nil, errDepth
	}
	p.at++
	bottom := len(p.members)
	for first := true; ; first = false {
		if more, err := p.more('}', first); err != nil {
			return nil, err
		} else if !more {
			break
		}
		if p.peek() != '"' {
			return nil, p.invalid()
		}
		name, err := p.string()
		if err != nil {
			return nil, err
		}
		if p.peek() != ':' {
			return nil, p.invalid()
		}
		p.at++
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		p.members = append(p.members, member{name, v})
	}
	members := p.members[bottom:]
	p.members = p.members[:bottom]
	o := make(Object, len(members))
	for _, m := range members {
		o[m.name] = m.value
	}
	if len(o) != len(members) {
		return nil, errDuplicate
	}
	return o, nil
}

func (p *parser) array(depth int) (Value, error) {
	if depth == MaxDepth {
		return nil, errDepth
	}
	p.at++
	bottom := len(p.elements)
	for first := true; ; first = false {
		if more, err := p.more(']', first); err != nil {
			return nil, err
		} else if !more {
			break
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		p.elements = append(p.elements, v)
	}
	list := append([]Value{}, p.elements[bottom:]...)
	p.elements = p.elements[:bottom]
	return list, nil
}

// more steps to the next member or element, or over the closing bracket.
func (p *parser) more(closing byte, first bool) (bool, error) {
	switch c := p.peek(); {
	case c == closing:
		p.at++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		p.at++
		return true, nil
	}
	return false, p.invalid()
}

// string reads the string that begins at the next byte. Without escapes it is
// a part of the text.
func (p *parser) string() (string, error) {
	p.at++
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return p.text[start : p.at-1], nil
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", p.invalid()
		}
	}
	return "", errEnd
}

// escaped reads on in a string, from its first escape.
func (p *parser) escaped(start int) (string, error) {
	out := append(make([]byte, 0, 2*(p.at-start)+32), p.text[start:p.at]...)
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '"':
			p.at++
			return string(out), nil
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
			continue
		case c < ' ':
			return "", p.invalid()
		}
		out = append(out, c)
		p.at++
	}
	return "", errEnd
}

// escape reads what a backslash begins. A surrogate needs its other half.
func (p *parser) escape() (rune, error) {
	p.at++
	if p.at >= len(p.text) {
		return 0, errEnd
	}
	if i := strings.IndexByte(`"\/bfnrt`, p.text[p.at]); i >= 0 {
		p.at++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, err := p.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	first := p.at
	if err := p.literal(`\`); err != nil {
		return 0, err
	}
	low, err := p.hex()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		p.at = first
		return 0, p.invalid()
	}
	return r, nil
}

// hex reads u and four hexadecimal digits.
func (p *parser) hex() (r rune, err error) {
	if err := p.literal("u"); err != nil {
		return 0, err
	}
	for range 4 {
		if p.at >= len(p.text) {
			return 0, errEnd
		}
		switch c := p.text[p.at]; {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, p.invalid()
		}
		p.at++
	}
	return r, nil
}

// number reads by the grammar of RFC 8259, section 6.
func (p *parser) number(c byte) (string, error) {
	start := p.at
	if c == '-' {
		p.at++
	}
	if p.at < len(p.text) && p.text[p.at] == '0' {
		p.at++
	} else if err := p.digits(); err != nil {
		return "", err
	}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		p.at++
		if err := p.digits(); err != nil {
			return "", err
		}
	}
	if p.at < len(p.text) && p.text[p.at]|0x20 == 'e' {
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		if err := p.digits(); err != nil {
			return "", err
		}
	}
	return p.text[start:p.at], nil
}

// digits reads one digit or more.
func (p *parser) digits() error {
	start := p.at
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		p.at++
	}
	if p.at == start {
		return p.invalid()
	}
	return nil
}
