package webhooktest

import (
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
		if r.URL == "" {
			r.URL = "/webhooks/shop"
		}
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

// FuzzRead runs [FuzzRead] from these bodies.
func (c Case) FuzzRead(f *testing.F, bodies map[string]string) {
	p, err := c.New(c.Secrets[0])
	if err != nil {
		f.Fatal(err)
	}
	FuzzRead(f, p, bodies, func(body []byte) webhook.Request { return c.Sign(c.Secrets[0], body, at) })
}

// Benchmark runs [Bench] on the case's body. Where the body is not signed,
// nothing of it is refused, and only opening it is measured.
func (c Case) Benchmark(b *testing.B) {
	p, err := c.New(c.Secrets[0])
	if err != nil {
		b.Fatal(err)
	}
	sign := func(body []byte) webhook.Request { return c.Sign(c.Secrets[0], body, at) }
	if !c.Static {
		Bench(b, p, c.Body, sign)
		return
	}
	r := sign([]byte(padded(c.Body)))
	b.SetBytes(int64(len(r.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Open(r); err != nil {
			b.Fatal(err)
		}
	}
}
