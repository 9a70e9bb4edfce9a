// Package wechatpay reads the notifications of WeChat Pay API v3
// (pay.weixin.qq.com, payment and refund notifications). It promises that a
// notification was signed by WeChat Pay within the window, and that its content
// was encrypted with the merchant's own key.
package wechatpay

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider.
type Options struct {
	// Secrets are the APIv3 keys, 32 bytes each, which notifications are encrypted
	// with. Any of them counts, so that one can be changed.
	Secrets []string
	// Certificates are WeChat Pay's platform certificates, as PEM. They are found
	// by their serial numbers; list the next one before the old one ends.
	Certificates []string
	// PublicKeys are WeChat Pay's public keys by their ids, each written as
	// PUB_KEY_ID_… = and then the PEM. They may stand beside certificates: while a
	// merchant is moved from the one to the other, both kinds come.
	PublicKeys []string
	// MerchantID is the mchid whose notifications count; those of others become
	// notes. Empty: it is not looked at.
	MerchantID string
	// AppID is the same for the appid.
	AppID string
	// Order says where in the decrypted resource the order's id is, as dotted
	// paths with commas between them. Empty: out_trade_no.
	Order string
	// Tolerance is how far the signed time may be off, in the past and in the
	// future. 0: [webhook.DefaultTolerance], as WeChat Pay's library has it.
	Tolerance time.Duration
	// SimulateKey is a private key of the operator's own, to simulate with.
	SimulateKey string
}

// Provider opens the notifications of one merchant.
type Provider struct {
	aeads       []cipher.AEAD
	keys        map[string]verifier // by serial number or id
	merchant    string
	app         string
	orders      []string
	tolerance   time.Duration
	simulateKey *rsa.PrivateKey
	simulateID  string
}

// A verifier is a key of WeChat Pay's, and how long it is good for.
type verifier struct {
	key           *rsa.PublicKey
	from, through time.Time // zero: for ever
}

const mend = "set the APIv3 key in 商户平台 → 账户中心 → API安全, and copy it"

// New returns a Provider. Its errors say how to mend a setting, and hold no part
// of it.
func New(o Options) (*Provider, error) {
	p := &Provider{keys: map[string]verifier{}, merchant: o.MerchantID, app: o.AppID, tolerance: o.Tolerance}
	if p.tolerance == 0 {
		p.tolerance = webhook.DefaultTolerance
	}
	if len(o.Secrets) == 0 {
		return nil, errors.New("wechatpay: no secrets: notifications are encrypted with one; " + mend)
	}
	for i, s := range o.Secrets {
		if err := webhook.CheckSecret(s, 32, mend); err != nil {
			return nil, fmt.Errorf("wechatpay: secret %d %w", i+1, err)
		}
		if len(s) != 32 {
			return nil, fmt.Errorf("wechatpay: secret %d has %d bytes, and APIv3 keys have 32; %s", i+1, len(s), mend)
		}
		block, err := aes.NewCipher([]byte(s))
		if err != nil {
			return nil, fmt.Errorf("wechatpay: secret %d: %w", i+1, err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("wechatpay: secret %d: %w", i+1, err)
		}
		p.aeads = append(p.aeads, aead)
	}
	if err := p.addKeys(o); err != nil {
		return nil, fmt.Errorf("wechatpay: %w", err)
	}
	p.orders = webhook.PathsOr(o.Order, "out_trade_no")
	if o.SimulateKey != "" {
		key, err := webhook.ParseRSAPrivate(o.SimulateKey)
		if err != nil {
			return nil, fmt.Errorf("wechatpay: simulate_key %w", err)
		}
		p.simulateKey = key
		for id, v := range p.keys {
			if v.key.Equal(key.Public()) {
				p.simulateID = id
			}
		}
	}
	return p, nil
}

func (p *Provider) addKeys(o Options) error {
	if len(o.Certificates)+len(o.PublicKeys) == 0 {
		return errors.New("neither certificates nor public_keys: anybody could send; download them from 商户平台 → 账户中心 → API安全")
	}
	for i, text := range o.Certificates {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return fmt.Errorf("certificate %d is not PEM", i+1)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("certificate %d is not readable", i+1)
		}
		key, err := webhook.ParseRSAPublic(text)
		if err != nil {
			return fmt.Errorf("certificate %d %w", i+1, err)
		}
		p.keys[strings.ToUpper(certificate.SerialNumber.Text(16))] = verifier{key, certificate.NotBefore, certificate.NotAfter}
	}
	for i, text := range o.PublicKeys {
		id, body, ok := strings.Cut(strings.TrimSpace(text), "=")
		if id = strings.TrimSpace(id); !ok || !strings.HasPrefix(id, publicKeyPrefix) {
			return fmt.Errorf("public key %d is not its id, PUB_KEY_ID_…, then =, and then the PEM", i+1)
		}
		key, err := webhook.ParseRSAPublic(strings.TrimSpace(body))
		if err != nil {
			return fmt.Errorf("public key %d %w", i+1, err)
		}
		p.keys[id] = verifier{key: key}
	}
	return nil
}

const publicKeyPrefix = "PUB_KEY_ID_"

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	if err := p.verify(r); err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	events, err := p.read(r.Body)
	if errors.Is(err, errAnotherKey) { // so that it comes again, until the key is right
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return events, nil
}

// Modeless implements [webhook.Modeless]: WeChat Pay has no test money.
func (p *Provider) Modeless() bool { return true }

// Answer implements [webhook.Answerer].
func (p *Provider) Answer(webhook.Request) (status int, contentType string, body []byte) {
	return 200, "application/json", []byte(`{"code":"SUCCESS"}` + "\n")
}

// The headers of a notification.
const (
	signatureHeader = "Wechatpay-Signature"
	serialHeader    = "Wechatpay-Serial"
	timeHeader      = "Wechatpay-Timestamp"
	nonceHeader     = "Wechatpay-Nonce"
	typeHeader      = "Wechatpay-Signature-Type"
)

// probePrefix begins the signatures that WeChat Pay sends now and then to see
// that they are refused.
const probePrefix = "WECHATPAY/SIGNTEST/"

func (p *Provider) verify(r webhook.Request) error {
	values := map[string]string{}
	for _, name := range []string{signatureHeader, serialHeader, timeHeader, nonceHeader} {
		value, err := webhook.Header(r.Header, name)
		if err != nil {
			return err
		}
		if value == "" {
			return fmt.Errorf("header %s is empty", name)
		}
		values[name] = value
	}
	if types := r.Header.Values(typeHeader); len(types) > 1 || len(types) == 1 && types[0] != "WECHATPAY2-SHA256-RSA2048" {
		return fmt.Errorf("%s names another way of signing", typeHeader) // the request has no say in it
	}
	if strings.HasPrefix(values[signatureHeader], probePrefix) {
		return errors.New("a probe of WeChat Pay's, which must be refused: all is well")
	}
	if strings.ContainsAny(values[nonceHeader], "\r\n") {
		return errors.New("the nonce has a line end, which parts what is signed")
	}
	at, err := webhook.ParseUnix(values[timeHeader])
	if err != nil {
		return err
	}
	if err := webhook.CheckWindow(at, r.At, p.tolerance); err != nil {
		return err
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(values[signatureHeader])
	if err != nil {
		return fmt.Errorf("%s is not base64", signatureHeader)
	}
	signer, ok := p.keys[values[serialHeader]]
	if !ok {
		signer, ok = p.keys[strings.ToUpper(strings.TrimLeft(values[serialHeader], "0"))]
	}
	switch {
	case !ok:
		return fmt.Errorf("%s names a certificate or public key that is not configured: download it and list it beside the others", serialHeader)
	case !signer.from.IsZero() && (r.At.Before(signer.from) || r.At.After(signer.through)):
		return errors.New("the certificate that signed is not valid now: download the next one")
	case !webhook.VerifyRSA(signer.key, signed(values[timeHeader], values[nonceHeader], r.Body), signature):
		return errors.New("no signature matches: the key is another's, or the body was changed on the way")
	}
	return nil
}

// signed is the text that is signed: three lines, the last one ended too.
func signed(timestamp, nonce string, body []byte) []byte {
	return []byte(timestamp + "\n" + nonce + "\n" + string(body) + "\n")
}

// decrypt opens the resource of a notification (AEAD_AES_256_GCM).
func (p *Provider) decrypt(b strictjson.Object) ([]byte, error) {
	if b.String("resource.algorithm") != "AEAD_AES_256_GCM" {
		return nil, errors.New("resource.algorithm is not AEAD_AES_256_GCM")
	}
	nonce := []byte(b.String("resource.nonce"))
	sealed, err := base64.StdEncoding.DecodeString(b.String("resource.ciphertext"))
	if err != nil {
		return nil, errors.New("resource.ciphertext is not base64")
	}
	for _, aead := range p.aeads {
		if len(nonce) != aead.NonceSize() { // Open would panic
			return nil, fmt.Errorf("resource.nonce has %d bytes, not %d", len(nonce), aead.NonceSize())
		}
		if plain, err := aead.Open(nil, nonce, sealed, []byte(b.String("resource.associated_data"))); err == nil {
			return plain, nil
		}
	}
	return nil, errAnotherKey
}

var errAnotherKey = errors.New("the resource cannot be decrypted: the APIv3 key is another")

// compact is JSON without a line end.
func compact(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("wechatpay: " + err.Error()) // of texts and numbers alone
	}
	return text
}
