// Package gocardless reads the webhooks of GoCardless
// (developer.gocardless.com/api-reference, Webhooks and Events).
//
// It promises that all events of an opened request are GoCardless's own. The
// signature covers no time, so that a captured request can be sent again at any
// time; as each event has an id, the ledger counts it once.
package gocardless

import (
	"crypto/sha256"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the secrets of the webhook endpoint, as they were given when it
	// was made. A signature by any of them counts, so that one can be changed
	// while both are in use.
	Secrets []string
	// Order says where in an event the order's id is, as dotted paths with commas
	// between them; the first that is there counts. Empty:
	// resource_metadata.order_id, resource_metadata.order, metadata.order_id and
	// metadata.order.
	Order string
}

// Provider opens and simulates the webhooks of one endpoint at GoCardless.
type Provider struct {
	*Reader
	keys [][]byte
}

const mend = "copy the secret of the webhook endpoint from GoCardless's dashboard (Developers, Webhooks)"

// minSecret is below the 36 bytes of the secrets that GoCardless proposes, and
// above what can be guessed; merchants may choose their own.
const minSecret = 16

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("gocardless", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	return &Provider{NewReader(o), keys}, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

var scheme = webhook.Scheme{Header: "Webhook-Signature", Hash: sha256.New}

// verify proves that GoCardless signed the body.
func (p *Provider) verify(r webhook.Request) error { return scheme.Verify(r, p.keys, r.Body) }
