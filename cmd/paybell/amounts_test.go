package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/mercadopago"
	"github.com/paybell/paybell/webhook/mollie"
	"github.com/paybell/paybell/webhook/unionpay"
	"github.com/paybell/paybell/webhook/wechatpay"
)

// Currencies that some provider writes otherwise than others do, and an amount in
// each in minor units by ISO 4217: 5400 of those that have no decimals at all,
// 5400.00 of forints and new Taiwan dollars, 5.120 of dinars.
var (
	oddCurrencies = strings.Fields("JPY   KRW   KWD    BHD    HUF      ISK     UGX     TWD      CLP")
	oddAmounts    = strings.Fields("5400  5400  5120   5120   540000   5400    5400    540000   5400")

	// How providers write these, and the differences of some.
	asMinor    = "                   5400  5400  5120   5120   540000   5400    5400    540000   5400"
	asMajor    = "                   5400  5400  5.120  5.120  5400.00  5400    5400    5400.00  5400"
	asAdyen    = "                   5400  5400  5120   5120   540000   540000  5400    540000   540000"
	asCheckout = "                   5400  5400  5120   5120   540000   5400    5400    540000   540000"
	asPayPal   = "                   5400  5400  5.120  5.120  5400     5400    5400    5400     5400"
	asPaystack = "                 540000  540000  512    512  540000 540000  540000    540000 540000"
	asStripe   = "                   5400  5400  5120   5120   540000   540000  540000  540000   5400"
	asMollie   = "                   5400  5400  5.120  5.120  5400.00  5400.00 5400    5400.00  5400"
	asUnionPay = "                   5400  5400  -      -      -        -       -       540000   -"
)

// writings are how each provider writes the amount of a payment: where, and what.
// Whatever signs here, what is read is what each adapter makes of it.
var writings = map[string]struct{ where, amounts string }{
	"adyen":            {`"value":%s}`, asAdyen},
	"airwallex":        {`"captured_amount":%s,`, asMajor},
	"alipay":           {`&total_amount=%s&`, asMajor},
	"antom":            {`"value":"%s"`, asMinor},
	"braintree":        {`<amount>%s</amount>`, asMajor},
	"checkout":         {`"amount":%s,`, asCheckout},
	"coinbasecommerce": {`"pricing":{"local":{"amount":"%s",`, asMajor},
	"flutterwave":      {`"amount":%s,`, asMajor},
	"lemonsqueezy":     {`"total":%s,`, asMinor},
	"mercadopago":      {`"transaction_amount":%s,`, asMajor},
	"mollie":           {`"value":"%s"`, asMollie},
	"paddle":           {`"grand_total":"%s"`, asMinor},
	"paypal":           {`"value":"%s"`, asPayPal},
	"paystack":         {`"amount":%s,`, asPaystack},
	"razorpay":         {`"amount":%s,`, asMinor},
	"shopify":          {`"total_price":"%s"`, asMajor},
	"square":           {`"total_money":{"amount":%s,`, asMinor},
	"standard":         {`"amount":%s,`, asMinor},
	"stripe":           {`"amount_received":%s,`, asStripe},
	"unionpay":         {`&txnAmt=%s&`, asUnionPay},
	"wechatpay":        {`"total":%s}`, asMinor},
	"woocommerce":      {`"total":"%s"`, asMajor},
	"xendit":           {`"capture_amount":%s,`, asMajor},
}

// amountless are the providers that say no amount of their own.
var amountless = map[string]string{
	"btcpay":     "what was received is in no webhook",
	"custom":     "its configuration says in which units",
	"gocardless": "its events say what became of a payment, and not how much it is of",
	"relayed":    "it passes on what another provider says",
}

// TestAmountsOfOddCurrencies: whatever a provider takes for the unit of a
// currency, an order's amounts are in minor units by ISO 4217.
func TestAmountsOfOddCurrencies(t *testing.T) {
	c := demoConfig(8080, "paybell.db")
	more, err := demoSources(c.PublicURL)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(c.Sources, more)
	for name := range providers {
		_, says := writings[name]
		if _, silent := amountless[name]; says == silent {
			t.Errorf("%s says how much: %v", name, says)
		}
	}
	for _, name := range sortedKeys(writings) {
		t.Run(name, func(t *testing.T) {
			tell := byHand[name]
			if tell == nil {
				tell = simulatedBy(t, c.Sources[name])
			}
			for i, written := range strings.Fields(writings[name].amounts) {
				if written == "-" {
					continue
				}
				currency, amount := oddCurrencies[i], oddAmounts[i]
				body, events := tell(t, currency, amount, written)
				where := fmt.Sprintf(writings[name].where, written)
				if !strings.Contains(body, where) {
					t.Errorf("%s: there is no %s in %s", currency, where, body)
				}
				paid := slices.IndexFunc(events, func(e order.Event) bool { return e.Kind == order.KindPayment && e.Status == order.Paid })
				if paid < 0 || fmt.Sprint(events[paid].Amount) != amount || events[paid].Currency != currency {
					t.Errorf("%s: %s is read as %+v, want %s", currency, where, events, amount)
				}
			}
		})
	}
}

// A teller has a provider tell of a payment, and returns the body in plain text
// and what the adapter reads out of it.
type teller func(t *testing.T, currency, amount, written string) (body string, events []order.Event)

// simulatedBy is the teller of a provider that can be simulated.
func simulatedBy(t *testing.T, source sourceConfig) teller {
	t.Helper()
	built, err := source.build()
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, currency, amount, _ string) (string, []order.Event) {
		minor, err := order.ParseMinor(amount)
		if err != nil {
			t.Fatal(err)
		}
		r, err := built.(webhook.Simulator).Simulate(webhook.Simulation{
			ID: "evt_1", Order: "A1001", Payment: "pay_1", Status: order.Paid, Amount: minor, Currency: currency, Method: "card", At: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		events, err := built.Open(r)
		if err != nil {
			t.Fatalf("%s: %v", currency, err)
		}
		return plain(t, source, string(r.Body)), events
	}
}

// plain is a body without white space, and without what hides its amount.
func plain(t *testing.T, source sourceConfig, body string) string {
	t.Helper()
	body = strings.NewReplacer(" ", "", "\n", "").Replace(body)
	switch source.Provider {
	case "braintree":
		form, err := url.ParseQuery(body)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(form.Get("bt_payload"), "\n", ""))
		if err != nil {
			t.Fatal(err)
		}
		return string(payload)
	case "wechatpay":
		block, err := aes.NewCipher([]byte(source.Options.(wechatpay.Options).Secrets[0]))
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		b, err := strictjson.ParseObject([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := base64.StdEncoding.DecodeString(b.String("resource.ciphertext"))
		if err != nil {
			t.Fatal(err)
		}
		opened, err := aead.Open(nil, []byte(b.String("resource.nonce")), sealed, []byte(b.String("resource.associated_data")))
		if err != nil {
			t.Fatal(err)
		}
		return string(opened)
	}
	return body
}

// byHand are the tellers of those whose amounts no simulation has.
var byHand = map[string]teller{
	"mercadopago": func(t *testing.T, currency, _, written string) (string, []order.Event) {
		answer := fmt.Sprintf(`{"id":123456789,"status":"approved","external_reference":"A1001","transaction_amount":%s,"currency_id":%q,"live_mode":true}`, written, currency)
		p, err := mercadopago.New(mercadopago.Options{Secrets: []string{randomHex(32)}, AccessToken: "APP_USR-" + randomHex(32), Client: answering(answer)})
		if err != nil {
			t.Fatal(err)
		}
		return answer, fetched(t, p, "123456789")
	},
	"mollie": func(t *testing.T, currency, _, written string) (string, []order.Event) {
		answer := fmt.Sprintf(`{"id":"tr_5B8cwPMGnU","status":"paid","mode":"live","metadata":{"order_id":"A1001"},"amount":{"value":%q,"currency":%q}}`, written, currency)
		p, err := mollie.New(mollie.Options{Secrets: []string{randomHex(24)}, APIKey: "live_" + randomHex(16), Client: answering(answer)})
		if err != nil {
			t.Fatal(err)
		}
		return answer, fetched(t, p, "tr_5B8cwPMGnU")
	},
	"unionpay": func(t *testing.T, currency, _, written string) (string, []order.Event) {
		private, _, err := webhook.NewRSAPair()
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := demoCertificate(private, "041@Z12@00040000:SIGN@00000001")
		if err != nil {
			t.Fatal(err)
		}
		p, err := unionpay.New(unionpay.Options{PublicKeys: []string{certificate}})
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]string{
			"version": "5.1.0", "signMethod": "01", "signPubKeyCert": certificate, "txnType": "01", "respCode": "00", "orderId": "A1001",
			"queryId": "201611231511371290738", "txnAmt": written, "currencyCode": isoNumbers[currency],
		}
		var pairs []string
		form := url.Values{}
		for _, name := range sortedKeys(fields) {
			pairs = append(pairs, name+"="+fields[name])
			form.Set(name, fields[name])
		}
		inner := sha256.Sum256([]byte(strings.Join(pairs, "&")))
		key, err := webhook.ParseRSAPrivate(private)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := webhook.SignRSA(key, []byte(hex.EncodeToString(inner[:])))
		if err != nil {
			t.Fatal(err)
		}
		form.Set("signature", base64.StdEncoding.EncodeToString(signature))
		body := form.Encode()
		events, err := p.Open(webhook.Request{Method: http.MethodPost, URL: "/webhooks/unionpay", Body: []byte(body), At: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return body, events
	},
}

var isoNumbers = map[string]string{"JPY": "392", "KRW": "410", "TWD": "901"}

// answering is a provider's API that has one answer.
type answering string

func (a answering) Get(context.Context, string, http.Header) ([]byte, error) { return []byte(a), nil }

func fetched(t *testing.T, p webhook.Fetcher, ref string) []order.Event {
	t.Helper()
	events, _, err := p.Fetch(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return events
}
