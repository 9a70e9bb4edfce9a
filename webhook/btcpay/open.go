// Package btcpay reads the webhooks of BTCPay Server's Greenfield API
// (docs.btcpayserver.org/API/Greenfield, Webhooks).
//
// It promises that an event is the server's own. The signature covers no time,
// so that a captured request can be sent again at any time; as each delivery
// names the one that it repeats, the ledger counts it once.
package btcpay

import (
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the secrets of the store's webhook. A signature by any of them
	// counts, so that one can be changed while both are in use.
	Secrets []string
	// Order says where in the body the order's id is, as dotted paths with commas
	// between them; the first that is there counts. Empty: metadata.orderId,
	// which the invoice was made with.
	Order string
	// Store is the id of the store whose events count; those of others become
	// notes. Empty: the store is not looked at.
	Store string
}

// Provider opens and simulates the webhooks of one store.
type Provider struct {
	*Reader
	keys [][]byte
}

const mend = "copy the secret of the webhook from BTCPay Server (Store settings, Webhooks)"

// minSecret is below the 22 bytes and more of the secrets that BTCPay Server
// makes, and above what can be guessed.
const minSecret = 16

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("btcpay", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	return &Provider{NewReader(o), keys}, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

const (
	signatureHeader = "Btcpay-Sig"
	signaturePrefix = "sha256="
)

// verify proves that the server signed the body.
func (p *Provider) verify(r webhook.Request) error {
	value, err := webhook.Header(r.Header, signatureHeader)
	if err != nil {
		return err
	}
	digits, found := strings.CutPrefix(value, signaturePrefix)
	signature, ok := webhook.DecodeHex(digits, sha256.Size)
	if !found || !ok {
		return errors.New("BTCPay-Sig is not sha256= and 64 hexadecimal digits")
	}
	if !webhook.SignedBy(sha256.New, p.keys, [][]byte{signature}, r.Body) {
		return webhook.ErrMismatch
	}
	return nil
}
