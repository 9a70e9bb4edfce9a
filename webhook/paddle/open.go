// Package paddle reads the notifications of Paddle Billing
// (developer.paddle.com/webhooks).
//
// It promises that an event is Paddle's own and that it was signed within the
// window. Paddle Classic signs otherwise and is not read.
package paddle

import (
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are those of the notification destination, pdl_ntfset_…. A
	// signature by any of them counts.
	Secrets []string
	// Order says where in the body the order's id is, as dotted paths with
	// commas between them; the first that is there counts. Empty:
	// data.custom_data.order_id, then data.custom_data.order.
	Order string
	// Tolerance is how far the signed time may be off, in the past and in the
	// future. 0 means [webhook.DefaultTolerance]; Paddle's libraries have 5 s,
	// which a clock that is a little wrong does not meet.
	Tolerance time.Duration
}

// Provider opens and simulates the notifications of one destination.
type Provider struct {
	keys      [][]byte
	orders    []string
	tolerance time.Duration
}

const (
	minSecret = 24 // of 70 or so
	mend      = "copy the secret key (pdl_ntfset_…) of the notification destination from Paddle's dashboard"
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("paddle", o.Secrets, minSecret, mend)
	if err != nil {
		return nil, err
	}
	if o.Tolerance < 0 {
		return nil, errors.New("paddle: tolerance is negative: leave it out for 5m")
	}
	p := &Provider{keys: keys, orders: webhook.Paths(o.Order), tolerance: o.Tolerance}
	if p.tolerance == 0 {
		p.tolerance = webhook.DefaultTolerance
	}
	if len(p.orders) == 0 {
		p.orders = []string{"data.custom_data.order_id", "data.custom_data.order"}
	}
	return p, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	return webhook.OpenWith(r, p.verify, p.normalize)
}

const signatureHeader = "Paddle-Signature"

// verify proves that Paddle signed the body, within the window.
func (p *Provider) verify(r webhook.Request) error {
	value, err := webhook.Header(r.Header, signatureHeader)
	if err != nil {
		return err
	}
	timestamp, signatures, err := parseHeader(value)
	if err != nil {
		return err
	}
	at, err := webhook.ParseUnix(timestamp)
	if err != nil {
		return err
	}
	if err := webhook.CheckWindow(at, r.At, p.tolerance); err != nil {
		return err
	}
	if !webhook.SignedBy(sha256.New, p.keys, signatures, []byte(timestamp), []byte{':'}, r.Body) {
		return webhook.ErrMismatch
	}
	return nil
}

// maxSignatures is how many signatures are tried. While a secret is rotated
// there are two.
const maxSignatures = 16

// parseHeader reads Paddle-Signature: ts=<unix>;h1=<hex>[;h1=<hex>…].
func parseHeader(value string) (timestamp string, signatures [][]byte, err error) {
	timed := false
	for entry := range strings.SplitSeq(value, ";") {
		scheme, text, ok := strings.Cut(entry, "=")
		switch {
		case !ok:
			return "", nil, errors.New("Paddle-Signature is not a list of name=value")
		case scheme == "ts" && timed:
			return "", nil, errors.New("Paddle-Signature has more than one ts")
		case scheme == "ts":
			timestamp, timed = text, true
		case scheme == "h1" && len(signatures) < maxSignatures:
			if signature, ok := webhook.DecodeHex(text, sha256.Size); ok {
				signatures = append(signatures, signature)
			}
		}
	}
	if len(signatures) == 0 {
		return "", nil, errors.New("Paddle-Signature has no h1 of 64 hexadecimal digits")
	}
	return timestamp, signatures, nil
}

// Modeless says that events do not tell their mode. Sandbox and live have
// destinations of their own.
func (p *Provider) Modeless() bool { return true }
