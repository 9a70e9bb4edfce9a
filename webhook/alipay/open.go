// Package alipay reads Alipay's asynchronous notifications of trades, of China
// (opendocs.alipay.com, 异步通知). It promises that a notification was signed
// with the key that Alipay has for the operator's app, and that no field of it
// can be read in two ways.
package alipay

import (
	"crypto/md5" // not to prove anything: Alipay names certificates by it
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Options tune a Provider.
type Options struct {
	// PublicKeys are Alipay's, not the app's own: PEM, or the base64 that the
	// console shows. Any of them counts.
	PublicKeys []string
	// Certificates are Alipay's, of apps that use certificates: PEM, the first of
	// each text. One that a notification names is the only one that counts for it.
	Certificates []string
	// AppID and SellerID are whose notifications count; those of others become
	// notes. Empty: they are not looked at.
	AppID, SellerID string
	// Order names the field with the order's id, or several with commas between
	// them. Of passback_params a pair can be named: passback_params.order_id.
	// Empty: out_trade_no.
	Order string
	// SimulateKey is a private key of the operator's own, to simulate with.
	SimulateKey string
}

// Provider opens the notifications of one app.
type Provider struct {
	keys        []*rsa.PublicKey
	serials     map[string]*rsa.PublicKey // those of certificates, as alipay_cert_sn names them
	app, seller string
	orders      []string
	simulateKey *rsa.PrivateKey
}

// New returns a Provider. Its errors say how to mend a setting.
func New(o Options) (*Provider, error) {
	p := &Provider{app: o.AppID, seller: o.SellerID, serials: map[string]*rsa.PublicKey{}}
	for _, list := range []struct {
		name  string
		texts []string
	}{{"public key", o.PublicKeys}, {"certificate", o.Certificates}} {
		for i, text := range list.texts {
			key, err := webhook.ParseRSAPublic(text)
			if err != nil {
				return nil, fmt.Errorf("alipay: %s %d %w", list.name, i+1, err)
			}
			p.keys = append(p.keys, key)
			if name, ok := serial(text); ok && list.name == "certificate" {
				p.serials[name] = key
			}
		}
	}
	if len(p.keys) == 0 {
		return nil, errors.New("alipay: neither public_keys nor certificates: anybody could send; copy 支付宝公钥 from the app in 开放平台")
	}
	p.orders = webhook.PathsOr(o.Order, "out_trade_no")
	if o.SimulateKey != "" {
		key, err := webhook.ParseRSAPrivate(o.SimulateKey)
		if err != nil {
			return nil, fmt.Errorf("alipay: simulate_key %w", err)
		}
		p.simulateKey = key
	}
	return p, nil
}

// serial names a certificate as Alipay does: by the MD5 of its issuer's name and
// its serial number, in decimal.
func serial(text string) (string, bool) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "", false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", false
	}
	sum := md5.Sum([]byte(c.Issuer.String() + c.SerialNumber.String()))
	return hex.EncodeToString(sum[:]), true
}

// MediaTypes implements [webhook.MediaTyper].
func (p *Provider) MediaTypes() []string { return []string{"application/x-www-form-urlencoded"} }

// Modeless implements [webhook.Modeless]: the sandbox is another gateway, with
// another key, and its notifications look the same.
func (p *Provider) Modeless() bool { return true }

// Answer implements [webhook.Answerer]: these seven bytes, and nothing else, end
// the resending.
func (p *Provider) Answer(webhook.Request) (status int, contentType string, body []byte) {
	return 200, "text/plain", []byte("success")
}

// Open implements [webhook.Provider].
func (p *Provider) Open(r webhook.Request) ([]order.Event, error) {
	fields, err := parse(r.Body)
	if err == nil {
		err = p.verify(fields)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", webhook.ErrUnverified, err)
	}
	if err = recode(fields); err == nil {
		var events []order.Event
		if events, err = p.normalize(fields); err == nil {
			return events, nil
		}
	}
	return nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
}

// parse reads a form, each text decoded once. A field that is there twice could
// be read in two ways.
func parse(body []byte) (map[string]string, error) {
	fields := map[string]string{}
	for pair := range strings.SplitSeq(string(body), "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, wrong := url.QueryUnescape(name)
		value, wrongToo := url.QueryUnescape(value)
		if wrong != nil || wrongToo != nil || name == "" {
			return nil, errors.New("the body is not a form")
		}
		if _, ok := fields[name]; ok {
			return nil, errors.New("a field is there twice")
		}
		fields[name] = value
	}
	return fields, nil
}

// verify proves that Alipay signed the fields.
func (p *Provider) verify(fields map[string]string) error {
	encoded, ok := fields["sign"]
	if !ok || encoded == "" {
		return errors.New("no field sign")
	}
	if fields["sign_type"] != "RSA2" { // the sender has no say in it
		return errors.New("sign_type is not RSA2: set the app to RSA2 (SHA256) keys")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return errors.New("sign is not base64; a + in it must come as %2B")
	}
	keys := p.keys
	if named := p.serials[fields["alipay_cert_sn"]]; named != nil {
		keys = []*rsa.PublicKey{named}
	}
	// Of trades, sign_type is not signed; of some other notifications it is. Whether
	// the certificate's name is, libraries do not agree: who changes it chooses
	// among keys that are all Alipay's.
	texts := [][]string{{"sign", "sign_type"}, {"sign"}}
	if fields["alipay_cert_sn"] != "" {
		texts = append(texts, []string{"sign", "sign_type", "alipay_cert_sn"})
	}
	for _, left := range texts {
		text := []byte(signed(fields, left))
		for _, key := range keys {
			if webhook.VerifyRSA(key, text, signature) {
				return nil
			}
		}
	}
	return errors.New("no signature matches: the public key is not Alipay's for this app (it is often the app's own), or a field was changed on the way")
}

// signed is the text that is signed: all fields but those left out, by name. The
// empty ones are among them, other than in requests to Alipay.
func signed(fields map[string]string, left []string) string {
	var pairs []string
	for name, value := range fields {
		if !slices.Contains(left, name) {
			pairs = append(pairs, name+"="+value)
		}
	}
	slices.SortFunc(pairs, func(a, b string) int {
		nameA, _, _ := strings.Cut(a, "=")
		nameB, _, _ := strings.Cut(b, "=")
		return strings.Compare(nameA, nameB)
	})
	return strings.Join(pairs, "&")
}

// recode makes the values UTF-8. What is signed are the bytes as they came.
func recode(fields map[string]string) error {
	switch strings.ToLower(fields["charset"]) {
	case "", "utf-8", "utf8":
		return nil
	case "gbk", "gb2312", "gb18030":
		for name, value := range fields {
			text, err := simplifiedchinese.GB18030.NewDecoder().String(value)
			if err != nil {
				return errors.New("a field is not in the charset that is named")
			}
			fields[name] = text
		}
		return nil
	}
	return errors.New("charset is neither utf-8 nor gbk")
}
