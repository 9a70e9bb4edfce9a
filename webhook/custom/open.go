// Package custom reads the webhooks of a sender that has no adapter of its own,
// as a configuration describes them: where the signature is, what it signs, and
// where in the JSON body is what.
//
// It promises the same as the adapters do. The body must be signed, a time and
// an id are believed only when they are signed too, and the operator alone
// chooses the algorithm; a configuration that leaves a hole is refused when the
// gateway starts.
package custom

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Provider opens the webhooks of one source and, where secrets are shared,
// simulates them.
type Provider struct {
	verify Verify
	event  Event
	answer Answer
	signed template
	keys   []key
	sign   func(text []byte) []byte // with the first secret; nil: public keys
}

// New returns a Provider. hmac algorithms take secrets, and the others
// publicKeys: PEM (a public key or a certificate, whose dates are not looked
// at), or the base64 within. Any of several counts, so that they can be
// changed. Its errors name the field that is wrong and how to mend it, and hold
// no part of a secret.
func New(c Config, secrets, publicKeys []string) (*Provider, error) {
	p := &Provider{verify: c.Verify, event: c.Event,
		answer: Answer{Status: http.StatusOK, ContentType: "application/json", Body: "{\"received\":true}\n"}}
	if c.Answer != nil {
		p.answer = *c.Answer
	}
	var err error
	if p.signed, err = p.verify.check(); err != nil {
		return nil, err
	}
	if err := cmp.Or(p.event.check(), p.answer.check(), p.addKeys(secrets, publicKeys)); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Provider) addKeys(secrets, publicKeys []string) error {
	algorithm := p.verify.Algorithm
	newHash, shared := macs[algorithm]
	switch public := slices.Contains(publics, algorithm); {
	case !shared && !public:
		return fmt.Errorf("custom: verify.algorithm is %q: write %s", algorithm, algorithms)
	case shared && len(secrets) == 0:
		return fmt.Errorf("custom: no secrets, which %s needs: anybody could send", algorithm)
	case public && len(publicKeys) == 0:
		return fmt.Errorf("custom: no public_keys, which %s needs: anybody could send", algorithm)
	case shared && len(publicKeys) > 0:
		return fmt.Errorf("custom: public_keys have no use with %s: take them out", algorithm)
	case public && len(secrets) > 0:
		return fmt.Errorf("custom: secrets have no use with %s: take them out", algorithm)
	}
	for i, s := range secrets {
		secret, err := parseSecret(s, p.verify.SecretEncoding)
		if err != nil {
			return fmt.Errorf("custom: secret %d %w", i+1, err)
		}
		p.keys = append(p.keys, secretKey(newHash, secret))
		if p.sign == nil {
			p.sign = func(text []byte) []byte { return webhook.HMAC(newHash, secret, text) }
		}
	}
	for i, s := range publicKeys {
		k, err := publicKey(algorithm, p.verify.ECDSA, s)
		if err != nil {
			return fmt.Errorf("custom: public key %d %w", i+1, err)
		}
		p.keys = append(p.keys, k)
	}
	return nil
}

// Answer implements [webhook.Answerer].
func (p *Provider) Answer(webhook.Request) (status int, contentType string, body []byte) {
	return p.answer.Status, p.answer.ContentType, []byte(p.answer.Body)
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	id, err := p.prove(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	body, err := strictjson.ParseObject(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	if path := p.verify.Timestamp.Path; path != "" {
		if err := p.timely(body.Text(path), r.At); err != nil {
			return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
		}
	}
	e, err := p.normalize(body, r.Body, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return []order.Event{e}, nil
}

// prove checks time and signature, and returns the signed id, if there is one.
func (p *Provider) prove(r webhook.Request) (id string, err error) {
	value, err := webhook.Header(r.Header, p.verify.Header)
	if err != nil {
		return "", err
	}
	signatures, timestamp, err := p.read(value)
	if err != nil {
		return "", err
	}
	if name := p.verify.Timestamp.Header; name != "" {
		if timestamp, err = webhook.Header(r.Header, name); err != nil {
			return "", err
		}
	}
	if p.verify.Timestamp != (Timestamp{}) && p.verify.Timestamp.Path == "" {
		if err := p.timely(timestamp, r.At); err != nil {
			return "", err
		}
	}
	if name := p.verify.ID.Header; name != "" {
		if id, err = webhook.Header(r.Header, name); err != nil {
			return "", err
		}
		if err := p.signed.holds(id); err != nil {
			return "", err
		}
	}
	text, err := p.signed.fill(signing{r, p.address(r), timestamp, id})
	if err != nil {
		return "", err
	}
	if !p.signedBy(signatures, text) {
		return "", errors.New("no signature matches; the secret is another, the signed text is put together " +
			"otherwise, or the body was changed on the way")
	}
	return id, nil
}

func (p *Provider) address(r webhook.Request) string {
	if p.verify.URL != "" {
		return p.verify.URL
	}
	return r.URL
}

// read takes the signatures out of the header's value, and the time where it is
// one of the pairs.
func (p *Provider) read(value string) (signatures []string, timestamp string, err error) {
	v := p.verify
	entries := []string{value}
	if v.Separator != "" {
		entries = strings.Split(value, v.Separator)
	}
	times := 0
	for _, entry := range entries {
		entry = strings.TrimSpace(entry)
		if v.Field != "" {
			name, val, ok := strings.Cut(entry, "=")
			if name = strings.TrimSpace(name); ok && name == v.Timestamp.Field {
				timestamp, times = strings.TrimSpace(val), times+1
			}
			if !ok || name != v.Field {
				continue
			}
			entry = strings.TrimSpace(val)
		}
		if signature, ok := strings.CutPrefix(entry, v.Prefix); ok && signature != "" {
			signatures = append(signatures, signature)
		}
	}
	switch {
	case v.Timestamp.Field != "" && times != 1:
		return nil, "", fmt.Errorf("header %s does not have %s exactly once", v.Header, v.Timestamp.Field)
	case len(signatures) == 0:
		return nil, "", fmt.Errorf("header %s has no signature of the configured form", v.Header)
	case len(signatures) > maxSignatures:
		return nil, "", fmt.Errorf("header %s has more than %d signatures", v.Header, maxSignatures)
	}
	return signatures, timestamp, nil
}

// maxSignatures is how many signatures of a request are tried. A sender that
// changes its keys sends two or three.
const maxSignatures = 16

func (p *Provider) signedBy(signatures []string, text []byte) bool {
	for _, encoded := range signatures {
		signature, err := decodeSignature(encoded, p.verify.Encoding)
		if err != nil {
			continue
		}
		for _, k := range p.keys {
			if k(text, signature) {
				return true
			}
		}
	}
	return false
}

// timely refuses a time outside the window on either side.
func (p *Provider) timely(timestamp string, now time.Time) error {
	t := p.verify.Timestamp
	at, err := readTime(timestamp, t.Unit)
	if err != nil || at.IsZero() {
		return errors.New("timestamp is missing or not of the configured unit")
	}
	return webhook.CheckWindow(at, now, t.Tolerance)
}

// Modeless implements [webhook.Modeless]: where the configuration does not say
// what tells test money from real, the source's mode does.
func (p *Provider) Modeless() bool { return p.event.Livemode == "" }
