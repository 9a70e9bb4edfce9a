// Package mercadopago reads Mercado Pago's webhooks. They sign which payment
// there is news of, and nothing else: the payment is fetched after the webhook
// was answered (mercadopago.com/developers, notifications: webhooks).
//
// It promises that nothing of a webhook's body is believed.
package mercadopago

import (
	"context"
	"crypto/sha256"
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
	// Secrets are the application's secret signatures. Any of them counts.
	Secrets []string
	// AccessToken fetches payments: APP_USR-… or TEST-….
	AccessToken string
	// Order says where in the payment the order's id is, as dotted paths with
	// commas between them. Empty: external_reference, then metadata.order_id.
	Order string
	// Tolerance is how far the signed time may be off. 0: it is not looked at,
	// because a webhook sent again makes a payment be fetched again, which is no
	// harm, and Mercado Pago does not say whether its retries are signed anew.
	Tolerance time.Duration

	// Client asks Mercado Pago. nil: a guarded one.
	Client webhook.Getter
}

// Provider opens the webhooks of one application, and fetches its payments.
type Provider struct {
	secrets   [][]byte
	token     string
	orders    []string
	tolerance time.Duration
	client    webhook.Getter
}

// Host is where the API is.
const Host = "api.mercadopago.com"

const mend = "copy the secret signature from Your integrations → Webhooks"

// New returns a Provider. Its errors say how to mend a setting, and hold no part
// of it.
func New(o Options) (*Provider, error) {
	p := &Provider{token: o.AccessToken, tolerance: o.Tolerance, client: o.Client}
	if len(o.Secrets) == 0 {
		return nil, errors.New("mercadopago: no secrets: anybody could send; " + mend)
	}
	for i, s := range o.Secrets {
		if err := webhook.CheckSecret(s, 24, mend); err != nil {
			return nil, fmt.Errorf("mercadopago: secret %d %w", i+1, err)
		}
		p.secrets = append(p.secrets, []byte(s))
	}
	if len(o.AccessToken) < 24 || strings.ContainsAny(o.AccessToken, " \r\n") {
		return nil, errors.New("mercadopago: access_token is missing or too short; payments are fetched with it: copy it from Your integrations → Credentials")
	}
	p.orders = webhook.PathsOr(o.Order, "external_reference", "metadata.order_id")
	if p.client == nil {
		p.client = guarded.New(guarded.Options{Hosts: []string{Host}})
	}
	return p, nil
}

const (
	signatureHeader = "X-Signature"
	requestHeader   = "X-Request-Id"
)

// paymentID is the shape of what goes into an address of the API.
var paymentID = regexp.MustCompile(`^[0-9]{1,20}$`)

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	query, err := p.verify(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	b, err := strictjson.ParseObject(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	id := query.Get("data.id")
	e := order.Event{
		ID: "news_" + id + "_" + r.Header.Get(requestHeader), Kind: order.KindNote, Livemode: true,
		Type: cmpText(query.Get("type"), query.Get("topic"), b.String("type")),
	}
	if r.Header.Get(requestHeader) == "" {
		e.ID += strconv.FormatInt(r.At.UnixNano(), 36)
	}
	if e.Type == "payment" && paymentID.MatchString(id) {
		e.Payment, e.Ref, e.Status = id, id, order.ToFetch
	}
	if e, err = webhook.Tidy(e); err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return []order.Event{e}, nil
}

func cmpText(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// verify returns the query of a request whose sender it has proved. What is
// signed is data.id, the request's id and the time; of these, what the request
// does not have is left out.
func (p *Provider) verify(r webhook.Request) (url.Values, error) {
	value, err := webhook.Header(r.Header, signatureHeader)
	if err != nil {
		return nil, err
	}
	timestamp, signature, err := parseSignature(value)
	if err != nil {
		return nil, err
	}
	_, text, _ := strings.Cut(r.URL, "?")
	query, err := url.ParseQuery(text)
	if err != nil || len(query["data.id"]) > 1 {
		return nil, errors.New("the address has not one ?data.id=, which is what is signed")
	}
	requests := r.Header.Values(requestHeader)
	if len(requests) > 1 {
		return nil, errors.New("more than one header " + requestHeader)
	}
	request := ""
	if len(requests) == 1 && requests[0] != "" {
		request = requests[0]
	}
	// The documents say that letters are signed in lower case; Mercado Pago's own
	// library for Node signs them as they are.
	id := query.Get("data.id")
	if !p.signed(id, request, timestamp, signature) && !p.signed(strings.ToLower(id), request, timestamp, signature) {
		return nil, errors.New("no signature matches: the secret is another application's, or the address was changed on the way")
	}
	if p.tolerance > 0 {
		n, err := strconv.ParseInt(timestamp, 10, 64)
		if err != nil {
			return nil, errors.New("ts is not a number")
		}
		at := time.Unix(n, 0)
		if n > 1e11 {
			at = time.UnixMilli(n)
		}
		if err := webhook.CheckWindow(at, r.At, p.tolerance); err != nil {
			return nil, err
		}
	}
	return query, nil
}

func (p *Provider) signed(id, request, timestamp string, signature []byte) bool {
	return webhook.SignedBy(sha256.New, p.secrets, [][]byte{signature}, []byte(manifest(id, request, timestamp)))
}

// manifest is the text that is signed. An older notification
// (?topic=merchant_order&id=…) has no data.id, and its own id is not signed.
func manifest(id, request, timestamp string) string {
	text := ""
	if id != "" {
		text = "id:" + id + ";"
	}
	if request != "" {
		text += "request-id:" + request + ";"
	}
	return text + "ts:" + timestamp + ";"
}

// parseSignature reads ts=<n>,v1=<hex>.
func parseSignature(value string) (timestamp string, signature []byte, err error) {
	for entry := range strings.SplitSeq(value, ",") {
		name, text, _ := strings.Cut(strings.TrimSpace(entry), "=")
		switch {
		case name == "ts" && timestamp == "":
			timestamp = text
		case name == "v1" && signature == nil:
			signature, _ = webhook.DecodeHex(text, sha256.Size)
		case name == "ts", name == "v1":
			return "", nil, errors.New(signatureHeader + " has ts or v1 twice")
		}
	}
	if timestamp == "" || len(timestamp) > 15 || strings.Trim(timestamp, "0123456789") != "" || signature == nil {
		return "", nil, errors.New(signatureHeader + " is not ts=<number>,v1=<64 hexadecimal digits>")
	}
	return timestamp, signature, nil
}

// Fetch implements [webhook.Fetcher].
func (p *Provider) Fetch(ctx context.Context, payment string) ([]order.Event, []byte, error) {
	if !paymentID.MatchString(payment) {
		return nil, nil, fmt.Errorf("%w: not the id of a payment", webhook.ErrUnreadable)
	}
	answer, err := p.client.Get(ctx, "https://"+Host+"/v1/payments/"+payment, http.Header{"Authorization": {"Bearer " + p.token}})
	if err != nil {
		return nil, nil, fmt.Errorf("mercadopago: fetch the payment: %w", err)
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
