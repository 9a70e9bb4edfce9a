// Package stripe reads Stripe's webhooks.
//
// Source: Stripe's documentation of webhook signatures, of the event object and
// of its types; its Node and Go libraries for what their verifiers accept.
package stripe

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options configure one endpoint of a Stripe account.
type Options struct {
	// Secrets are the endpoint's signing secrets, whsec_…, as Stripe shows them.
	// At least one; several while one is being rolled. The first signs simulations.
	Secrets []string

	// Order says where the order's id lies in an event: dotted paths, separated
	// by commas, the first that is there counts. Empty:
	// data.object.metadata.order_id, data.object.metadata.order, and a checkout
	// session's data.object.client_reference_id.
	Order string

	// Tolerance is how old or how new a signature may be. 0 means
	// webhook.DefaultTolerance.
	Tolerance time.Duration

	// Account is the connected account (acct_…) whose events count; those of
	// others are notes. Empty: all count.
	Account string
}

// A Provider reads the webhooks of one endpoint.
type Provider struct {
	secrets   [][]byte
	orders    []string
	tolerance time.Duration
	account   string
}

// minSecret is the least length of a secret. Stripe's have 38 characters.
const minSecret = 24

// New returns a provider, or says which secret is not one.
func New(opts Options) (*Provider, error) {
	if len(opts.Secrets) == 0 {
		return nil, errors.New("stripe: no secret: set the endpoint's signing secret, whsec_…, from the dashboard")
	}
	p := &Provider{tolerance: opts.Tolerance, account: opts.Account}
	for i, secret := range opts.Secrets {
		if err := webhook.CheckSecret(secret, minSecret, "copy the endpoint's signing secret, whsec_…, from the dashboard"); err != nil {
			return nil, fmt.Errorf("stripe: secret %d %w", i+1, err)
		}
		p.secrets = append(p.secrets, []byte(secret))
	}
	if p.tolerance < 0 {
		return nil, errors.New("stripe: tolerance is negative")
	}
	if p.tolerance == 0 {
		p.tolerance = webhook.DefaultTolerance
	}
	for path := range strings.SplitSeq(opts.Order, ",") {
		if path = strings.TrimSpace(path); path != "" {
			p.orders = append(p.orders, path)
		}
	}
	return p, nil
}

// signatureHeader carries "t=<unix>,v1=<hex>[,v1=…][,v0=…]".
const signatureHeader = "Stripe-Signature"

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	if err := p.verify(r); err != nil {
		return nil, fmt.Errorf("%w: stripe: %w", webhook.ErrUnverified, err)
	}
	event, err := strictjson.ParseObject(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: stripe: %w", webhook.ErrUnreadable, err)
	}
	events, err := p.normalize(event)
	if err != nil {
		return nil, fmt.Errorf("%w: stripe: %w", webhook.ErrUnreadable, err)
	}
	return events, nil
}

func (p *Provider) verify(r webhook.Request) error {
	header, err := webhook.Header(r.Header, signatureHeader)
	if err != nil {
		return err
	}
	stamp, signatures, err := parseSignature(header)
	if err != nil {
		return err
	}
	signed, err := webhook.ParseUnix(stamp)
	if err != nil {
		return err
	}
	if !webhook.SignedBy(sha256.New, p.secrets, signatures, []byte(stamp), []byte{'.'}, r.Body) {
		return errors.New("signed with another secret, or the body was changed after signing")
	}
	// The time is judged once it is known to be Stripe's own.
	return webhook.CheckWindow(signed, r.At, p.tolerance)
}

// parseSignature reads the header. Only v1 counts: v0 is Stripe's scheme for
// tests, and to accept it would let anybody choose it. Signatures that cannot
// be one are passed over, as there may be others beside them.
func parseSignature(header string) (stamp string, signatures [][]byte, err error) {
	for pair := range strings.SplitSeq(header, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		switch {
		case !ok:
			return "", nil, errors.New("the signature header is not a list of name=value")
		case name == "t" && stamp != "":
			return "", nil, errors.New("the signature header has two times")
		case name == "t":
			stamp = value
		case name == "v1":
			if signature, ok := webhook.DecodeHex(value, sha256.Size); ok {
				signatures = append(signatures, signature)
			}
		}
	}
	switch {
	case stamp == "":
		return "", nil, errors.New("the signature header has no time")
	case len(signatures) == 0:
		return "", nil, errors.New("the signature header has no v1 signature")
	}
	return stamp, signatures, nil
}
