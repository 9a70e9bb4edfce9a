package webhooktest

import (
	"errors"
	"testing"

	"github.com/paybell/paybell/webhook"
)

// What else a [Case] is good for, besides [Suite].

// Recorded checks that the bodies, by the names of their cases, are dir's
// requests when the sender signs them with the first secret, and what opening
// those gives (see [Record] and [Golden]).
func (c Case) Recorded(t *testing.T, dir string, bodies map[string]string) {
	for name, body := range bodies {
		r := c.Sign(c.Secrets[0], []byte(body), at)
		r.URL = "/webhooks/shop"
		Record(t, dir, name, r)
	}
	Golden(t, c.provider(t, c.Secrets[0]), dir, at)
}

// SignsWithTheFirst checks that a provider with several secrets simulates with
// the first of them.
func (c Case) SignsWithTheFirst(t *testing.T, s webhook.Simulation) {
	if s.At.IsZero() {
		s.At = at
	}
	r, err := c.provider(t, c.Secrets[:2]...).(webhook.Simulator).Simulate(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.open(t, c.provider(t, c.Secrets[0]), r); err != nil {
		t.Errorf("not signed with the first secret: %v", err)
	}
	c.wantUnverified(t, c.provider(t, c.Secrets[1]), r)
}

// Fuzz runs [Fuzz] from requests with these bodies and the case's own.
func (c Case) Fuzz(f *testing.F, bodies ...string) {
	p, err := c.New(c.Secrets[0])
	if err != nil {
		f.Fatal(err)
	}
	seeds := []webhook.Request{c.Sign(c.Secrets[0], []byte(c.Body), at)}
	for _, body := range bodies {
		seeds = append(seeds, c.Sign(c.Secrets[0], []byte(body), at))
	}
	Fuzz(f, p, c.Headers[0], seeds...)
}

// FuzzRead gives a Reader any body, and fails when it panics or makes of it an
// event that the ledger refuses.
func FuzzRead(f *testing.F, reader webhook.Reader, bodies ...string) {
	for _, body := range bodies {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := reader.Read(body)
		if err != nil && !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("not ErrUnreadable: %v", err)
		}
		for _, e := range events {
			e.Source = "webhooktest"
			if e.ID == "" {
				t.Error("an event without an id")
			}
			if err := e.Check(); err != nil {
				t.Errorf("an event that the ledger refuses: %v", err)
			}
		}
	})
}

// Benchmark opens a genuine request of about 4 KB over and over (see [Bench]).
func (c Case) Benchmark(b *testing.B) {
	p, err := c.New(c.Secrets[0])
	if err != nil {
		b.Fatal(err)
	}
	Bench(b, p, c.Body, func(body []byte) webhook.Request { return c.Sign(c.Secrets[0], body, at) })
}
