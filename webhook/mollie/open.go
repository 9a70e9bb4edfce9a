// Package mollie reads Mollie's webhooks. A classic one says only that there is
// news of a payment, and is not signed; the next generation is signed and tells
// of some objects of a payment. Of either, the payment itself is fetched from
// Mollie after the webhook was answered (docs.mollie.com/reference/webhooks).
//
// It promises that nothing is believed but what Mollie's API answers over TLS,
// and that strangers, who do not know the secret in the address, cannot make the
// gateway ask.
package mollie

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/guarded"
	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider.
type Options struct {
	// Secrets are in the address of classic webhooks, as ?secret=…: they are what
	// proves that Mollie got the address from you. Any of them counts.
	Secrets []string
	// SigningSecrets are those of next-generation webhooks. Any of them counts.
	SigningSecrets []string
	// APIKey fetches payments: live_… or test_….
	APIKey string
	// Order says where in the payment the order's id is, as dotted paths with
	// commas between them. Empty: metadata.order_id, metadata.order,
	// metadata.orderId, or metadata itself where it is a text.
	Order string

	// Client asks Mollie. nil: a guarded one.
	Client webhook.Getter
}

// Provider opens the webhooks of one account, and fetches its payments.
type Provider struct {
	secrets, signing [][]byte
	key              string
	orders           []string
	client           webhook.Getter
}

// Host is where Mollie's API is.
const Host = "api.mollie.com"

const minSecret = 16

// New returns a Provider. Its errors say how to mend a setting, and hold no part
// of it.
func New(o Options) (*Provider, error) {
	p := &Provider{key: o.APIKey, client: o.Client}
	if len(o.Secrets)+len(o.SigningSecrets) == 0 {
		return nil, errors.New("mollie: no secrets: anybody could send; make one with openssl rand -hex 24, and put it into the payments' webhook address as ?secret=…")
	}
	for i, s := range o.Secrets {
		if err := webhook.CheckSecret(s, minSecret, "make one with: openssl rand -hex 24"); err != nil {
			return nil, fmt.Errorf("mollie: secret %d %w", i+1, err)
		}
		p.secrets = append(p.secrets, []byte(s))
	}
	for i, s := range o.SigningSecrets {
		if err := webhook.CheckSecret(s, minSecret, "copy it from the webhook in Mollie's dashboard"); err != nil {
			return nil, fmt.Errorf("mollie: signing secret %d %w", i+1, err)
		}
		p.signing = append(p.signing, []byte(s))
	}
	if !strings.HasPrefix(o.APIKey, "live_") && !strings.HasPrefix(o.APIKey, "test_") {
		return nil, errors.New("mollie: api_key does not begin with live_ or test_; copy it from Mollie's dashboard: payments are fetched with it")
	}
	p.orders = webhook.PathsOr(o.Order, "metadata.order_id", "metadata.order", "metadata.orderId", "metadata")
	if p.client == nil {
		p.client = guarded.New(guarded.Options{Hosts: []string{Host}})
	}
	return p, nil
}

// MediaTypes implements [webhook.MediaTyper].
func (p *Provider) MediaTypes() []string {
	return []string{"application/x-www-form-urlencoded", "application/json"}
}

const signatureHeader = "X-Mollie-Signature"

// Open implements [webhook.Provider]. A missing signature makes a request a
// classic one, which must have the secret in its address.
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	if len(r.Header.Values(signatureHeader)) > 0 {
		if err := p.verify(r); err != nil {
			return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
		}
		return openSigned(r)
	}
	if err := p.verifyAddress(r.URL); err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	form, err := url.ParseQuery(string(r.Body))
	if err != nil || len(form["id"]) != 1 {
		return nil, fmt.Errorf("%w: the body is not id=tr_…", webhook.ErrUnreadable)
	}
	id := form.Get("id")
	e := news("ping_"+id+"_"+strconv.FormatInt(r.At.UnixNano(), 36), id, "payment")
	switch kind, _, _ := strings.Cut(id, "_"); {
	case paymentID.MatchString(id):
	case kind != "tr" && otherID.MatchString(id): // of an order, a subscription, a payment link …
		e = order.Event{ID: e.ID, Kind: order.KindNote, Livemode: true, Type: kind}
	default:
		return nil, fmt.Errorf("%w: the id is not that of a payment (tr_…)", webhook.ErrUnreadable)
	}
	return []order.Event{e}, nil
}

// paymentID is the shape of what goes into an address of Mollie's.
var paymentID = regexp.MustCompile(`^tr_[A-Za-z0-9]{4,60}$`)

// otherID is the shape of the ids of other things than payments.
var otherID = regexp.MustCompile(`^[a-z]{2,10}_[A-Za-z0-9]{4,60}$`)

// news is a note that a payment must be fetched.
func news(id, payment, typ string) order.Event {
	return order.Event{
		ID: id, Payment: payment, Ref: payment, Kind: order.KindNote, Status: order.ToFetch, Livemode: true, Type: typ,
	}
}

func (p *Provider) verify(r webhook.Request) error {
	if len(p.signing) == 0 {
		return errors.New("signed, and no signing_secrets are configured")
	}
	// While a secret is changed, Mollie signs with both, in two headers, which a
	// proxy may have put together with a comma.
	var signatures [][]byte
	for value := range strings.SplitSeq(strings.Join(r.Header.Values(signatureHeader), ","), ",") {
		encoded, found := strings.CutPrefix(strings.TrimSpace(value), "sha256=")
		signature, ok := webhook.DecodeHex(encoded, sha256.Size)
		if !found || !ok {
			return errors.New(signatureHeader + " is not sha256= and 64 hexadecimal digits")
		}
		if signatures = append(signatures, signature); len(signatures) > maxSignatures {
			return errors.New("too many signatures")
		}
	}
	if !webhook.SignedBy(sha256.New, p.signing, signatures, r.Body) {
		return webhook.ErrMismatch
	}
	return nil
}

// maxSignatures is more than Mollie sends, which is two at the most.
const maxSignatures = 4

// verifyAddress proves that whoever sends knows the address as it was given to
// Mollie.
func (p *Provider) verifyAddress(address string) error {
	_, query, _ := strings.Cut(address, "?")
	values, err := url.ParseQuery(query)
	if err != nil || len(values["secret"]) != 1 {
		return errors.New("neither signed nor with one ?secret= in its address: set the payment's webhook address to /webhooks/SOURCE?secret=…")
	}
	given := sha256.Sum256([]byte(values.Get("secret")))
	known := 0
	for _, secret := range p.secrets {
		sum := sha256.Sum256(secret)
		known |= subtle.ConstantTimeCompare(given[:], sum[:])
	}
	if known == 0 {
		return errors.New("the ?secret= in its address is another")
	}
	return nil
}

// openSigned reads an event of the next generation: the payment that it is
// about is fetched, as with a classic one.
func openSigned(r webhook.Request) ([]order.Event, error) {
	b, err := strictjson.ParseObject(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	id, typ := b.String("id"), b.String("type")
	if resource := b.String("resource"); typ == "" && id != "" && resource != "event" {
		// The thing itself, without an event around it: its id stays the same over all
		// of its states.
		id, typ = webhook.BodyID("entity_", r.Body), resource
	}
	if id == "" || typ == "" {
		return nil, fmt.Errorf("%w: no event: id or type is missing", webhook.ErrUnreadable)
	}
	e := order.Event{ID: id, Type: typ, Kind: order.KindNote, Livemode: true}
	for _, path := range []string{"_embedded.entity.paymentId", "_embedded.entity.id", "entityId", "paymentId", "id"} {
		if payment := b.String(path); paymentID.MatchString(payment) {
			e = news(id, payment, typ)
			break
		}
	}
	if at, err := time.Parse(time.RFC3339, b.String("createdAt")); err == nil {
		e.At = at.UTC()
	}
	if e, err = webhook.Tidy(e); err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return []order.Event{e}, nil
}

// Fetch implements [webhook.Fetcher].
func (p *Provider) Fetch(ctx context.Context, payment string) ([]order.Event, []byte, error) {
	if !paymentID.MatchString(payment) {
		return nil, nil, fmt.Errorf("%w: not the id of a payment", webhook.ErrUnreadable)
	}
	answer, err := p.client.Get(ctx, "https://"+Host+"/v2/payments/"+payment, http.Header{
		"Authorization": {"Bearer " + p.key}, "Accept": {"application/hal+json"},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("mollie: fetch the payment: %w", err)
	}
	events, err := p.normalize(answer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	if events[0].Payment != payment {
		return nil, nil, fmt.Errorf("%w: the answer is about another payment", webhook.ErrUnreadable)
	}
	return events, answer, nil
}
