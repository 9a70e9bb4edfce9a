package webhook

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

func TestKeysSayWhichSecretIsWrong(t *testing.T) {
	const good = "k7Qp2vXz9Lm4Rt8Wn1Bc6Yd3"
	if keys, err := Keys("acme", []string{good}, 16, "copy it"); err != nil || string(keys[0]) != good {
		t.Errorf("%q, %v", keys, err)
	}
	for want, secrets := range map[string][]string{
		"acme: no secrets: anybody could send; copy it": nil,
		"acme: secret 2 is empty; copy it":              {good, ""},
		"acme: secret 1 has 10 bytes":                   {"aB3dE5fG7h"},
	} {
		if _, err := Keys("acme", secrets, 16, "copy it"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestNothingIsReadBeforeTheSenderIsProved(t *testing.T) {
	read := func([]byte) ([]order.Event, error) {
		t.Error("read")
		return nil, nil
	}
	if _, err := OpenWith(Request{}, func(Request) error { return errors.New("no") }, read); !errors.Is(err, ErrUnverified) {
		t.Error(err)
	}
	wrong := func([]byte) ([]order.Event, error) {
		return []order.Event{{ID: "e1", Kind: order.KindNote}, {ID: "e2", Kind: "other"}}, nil
	}
	if events, err := OpenWith(Request{}, func(Request) error { return nil }, wrong); !errors.Is(err, ErrUnreadable) || events != nil {
		t.Errorf("%v, %v", events, err)
	}
}

func TestSchemes(t *testing.T) {
	key, body := []byte("k7Qp2vXz9Lm4Rt8Wn1Bc6Yd3"), []byte(`{}`)
	for _, s := range []Scheme{{"X-Signature", sha256.New, false}, {"X-Signature", sha256.New, true}} {
		r := Request{Header: http.Header{"X-Signature": {s.Sign(key, []byte("a"), body)}}}
		if err := s.Verify(r, [][]byte{key}, []byte("a"), body); err != nil {
			t.Error(err)
		}
		if err := s.Verify(r, [][]byte{key}, body); !errors.Is(err, ErrMismatch) {
			t.Error(err)
		}
		for _, text := range []string{"", "=", r.Header.Get("X-Signature") + "\n", strings.Repeat("-", 64), strings.Repeat("_", 44)} {
			r.Header.Set("X-Signature", text)
			if err := s.Verify(r, [][]byte{key}, []byte("a"), body); err == nil || errors.Is(err, ErrMismatch) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

func TestFirstOfPaths(t *testing.T) {
	o, err := strictjson.ParseObject([]byte(`{"a":"","b":null,"c":820982911946154508,"d":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := First(o, "a", "b", "e.f", "c", "d"); got != "820982911946154508" {
		t.Error(got)
	}
	if got := Paths(" a.b , ,c"); !slices.Equal(got, []string{"a.b", "c"}) {
		t.Error(got)
	}
	if BodyID("n-", []byte("1")) == BodyID("n-", []byte("2")) {
		t.Error("two bodies, one id")
	}
	if _, err := Currency("EURO"); err == nil {
		t.Error("no such currency")
	}
}

func TestRescale(t *testing.T) {
	for _, c := range []struct {
		text     string
		from, to int
		want     int64
	}{{"9900", 2, 2, 9900}, {"9900", 2, 0, 99}, {"99", 0, 2, 9900}, {"12340", 3, 3, 12340}, {"0", 2, 0, 0}} {
		if got, err := Rescale(c.text, c.from, c.to); err != nil || got != c.want {
			t.Errorf("%s from %d to %d: %d, %v", c.text, c.from, c.to, got, err)
		}
	}
	for _, text := range []string{"9950", "99.00", "", "-1", "1e-70", "x"} {
		if got, err := Rescale(text, 2, 0); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestListed(t *testing.T) {
	o, err := strictjson.ParseObject([]byte(`{"meta":[1,{"key":"a","value":null},{"key":"b","value":7}],"other":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "", "b": "7", "c": ""} {
		if got := Listed(o, "meta", "key", name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if Listed(o, "other", "key", "b") != "" {
		t.Error("an object is read as a list")
	}
}
