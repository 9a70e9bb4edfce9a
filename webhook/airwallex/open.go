// Package airwallex reads the webhooks of Airwallex
// (airwallex.com/docs/developer-tools/webhooks).
//
// It promises that an event is Airwallex's own and that it was signed within the
// window. It leaves to the ledger that an event sent again counts once: its id
// stays the same over attempts.
package airwallex

import (
	"crypto/sha256"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the secrets of the webhook's notification URL. A signature by
	// any of them counts, so that one can be changed while both are in use.
	Secrets []string
	// Order says where in the body the order's id is, as dotted paths with commas
	// between them; the first that is there counts. Empty:
	// data.object.merchant_order_id and data.object.metadata.order_id.
	Order string
	// Tolerance is how far the signed time may be off, in the past and in the
	// future. 0 means [webhook.DefaultTolerance].
	Tolerance time.Duration
	// Account is the account (acct_…) whose events count; those of others become
	// notes. Empty: the account is not looked at.
	Account string
}

// Provider opens and simulates the webhooks of one notification URL.
type Provider struct {
	*Reader
	keys      [][]byte
	tolerance time.Duration
}

const (
	mend      = "copy the secret of the webhook from Airwallex's web app (Developer, Webhooks)"
	minSecret = 16 // far below what Airwallex gives, and above what can be guessed
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("airwallex", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	if o.Tolerance < 0 {
		return nil, errors.New("airwallex: tolerance is negative: leave it out for 5m")
	}
	if o.Tolerance == 0 {
		o.Tolerance = webhook.DefaultTolerance
	}
	return &Provider{NewReader(o), keys, o.Tolerance}, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

const timestampHeader = "X-Timestamp"

var scheme = webhook.Scheme{Header: "X-Signature", Hash: sha256.New}

// verify proves that Airwallex signed time and body, within the window. Nothing
// stands between the two in what is signed, so that only times of one length
// can be told from the body.
func (p *Provider) verify(r webhook.Request) error {
	timestamp, err := webhook.Header(r.Header, timestampHeader)
	if err != nil {
		return err
	}
	milliseconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || len(timestamp) != 13 || strings.Trim(timestamp, "0123456789") != "" {
		return errors.New("x-timestamp is not 13 digits, a time in milliseconds")
	}
	if err := webhook.CheckWindow(time.UnixMilli(milliseconds), r.At, p.tolerance); err != nil {
		return err
	}
	return scheme.Verify(r, p.keys, []byte(timestamp), r.Body)
}
