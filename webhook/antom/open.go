// Package antom reads the notifications of Antom, Alipay's global gateway
// (docs.antom.com, notifyPayment and others). It promises that a notification
// was signed by Antom for the operator's client id and address.
package antom

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider.
type Options struct {
	// PublicKeys are Antom's, not the merchant's own: PEM, or the base64 that the
	// dashboard shows. Any of them counts.
	PublicKeys []string
	// ClientID is the one whose notifications count; those of others are refused.
	// Empty: it is not looked at.
	ClientID string
	// Path is that of the notification address as Antom has it, where a proxy
	// changes it. Empty: the path that the request came to.
	Path string
	// Capture is manual where the merchant captures card payments himself: then a
	// payment's success is an authorization. Empty: automatic.
	Capture string
	// Order says where in the notification the order's id is, as dotted paths with
	// commas between them. What the merchant gave Antom as metadata is looked into
	// if it is JSON. Empty: paymentRequestId, then metadata.order_id.
	Order string
	// Tolerance is how old the signed time may be. 0: 25 hours, as long as Antom's
	// retries go on, because it does not say whether it signs them anew; what is
	// sent again counts once. Of the future, five minutes are the most.
	Tolerance time.Duration
	// SimulateKey is a private key of the operator's own, to simulate with.
	SimulateKey string
}

// Provider opens the notifications of one client.
type Provider struct {
	keys        []*rsa.PublicKey
	client      string
	path        string
	manual      bool
	orders      []string
	tolerance   time.Duration
	simulateKey *rsa.PrivateKey
}

// maxAge is a little more than Antom's retries last.
const maxAge = 25 * time.Hour

// New returns a Provider. Its errors say how to mend a setting.
func New(o Options) (*Provider, error) {
	p := &Provider{client: o.ClientID, path: o.Path, manual: o.Capture == "manual", tolerance: o.Tolerance}
	if o.Tolerance < 0 {
		return nil, errors.New("antom: tolerance is negative: leave it out for 25h")
	}
	if o.Tolerance == 0 {
		p.tolerance = maxAge
	}
	if o.Capture != "" && o.Capture != "manual" && o.Capture != "automatic" {
		return nil, errors.New("antom: capture is neither automatic nor manual")
	}
	for i, text := range o.PublicKeys {
		key, err := webhook.ParseRSAPublic(text)
		if err != nil {
			return nil, fmt.Errorf("antom: public key %d %w", i+1, err)
		}
		p.keys = append(p.keys, key)
	}
	if len(p.keys) == 0 {
		return nil, errors.New("antom: no public_keys: anybody could send; copy Antom's public key from Developer → Key configuration")
	}
	p.orders = webhook.PathsOr(o.Order, "paymentRequestId", "metadata.order_id")
	if o.SimulateKey != "" {
		key, err := webhook.ParseRSAPrivate(o.SimulateKey)
		if err != nil {
			return nil, fmt.Errorf("antom: simulate_key %w", err)
		}
		p.simulateKey = key
	}
	return p, nil
}

// Answer implements [webhook.Answerer].
func (p *Provider) Answer(webhook.Request) (status int, contentType string, body []byte) {
	return 200, "application/json", []byte(`{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}`)
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	client, err := p.verify(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	e, err := p.normalize(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	e.Livemode = !strings.HasPrefix(client, "SANDBOX_") && !strings.HasPrefix(client, "TEST_")
	return []order.Event{e}, nil
}

// The headers of a notification.
const (
	signatureHeader = "Signature"
	clientHeader    = "Client-Id"
	timeHeader      = "Request-Time"
)

// verify returns the client id of a request whose sender it has proved.
func (p *Provider) verify(r webhook.Request) (client string, err error) {
	values := map[string]string{}
	for _, name := range []string{signatureHeader, clientHeader, timeHeader} {
		if values[name], err = webhook.Header(r.Header, name); err != nil {
			return "", err
		}
		if values[name] == "" {
			return "", fmt.Errorf("header %s is empty", name)
		}
	}
	client = values[clientHeader]
	// The dots would part the signed text elsewhere.
	if strings.ContainsAny(client, ".\r\n") || strings.ContainsAny(values[timeHeader], "\r\n{") {
		return "", errors.New("the client id or the time has a character that parts what is signed")
	}
	if p.client != "" && client != p.client {
		return "", errors.New("the client id is another's: client_id is whose notifications count")
	}
	signature, err := parseSignature(values[signatureHeader])
	if err != nil {
		return "", err
	}
	at, err := parseTime(values[timeHeader])
	if err != nil {
		return "", err
	}
	window := p.tolerance
	if at.After(r.At) {
		window = min(window, webhook.DefaultTolerance)
	}
	if err := webhook.CheckWindow(at, r.At, window); err != nil {
		return "", err
	}
	for _, path := range p.addresses(r.URL) {
		text := signed(r.Method, path, client, values[timeHeader], r.Body)
		for _, key := range p.keys {
			if webhook.VerifyRSA(key, text, signature) {
				return client, nil
			}
		}
	}
	return "", errors.New("no signature matches: the public key is not Antom's for this client (it is often the merchant's own), or the address or the body was changed on the way")
}

// parseTime reads milliseconds since 1970, or a date with a zone, as older
// clients have it.
func parseTime(text string) (time.Time, error) {
	if len(text) == 13 && strings.Trim(text, "0123456789") == "" {
		milliseconds, err := strconv.ParseInt(text, 10, 64)
		return time.UnixMilli(milliseconds), err
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is neither 13 digits, in milliseconds, nor a date with a zone", timeHeader)
	}
	return at, nil
}

// addresses are what of the address may be signed: its path, and where it has a
// query, perhaps that too.
func (p *Provider) addresses(called string) []string {
	if p.path != "" {
		called = p.path
	}
	u, err := url.Parse(called)
	if err != nil {
		return nil
	}
	if u.RawQuery == "" {
		return []string{u.EscapedPath()}
	}
	return []string{u.EscapedPath(), u.EscapedPath() + "?" + u.RawQuery}
}

func signed(method, path, client, at string, body []byte) []byte {
	return []byte(method + " " + path + "\n" + client + "." + at + "." + string(body))
}

// parseSignature reads algorithm=RSA256,keyVersion=1,signature=<base64, escaped
// as in a URL>. Spaces may follow the commas.
func parseSignature(value string) ([]byte, error) {
	fields := map[string]string{}
	for entry := range strings.SplitSeq(value, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(entry), "=")
		if _, twice := fields[name]; !ok || twice {
			return nil, errors.New("header Signature is not a list of different name=value")
		}
		fields[name] = text
	}
	if fields["algorithm"] != "RSA256" { // the request has no say in it
		return nil, errors.New("header Signature names another algorithm than RSA256")
	}
	encoded, err := url.PathUnescape(fields["signature"])
	if err != nil {
		return nil, errors.New("the signature in header Signature is not escaped as in a URL")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(signature) == 0 {
		return nil, errors.New("the signature in header Signature is not base64")
	}
	return signature, nil
}
