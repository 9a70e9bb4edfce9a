// Package paypal reads PayPal's REST webhooks
// (developer.paypal.com/api/rest/webhooks). It proves offline who sent them: the
// certificate that a request names is fetched from PayPal alone, and believed
// when a root that the operator trusts vouches for it under PayPal's name.
//
// What PayPal signs is not the body but its CRC-32. Whoever holds the headers of
// one genuine request can make another body that fits them: so they must stay
// out of logs, and they are good for some days only.
package paypal

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/guarded"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider.
type Options struct {
	// WebhookIDs are the ids of the webhook as the dashboard shows them. They are
	// part of what is signed, so that another merchant's events are refused. Any
	// of them counts.
	WebhookIDs []string `yaml:"webhook_ids"`
	// Roots are PEM certificates of the authorities that may vouch for PayPal's.
	// Empty: those of the system.
	Roots []string
	// Certificates are PayPal's own, as PEM. Where they are given, none are
	// fetched.
	Certificates []string
	// Order says where in the event the order's id is, as dotted paths with commas
	// between them. Empty: custom_id, invoice_id and their older names.
	Order string
	// Tolerance is how old the signed time may be. 0: 4 days, since PayPal sends
	// again for 3.
	Tolerance time.Duration
	// SimulateKey is a private key of the operator's own, to simulate with.
	SimulateKey string

	// Client fetches certificates. nil: a guarded one.
	Client webhook.Getter
}

// Hosts are where certificates come from.
var Hosts = []string{"api.paypal.com", "api.sandbox.paypal.com"}

// Provider opens the webhooks of one application.
type Provider struct {
	webhookIDs   []string
	orders       []string
	tolerance    time.Duration
	certificates *certificates
	simulateKey  *rsa.PrivateKey
}

const (
	maxAge = 4 * 24 * time.Hour
	mend   = "copy the Webhook ID from the application in PayPal's developer dashboard"
)

// New returns a Provider. Its errors say how to mend a setting.
func New(o Options) (*Provider, error) {
	p := &Provider{tolerance: o.Tolerance}
	if p.tolerance == 0 {
		p.tolerance = maxAge
	}
	if len(o.WebhookIDs) == 0 {
		return nil, errors.New("paypal: no webhook_ids: another merchant's events could be sent; " + mend)
	}
	for i, id := range o.WebhookIDs {
		if err := webhook.CheckSecret(id, 12, mend); err != nil {
			return nil, fmt.Errorf("paypal: webhook id %d %w", i+1, err)
		}
		if strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return nil, fmt.Errorf("paypal: webhook id %d is not all capital letters and digits; %s", i+1, mend)
		}
		p.webhookIDs = append(p.webhookIDs, id)
	}
	for path := range strings.SplitSeq(o.Order, ",") {
		if path = strings.TrimSpace(path); path == "" {
			continue
		}
		if !strings.HasPrefix(path, "resource.") {
			return nil, fmt.Errorf("paypal: order %q leads nowhere: it begins at the event, so write resource.%s", path, path)
		}
		p.orders = append(p.orders, path)
	}
	client := o.Client
	if client == nil {
		client = guarded.New(guarded.Options{Hosts: Hosts, MaxBytes: 64 << 10, Timeout: 5 * time.Second})
	}
	var err error
	if p.certificates, err = newCertificates(client, o.Roots, o.Certificates); err != nil {
		return nil, fmt.Errorf("paypal: %w", err)
	}
	if o.SimulateKey != "" {
		if p.simulateKey, err = webhook.ParseRSAPrivate(o.SimulateKey); err != nil {
			return nil, fmt.Errorf("paypal: simulate_key %w", err)
		}
	}
	return p, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	live, err := p.verify(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	events, err := p.normalize(r.Body, live)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return events, nil
}

// The headers of a webhook.
const (
	signatureHeader = "Paypal-Transmission-Sig"
	idHeader        = "Paypal-Transmission-Id"
	timeHeader      = "Paypal-Transmission-Time"
	urlHeader       = "Paypal-Cert-Url"
	algorithmHeader = "Paypal-Auth-Algo"
)

// verify proves that PayPal signed the request for one of the webhooks, and says
// whether it was with a certificate for real money.
func (p *Provider) verify(r webhook.Request) (live bool, err error) {
	values := map[string]string{}
	for _, name := range []string{signatureHeader, idHeader, timeHeader, urlHeader, algorithmHeader} {
		if values[name], err = webhook.Header(r.Header, name); err != nil {
			return false, err
		}
		if values[name] == "" {
			return false, fmt.Errorf("header %s is empty", name)
		}
	}
	if values[algorithmHeader] != "SHA256withRSA" { // the request has no say in it
		return false, fmt.Errorf("%s names another algorithm than PayPal's", algorithmHeader)
	}
	if strings.Contains(values[idHeader], "|") || strings.Contains(values[timeHeader], "|") {
		return false, errors.New("the transmission's id or time has a |, which parts what is signed")
	}
	at, err := time.Parse(time.RFC3339, values[timeHeader])
	if err != nil {
		return false, fmt.Errorf("%s is not a time", timeHeader)
	}
	if at.After(r.At) { // retries are of the past
		err = webhook.CheckWindow(at, r.At, min(p.tolerance, webhook.DefaultTolerance))
	} else {
		err = webhook.CheckWindow(at, r.At, p.tolerance)
	}
	if err != nil {
		return false, err
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(values[signatureHeader])
	if err != nil {
		return false, fmt.Errorf("%s is not base64", signatureHeader)
	}
	signers, err := p.certificates.named(values[urlHeader], r.At)
	if err != nil {
		return false, err
	}
	for _, signer := range signers {
		for _, id := range p.webhookIDs {
			if webhook.VerifyRSA(signer.key, signed(values[idHeader], values[timeHeader], id, r.Body), signature) {
				return signer.live, nil
			}
		}
	}
	return false, errors.New("no signature matches: the webhook id is another's, or the body was changed on the way")
}

// signed is the text that PayPal signs.
func signed(id, at, webhookID string, body []byte) []byte {
	return []byte(id + "|" + at + "|" + webhookID + "|" + strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
}
