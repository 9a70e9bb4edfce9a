// Package woocommerce reads the webhooks of WooCommerce
// (github.com/woocommerce/woocommerce, class-wc-webhook.php).
//
// It promises that a body is the shop's own. Headers are not signed, and a
// delivery's id is new with each, so that events are named by what the body says.
// WooCommerce sends once: what was not taken is not sent again.
package woocommerce

import (
	"bytes"
	"crypto/sha256"
	"strings"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are those of the webhooks under WooCommerce, Settings, Advanced,
	// Webhooks. A signature by any of them counts.
	Secrets []string
	// Order says where in the shop's order the order's id is, as paths with
	// commas between them; the first that is there counts: number, order_key,
	// transaction_id, meta_data.<key> … Empty: id.
	Order string
}

// Provider opens and simulates the webhooks of one shop.
type Provider struct {
	keys   [][]byte
	orders []string
}

const (
	minSecret = 16 // WooCommerce makes 50 characters where none is given
	mend      = "copy the secret of the webhook under WooCommerce, Settings, Advanced, Webhooks"
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("woocommerce", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	for i := range keys { // as WordPress does before it signs
		keys[i] = []byte(entities.Replace(string(keys[i])))
	}
	p := &Provider{keys: keys, orders: webhook.Paths(o.Order)}
	if len(p.orders) == 0 {
		p.orders = []string{"id"}
	}
	return p, nil
}

var entities = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&#039;", "'")

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

var scheme = webhook.Scheme{Header: "X-Wc-Webhook-Signature", Hash: sha256.New, Base64: true}

func (p *Provider) verify(r webhook.Request) error { return scheme.Verify(r, p.keys, r.Body) }

// Greeting implements [webhook.Greeter]: when a webhook is made active, the shop
// posts its number, unsigned, and wants 200.
func (p *Provider) Greeting(r webhook.Request) bool {
	number, ok := bytes.CutPrefix(r.Body, []byte("webhook_id="))
	return ok && len(r.Header.Values(scheme.Header)) == 0 && len(number) > 0 && len(number) <= 20 && len(bytes.Trim(number, "0123456789")) == 0
}

// MediaTypes implements [webhook.MediaTyper]: a greeting is a form.
func (p *Provider) MediaTypes() []string {
	return []string{"application/json", "application/x-www-form-urlencoded"}
}

// Modeless says that events do not tell their mode. A shop does not say whether a
// payment was a test.
func (p *Provider) Modeless() bool { return true }
