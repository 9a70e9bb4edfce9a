// Package paystack reads the webhooks of Paystack
// (paystack.com/docs/payments/webhooks).
//
// It promises that a body is Paystack's own. Events have no ids and no signed
// time; they are named by what the body says, so that one that is sent again
// counts once.
package paystack

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the secret API keys, sk_live_… or sk_test_…: with them
	// Paystack signs. A signature by any of them counts.
	Secrets []string
	// Order says where in the body the order's id is, as dotted paths with
	// commas between them; the first that is there counts. Empty:
	// data.metadata.order_id, then data.reference, which the shop chooses.
	Order string
}

// Provider opens and simulates the webhooks of one account.
type Provider struct {
	keys   [][]byte
	orders []string
}

const (
	minSecret = 24 // of 48
	mend      = "copy the secret key (sk_live_… or sk_test_…) from Paystack's dashboard"
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("paystack", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	for i, secret := range o.Secrets {
		if strings.HasPrefix(secret, "pk_") {
			return nil, fmt.Errorf("paystack: secret %d %w", i+1, errors.New("is a public key, which everybody has; "+mend))
		}
	}
	p := &Provider{keys: keys, orders: webhook.Paths(o.Order)}
	if len(p.orders) == 0 {
		p.orders = []string{"data.metadata.order_id", "data.reference"}
	}
	return p, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

var scheme = webhook.Scheme{Header: "X-Paystack-Signature", Hash: sha512.New}

func (p *Provider) verify(r webhook.Request) error { return scheme.Verify(r, p.keys, r.Body) }
