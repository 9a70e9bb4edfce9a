// Package unionpay reads the back notifications of UnionPay's ACP gateway,
// version 5.1.0 with certificates (open.unionpay.com, 全渠道).
//
// It promises that a notification was signed by a certificate of UnionPay's own,
// which the operator's copies of the issuers vouch for. No time of the attempt
// is signed, so that a captured request can be sent again at any time; as each
// transaction has an id, the ledger counts it once.
package unionpay

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider. The issuers' certificates are needed.
type Options struct {
	// PublicKeys are the certificates of UnionPay's issuers, in PEM:
	// acp_prod_root.cer and acp_prod_middle.cer. No secret is shared.
	PublicKeys []string
	// Merchant is the merId whose notifications count; those of others become
	// notes. Empty: it is not looked at.
	Merchant string
	// Order is the field with the order's id: orderId (when empty) or reqReserved.
	Order string
}

// Provider opens the notifications of one merchant. UnionPay's key alone can
// sign one, so that none is simulated.
type Provider struct {
	roots, middle   *x509.CertPool
	merchant, order string
}

// New returns a Provider. Its errors say which setting is wrong and how to mend
// it.
func New(o Options) (*Provider, error) {
	const mend = "put in acp_prod_root.cer and acp_prod_middle.cer of UnionPay's development kit, as PEM"
	p := &Provider{roots: x509.NewCertPool(), middle: x509.NewCertPool(), merchant: o.Merchant, order: o.Order}
	if p.order == "" {
		p.order = "orderId"
	}
	if p.order != "orderId" && p.order != "reqReserved" {
		return nil, errors.New("unionpay: order is neither orderId nor reqReserved")
	}
	rooted := false
	for i, text := range o.PublicKeys {
		certificate, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("unionpay: public key %d %w; %s", i+1, err, mend)
		}
		if bytes.Equal(certificate.RawIssuer, certificate.RawSubject) {
			p.roots.AddCert(certificate)
			rooted = true
		} else {
			p.middle.AddCert(certificate)
		}
	}
	if !rooted {
		return nil, errors.New("unionpay: no root among public_keys: anybody could sign; " + mend)
	}
	return p, nil
}

func parse(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("is not one certificate in PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("is not a certificate that can be read")
	}
	return certificate, nil
}

// MediaTypes implements [webhook.MediaTyper].
func (p *Provider) MediaTypes() []string { return []string{"application/x-www-form-urlencoded"} }

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	form, live, err := p.verify(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	e, err := p.normalize(form, live)
	if err == nil {
		e, err = webhook.Tidy(e)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return []order.Event{e}, nil
}

// verify proves that UnionPay signed the fields, and says whether with the key
// of its live environment. What is signed is the hexadecimal text of a hash.
func (p *Provider) verify(r webhook.Request) (fields map[string]string, live bool, err error) {
	if fields, err = formOf(r.Body); err != nil {
		return nil, false, err
	}
	if fields["version"] != "5.1.0" || fields["signMethod"] != "01" {
		return nil, false, errors.New("not version 5.1.0 with signMethod 01: set both where the payment is asked for")
	}
	key, live, err := p.signer(fields["signPubKeyCert"], r.At)
	if err != nil {
		return nil, false, err
	}
	signature, err := base64.StdEncoding.DecodeString(fields["signature"])
	if err != nil {
		return nil, false, errors.New("signature is not base64")
	}
	inner := sha256.Sum256([]byte(signedText(fields)))
	outer := sha256.Sum256([]byte(hex.EncodeToString(inner[:])))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, outer[:], signature) != nil {
		return nil, false, webhook.ErrMismatch
	}
	return fields, live, nil
}

// formOf reads a form in which no field stands twice: of two values, somebody
// else may have believed the other one.
func formOf(body []byte) (map[string]string, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the body is not a form")
	}
	fields := make(map[string]string, len(values))
	for name, list := range values {
		if len(list) != 1 {
			return nil, errors.New("a field stands twice")
		}
		fields[name] = list[0]
	}
	return fields, nil
}

// signedText is all fields but the signature, by name.
func signedText(fields map[string]string) string {
	var text []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "signature" {
			text = append(text, name+"="+fields[name])
		}
	}
	return strings.Join(text, "&")
}

// The company in the third part of the certificate's name, in the live and in
// the test environment. Its issuer certifies others too.
const (
	unionPay = "中国银联股份有限公司"
	sandbox  = "00040000:SIGN"
)

// signer returns the key of a certificate that came with a notification, once it
// is proved to be UnionPay's.
func (p *Provider) signer(text string, now time.Time) (key *rsa.PublicKey, live bool, err error) {
	certificate, err := parse(text)
	if err != nil {
		return nil, false, fmt.Errorf("signPubKeyCert %w", err)
	}
	if _, err := certificate.Verify(x509.VerifyOptions{
		Roots: p.roots, Intermediates: p.middle, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return nil, false, errors.New("signPubKeyCert is of no issuer in public_keys, or out of date")
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	name := strings.Split(certificate.Subject.CommonName, "@")
	if !ok || len(name) < 3 || name[2] != unionPay && name[2] != sandbox {
		return nil, false, errors.New("signPubKeyCert is not UnionPay's own")
	}
	return key, name[2] == unionPay, nil
}
