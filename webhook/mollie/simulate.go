package mollie

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/paybell/paybell/webhook"
)

// Simulate implements [webhook.Simulator]. A classic webhook says nothing but
// which payment: it must be one that Mollie knows, as its status is fetched.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	if !paymentID.MatchString(s.Payment) {
		return webhook.Request{}, errors.New("mollie: its webhooks only name a payment, which is then fetched: give one that Mollie knows, --payment tr_…")
	}
	if len(p.secrets) == 0 {
		return webhook.Request{}, errors.New("mollie: set secrets to simulate: only Mollie has what goes into signed events")
	}
	return classic(string(p.secrets[0]), s.Payment, s.SignedAt()), nil
}

func classic(secret, payment string, at time.Time) webhook.Request {
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/mollie?secret=" + url.QueryEscape(secret),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"Mollie HTTP client/1.0"}},
		Body:   []byte("id=" + payment),
		At:     at,
	}
}

func sign(secret, body []byte, at time.Time) webhook.Request {
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/mollie",
		Header: http.Header{
			"Content-Type": {"application/json"}, signatureHeader: {"sha256=" + hex.EncodeToString(webhook.HMAC(sha256.New, secret, body))},
		},
		Body: body,
		At:   at,
	}
}
