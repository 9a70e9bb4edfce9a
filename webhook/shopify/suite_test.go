package shopify_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/shopify"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const secret = "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"

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newProvider(t testing.TB, o shopify.Options) *shopify.Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	return webhooktest.Must(t, shopify.New, o)
}

// sign makes the request that Shopify makes, with the older or the newer names
// of headers.
func sign(prefix, secret string, body []byte, at time.Time) webhook.Request {
	sum := webhook.HMAC(sha256.New, []byte(secret), body)
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/shopify",
		Header: http.Header{
			"Content-Type":                  {"application/json"},
			prefix + "Shopify-Hmac-Sha256":  {base64.StdEncoding.EncodeToString(sum)},
			prefix + "Shopify-Topic":        {"orders/updated"},
			prefix + "Shopify-Shop-Domain":  {"paybell-demo.myshopify.com"},
			prefix + "Shopify-Api-Version":  {"2026-07"},
			prefix + "Shopify-Webhook-Id":   {"b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"},
			prefix + "Shopify-Event-Id":     {"98880550-7158-44d4-b7cd-2c97c8a091b5"},
			prefix + "Shopify-Triggered-At": {"2026-11-23T07:59:59.123456789Z"},
		},
		Body: body,
		At:   at,
	}
}

// suite is for the older or the newer names of headers.
func suite(prefix string) webhooktest.Case {
	return webhooktest.Case{
		New: webhooktest.Build(shopify.New, func(secrets []string) shopify.Options {
			return shopify.Options{Secrets: secrets}
		}),
		Secrets: [3]string{secret, "8f14e45fceea167a5a36dedd4bea2543f1c3d2a4", "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"},
		Sign: func(secret string, body []byte, at time.Time) webhook.Request {
			return sign(prefix, secret, body, at)
		},
		Body:    `{"id":820982911946154508,"financial_status":"paid","total_price":"99.00","currency":"EUR","test":false,"updated_at":"2026-11-23T08:00:00+08:00"}`,
		Headers: []string{prefix + "Shopify-Hmac-Sha256"},
		Forgeries: map[string]func(*webhook.Request){
			"BothNames": func(r *webhook.Request) {
				r.Header.Set("X-Shopify-Hmac-Sha256", "x")
				r.Header.Set("Shopify-Hmac-Sha256", "x")
			},
			"Hex": func(r *webhook.Request) {
				r.Header.Set(prefix+"Shopify-Hmac-Sha256", webhook.Scheme{Hash: sha256.New}.Sign([]byte(secret), r.Body))
			},
		},
	}
}

func TestTheNewerNamesOfHeaders(t *testing.T) { webhooktest.Suite(t, suite("")) }

// An order as the API of 2026-07 has it, up to what is told of its payment.
const (
	orderHead = `{"id":820982911946154508,"admin_graphql_api_id":"gid:\/\/shopify\/Order\/820982911946154508","app_id":580111,"browser_ip":"203.0.113.7","buyer_accepts_marketing":false,"cart_token":"hWN1Zk3Vq9Lm4Xc7Tn1Wd6B8","checkout_id":36646099517750,"checkout_token":"2b9ba639fb81a1fb61a02be4c95459b5","closed_at":null,"confirmation_number":"R4JT0XQ7P","confirmed":true,"contact_email":"jon@example.com","created_at":"2026-11-23T15:58:00+08:00","currency":"EUR","current_subtotal_price":"89.00","current_total_price":"99.00","current_total_price_set":{"shop_money":{"amount":"99.00","currency_code":"EUR"},"presentment_money":{"amount":"107.30","currency_code":"USD"}},"customer_locale":"en","device_id":null,"discount_codes":[],"email":"jon@example.com","estimated_taxes":false,"landing_site":null,"location_id":null,"merchant_of_record_app_id":null,"name":"#1001","note":null,"note_attributes":[{"name":"colour","value":"red"},{"name":"paybell_order","value":"A1001"}],"number":1,"order_number":1001,"order_status_url":"https:\/\/paybell-demo.myshopify.com\/690933842\/orders\/x\/authenticate?key=k","presentment_currency":"USD","processed_at":"2026-11-23T15:58:00+08:00","reference":null,"tags":"","taxes_included":true,"token":"x","total_discounts":"0.00","total_line_items_price":"89.00","total_outstanding":"0.00","total_price":"99.00","total_price_set":{"shop_money":{"amount":"99.00","currency_code":"EUR"},"presentment_money":{"amount":"107.30","currency_code":"USD"}},"total_tax":"15.81","total_weight":0,"updated_at":"2026-11-23T15:59:59+08:00","user_id":null,"line_items":[{"id":866550311766439020,"price":"89.00","quantity":1,"title":"Bell","total_discount":"0.00","variant_id":null}],"shipping_lines":[{"id":271878346596884015,"price":"10.00","title":"Post"}],`

	refundHead = `{"id":890088186047892319,"admin_graphql_api_id":"gid:\/\/shopify\/Refund\/890088186047892319","created_at":"2026-11-23T15:59:58+08:00","note":"Things were damaged","order_id":820982911946154508,"processed_at":"2026-11-23T15:59:58+08:00","restock":false,"user_id":548380009,"duties":[],"order_adjustments":[],"refund_line_items":[],`

	refunded25 = `{"id":6327321133270001,"admin_graphql_api_id":"gid:\/\/shopify\/OrderTransaction\/6327321133270001","amount":"25.00","authorization":null,"created_at":"2026-11-23T15:59:58+08:00","currency":"EUR","device_id":null,"error_code":null,"gateway":"shopify_payments","kind":"refund","location_id":null,"message":"Transaction approved","order_id":820982911946154508,"parent_id":6322113806550,"payment_id":"#1001.1","processed_at":"2026-11-23T15:59:58+08:00","receipt":{},"source_name":"1830279","status":"success","test":false,"user_id":548380009,"payment_details":{"credit_card_bin":"424242","avs_result_code":"Y","cvv_result_code":"M","credit_card_number":"•••• •••• •••• 4242","credit_card_company":"Visa","buyer_action_info":null,"credit_card_name":"Jon Doe","credit_card_wallet":null,"credit_card_expiration_month":2,"credit_card_expiration_year":2029,"payment_method_name":"visa"}}`

	transactionHead = `{"id":120560818172775265,"order_id":820982911946154508,"gateway":"shopify_payments","created_at":"2026-11-23T15:59:57+08:00","authorization":"pi_3SWx2c","location_id":null,"user_id":null,"parent_id":null,"processed_at":"2026-11-23T15:59:57+08:00","device_id":null,"source_name":"web","amount":"99.00","currency":"EUR","payment_id":"c901414060.1","manual_payment_gateway":false,"test":false,`

	disputeHead = `{"id":285332461850802050,"order_id":820982911946154508,"type":"chargeback","amount":"99.00","currency":"EUR","reason":"fraudulent","network_reason_code":"4837","evidence_due_by":"2026-12-10T19:00:00-05:00","evidence_sent_on":null,"initiated_at":"2026-11-23T02:59:00-05:00",`
)

// recorded are requests in the form of Shopify's documentation, with ids and
// names that nobody has.
var recorded = map[string]string{
	"authorized":                orderHead + `"cancel_reason":null,"cancelled_at":null,"financial_status":"authorized","payment_gateway_names":["shopify_payments"],"test":false,"refunds":[]}`,
	"paid":                      orderHead + `"cancel_reason":null,"cancelled_at":null,"financial_status":"paid","payment_gateway_names":["shopify_payments"],"test":false,"refunds":[]}`,
	"paid-test":                 orderHead + `"cancel_reason":null,"cancelled_at":null,"financial_status":"paid","payment_gateway_names":["bogus"],"test":true,"refunds":[]}`,
	"partly_paid":               orderHead + `"cancel_reason":null,"cancelled_at":null,"financial_status":"partially_paid","payment_gateway_names":["gift_card","shopify_payments"],"test":false}`,
	"paid-jpy":                  `{"id":5324830114101,"name":"#1002","financial_status":"paid","total_price":"5400","currency":"JPY","test":false,"payment_gateway_names":[],"cancelled_at":null,"updated_at":"2026-11-23T16:59:59+09:00","refunds":[]}`,
	"paid-kwd":                  `{"id":5324830114102,"name":"#1003","financial_status":"paid","total_price":"12.345","currency":"KWD","test":false,"payment_gateway_names":["manual"],"cancelled_at":null,"updated_at":"2026-11-23T16:59:59+09:00"}`,
	"created_pending":           orderHead + `"cancel_reason":null,"cancelled_at":null,"financial_status":"pending","payment_gateway_names":["Bank Deposit"],"test":false,"refunds":[]}`,
	"canceled":                  orderHead + `"cancel_reason":"customer","cancelled_at":"2026-11-23T15:59:59+08:00","financial_status":"voided","payment_gateway_names":["shopify_payments"],"test":false,"refunds":[]}`,
	"canceled-void":             transactionHead + `"kind":"void","status":"success","message":null,"error_code":null,"payment_details":null}`,
	"canceled_after_payment":    orderHead + `"cancel_reason":"inventory","cancelled_at":"2026-11-23T15:59:59+08:00","financial_status":"paid","payment_gateway_names":["shopify_payments"],"test":false,"refunds":[]}`,
	"expired":                   orderHead + `"cancel_reason":null,"cancelled_at":null,"financial_status":"expired","payment_gateway_names":["shopify_payments"],"test":false,"refunds":[]}`,
	"failed":                    transactionHead + `"kind":"sale","status":"failure","message":"Your card was declined.","error_code":"card_declined","payment_details":{"credit_card_bin":"400000","credit_card_number":"•••• •••• •••• 0002","credit_card_company":"Visa","credit_card_wallet":null,"payment_method_name":"visa"}}`,
	"wallet":                    transactionHead + `"kind":"sale","status":"success","message":"Transaction approved","error_code":null,"payment_details":{"credit_card_bin":"424242","credit_card_number":"•••• •••• •••• 4242","credit_card_company":"Visa","credit_card_wallet":"apple_pay","payment_method_name":"visa"}}`,
	"partial-refund":            orderHead + `"cancel_reason":null,"cancelled_at":null,"financial_status":"partially_refunded","payment_gateway_names":["shopify_payments"],"test":false,"refunds":[` + refundHead + `"transactions":[` + refunded25 + `]}]}`,
	"partial-refund-topic":      refundHead + `"transactions":[` + refunded25 + `]}`,
	"refund":                    orderHead + `"cancel_reason":"customer","cancelled_at":"2026-11-23T15:59:59+08:00","financial_status":"refunded","payment_gateway_names":["manual"],"test":false,"refunds":[]}`,
	"refund_without_money":      refundHead + `"transactions":[]}`,
	"dispute":                   disputeHead + `"status":"needs_response","finalized_on":null}`,
	"dispute-won":               disputeHead + `"status":"won","finalized_on":"2026-11-23T02:59:59-05:00"}`,
	"dispute-lost":              disputeHead + `"status":"lost","finalized_on":"2026-11-23T02:59:59-05:00"}`,
	"unknown_status":            orderHead + `"financial_status":null,"test":false}`,
	"unknown_topic":             `{"id":788032119674292922,"title":"Example T-Shirt","vendor":"Acme","status":"active"}`,
	"unreadable_amount":         `{"id":5324830114101,"financial_status":"paid","total_price":"54.001","currency":"EUR","test":false}`,
	"unreadable_without_amount": `{"id":5324830114101,"financial_status":"paid","currency":"EUR"}`,
}

var adapter = webhooktest.Adapter{
	Case:   suite("X-"),
	Bodies: recorded,
	Statuses: []order.Status{
		order.Pending, order.Authorized, order.Paid, order.Failed, order.Canceled, order.Expired, order.PartiallyRefunded,
		order.Refunded, order.Disputed, order.Won, order.Lost,
	},
}

func TestAdapter(t *testing.T) { adapter.Test(t) }

func TestWhereTheOrderIsNamed(t *testing.T) {
	for path, want := range map[string]string{
		"": "820982911946154508", "name": "#1001", "order_number": "1001", "note_attributes.paybell_order": "A1001",
		"note_attributes.none, checkout_token": "2b9ba639fb81a1fb61a02be4c95459b5", "note_attributes.none": "",
	} {
		p := newProvider(t, shopify.Options{Order: path})
		events, err := p.Open(sign("X-", secret, []byte(recorded["paid"]), now))
		if err != nil || events[0].Order != want || events[0].Payment != "820982911946154508" {
			t.Errorf("%q: %+v, %v", path, events, err)
		}
		if path == "" {
			continue
		}
		for _, name := range []string{"partial-refund-topic", "dispute", "failed"} { // which name Shopify's order alone
			events, err := p.Open(sign("X-", secret, []byte(recorded[name]), now))
			if err != nil || events[0].Order != "" || events[0].Payment != "820982911946154508" {
				t.Errorf("%q: %s: %+v, %v", path, name, events, err)
			}
		}
	}
}

func TestTheCustomersCurrency(t *testing.T) {
	events, err := newProvider(t, shopify.Options{Presentment: true}).Open(sign("X-", secret, []byte(recorded["paid"]), now))
	if err != nil || events[0].Amount != 10730 || events[0].Currency != "USD" {
		t.Errorf("%+v, %v", events, err)
	}
}

// The topic is not signed: whoever has a genuine request may write another.
func TestHeadersChangeNothing(t *testing.T) {
	p := newProvider(t, shopify.Options{})
	genuine := sign("X-", secret, []byte(recorded["authorized"]), now)
	want, err := p.Open(genuine)
	if err != nil {
		t.Fatal(err)
	}
	genuine.Header.Set("X-Shopify-Topic", "orders/paid")
	genuine.Header.Set("X-Shopify-Event-Id", "another")
	if got, err := p.Open(genuine); err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// A refund is told of in the order and in a webhook of its own.
func TestARefundCountsOnce(t *testing.T) {
	p := newProvider(t, shopify.Options{})
	var events []order.Event
	for _, name := range []string{"partial-refund-topic", "paid", "partial-refund", "wallet"} {
		got, err := p.Open(sign("X-", secret, []byte(recorded[name]), now))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, got...)
	}
	s := order.Fold("820982911946154508", order.Terms{}, events)
	if s.Status != order.PartiallyRefunded || s.Paid != 9900 || s.Refunded != 2500 {
		t.Errorf("%+v", s)
	}
}

func TestSimulate(t *testing.T) {
	for _, o := range []shopify.Options{{}, {Order: "note_attributes.paybell_order"}, {Order: "name"}, {Presentment: true}} {
		webhooktest.Simulations(t, newProvider(t, o), adapter.Statuses...)
	}
}

// Shopify's own library wants them all before it takes a request for genuine.
func TestASimulatedRequestHasAllOfShopifysHeaders(t *testing.T) {
	r, err := newProvider(t, shopify.Options{}).Simulate(webhook.Simulation{ID: "evt-1", Order: "1001", Status: order.Paid, Amount: 9900, Currency: "EUR", At: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Hmac-Sha256", "Topic", "Shop-Domain", "Api-Version", "Webhook-Id"} {
		if r.Header.Get("X-Shopify-"+name) == "" {
			t.Errorf("no header X-Shopify-%s", name)
		}
	}
}

func TestSimulateNeedsAnAmount(t *testing.T) {
	if _, err := newProvider(t, shopify.Options{}).Simulate(webhook.Simulation{Order: "1001", Status: order.Paid}); err == nil {
		t.Error("no amount")
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
