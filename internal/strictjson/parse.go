package strictjson

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// Every webhook is parsed, so this is written for speed; a fuzz test holds it to
// what jsontext, which is as strict, makes of the same bytes. Errors say what
// kind of error it is and where, and quote nothing: the input may hold a secret,
// and errors are logged.

// Parse reads one JSON value that is the whole of data.
func Parse(data []byte) (Value, error) {
	members := stacks.Get().(*[]member)
	p := parser{text: string(data), members: (*members)[:0]}
	defer func() {
		if cap(p.members) <= maxStack {
			*members = p.members
		}
		clear((*members)[:cap(*members)]) // or they would hold on to the text
		stacks.Put(members)
	}()
	if !utf8.ValidString(p.text) {
		p.at = validLength(p.text)
		return nil, p.invalid()
	}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.text) {
		return nil, errors.New("strictjson: something follows the JSON value")
	}
	return v, nil
}

// ParseObject reads one JSON object that is the whole of data.
func ParseObject(data []byte) (Object, error) {
	v, err := Parse(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(Object)
	if !ok {
		return nil, errors.New("strictjson: not a JSON object")
	}
	return o, nil
}

// stacks are for parsers' members. One that grew above maxStack is not kept.
var stacks = sync.Pool{New: func() any { return &[]member{} }}

const maxStack = 256

// A parser reads text from at on.
type parser struct {
	text    string // valid UTF-8; names of members are parts of it
	at      int
	depth   int      // how many arrays and objects are open
	members []member // of the objects that are open
}

type member struct {
	name  string
	value Value
}

// invalid is the error about what stands at p.at.
func (p *parser) invalid() error {
	if p.at >= len(p.text) {
		return errors.New("strictjson: the JSON text ends too early")
	}
	return fmt.Errorf("strictjson: invalid JSON at byte %d", p.at)
}

// validLength is how many bytes of a text are valid UTF-8, up to the first that
// is not.
func validLength(text string) (n int) {
	for n < len(text) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next skips white space and returns the character that follows, or 0.
func (p *parser) next() byte {
	if p.space(); p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) value() (Value, error) {
	if p.depth > MaxDepth {
		return nil, fmt.Errorf("strictjson: nested deeper than %d", MaxDepth)
	}
	switch c := p.next(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		raw, escaped, err := p.raw()
		if err != nil || escaped {
			return raw, err
		}
		return strings.Clone(raw), nil // whoever keeps it must not keep the whole text
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 't':
		return true, p.word("true")
	case c == 'f':
		return false, p.word("false")
	case c == 'n':
		return nil, p.word("null")
	}
	return nil, p.invalid()
}

func (p *parser) word(word string) error {
	for i := range len(word) {
		if p.at >= len(p.text) || p.text[p.at] != word[i] {
			return p.invalid()
		}
		p.at++
	}
	return nil
}

func (p *parser) array() (Value, error) {
	p.at++
	p.depth++
	list := []Value{}
	for c := p.next(); c != ']'; {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if c = p.next(); c == ',' {
			p.at++
			c = 0 // what follows must be a value
		} else if c != ']' {
			return nil, p.invalid()
		}
	}
	p.at++
	p.depth--
	return list, nil
}

func (p *parser) object() (Value, error) {
	p.at++
	p.depth++
	first := len(p.members)
	for c := p.next(); c != '}'; {
		m, err := p.member()
		if err != nil {
			return nil, err
		}
		p.members = append(p.members, m)
		if c = p.next(); c == ',' {
			p.at++
			c = 0 // what follows must be a member
		} else if c != '}' {
			return nil, p.invalid()
		}
	}
	p.at++
	p.depth--
	own := p.members[first:]
	object := make(Object, len(own))
	for _, m := range own {
		object[m.name] = m.value
	}
	p.members = p.members[:first]
	if len(object) < len(own) {
		return nil, errors.New("strictjson: duplicate name in an object")
	}
	return object, nil
}

func (p *parser) member() (m member, err error) {
	if p.next() != '"' {
		return m, p.invalid()
	}
	if m.name, _, err = p.raw(); err != nil {
		return m, err
	}
	if p.next() != ':' {
		return m, p.invalid()
	}
	p.at++
	m.value, err = p.value()
	return m, err
}

// raw reads a string. Without escapes it is a part of the text.
func (p *parser) raw() (s string, escaped bool, err error) {
	p.at++
	begin := p.at
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return p.text[begin : p.at-1], false, nil
		case c == '\\':
			s, err = p.unescape(begin)
			return s, true, err
		case c < ' ':
			return "", false, p.invalid()
		}
	}
	return "", false, p.invalid()
}

// unescape reads the rest of a string in which an escape was met.
func (p *parser) unescape(begin int) (string, error) {
	b := []byte(p.text[begin:p.at])
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return string(b), nil
		case c < ' ':
			return "", p.invalid()
		case c != '\\':
			b = append(b, c)
			p.at++
		default:
			p.at++
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return "", p.invalid()
}

// escape reads what follows a backslash. A surrogate counts only with its other
// half (RFC 8259, section 7).
func (p *parser) escape() (rune, error) {
	const letters, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if p.at < len(p.text) {
		if i := strings.IndexByte(letters, p.text[p.at]); i >= 0 {
			p.at++
			return rune(meant[i]), nil
		}
	}
	r, err := p.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if err := p.word(`\`); err != nil {
		return 0, err
	}
	low, err := p.hex()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, p.invalid()
	}
	return r, nil
}

// hex reads u and four hexadecimal digits.
func (p *parser) hex() (r rune, err error) {
	if err := p.word("u"); err != nil {
		return 0, err
	}
	for range 4 {
		if p.at >= len(p.text) {
			return 0, p.invalid()
		}
		digit := strings.IndexByte("0123456789abcdef", p.text[p.at]|0x20)
		if digit < 0 || p.text[p.at] < '0' {
			return 0, p.invalid()
		}
		r = r<<4 | rune(digit)
		p.at++
	}
	return r, nil
}

// number reads a number (RFC 8259, section 6) and leaves it as it is written.
func (p *parser) number() (Value, error) {
	begin := p.at
	if p.text[p.at] == '-' {
		p.at++
	}
	if p.at < len(p.text) && p.text[p.at] == '0' {
		p.at++
	} else if !p.digits() {
		return nil, p.invalid()
	}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		p.at++
		if !p.digits() {
			return nil, p.invalid()
		}
	}
	if p.at < len(p.text) && p.text[p.at]|0x20 == 'e' {
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		if !p.digits() {
			return nil, p.invalid()
		}
	}
	return Number(strings.Clone(p.text[begin:p.at])), nil
}

// digits skips one digit or more, and says whether there was one.
func (p *parser) digits() bool {
	begin := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > begin
}
