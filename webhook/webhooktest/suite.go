// Package webhooktest holds what every provider must refuse, and how what it
// accepts is written down. A provider's tests run it against the provider as
// production builds it; there is nothing in it that stands for a real part.
package webhooktest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Case is one provider, for [Suite].
type Case struct {
	// New builds the provider with these secrets, as the configuration lists
	// them.
	New func(secrets ...string) (webhook.Provider, error)
	// Secrets are three that New takes, all different.
	Secrets [3]string
	// Sign returns the request that the sender would make with this secret, of
	// this body and at this time. Its At is at.
	Sign func(secret string, body []byte, at time.Time) webhook.Request
	// Body is a JSON object that the provider reads as one event or more.
	Body string
	// Headers are those that a request must have exactly once, the signature's
	// first.
	Headers []string
	// Several says that the first of these headers may come several times, with a
	// signature by each secret while one is changed.
	Several bool
	// Timed says that the provider signs a time, which must be within
	// [webhook.DefaultTolerance].
	Timed bool
	// Static says that the body is not signed: a token alone proves the sender, or
	// what is signed is in the address.
	Static bool
	// Forgeries are what this scheme alone must refuse, by name: each changes a
	// genuine request, signed with the first secret, into one that no longer is.
	Forgeries map[string]func(*webhook.Request)
}

// canary is in every body that the suite sends, and must be in no error.
const canary = "canary-4c1f9b"

// at is when the suite's requests are signed and received.
var at = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// Suite runs the refusals that all providers share.
func Suite(t *testing.T, c Case) {
	t.Run("secrets", c.secrets)
	t.Run("genuine", c.genuine)
	t.Run("forged", c.forged)
	if c.Timed {
		t.Run("time", c.window)
	}
	t.Run("unreadable", c.unreadable)
}

func (c Case) provider(t *testing.T, secrets ...string) webhook.Provider {
	t.Helper()
	p, err := c.New(secrets...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return p
}

// body is the case's body with the canary and, before it, other members in it.
func (c Case) body(members string) []byte {
	return []byte(strings.Replace(c.Body, "{", `{`+members+`"webhooktest":"`+canary+`",`, 1))
}

// request is a genuine one, which a test may change.
func (c Case) request() webhook.Request { return c.Sign(c.Secrets[0], c.body(""), at) }

// open opens a request, and checks what Open promises whatever the request is.
func (c Case) open(t *testing.T, p webhook.Provider, r webhook.Request) ([]order.Event, error) {
	t.Helper()
	events, err := p.Open(r)
	if err == nil {
		for _, e := range events {
			if e.Source != "" {
				t.Error("Source is set")
			}
			e.Source = "webhooktest"
			if err := e.Check(); err != nil {
				t.Errorf("an event that the ledger refuses: %v", err)
			}
		}
		return events, nil
	}
	if events != nil {
		t.Error("events beside an error")
	}
	if errors.Is(err, webhook.ErrUnverified) == errors.Is(err, webhook.ErrUnreadable) {
		t.Errorf("not one of ErrUnverified and ErrUnreadable: %v", err)
	}
	c.quiet(t, err, r)
	return nil, err
}

// quiet fails when an error quotes a secret, a signature or the body.
func (c Case) quiet(t *testing.T, err error, r webhook.Request) {
	t.Helper()
	hidden := append([]string{canary}, c.Secrets[:]...)
	for _, name := range c.Headers {
		hidden = append(hidden, r.Header.Values(name)...)
	}
	for _, text := range hidden {
		if len(text) > 3 && strings.Contains(err.Error(), text) {
			t.Errorf("the error quotes what must stay hidden: %v", err)
		}
	}
}

func (c Case) wantUnverified(t *testing.T, p webhook.Provider, r webhook.Request) {
	t.Helper()
	if events, err := c.open(t, p, r); !errors.Is(err, webhook.ErrUnverified) {
		t.Errorf("got %d events, %v; want ErrUnverified", len(events), err)
	}
}

func (c Case) wantUnreadable(t *testing.T, p webhook.Provider, r webhook.Request) {
	t.Helper()
	if events, err := c.open(t, p, r); !errors.Is(err, webhook.ErrUnreadable) {
		t.Errorf("got %d events, %v; want ErrUnreadable", len(events), err)
	}
}

// secrets checks that a source cannot be open by accident.
func (c Case) secrets(t *testing.T) {
	for name, secrets := range map[string][]string{
		"none":             nil,
		"empty":            {""},
		"empty beside one": {c.Secrets[0], ""},
		"white space":      {"   "},
		"placeholder":      {"changeme"},
		"placeholder too":  {"whsec_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
		"too short":        {"aB3"},
	} {
		p, err := c.New(secrets...)
		if err == nil {
			t.Errorf("%s: New accepts it and returns %T", name, p)
			continue
		}
		for _, s := range secrets {
			if len(strings.TrimSpace(s)) > 2 && strings.Contains(err.Error(), s) {
				t.Errorf("%s: the error quotes a secret: %v", name, err)
			}
		}
	}
}

func (c Case) genuine(t *testing.T) {
	one := c.provider(t, c.Secrets[0])
	events, err := c.open(t, one, c.request())
	if err != nil || len(events) == 0 {
		t.Fatalf("got %d events, %v", len(events), err)
	}
	again, err := c.open(t, one, c.request())
	if err != nil || !slices.Equal(again, events) {
		t.Errorf("the same request, opened again: %v, %v; want %v", again, err, events)
	}
	rotating := c.provider(t, c.Secrets[0], c.Secrets[1])
	for _, secret := range c.Secrets[:2] {
		if _, err := c.open(t, rotating, c.Sign(secret, c.body(""), at)); err != nil {
			t.Errorf("while the secret is changed, one of the two is refused: %v", err)
		}
	}
	c.wantUnverified(t, rotating, c.Sign(c.Secrets[2], c.body(""), at))
}

func (c Case) forged(t *testing.T) {
	p := c.provider(t, c.Secrets[0])
	refuse := func(name string, change func(*webhook.Request)) {
		t.Run(name, func(t *testing.T) {
			r := c.request()
			change(&r)
			c.wantUnverified(t, p, r)
		})
	}
	refuse("AnotherSecret", func(r *webhook.Request) { *r = c.Sign(c.Secrets[2], r.Body, at) })
	if !c.Static {
		c.forgedBody(t, p, refuse)
	}
	refuse("NoHeaders", func(r *webhook.Request) { r.Header = nil })
	for i, name := range c.Headers {
		value := c.request().Header.Get(name)
		refuse("No"+name, func(r *webhook.Request) { r.Header.Del(name) })
		refuse("Empty"+name, func(r *webhook.Request) { r.Header.Set(name, "") })
		if i > 0 || !c.Several {
			refuse("Repeated"+name, func(r *webhook.Request) { r.Header.Add(name, value) })
		}
		refuse("TwoOf"+name, func(r *webhook.Request) { r.Header.Add(name, "") })
		refuse("Garbage"+name, func(r *webhook.Request) { r.Header.Set(name, "\x00=,;%ff"+strings.Repeat("=,", 2000)) })
		refuse("Half"+name, func(r *webhook.Request) { r.Header.Set(name, value[:len(value)/2]) })
	}
	for name, change := range c.Forgeries {
		refuse(name, change)
	}
}

// forgedBody checks that not a byte of the body can be changed.
func (c Case) forgedBody(t *testing.T, p webhook.Provider, refuse func(string, func(*webhook.Request))) {
	refuse("TruncatedBody", func(r *webhook.Request) { r.Body = r.Body[:len(r.Body)-1] })
	refuse("AppendedByte", func(r *webhook.Request) { r.Body = append(r.Body, '\n') })
	refuse("PrependedByte", func(r *webhook.Request) { r.Body = append([]byte{' '}, r.Body...) })
	refuse("EmptyBody", func(r *webhook.Request) { r.Body = nil })
	refuse("ReserializedBody", func(r *webhook.Request) {
		r.Body = []byte(strings.Replace(string(r.Body), `":"`, `": "`, 1))
	})
	t.Run("ChangedByte", func(t *testing.T) {
		for i := range c.request().Body {
			r := c.request()
			r.Body[i] ^= 1
			c.wantUnverified(t, p, r)
		}
	})
}

// window checks that the signed time counts, on both sides.
func (c Case) window(t *testing.T) {
	p := c.provider(t, c.Secrets[0])
	for _, off := range []time.Duration{-webhook.DefaultTolerance, 0, webhook.DefaultTolerance} {
		r := c.Sign(c.Secrets[0], c.body(""), at.Add(off))
		r.At = at
		if _, err := c.open(t, p, r); err != nil {
			t.Errorf("signed %v from now: %v", off, err)
		}
	}
	for _, off := range []time.Duration{-time.Second, time.Second, time.Hour, -1000 * time.Hour, 1000 * time.Hour} {
		off += off / off.Abs() * webhook.DefaultTolerance
		r := c.Sign(c.Secrets[0], c.body(""), at.Add(off))
		r.At = at
		c.wantUnverified(t, p, r)
	}
}

// unreadable checks that what is signed and makes no sense is told apart from
// what is forged, and never half read.
func (c Case) unreadable(t *testing.T) {
	p := c.provider(t, c.Secrets[0])
	for name, body := range map[string][]byte{
		"Empty":            {},
		"NotJSON":          []byte(canary),
		"NotAnObject":      []byte(`["` + canary + `"]`),
		"Null":             []byte(`null`),
		"CutShort":         []byte(strings.TrimSuffix(string(c.body("")), "}")),
		"DuplicateName":    c.body(`"a":1,"a":1,`),
		"SameNameEscaped":  c.body(`"a":1,"\u0061":1,`),
		"DuplicateInside":  c.body(`"a":{"b":[{"c":1,"c":2}]},`),
		"TrailingObject":   append(c.body(""), `{}`...),
		"TrailingGarbage":  append(c.body(""), canary...),
		"InvalidUTF8":      c.body("\"a\":\"\xff\xfe\","),
		"LoneSurrogate":    c.body(`"a":"\ud800",`),
		"ByteOrderMark":    append([]byte("\xef\xbb\xbf"), c.body("")...),
		"Nested70Deep":     c.body(`"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `,`),
		"Nested100000Deep": []byte(strings.Repeat(`{"a":`, 100_000)),
		"NaN":              c.body(`"a":NaN,`),
		"LeadingZero":      c.body(`"a":01,`),
		"Comment":          c.body(`/* ` + canary + ` */`),
	} {
		t.Run(name, func(t *testing.T) { c.wantUnreadable(t, p, c.Sign(c.Secrets[0], body, at)) })
	}
	t.Run("HugeNumbers", func(t *testing.T) {
		for _, number := range []string{"1e999999", "-1e-999999", strings.Repeat("9", 10_000), "0." + strings.Repeat("1", 10_000)} {
			c.open(t, p, c.Sign(c.Secrets[0], c.body(`"a":`+number+`,`), at))
			for i, digit := range c.Body { // in place of every number that is there
				if digit < '0' || digit > '9' || !strings.ContainsRune(":[", rune(c.Body[i-1])) {
					continue
				}
				rest := strings.TrimLeft(c.Body[i:], "0123456789.")
				c.open(t, p, c.Sign(c.Secrets[0], []byte(c.Body[:i]+number+rest), at))
			}
		}
	})
}
