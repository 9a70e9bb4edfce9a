package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
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

// Whatever is accepted, the standard library accepts too.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,"b",null,true,{"c":1e5}]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Parse(data); err == nil && !json.Valid(data) {
			t.Errorf("accepted %q", data)
		}
	})
}
