// Package adyen reads the webhooks of Adyen
// (docs.adyen.com/development-resources/webhooks): the standard ones about
// payments, in which each item is signed by itself, and those of its platforms,
// whose whole body is signed in a header.
//
// It promises that what the events say of ids, amounts, kinds and outcomes is
// Adyen's own. Of a standard webhook only eight fields are signed: the reason,
// the method, the time and whether it is live are not.
package adyen

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret is needed.
type Options struct {
	// Secrets are the HMAC keys of the webhook, 64 hexadecimal digits. A
	// signature by any of them counts: a new key takes a while to spread.
	Secrets []string
	// Capture says how payments are captured, which is a setting of the account
	// and in no webhook. "manual": an authorization is authorized, and paid once a
	// CAPTURE comes. "automatic": an authorization is paid. Empty: manual.
	Capture string
	// Account is the merchant account whose events count; those of others become
	// notes. Empty: the account is not looked at.
	Account string
}

// Provider opens and simulates the webhooks of one account.
type Provider struct {
	keys      [][]byte
	automatic bool
	account   string
}

const (
	keyDigits = 64
	mend      = "copy the HMAC key of the webhook (64 hexadecimal digits) from Adyen's Customer Area"
)

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	keys, err := webhook.Keys("adyen", o.Secrets, keyDigits, mend)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i], err = hex.DecodeString(o.Secrets[i]); err != nil || len(o.Secrets[i]) != keyDigits {
			return nil, fmt.Errorf("adyen: secret %d %w", i+1, errors.New("is not 64 hexadecimal digits; "+mend))
		}
	}
	if o.Capture != "" && o.Capture != "manual" && o.Capture != "automatic" {
		return nil, fmt.Errorf("adyen: capture %q is neither manual nor automatic: it is how the account captures payments", o.Capture)
	}
	return &Provider{keys: keys, automatic: o.Capture == "automatic", account: o.Account}, nil
}

// Answer implements [webhook.Answerer]. Adyen holds back all that follows until
// it is answered so.
func (p *Provider) Answer(webhook.Request) (int, string, []byte) {
	return http.StatusOK, "text/plain; charset=utf-8", []byte("[accepted]")
}

var scheme = webhook.Scheme{Header: "Hmacsignature", Hash: sha256.New, Base64: true}

// Open implements [webhook.Provider]. A standard webhook has to be read before
// it is verified, as its signatures are in it; nothing of it is believed until
// its own is. Of several items those that are not signed are left out, so that
// they hold up none of the others.
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	if len(r.Header.Values(scheme.Header)) > 0 {
		return webhook.OpenWith(r, p.verify, p.platform)
	}
	items, live, err := parse(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	genuine := items[:0]
	for _, item := range items {
		if err = p.verifyItem(item); err == nil {
			genuine = append(genuine, item)
		}
	}
	if len(genuine) == 0 {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	var events []order.Event
	for _, item := range genuine {
		var e order.Event
		if e, err = p.event(item, live); err == nil {
			e, err = webhook.Tidy(e)
		}
		if err == nil {
			events = append(events, e)
		}
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return events, nil
}

// verify proves that Adyen signed the whole body, as it does for platforms.
func (p *Provider) verify(r webhook.Request) error { return scheme.Verify(r, p.keys, r.Body) }

// maxItems is far more than Adyen sends in one request, which is one.
const maxItems = 100

// parse takes a standard webhook apart: {"live":"false","notificationItems":
// [{"NotificationRequestItem":{…}}]}.
func parse(body []byte) (items []strictjson.Object, live bool, err error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, false, err
	}
	list, _ := b["notificationItems"].([]strictjson.Value)
	if len(list) == 0 || len(list) > maxItems {
		return nil, false, errors.New("no header HmacSignature, and no list of notificationItems")
	}
	for _, v := range list {
		outer, _ := v.(strictjson.Object)
		items = append(items, outer.Object("NotificationRequestItem"))
	}
	return items, b.Text("live") == "true", nil
}
