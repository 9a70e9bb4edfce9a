package custom_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"testing"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/custom"
)

// adobe is the configuration of docs/other-providers.md: Adobe I/O Events, by way
// of which Adobe Commerce tells of its orders, signs the body with RSA.
var adobe = custom.Config{
	Verify: custom.Verify{Algorithm: "rsa-sha256", Header: "X-Adobe-Digital-Signature-1", Encoding: "base64", Signed: "{body}"},
	Event: custom.Event{
		ID: "event_id", Order: "event.value.increment_id", Payment: "event.value.entity_id", Status: "event.value.state",
		Statuses: map[string]string{"new": "created", "pending_payment": "pending", "processing": "paid", "complete": "paid", "canceled": "canceled"},
		Amount:   "event.value.grand_total", AmountUnit: "major", Currency: "event.value.order_currency_code",
	},
}

const adobeBody = `{"event_id":"0f1b3d52-7a90-4b17-8a6f-3a1d2c4b5e6f","event":{"value":{"entity_id":42,"increment_id":"000000042","state":"processing","status":"processing","grand_total":99.0,"order_currency_code":"EUR"}}}`

func TestAdobeCommerce(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	p, err := custom.New(adobe, nil, []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(adobeBody))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	r := request(map[string]string{"X-Adobe-Digital-Signature-1": base64.StdEncoding.EncodeToString(signature)})
	r.Body = []byte(adobeBody)
	events, err := p.Open(r)
	if err != nil || events[0].Order != "000000042" || events[0].Status != order.Paid || events[0].Amount != 9900 || events[0].Currency != "EUR" {
		t.Errorf("%+v, %v", events, err)
	}
	r.Body = append(r.Body, ' ')
	if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) {
		t.Errorf("a changed body: %v", err)
	}
}
