// Package square reads the webhooks of Square
// (developer.squareup.com/docs/webhooks).
//
// It promises that an event is Square's own and was meant for this address:
// Square signs the notification URL together with the body. No time is signed;
// an event that is sent again has the same id.
package square

import (
	"crypto/sha256"
	"errors"
	"net/url"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the signature keys of the subscription. A signature by any of
	// them counts.
	Secrets []string
	// URL is the notification URL, exactly as it is registered at Square. Empty:
	// the address as Square called it, which is another where a proxy changes it.
	URL string
	// Order says where in the body the order's id is, as dotted paths with
	// commas between them; the first that is there counts. Empty:
	// data.object.payment.reference_id, then data.object.payment.order_id,
	// which is Square's own.
	Order string
}

// Provider opens and simulates the webhooks of one subscription.
type Provider struct {
	keys   [][]byte
	url    string
	orders []string
}

const (
	minSecret = 16 // of 22 characters or more
	mend      = "copy the signature key of the webhook subscription from Square's developer console"
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("square", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(o.URL); o.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		return nil, errors.New("square: url is not an address: write the notification URL as it is registered at Square, https://…")
	}
	p := &Provider{keys: keys, url: o.URL, orders: webhook.Paths(o.Order)}
	if len(p.orders) == 0 {
		p.orders = []string{"data.object.payment.reference_id", "data.object.payment.order_id"}
	}
	return p, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

var scheme = webhook.Scheme{Header: "X-Square-Hmacsha256-Signature", Hash: sha256.New, Base64: true}

// verify proves that Square signed the address and the body. An older header
// with SHA-1 is not looked at.
func (p *Provider) verify(r webhook.Request) error {
	address := p.url
	if address == "" {
		address = r.URL
	}
	err := scheme.Verify(r, p.keys, []byte(address), r.Body)
	if errors.Is(err, webhook.ErrMismatch) {
		return errors.New("no signature matches: the key is another subscription's, the notification URL is not the registered one, " +
			"or the body was changed on the way")
	}
	return err
}

// Modeless says that events do not tell their mode. Sandbox and production have
// subscriptions of their own.
func (p *Provider) Modeless() bool { return true }
