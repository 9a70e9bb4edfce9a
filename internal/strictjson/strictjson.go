// Package strictjson reads JSON that strangers wrote, the one way Paybell
// reads any: duplicate names, invalid UTF-8, lone surrogates, trailing data
// and deep nesting are errors, names are case-sensitive, and a number stays the
// text it was sent as. Two readers of the same bytes can then never disagree
// about what they say.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep arrays and objects may nest.
const MaxDepth = 64

// A Number is a JSON number as it was written. Amounts and ids are never made
// floats on the way.
type Number string

// A Value is null (nil), a bool, a string, a [Number], a []Value or an Object.
type Value any

// An Object is a JSON object. Its names are distinct.
type Object map[string]Value

// Parse reads one JSON value that is the whole of data.
func Parse(data []byte) (Value, error) {
	d := decoders.Get().(*jsontext.Decoder)
	d.Reset(bytes.NewBuffer(data))
	defer func() {
		d.Reset(nothing{}) // it would hold on to the text
		decoders.Put(d)
	}()
	v, err := parse(d)
	if err != nil {
		return nil, clean(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("strictjson: something follows the JSON value")
	}
	return v, nil
}

// decoders are reused: a new one costs as much as a small text.
var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(nothing{}) }}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }

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

// clean keeps what kind of error it was and where, and drops the input that
// jsontext quotes: it may hold a secret, and errors are logged.
func clean(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errors.New("strictjson: duplicate name in an object")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("strictjson: the JSON text ends too early")
	case errors.As(err, &syntax):
		return fmt.Errorf("strictjson: invalid JSON at byte %d", syntax.ByteOffset)
	}
	return err
}

func parse(d *jsontext.Decoder) (Value, error) {
	if d.StackDepth() > MaxDepth {
		return nil, fmt.Errorf("strictjson: nested deeper than %d", MaxDepth)
	}
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return t.String(), nil
	case '0':
		return Number(t.String()), nil
	case '[':
		list := []Value{}
		for d.PeekKind() != ']' {
			v, err := parse(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.ReadToken()
		return list, err
	}
	object := Object{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if object[key], err = parse(d); err != nil {
			return nil, err
		}
	}
	_, err = d.ReadToken()
	return object, err
}

// Get follows a dotted path ("data.object.id"; a number picks from an array)
// and returns nil where it leads nowhere. A name that itself has dots is found
// when it stands whole at the end of the path.
func (o Object) Get(path string) Value {
	var at Value = o
	for path != "" {
		switch in := at.(type) {
		case Object:
			if v, ok := in[path]; ok {
				return v
			}
			name, rest, _ := strings.Cut(path, ".")
			at, path = in[name], rest
		case []Value:
			name, rest, _ := strings.Cut(path, ".")
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return nil
			}
			at, path = in[i], rest
		default:
			return nil
		}
	}
	return at
}

// Object returns the object at path, or nil.
func (o Object) Object(path string) Object {
	v, _ := o.Get(path).(Object)
	return v
}

// String returns the string at path, or "".
func (o Object) String(path string) string {
	v, _ := o.Get(path).(string)
	return v
}

// Text returns the string, number or bool at path as text, or "". Ids are read
// with it, since some senders write them as numbers.
func (o Object) Text(path string) string {
	switch v := o.Get(path).(type) {
	case string:
		return v
	case Number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// Bool returns the bool at path, or false.
func (o Object) Bool(path string) bool {
	v, _ := o.Get(path).(bool)
	return v
}

// Int returns the whole number at path. It reports false when there is none
// there, or when it does not fit.
func (o Object) Int(path string) (int64, bool) {
	n, ok := o.Get(path).(Number)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(string(n), 10, 64)
	return i, err == nil
}
