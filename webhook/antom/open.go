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
	// commas between them. Empty: paymentRequestId.
	Order string
	// Tolerance is how far the signed time may be off. 0: it is not looked at,
	// because Antom does not say whether it signs its retries anew; what is sent
	// again counts once.
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

// New returns a Provider. Its errors say how to mend a setting.
func New(o Options) (*Provider, error) {
	p := &Provider{client: o.ClientID, path: o.Path, manual: o.Capture == "manual", tolerance: o.Tolerance}
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
	p.orders = webhook.PathsOr(o.Order, "paymentRequestId")
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
	e.Livemode = !strings.HasPrefix(client, "SANDBOX_")
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
	if p.tolerance > 0 {
		at, err := time.Parse(time.RFC3339, values[timeHeader])
		if err != nil {
			return "", fmt.Errorf("%s is not a time", timeHeader)
		}
		if err := webhook.CheckWindow(at, r.At, p.tolerance); err != nil {
			return "", err
		}
	}
	text := signed(r.Method, p.address(r.URL), client, values[timeHeader], r.Body)
	for _, key := range p.keys {
		if webhook.VerifyRSA(key, text, signature) {
			return client, nil
		}
	}
	return "", errors.New("no signature matches: the public key is not Antom's for this client (it is often the merchant's own), or the address or the body was changed on the way")
}

// address is the path that is signed.
func (p *Provider) address(called string) string {
	if p.path != "" {
		return p.path
	}
	u, err := url.Parse(called)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
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
