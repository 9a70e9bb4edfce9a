// Package checkout reads the webhooks of Checkout.com
// (checkout.com/docs/developer-resources/webhooks).
//
// It promises that a body is Checkout.com's own. No time is signed; an event
// that is sent again has the same id.
package checkout

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the signature keys of the webhook action in the workflow. A
	// signature by any of them counts.
	Secrets []string
	// AuthorizationSecret is the text of the Authorization header that was set for
	// the webhook beside the signature. Empty: the header is not looked at.
	AuthorizationSecret string
	// Order says where in the body the order's id is, as dotted paths with
	// commas between them; the first that is there counts. Empty:
	// data.reference, then data.metadata.order_id.
	Order string
}

// Provider opens and simulates the webhooks of one workflow.
type Provider struct {
	keys          [][]byte
	authorization string
	orders        []string
}

const (
	minSecret = 16
	mend      = "copy the signature key of the webhook action from Checkout.com's dashboard"
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("checkout", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	p := &Provider{keys: keys, authorization: o.AuthorizationSecret, orders: webhook.Paths(o.Order)}
	if len(p.orders) == 0 {
		p.orders = []string{"data.reference", "data.metadata.order_id"}
	}
	return p, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

var scheme = webhook.Scheme{Header: "Cko-Signature", Hash: sha256.New}

func (p *Provider) verify(r webhook.Request) error {
	if p.authorization != "" {
		given, err := webhook.Header(r.Header, "Authorization")
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(given), []byte(p.authorization)) != 1 {
			return errors.New("the Authorization header is another than the configured one")
		}
	}
	return scheme.Verify(r, p.keys, r.Body)
}
