// Package coinbasecommerce reads the webhooks of Coinbase Commerce
// (docs.cdp.coinbase.com/commerce, Webhooks). Those of Coinbase Business
// Checkout, which follows it, are signed otherwise and not read here.
//
// It promises that an event is Coinbase's own. The signature covers no time, so
// that a captured request can be sent again at any time; as each event has an
// id, the ledger counts it once.
package coinbasecommerce

import (
	"crypto/sha256"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the shared secrets of the account's webhooks. A signature by any
	// of them counts, so that one can be changed while both are in use.
	Secrets []string
	// Order says where in the body the order's id is, as dotted paths with commas
	// between them; the first that is there counts. Empty:
	// event.data.metadata.order_id, event.data.metadata.order,
	// event.data.metadata.custom and event.data.code, the charge's own.
	Order string
}

// Provider opens and simulates the webhooks of one account.
type Provider struct {
	*Reader
	keys [][]byte
}

const (
	mend      = "copy the shared secret from Coinbase Commerce (Settings, Notifications)"
	minSecret = 16 // far below the 36 bytes that Coinbase gives, and above what can be guessed
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("coinbasecommerce", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	return &Provider{NewReader(o), keys}, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

var scheme = webhook.Scheme{Header: "X-Cc-Webhook-Signature", Hash: sha256.New}

// verify proves that Coinbase signed the body.
func (p *Provider) verify(r webhook.Request) error { return scheme.Verify(r, p.keys, r.Body) }
