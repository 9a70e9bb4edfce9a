// Package stripe reads the webhooks of Stripe (docs.stripe.com/webhooks).
//
// It promises that an event is Stripe's own and that it was signed within the
// window. It leaves to the ledger that an event sent again counts once: Stripe
// signs each attempt anew, and neither the bytes nor the order of arrival stay
// the same over attempts, only the event's id.
package stripe

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/guarded"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the signing secrets of the endpoint, whsec_…, as the
	// dashboard shows them. A signature by any of them counts, so that one can
	// be rolled while both are in use.
	Secrets []string
	// Order says where in the body the order's id is, as dotted paths with
	// commas between them; the first that is there counts. Empty:
	// data.object.metadata.order_id, data.object.metadata.order and, of a
	// Checkout session, data.object.client_reference_id.
	Order string
	// Tolerance is how far the signed time may be off, in the past and in the
	// future. 0 means [webhook.DefaultTolerance], as in Stripe's libraries, which
	// look at the past alone.
	Tolerance time.Duration
	// Account is the connected account (acct_…) whose events count; those of
	// others become notes. Empty: the account is not looked at.
	Account string
	// APIKey fetches what events of API version 2 are about: a restricted key
	// (rk_…) that may read PaymentIntents, Charges, Refunds, Checkout Sessions and
	// Disputes. Empty: these events become notes.
	APIKey string

	// Client asks Stripe. nil: a guarded one.
	Client webhook.Getter
}

// Provider opens and simulates the webhooks of one endpoint at Stripe.
type Provider struct {
	secrets   [][]byte
	orders    []string
	tolerance time.Duration
	account   string
	key       string
	client    webhook.Getter
}

// minSecret is far below the 38 bytes that Stripe's secrets have, and above
// what can be guessed.
const minSecret = 24

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	p := &Provider{tolerance: o.Tolerance, account: o.Account, key: o.APIKey, client: o.Client}
	if p.tolerance == 0 {
		p.tolerance = webhook.DefaultTolerance
	}
	if p.tolerance < 0 {
		return nil, errors.New("stripe: tolerance is negative: leave it out for 5m")
	}
	if p.key != "" && !strings.HasPrefix(p.key, "rk_") && !strings.HasPrefix(p.key, "sk_") {
		return nil, errors.New("stripe: api_key does not begin with rk_ or sk_; make a restricted key in Stripe's dashboard, or leave it out")
	}
	if p.key != "" && p.client == nil {
		p.client = guarded.New(guarded.Options{Hosts: []string{Host}})
	}
	if len(o.Secrets) == 0 {
		return nil, errors.New("stripe: no secrets: anybody could send; " + mend)
	}
	for i, s := range o.Secrets {
		if err := checkSecret(s); err != nil {
			return nil, fmt.Errorf("stripe: secret %d %w", i+1, err)
		}
		p.secrets = append(p.secrets, []byte(s))
	}
	var err error
	if p.orders, err = orderPaths(o.Order); err != nil {
		return nil, err
	}
	return p, nil
}

// orderPaths reads where the order's id is.
func orderPaths(list string) ([]string, error) {
	paths := webhook.Paths(list)
	for _, path := range paths {
		if !strings.HasPrefix(path, "data.") {
			return nil, fmt.Errorf("stripe: order %q leads nowhere: it begins at the event, so write data.object.%s", path, path)
		}
	}
	return paths, nil
}

const mend = "copy the signing secret (whsec_…) of the endpoint from Stripe's dashboard"

func checkSecret(s string) error {
	for _, prefix := range []string{"sk_", "rk_", "pk_"} {
		if strings.HasPrefix(s, prefix) {
			return errors.New("is an API key, which signs nothing and should be nowhere near here; " + mend)
		}
	}
	if err := webhook.CheckSecret(s, minSecret, mend); err != nil {
		return err
	}
	if !strings.HasPrefix(s, "whsec_") {
		return errors.New("does not begin with whsec_; " + mend)
	}
	return nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	if err := p.verify(r); err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	events, err := p.normalize(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return events, nil
}

const signatureHeader = "Stripe-Signature"

// verify proves that Stripe signed the body, within the window.
func (p *Provider) verify(r webhook.Request) error {
	value, err := webhook.Header(r.Header, signatureHeader)
	if err != nil {
		return err
	}
	h, err := parseHeader(value)
	if err != nil {
		return err
	}
	at, err := webhook.ParseUnix(h.timestamp)
	if err != nil {
		return err
	}
	if err := webhook.CheckWindow(at, r.At, p.tolerance); err != nil {
		return err
	}
	if !webhook.SignedBy(sha256.New, p.secrets, h.signatures, []byte(h.timestamp), []byte{'.'}, r.Body) {
		return errors.New("no signature matches: the secret is another endpoint's, or the body was changed on the way")
	}
	return nil
}

// A header is what Stripe-Signature says: t=<unix>,v1=<hex>[,v1=<hex>…]. The
// secret is used as it is shown, prefix and all.
type header struct {
	timestamp  string
	signatures [][]byte
}

// maxSignatures is how many signatures are tried. While a secret is rolled
// there are two.
const maxSignatures = 16

// parseHeader reads Stripe-Signature. Only v1 counts: v0 is made for test
// events with another key, and to take it would be to let the sender choose.
func parseHeader(value string) (header, error) {
	var h header
	timed := false
	for entry := range strings.SplitSeq(value, ",") {
		scheme, text, ok := strings.Cut(entry, "=")
		switch {
		case !ok:
			return header{}, errors.New("Stripe-Signature is not a list of name=value")
		case scheme == "t" && timed:
			return header{}, errors.New("Stripe-Signature has more than one t")
		case scheme == "t":
			h.timestamp, timed = text, true
		case scheme == "v1" && len(h.signatures) < maxSignatures:
			if signature, ok := webhook.DecodeHex(text, sha256.Size); ok {
				h.signatures = append(h.signatures, signature)
			}
		}
	}
	if len(h.signatures) == 0 {
		return header{}, errors.New("Stripe-Signature has no v1 of 64 hexadecimal digits")
	}
	return h, nil
}
