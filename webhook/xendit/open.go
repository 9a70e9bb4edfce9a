// Package xendit reads the webhooks of Xendit (docs.xendit.co/docs, Webhooks).
//
// It promises no more than that the sender has the verification token, which
// travels in every request: Xendit signs nothing. Nor is an id of the event to be
// believed: one is made of what the event says, so that a request which is sent
// again counts once.
package xendit

import (
	"errors"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the webhook verification tokens of the account. Any of them
	// counts, so that one can be changed while both are in use.
	Secrets []string
	// Order says where in the body the order's id is, as dotted paths with commas
	// between them; the first that is there counts. Empty: data.reference_id and
	// external_id, the merchant's own reference, and of refunds
	// data.metadata.order_id.
	Order string
}

// Provider opens and simulates the webhooks of one account.
type Provider struct {
	*Reader
	tokens [][]byte
}

const (
	mend      = "copy the webhook verification token from Xendit's dashboard (Settings, Webhooks)"
	minSecret = 20 // far below what Xendit gives, and above what can be guessed
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	tokens, err := webhook.Keys("xendit", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	return &Provider{NewReader(o), tokens}, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

const tokenHeader = "X-Callback-Token"

// verify proves that the sender has the token.
func (p *Provider) verify(r webhook.Request) error {
	token, err := webhook.Header(r.Header, tokenHeader)
	if err != nil {
		return err
	}
	if !webhook.SameToken(token, p.tokens) {
		return errors.New("x-callback-token is not the verification token of the dashboard")
	}
	return nil
}
