package strictjson

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

func TestRefusesWhatTwoReadersCouldReadDifferently(t *testing.T) {
	for name, text := range map[string]string{
		"duplicate name":          `{"a":1,"a":2}`,
		"duplicate name, escaped": `{"a":1,"\u0061":2}`,
		"duplicate name, nested":  `{"o":[{"a":1,"a":1}]}`,
		"trailing data":           `{} {}`,
		"trailing comma":          `{"a":1,}`,
		"invalid UTF-8":           "{\"a\":\"\xff\"}",
		"lone surrogate":          `{"a":"\ud800"}`,
		"raw control character":   "{\"a\":\"\n\"}",
		"too deep":                strings.Repeat("[", MaxDepth+2) + strings.Repeat("]", MaxDepth+2),
		"nothing":                 "",
		"cut off":                 `{"a":`,
		"NaN":                     `{"a":NaN}`,
		"leading zero":            `{"a":01}`,
		"byte order mark":         "\ufeff{}",
	} {
		if v, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: read as %v", name, v)
		}
	}
}

func TestErrorsQuoteNothing(t *testing.T) {
	for _, text := range []string{`{"CANARY":1,"CANARY":2}`, `{"a":"CANARY" "b"}`, `{"CANARY`, `CANARY`, "[\"CANARY\xff\"]"} {
		if _, err := Parse([]byte(text)); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPathsLeadToValues(t *testing.T) {
	o, err := ParseObject([]byte(`{"data":{"id":"x","list":[{"n":12345678901234567890},true],"a.b":"dotted"},"n":-7,"big":9223372036854775808,"null":null,"f":1.0}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"data.id": "x", "data.list.0.n": "12345678901234567890", "data.list.1": "true", "data.a.b": "dotted", "n": "-7",
		"data.list.2": "", "data.list.x": "", "data.id.x": "", "null": "", "data.ID": "", "nowhere.at.all": "",
	} {
		if got := o.Text(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if n, ok := o.Int("n"); !ok || n != -7 {
		t.Errorf("n: %d, %v", n, ok)
	}
	for _, path := range []string{"big", "f", "data.id", "none"} {
		if n, ok := o.Int(path); ok {
			t.Errorf("%s is the whole number %d", path, n)
		}
	}
	if o.Object("data") == nil || o.Object("n") != nil || !o.Bool("data.list.1") || o.Bool("n") || o.String("n") != "" {
		t.Error("a value is read as another type than it has")
	}
	if _, err := ParseObject([]byte(`[]`)); err == nil {
		t.Error("an array is read as an object")
	}
}

func TestKeptTextsDoNotHoldOnToTheWhole(t *testing.T) {
	data := []byte(`{"id":"evt_1","n":7}`)
	o, err := ParseObject(data)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := o["id"].(string)
	if id := o.String("id"); id != raw || unsafe.StringData(id) == unsafe.StringData(raw) {
		t.Error("String returns a part of the text")
	}
	if n := o.Text("n"); n != "7" || unsafe.StringData(n) == unsafe.StringData(string(o["n"].(Number))) {
		t.Error("Text returns a part of the text")
	}
	clear(data)
	if raw != "evt_1" {
		t.Error("a value changes with the bytes that it was read from")
	}
}

func TestOneTextLeavesNothingForTheNext(t *testing.T) {
	for _, text := range []string{`{"a":[1,{"b":"c"},`, `{"a":1,"b":[2,2],"a":3}`, `[[[[`, `{"x":"` + strings.Repeat("y", 9000) + `"}`} {
		_, _ = Parse([]byte(text))
		v, err := Parse([]byte(`{"only":[true]}`))
		if err != nil || !reflect.DeepEqual(v, Object{"only": []Value{true}}) {
			t.Errorf("after %.20s: %v, %v", text, v, err)
		}
	}
}

// Texts are read as jsontext reads them, which refuses duplicate names,
// invalid UTF-8 and lone surrogates too.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,"b",null,true,{"c":1e5}]}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `[-0.5E+10, 0, 10e-2, "\ud83d\ude00\/\b\f\n\r\t\"\\"]`,
		` { "a" : [ ] , "b" : { } } `, `"\ud83d"`, `"\ude00\ud83d"`, `[01]`, `[1.]`, `[.5]`, `[1e]`, `[-]`, `[1,]`, `{,}`, `tru`, `nullx`, "\"\x00\"", "\x00", "[]\x00",
		"\"\u00e9\u2028\"", strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
		strings.Repeat(`{"a":`, MaxDepth) + "1" + strings.Repeat("}", MaxDepth), strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Parse(data)
		want, wantErr := byJSONText(data)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, want %v", data, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %v, want %v", data, got, want)
		}
	})
}

// byJSONText is the oracle: the same reader, made of somebody else's tokens.
func byJSONText(data []byte) (Value, error) {
	d := jsontext.NewDecoder(bytes.NewReader(data))
	v, err := tokens(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, errTrailing
	}
	return v, nil
}

func tokens(d *jsontext.Decoder) (Value, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	if d.StackDepth() > MaxDepth {
		return nil, errDepth
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
			v, err := tokens(d)
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
		if object[key], err = tokens(d); err != nil {
			return nil, err
		}
	}
	_, err = d.ReadToken()
	return object, err
}
