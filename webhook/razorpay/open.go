// Package razorpay reads the webhooks of Razorpay (razorpay.com/docs/webhooks).
//
// It promises that a body is Razorpay's own. The header with the event's id is
// not signed, so that events are named by what the body says. No time is signed.
package razorpay

import (
	"crypto/sha256"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the webhook's, which whoever made it thought of: not the API
	// key's. A signature by any of them counts: what was first sent before a
	// secret was changed is sent again with the old one.
	Secrets []string
	// Order says where in the body the order's id is, as dotted paths with
	// commas between them; the first that is there counts. Empty: order_id or
	// order in the notes of the payment, the order or the payment link, the
	// payment link's reference_id, then Razorpay's own id of the order.
	Order string
}

// Provider opens and simulates the webhooks of one account.
type Provider struct {
	keys   [][]byte
	orders []string
}

const (
	minSecret = 12 // people write them by hand
	mend      = "copy the secret that was set for the webhook in Razorpay's dashboard, and make it a long random one"
)

var defaultOrders = webhook.Paths("payload.payment.entity.notes.order_id, payload.payment.entity.notes.order, " +
	"payload.order.entity.notes.order_id, payload.payment_link.entity.notes.order_id, payload.payment_link.entity.reference_id, " +
	"payload.payment.entity.order_id, payload.order.entity.id")

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("razorpay", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	p := &Provider{keys: keys, orders: webhook.Paths(o.Order)}
	if len(p.orders) == 0 {
		p.orders = defaultOrders
	}
	return p, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

var scheme = webhook.Scheme{Header: "X-Razorpay-Signature", Hash: sha256.New}

func (p *Provider) verify(r webhook.Request) error { return scheme.Verify(r, p.keys, r.Body) }

// Modeless says that events do not tell their mode. Each mode has webhooks of its
// own.
func (p *Provider) Modeless() bool { return true }
