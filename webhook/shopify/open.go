// Package shopify reads the webhooks of Shopify (shopify.dev/docs/apps/build/webhooks).
//
// It promises that a body is Shopify's own. The headers are not signed: the
// topic, the shop and the ids of delivery are whatever the sender wrote, so that
// what a body means and how its events are named comes from the body alone.
package shopify

import (
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the client secret of the app that made the subscription or,
	// for webhooks that were made by hand, the key that the admin shows under
	// Settings, Notifications, Webhooks. A signature by any of them counts.
	Secrets []string
	// Order says where in Shopify's order the order's id is, as paths with
	// commas between them; the first that is there counts:
	// name, order_number, checkout_token, note_attributes.<name>, … Empty: id,
	// Shopify's own number.
	Order string
	// Presentment says that amounts are those which the customer saw, in the
	// customer's currency. Else they are in the shop's.
	Presentment bool
}

// Provider opens and simulates the webhooks of one shop.
type Provider struct {
	keys        [][]byte
	orders      []string
	presentment bool
}

const (
	minSecret = 24 // of 32 hexadecimal digits or more
	mend      = "copy the app's client secret, or the key under Settings, Notifications, Webhooks in the shop's admin"
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("shopify", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	p := &Provider{keys: keys, orders: webhook.Paths(o.Order), presentment: o.Presentment}
	if len(p.orders) == 0 {
		p.orders = []string{"id"}
	}
	return p, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

var scheme = webhook.Scheme{Header: "X-Shopify-Hmac-Sha256", Hash: sha256.New, Base64: true}

// newer is the header's name in deliveries of the newer kind.
const newer = "Shopify-Hmac-Sha256"

func (p *Provider) verify(r webhook.Request) error {
	s := scheme
	if len(r.Header.Values(newer)) > 0 {
		if len(r.Header.Values(s.Header)) > 0 {
			return errors.New("both " + s.Header + " and " + newer)
		}
		s.Header = newer
	}
	return s.Verify(r, p.keys, r.Body)
}

func (p *Provider) sign(body []byte) http.Header {
	return http.Header{"Content-Type": {"application/json"}, scheme.Header: {scheme.Sign(p.keys[0], body)}}
}
