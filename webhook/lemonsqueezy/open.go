// Package lemonsqueezy reads the webhooks of Lemon Squeezy
// (docs.lemonsqueezy.com/help/webhooks).
//
// It promises that an event is Lemon Squeezy's own. The signature covers no time
// and an event has no id: one is made of what the event says, so that a request
// that is sent again counts once.
package lemonsqueezy

import (
	"crypto/sha256"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the signing secrets of the webhook, which the merchant chooses.
	// A signature by any of them counts, so that one can be changed while both
	// are in use.
	Secrets []string
	// Order says where in the body the order's id is, as dotted paths with commas
	// between them; the first that is there counts. Empty:
	// meta.custom_data.order_id and meta.custom_data.order, which the checkout
	// was made with.
	Order string
}

// Provider opens and simulates the webhooks of one store.
type Provider struct {
	*Reader
	keys [][]byte
}

const (
	mend      = "set a signing secret of 16 to 40 random characters in Lemon Squeezy (Settings, Webhooks), and write it here"
	minSecret = 16
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("lemonsqueezy", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	return &Provider{NewReader(o), keys}, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

var scheme = webhook.Scheme{Header: "X-Signature", Hash: sha256.New}

// verify proves that Lemon Squeezy signed the body. The header with the event's
// name is not signed, and not looked at.
func (p *Provider) verify(r webhook.Request) error { return scheme.Verify(r, p.keys, r.Body) }
