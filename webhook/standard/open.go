// Package standard reads webhooks signed as Standard Webhooks asks
// (github.com/standard-webhooks/standard-webhooks, version 1.0.0), also under
// the older header names of Svix. A shop's own backend, and whoever sends by
// that specification, needs no adapter of its own.
//
// It promises that id, time and body of an opened request are the sender's. It
// leaves to the ledger that a request sent again counts once: the id is the
// event's id.
package standard

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. One secret or public key is needed.
type Options struct {
	// Secrets are shared with the sender: base64 of 24 to 64 bytes, with whsec_
	// before it or without. A signature (v1) by any of them counts, so that one
	// can be changed while both are in use.
	Secrets []string
	// PublicKeys are the sender's Ed25519 keys: whpk_ and base64 of 32 bytes. A
	// signature (v1a) by any of them counts.
	PublicKeys []string
	// Order says where in the body the order's id is, as dotted paths with
	// commas between them; the first that is there counts. Empty: where
	// [ReadEvent] looks.
	Order string
	// Tolerance is how far a request's time may be off, in the past and in the
	// future. 0 means [webhook.DefaultTolerance], as in the specification's libraries.
	Tolerance time.Duration
}

// Provider opens and, with a secret, simulates the webhooks of one source.
type Provider struct {
	secrets   [][]byte
	keys      []ed25519.PublicKey
	orders    []string
	tolerance time.Duration
}

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it, and hold no part of a secret.
func New(o Options) (*Provider, error) {
	p := &Provider{tolerance: o.Tolerance}
	if p.tolerance == 0 {
		p.tolerance = webhook.DefaultTolerance
	}
	if p.tolerance < 0 {
		return nil, errors.New("standard: tolerance is negative: leave it out for 5m")
	}
	if len(o.Secrets)+len(o.PublicKeys) == 0 {
		return nil, errors.New("standard: neither secrets nor public_keys: anybody could send; set one of them")
	}
	for i, s := range o.Secrets {
		secret, err := parseSecret(s)
		if err != nil {
			return nil, fmt.Errorf("standard: secret %d %w", i+1, err)
		}
		p.secrets = append(p.secrets, secret)
	}
	for i, s := range o.PublicKeys {
		key, err := decode(strings.TrimPrefix(s, "whpk_"))
		if err != nil || len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("standard: public key %d is not whpk_ and the base64 of the 32 bytes of an Ed25519 public key", i+1)
		}
		p.keys = append(p.keys, key)
	}
	for path := range strings.SplitSeq(o.Order, ",") {
		if path = strings.TrimSpace(path); path != "" {
			p.orders = append(p.orders, path)
		}
	}
	return p, nil
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	id, err := p.verify(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	e, err := p.normalize(id, r.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return []order.Event{e}, nil
}

// The two families of header names.
const (
	ownPrefix  = "Webhook-"
	svixPrefix = "Svix-"
)

var suffixes = []string{"Id", "Timestamp", "Signature"}

// verify returns the id of a request whose sender it has proved.
func (p *Provider) verify(r webhook.Request) (string, error) {
	id, timestamp, signatures, err := headers(r.Header)
	if err != nil {
		return "", err
	}
	if err := order.CheckID(id); err != nil {
		return "", fmt.Errorf("id %w", err)
	}
	// The signed text would read the same with another id and time.
	if strings.Contains(id, ".") {
		return "", errors.New("id has a dot")
	}
	at, err := webhook.ParseUnix(timestamp)
	if err != nil {
		return "", err
	}
	if err := webhook.CheckWindow(at, r.At, p.tolerance); err != nil {
		return "", err
	}
	if !p.signedBy(signatures, signedHead(id, timestamp), r.Body) {
		return "", errors.New("no signature matches; the secret is another, or the body was changed on the way")
	}
	return id, nil
}

// headers returns what the one family of headers says that the request has.
func headers(h http.Header) (id, timestamp, signatures string, err error) {
	family := ownPrefix
	if slices.ContainsFunc(suffixes, func(suffix string) bool { return len(h[svixPrefix+suffix]) > 0 }) {
		family = svixPrefix
	}
	var values [3]string
	for i, suffix := range suffixes {
		if family == svixPrefix && len(h[ownPrefix+suffix]) > 0 {
			return "", "", "", errors.New("both webhook- and svix- headers")
		}
		if values[i], err = webhook.Header(h, family+suffix); err != nil {
			return "", "", "", err
		}
	}
	return values[0], values[1], values[2], nil
}

// signedHead is what stands before the body in the signed text.
func signedHead(id, timestamp string) []byte { return []byte(id + "." + timestamp + ".") }

// maxSignatures is how many signatures of a request are tried. A sender that
// changes its keys sends two or three.
const maxSignatures = 16

// signedBy says whether any of the listed signatures is by any of the keys.
// Versions other than v1 and v1a are somebody else's.
func (p *Provider) signedBy(signatures string, head, body []byte) bool {
	list := strings.Fields(signatures)
	var symmetric [][]byte
	for _, entry := range list[:min(len(list), maxSignatures)] {
		version, encoded, _ := strings.Cut(entry, ",")
		signature, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil {
			continue
		}
		switch version {
		case "v1":
			symmetric = append(symmetric, signature)
		case "v1a":
			for _, key := range p.keys {
				if ed25519.Verify(key, slices.Concat(head, body), signature) {
					return true
				}
			}
		}
	}
	return webhook.SignedBy(sha256.New, p.secrets, symmetric, head, body)
}

// parseSecret returns the bytes of a secret, or what is wrong with it and how
// to mend it.
func parseSecret(s string) ([]byte, error) {
	const mend = "make one with: echo whsec_$(openssl rand -base64 32)"
	if strings.HasPrefix(s, "whsk_") || strings.HasPrefix(s, "whpk_") {
		return nil, errors.New("is an Ed25519 key: of such a sender give the public key (whpk_) in public_keys")
	}
	encoded := strings.TrimPrefix(s, "whsec_")
	if err := webhook.CheckSecret(encoded, 0, mend); err != nil {
		return nil, err
	}
	secret, err := decode(encoded)
	if err != nil {
		return nil, errors.New("is not whsec_ and base64; " + mend)
	}
	if len(secret) < 24 || len(secret) > 64 {
		return nil, fmt.Errorf("has %d bytes, not 24 to 64; %s", len(secret), mend)
	}
	return secret, nil
}

// decode reads base64 with its padding or without.
func decode(s string) ([]byte, error) {
	return base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
}
