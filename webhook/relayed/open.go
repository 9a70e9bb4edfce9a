// Package relayed reads webhooks that came by way of a relay, which took them
// from the provider, and signs anew what it passes on: Hookdeck, Svix or Convoy.
//
// It promises that a body is what the relay passed on. That it was the provider's
// is for the relay to prove, which must be told to verify its source. What the
// body says is read by the provider's own Reader; the headers of the provider
// are not signed by any relay, and not looked at.
package relayed

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. A relay and one secret are needed.
type Options struct {
	// Relay is who signs: hookdeck, svix, convoy (its advanced signatures) or
	// convoy-simple.
	Relay string
	// Secrets are the relay's signing secrets, as its dashboard shows them. A
	// signature by any of them counts, so that one can be changed while both are
	// in use.
	Secrets []string
	// Tolerance is how far the signed time may be off, in the past and in the
	// future. 0 means [webhook.DefaultTolerance]. Hookdeck and Convoy's simple
	// signatures have no time.
	Tolerance time.Duration
}

// Provider opens and, where the provider's bodies can be written, simulates what
// a relay passes on.
type Provider struct {
	relay     relay
	inner     webhook.Reader
	keys      [][]byte
	tolerance time.Duration
}

// minSecret is below what any relay gives, and above what can be guessed.
const minSecret = 16

// New returns a Provider of what the relay passes on, whose bodies inner reads.
// Its errors say which setting is wrong and how to mend it, and hold no part of
// a secret.
func New(o Options, inner webhook.Reader) (*Provider, error) {
	relay, known := relays[o.Relay]
	switch {
	case !known:
		return nil, fmt.Errorf("relayed: relay is %q: write one of %s", o.Relay, strings.Join(slices.Sorted(maps.Keys(relays)), ", "))
	case inner == nil:
		return nil, errors.New("relayed: whose webhooks are passed on is not said, or they cannot be read without the provider's headers")
	case o.Tolerance < 0:
		return nil, errors.New("relayed: tolerance is negative: leave it out for 5m")
	case o.Tolerance == 0:
		o.Tolerance = webhook.DefaultTolerance
	}
	p := &Provider{relay: relay, inner: inner, tolerance: o.Tolerance}
	if len(o.Secrets) == 0 {
		return nil, errors.New("relayed: no secrets: anybody could send; " + relay.mend)
	}
	for i, s := range o.Secrets {
		err := webhook.CheckSecret(s, minSecret, relay.mend)
		var key []byte
		if err == nil {
			key, err = relay.key(s)
		}
		if err != nil {
			return nil, fmt.Errorf("relayed: secret %d %w", i+1, err)
		}
		p.keys = append(p.keys, key)
	}
	return p, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	if err := p.relay.verify(p, r); err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	return p.inner.Read(r.Body)
}

// Modeless says whether events do not tell their mode, as the provider's Reader
// has it.
func (p *Provider) Modeless() bool {
	reader, ok := p.inner.(interface{ Modeless() bool })
	return ok && reader.Modeless()
}

// Simulate implements [webhook.Simulator]. It needs an inner [webhook.Writer].
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	writer, ok := p.inner.(webhook.Writer)
	if !ok {
		return webhook.Request{}, errors.New("relayed: cannot simulate: the provider's bodies cannot be written here")
	}
	body, err := writer.Write(s)
	if err != nil {
		return webhook.Request{}, err
	}
	return p.relay.sign(p.keys[0], body, s.SignedAt()), nil
}
