// Package strictjson reads JSON that strangers wrote, the one way Paybell
// reads any: duplicate names, invalid UTF-8, lone surrogates, trailing data
// and deep nesting are errors, names are case-sensitive, and a number stays the
// text it was sent as. Two readers of the same bytes can then never disagree
// about what they say.
package strictjson

import (
	"errors"
	"strconv"
	"strings"
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

// Parse reads one JSON value that is the whole of data. Its errors say what is
// wrong and where, and quote nothing: the input may hold a secret, and errors
// are logged.
//
// The strings and numbers in the value share the memory of one copy of data.
// [Object.String] and [Object.Text] return copies, which do not hold on to it;
// whoever reads another way and keeps what it read clones it.
func Parse(data []byte) (Value, error) {
	p := parsers.Get().(*parser)
	defer p.free()
	return p.whole(data)
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

// String returns a copy of the string at path, or "".
func (o Object) String(path string) string {
	v, _ := o.Get(path).(string)
	return strings.Clone(v)
}

// Text returns a copy of the string, number or bool at path as text, or "". Ids are read
// with it, since some senders write them as numbers.
func (o Object) Text(path string) string {
	switch v := o.Get(path).(type) {
	case string:
		return strings.Clone(v)
	case Number:
		return strings.Clone(string(v))
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
