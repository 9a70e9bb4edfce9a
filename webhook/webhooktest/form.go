package webhooktest

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"testing"

	"github.com/paybell/paybell/webhook"
)

// Forms checks what must be refused of any signed form, where [Suite], which is
// of JSON, does not fit: the named fields, of which each must be there, and once;
// and what is no form. The genuine request is one with these fields.
func Forms(t *testing.T, p webhook.Provider, genuine webhook.Request, fields ...string) {
	form, err := url.ParseQuery(string(genuine.Body))
	if err != nil {
		t.Fatal(err)
	}
	genuine.Body = []byte(form.Encode())
	if _, err := p.Open(genuine); err != nil {
		t.Fatalf("the genuine form is refused: %v", err)
	}
	refuse := func(name, body string) {
		t.Run(name, func(t *testing.T) {
			r := genuine
			r.Body = []byte(body)
			if events, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) || events != nil {
				t.Errorf("got %d events, %v; want ErrUnverified", len(events), err)
			}
		})
	}
	for _, field := range fields {
		value := form.Get(field)
		if value == "" {
			t.Fatalf("the genuine form has no %s", field)
		}
		with := func(name string, values ...string) string {
			changed := maps.Clone(form)
			if delete(changed, field); len(values) > 0 {
				changed[name] = values
			}
			return changed.Encode()
		}
		refuse("No"+field, with(field))
		refuse("Empty"+field, with(field, ""))
		refuse("Half"+field, with(field, value[:len(value)/2]))
		refuse("Longer"+field, with(field, value+"x"))
		refuse("Renamed"+field, with(field+"x", value))
		refuse("Repeated"+field, with(field, value, value))
		refuse("TwoOf"+field, with(field, value, ""))
		refuse("AnotherFirst"+field, with(field, "1", value))
		refuse("AnotherEscaped"+field, fmt.Sprintf("%s&%%%02X%s=1", form.Encode(), field[0], field[1:]))
	}
	for name, body := range map[string]string{
		"Empty": "", "JSON": `{"status":"paid"}`, "NoEscape": form.Encode() + "&a=%zz", "HalfAnEscape": form.Encode() + "%2", "Semicolon": form.Encode() + ";a=1",
		"EscapedTwice": url.QueryEscape(form.Encode()),
	} {
		refuse(name, body)
	}
}

// FuzzSame changes a genuine request, and fails when one is believed that says
// anything else: there are several ways to write one form. The others are where
// it begins besides.
func FuzzSame(f *testing.F, p webhook.Provider, genuine webhook.Request, others ...webhook.Request) {
	want, err := p.Open(genuine)
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range append(others, genuine) {
		f.Add(r.Body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := genuine
		r.Body = body
		if events, err := p.Open(r); err == nil && !slices.Equal(events, want) {
			t.Errorf("believed: %+v", events)
		}
	})
}
