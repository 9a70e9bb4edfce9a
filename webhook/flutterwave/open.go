// Package flutterwave reads the webhooks of Flutterwave, of its versions 3 and 4
// (developer.flutterwave.com/docs/webhooks).
//
// Of version 4 it promises that an event is Flutterwave's own. Of version 3 it
// promises no more than that the sender has the secret hash, which travels in
// every request: the body is not signed. Neither signs a time nor gives an event
// an id: one is made of what the event says, so that a request which is sent
// again counts once.
package flutterwave

import (
	"crypto/sha256"
	"errors"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the secret hashes of the account, which the merchant chooses.
	// Any of them counts, so that one can be changed while both are in use.
	Secrets []string
	// SignedOnly refuses requests that have no signature, as those of version 3.
	SignedOnly bool
	// Order says where in the body the order's id is, as dotted paths with commas
	// between them; the first that is there counts. Empty: data.tx_ref,
	// data.reference and txRef, the merchant's own reference.
	Order string
}

// Provider opens and simulates the webhooks of one account.
type Provider struct {
	*Reader
	keys       [][]byte
	signedOnly bool
}

const (
	mend      = "set a secret hash of 16 random characters or more in Flutterwave's dashboard (Settings, Webhooks), and write it here"
	minSecret = 16
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("flutterwave", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	return &Provider{NewReader(o), keys, o.SignedOnly}, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

const tokenHeader = "Verif-Hash"

var scheme = webhook.Scheme{Header: "Flutterwave-Signature", Hash: sha256.New, Base64: true}

// verify proves that Flutterwave signed the body or, where that is enough, that
// the sender has the secret hash. A signature that is there must be genuine,
// whatever else is.
func (p *Provider) verify(r webhook.Request) error {
	if p.signedOnly || len(r.Header.Values(scheme.Header)) > 0 {
		return scheme.Verify(r, p.keys, r.Body)
	}
	token, err := webhook.Header(r.Header, tokenHeader)
	if err != nil {
		return err
	}
	if !webhook.SameToken(token, p.keys) {
		return errors.New("verif-hash is not the secret hash of the dashboard")
	}
	return nil
}
