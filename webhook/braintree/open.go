// Package braintree reads Braintree's webhooks
// (developer.paypal.com/braintree/docs/guides/webhooks). They are XML, in
// base64, in a form. It promises that a notification was signed with the
// operator's own API key.
package braintree

import (
	"crypto/sha1" // what Braintree signs with
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider.
type Options struct {
	// PublicKey and PrivateKey are an API key of the merchant's. Braintree signs
	// with every active one, so that a new one can be put here before the old one
	// is revoked.
	PublicKey, PrivateKey string
	// Order says where in a transaction the order's id is, as dotted paths with
	// commas between them. Empty: order-id.
	Order string
}

// Provider opens the webhooks of one merchant.
type Provider struct {
	public string
	key    []byte // the digest of the private key
	orders []string
}

const mend = "copy the API key from the control panel: Settings → API → Keys"

// New returns a Provider. Its errors say how to mend a setting, and hold no part
// of it.
func New(o Options) (*Provider, error) {
	if err := webhook.CheckSecret(o.PrivateKey, 16, mend); err != nil {
		return nil, fmt.Errorf("braintree: private_key %w", err)
	}
	if !publicKey.MatchString(o.PublicKey) {
		return nil, errors.New("braintree: public_key is not 8 to 64 letters, digits and underscores; " + mend)
	}
	sum := sha1.Sum([]byte(o.PrivateKey))
	p := &Provider{public: o.PublicKey, key: sum[:]}
	p.orders = webhook.PathsOr(o.Order, "order-id")
	return p, nil
}

var publicKey = regexp.MustCompile(`^[a-zA-Z0-9_]{8,64}$`)

// MediaTypes implements [webhook.MediaTyper].
func (p *Provider) MediaTypes() []string { return []string{"application/x-www-form-urlencoded"} }

// Modeless implements [webhook.Modeless]: the sandbox has other keys, and its
// webhooks look the same.
func (p *Provider) Modeless() bool { return true }

// Challenge implements [webhook.Challenger]. Braintree asks when the address is
// set in its control panel.
func (p *Provider) Challenge(query url.Values) ([]byte, bool) {
	challenge := query["bt_challenge"]
	if len(challenge) != 1 || !challengeText.MatchString(challenge[0]) {
		return nil, false
	}
	return []byte(p.public + "|" + p.sign([]byte(challenge[0]))), true
}

var challengeText = regexp.MustCompile(`^[a-f0-9]{20,32}$`)

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	payload, err := p.verify(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	e, err := p.read(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return []order.Event{e}, nil
}

// A payload is the base64 of a notification, in lines. A shorter text may be a
// challenge, and whoever asks gets that signed.
const minPayload = 64

var payloadCharacter = [256]bool{'+': true, '/': true, '=': true, '\n': true}

func isPayload(text string) bool {
	for i := range len(text) {
		if c := text[i]; !payloadCharacter[c] && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(text) >= minPayload
}

// verify returns the payload of a form whose sender it has proved.
func (p *Provider) verify(body []byte) (string, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["bt_signature"]) != 1 || len(form["bt_payload"]) != 1 {
		return "", errors.New("the body is not a form with one bt_signature and one bt_payload")
	}
	payload := form.Get("bt_payload")
	if !isPayload(payload) {
		return "", errors.New("bt_payload is not the base64 of a notification")
	}
	named := false
	for pair := range strings.SplitSeq(form.Get("bt_signature"), "&") {
		public, encoded, _ := strings.Cut(pair, "|")
		if public != p.public {
			continue
		}
		named = true
		signature, ok := webhook.DecodeHex(encoded, sha1.Size)
		if !ok {
			continue
		}
		if p.signed(signature, payload) {
			return payload, nil
		}
	}
	if !named {
		return "", errors.New("not signed for this public_key: the API key is another, or was revoked")
	}
	return "", errors.New("no signature matches: the private_key is another, or the body was changed on the way")
}

// signed also allows for a line end that was lost on the way, as Braintree's own
// libraries do.
func (p *Provider) signed(signature []byte, payload string) bool {
	by := func(text string) bool {
		return webhook.SignedBy(sha1.New, [][]byte{p.key}, [][]byte{signature}, []byte(text))
	}
	return by(payload) || !strings.HasSuffix(payload, "\n") && by(payload+"\n")
}

func (p *Provider) sign(text []byte) string {
	return hex.EncodeToString(webhook.HMAC(sha1.New, p.key, text))
}

func decode(payload string) ([]byte, error) {
	text, err := base64.StdEncoding.DecodeString(payload) // which skips line ends
	if err != nil {
		return nil, errors.New("bt_payload is not base64")
	}
	return text, nil
}
