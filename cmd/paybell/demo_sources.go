package main

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/adyen"
	"github.com/paybell/paybell/webhook/airwallex"
	"github.com/paybell/paybell/webhook/alipay"
	"github.com/paybell/paybell/webhook/antom"
	"github.com/paybell/paybell/webhook/braintree"
	"github.com/paybell/paybell/webhook/btcpay"
	"github.com/paybell/paybell/webhook/checkout"
	"github.com/paybell/paybell/webhook/coinbasecommerce"
	"github.com/paybell/paybell/webhook/flutterwave"
	"github.com/paybell/paybell/webhook/gocardless"
	"github.com/paybell/paybell/webhook/lemonsqueezy"
	"github.com/paybell/paybell/webhook/paddle"
	"github.com/paybell/paybell/webhook/paypal"
	"github.com/paybell/paybell/webhook/paystack"
	"github.com/paybell/paybell/webhook/razorpay"
	"github.com/paybell/paybell/webhook/shopify"
	"github.com/paybell/paybell/webhook/square"
	"github.com/paybell/paybell/webhook/standard"
	"github.com/paybell/paybell/webhook/wechatpay"
	"github.com/paybell/paybell/webhook/woocommerce"
	"github.com/paybell/paybell/webhook/xendit"
)

// demoSources has a source of every other provider that can be simulated, with
// new secrets, in test mode. Those that sign with RSA trust a key pair of the
// demo's own. Missing are Mollie and Mercado Pago, whose payments are fetched from
// them, and UnionPay, which alone can sign.
func demoSources(publicURL string) (map[string]sourceConfig, error) {
	private, public, err := webhook.NewRSAPair()
	if err != nil {
		return nil, err
	}
	certificate, err := demoCertificate(private, "messageverificationcerts.sandbox.paypal.com")
	if err != nil {
		return nil, err
	}
	options := map[string]any{
		"adyen":            adyen.Options{Secrets: []string{randomHex(32)}},
		"airwallex":        airwallex.Options{Secrets: []string{rand.Text()}},
		"alipay":           alipay.Options{PublicKeys: []string{public}, SimulateKey: private},
		"antom":            antom.Options{PublicKeys: []string{public}, SimulateKey: private, Path: "/webhooks/antom"},
		"braintree":        braintree.Options{PublicKey: randomHex(8), PrivateKey: randomHex(16)},
		"btcpay":           btcpay.Options{Secrets: []string{rand.Text()}},
		"checkout":         checkout.Options{Secrets: []string{rand.Text()}},
		"coinbasecommerce": coinbasecommerce.Options{Secrets: []string{rand.Text()}},
		"flutterwave":      flutterwave.Options{Secrets: []string{rand.Text()}},
		"gocardless":       gocardless.Options{Secrets: []string{rand.Text()}},
		"lemonsqueezy":     lemonsqueezy.Options{Secrets: []string{rand.Text()}},
		"paddle":           paddle.Options{Secrets: []string{"pdl_ntfset_" + rand.Text()}},
		"paypal":           paypal.Options{WebhookIDs: []string{rand.Text()}, Certificates: []string{certificate}, SimulateKey: private},
		"paystack":         paystack.Options{Secrets: []string{"sk_test_" + randomHex(20)}},
		"razorpay":         razorpay.Options{Secrets: []string{rand.Text()}},
		"shopify":          shopify.Options{Secrets: []string{"shpss_" + randomHex(16)}},
		"square":           square.Options{Secrets: []string{rand.Text()}, URL: publicURL + "/webhooks/square"},
		"standard":         standard.Options{Secrets: []string{string(standardSecret())}},
		"wechatpay":        wechatpay.Options{Secrets: []string{randomHex(16)}, PublicKeys: []string{"PUB_KEY_ID_0=" + public}, SimulateKey: private},
		"woocommerce":      woocommerce.Options{Secrets: []string{rand.Text()}},
		"xendit":           xendit.Options{Secrets: []string{rand.Text()}},
	}
	sources := map[string]sourceConfig{}
	for name, o := range options {
		sources[name] = sourceConfig{Provider: name, Mode: order.Test, Options: o}
	}
	return sources, nil
}

// demoCertificate writes a certificate of a private key, for a day of demonstration.
func demoCertificate(private, name string) (string, error) {
	key, err := webhook.ParseRSAPrivate(private)
	if err != nil {
		return "", fmt.Errorf("the demo's key %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-7 * 24 * time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", fmt.Errorf("make the demo's certificate: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random) // never fails
	return hex.EncodeToString(random)
}
