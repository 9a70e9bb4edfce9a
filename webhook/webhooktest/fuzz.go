package webhooktest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/paybell/paybell/webhook"
)

// Fuzz changes genuine requests, and fails when one with another body is still
// believed, or when Open panics. The named header, which carries the signature,
// is changed as well.
func Fuzz(f *testing.F, p webhook.Provider, header string, seeds ...webhook.Request) {
	for i, seed := range seeds {
		if _, err := p.Open(seed); errors.Is(err, webhook.ErrUnverified) {
			f.Fatalf("seed %d is not genuine: %v", i, err)
		}
		f.Add(i, seed.Body, seed.Header.Get(header))
	}
	f.Fuzz(func(t *testing.T, i int, body []byte, value string) {
		if i < 0 || i >= len(seeds) {
			return
		}
		r := seeds[i]
		r.Body, r.Header = body, r.Header.Clone()
		r.Header.Set(header, value)
		events, err := p.Open(r)
		genuine := false
		for _, seed := range seeds {
			genuine = genuine || bytes.Equal(seed.Body, body)
		}
		switch {
		case errors.Is(err, webhook.ErrUnverified) && events == nil:
		case !genuine:
			t.Fatalf("a body that nobody signed is believed: %d events, %v", len(events), err)
		case err != nil && !errors.Is(err, webhook.ErrUnreadable):
			t.Fatalf("neither ErrUnverified nor ErrUnreadable: %v", err)
		}
	})
}
