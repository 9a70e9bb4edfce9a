package woocommerce_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
	"github.com/paybell/paybell/webhook/woocommerce"
)

const secret = "k7!Qp2@vXz9#Lm4$Rt8%Wn1^Bc6*Yd3(Fg5)Hj0_Ks7-Tv2+Ux"

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newProvider(t testing.TB, o woocommerce.Options) *woocommerce.Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	return webhooktest.Must(t, woocommerce.New, o)
}

// sign makes the request that a shop makes.
func sign(key string, body []byte, at time.Time) webhook.Request {
	sum := webhook.HMAC(sha256.New, []byte(key), body)
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/woocommerce",
		Header: http.Header{
			"Content-Type":             {"application/json"},
			"User-Agent":               {"WooCommerce/10.3.4 Hookshot (WordPress/6.9)"},
			"X-Wc-Webhook-Source":      {"https://shop.example/"},
			"X-Wc-Webhook-Topic":       {"order.updated"},
			"X-Wc-Webhook-Resource":    {"order"},
			"X-Wc-Webhook-Event":       {"updated"},
			"X-Wc-Webhook-Id":          {"12"},
			"X-Wc-Webhook-Delivery-Id": {"9c1b7b3f8f4d2d8f5ae6e5ad0b7f3c1e"},
			"X-Wc-Webhook-Signature":   {base64.StdEncoding.EncodeToString(sum)},
		},
		Body: body,
		At:   at,
	}
}

var suite = webhooktest.Case{
	New: webhooktest.Build(woocommerce.New, func(secrets []string) woocommerce.Options {
		return woocommerce.Options{Secrets: secrets}
	}),
	Secrets: [3]string{secret, "ck_9d2f0a7c5b3e4816b0c7", "z5Hn8Wq1Lr4Tb7Yc"},
	Sign:    sign,
	Body:    `{"id":9007199254740993,"status":"processing","currency":"EUR","total":"99.00","date_paid":"2026-11-23T09:00:00","date_modified_gmt":"2026-11-23T08:00:00"}`,
	Headers: []string{"X-Wc-Webhook-Signature"},
	Forgeries: map[string]func(*webhook.Request){
		"AGreeting": func(r *webhook.Request) { r.Body, r.Header = []byte("webhook_id=12"), http.Header{} },
	},
}

// An order as the REST API of version 3 has it.
const (
	orderHead = `{"id":727,"parent_id":0,"number":"2026-0727","order_key":"wc_order_58d2d042d1d5f","created_via":"checkout","version":"10.3.4",`
	orderTail = `,"currency":"EUR","prices_include_tax":true,"date_created":"2026-11-23T08:58:00","date_modified":"2026-11-23T08:59:59","discount_total":"0.00","discount_tax":"0.00","shipping_total":"10.00","shipping_tax":"0.00","cart_tax":"15.81","total":"99.00","total_tax":"15.81","customer_id":0,"billing":{"first_name":"John","last_name":"Doe","country":"DE","email":"john@example.com"},"shipping":{},"payment_method":"stripe","customer_ip_address":"203.0.113.7","customer_note":"","date_completed":null,"cart_hash":"d41d8cd98f00b204e9800998ecf8427e","meta_data":[{"id":13106,"key":"_download_permissions_granted","value":"yes"},{"id":13107,"key":"order_id","value":"A1001"}],"line_items":[{"id":315,"name":"Bell","product_id":93,"quantity":1,"subtotal":"89.00","total":"89.00","price":74.789915966}],"tax_lines":[],"shipping_lines":[],"fee_lines":[],"coupon_lines":[],"payment_url":"https:\/\/shop.example\/checkout\/order-pay\/727\/?pay_for_order=true&key=wc_order_58d2d042d1d5f","is_editable":false,"needs_payment":false,"date_created_gmt":"2026-11-23T07:58:00","date_modified_gmt":"2026-11-23T07:59:59","date_completed_gmt":null,"currency_symbol":"\u20ac","_links":{"self":[{"href":"https:\/\/shop.example\/wp-json\/wc\/v3\/orders\/727"}]}}`
	paid      = `"payment_method_title":"Card","transaction_id":"pi_3SWx2cLkdIwHu7ix0Qm1Rt8Z","date_paid":"2026-11-23T08:59:58","date_paid_gmt":"2026-11-23T07:59:58"`
	unpaid    = `"payment_method_title":"Card","transaction_id":"","date_paid":null,"date_paid_gmt":null`
)

// recorded are requests in the form of WooCommerce's documentation.
var recorded = map[string]string{
	"created_pending":    orderHead + `"status":"pending","refunds":[],` + unpaid + orderTail,
	"pending_on_hold":    orderHead + `"status":"on-hold","refunds":[],` + unpaid + orderTail,
	"paid":               orderHead + `"status":"processing","refunds":[],` + paid + orderTail,
	"paid-completed":     orderHead + `"status":"completed","refunds":[],` + paid + orderTail,
	"paid-custom-status": orderHead + `"status":"shipped","refunds":[],` + paid + orderTail,
	"paid-jpy":           `{"id":728,"status":"processing","currency":"JPY","total":"5400","date_modified":"2026-11-23T16:59:59","date_modified_gmt":"2026-11-23T07:59:59","payment_method":"paypal","transaction_id":"","date_paid":"2026-11-23T16:59:58","refunds":[]}`,
	"paid-kwd":           `{"id":729,"status":"processing","currency":"KWD","total":"12.345","date_modified_gmt":"2026-11-23T07:59:59","payment_method":"","date_paid":"2026-11-23T16:59:58","refunds":[]}`,
	"wallet":             orderHead + `"status":"processing","refunds":[],"payment_method_title":"Apple Pay (Stripe)","transaction_id":"pi_3SWx2c","date_paid":"2026-11-23T08:59:58"` + orderTail,
	"wallet-google-pay":  orderHead + `"status":"processing","refunds":[],"payment_method_title":"Google Pay (WooPayments)","transaction_id":"pi_3SWx2c","date_paid":"2026-11-23T08:59:58"` + orderTail,
	"failed":             orderHead + `"status":"failed","refunds":[],` + unpaid + orderTail,
	"canceled":           orderHead + `"status":"cancelled","refunds":[],` + unpaid + orderTail,
	"to_be_paid_later":   orderHead + `"status":"processing","refunds":[],` + unpaid + orderTail,
	"partial-refund":     orderHead + `"status":"processing","refunds":[{"id":730,"reason":"broken","total":"-25.00"},{"id":731,"reason":"","total":"-5.00"}],` + paid + orderTail,
	"refund":             orderHead + `"status":"refunded","refunds":[{"id":732,"reason":"","total":"-99.00"}],` + paid + orderTail,
	"refund-by-hand":     orderHead + `"status":"refunded","refunds":[],` + paid + orderTail,
	"order_deleted":      `{"id":727}`,
	"status_unknown":     orderHead + `"status":"quotation","refunds":[],` + unpaid + orderTail,
	"product_updated":    `{"id":93,"name":"Bell","status":"publish","price":"89.00"}`,
	"action":             `{"action":"woocommerce_add_to_cart","arg":"77de68daecd823babbb58edb1c8e14d7"}`,
	"unreadable_amount":  `{"id":728,"status":"processing","currency":"JPY","total":"5400.5","date_paid":"2026-11-23T16:59:58"}`,
}

var adapter = webhooktest.Adapter{
	Case:   suite,
	Bodies: recorded,
	Statuses: []order.Status{
		order.Created, order.Pending, order.Paid, order.Failed, order.Canceled, order.PartiallyRefunded, order.Refunded,
	},
}

func TestAdapter(t *testing.T) { adapter.Test(t) }

func TestWhereTheOrderIsNamed(t *testing.T) {
	for path, want := range map[string]string{
		"": "727", "number": "2026-0727", "order_key": "wc_order_58d2d042d1d5f", "meta_data.order_id": "A1001", "meta_data.none, id": "727",
	} {
		p := newProvider(t, woocommerce.Options{Order: path})
		events, err := p.Open(sign(secret, []byte(recorded["partial-refund"]), now))
		if err != nil || len(events) != 3 {
			t.Fatalf("%q: %+v, %v", path, events, err)
		}
		for _, e := range events {
			if e.Order != want || e.Payment != "727" {
				t.Errorf("%q: %+v", path, e)
			}
		}
	}
}

// WordPress keeps a secret with entities and signs with it decoded.
func TestSecretsAreDecoded(t *testing.T) {
	p := newProvider(t, woocommerce.Options{Secrets: []string{"a&amp;b&lt;c&gt;d&quot;e&#039;f0123456789"}})
	if _, err := p.Open(sign(`a&b<c>d"e'f0123456789`, []byte(recorded["paid"]), now)); err != nil {
		t.Error(err)
	}
}

func TestGreeting(t *testing.T) {
	p := newProvider(t, woocommerce.Options{})
	for body, want := range map[string]bool{
		"webhook_id=12": true, "webhook_id=": false, "webhook_id=12&status=processing": false, `{"id":1}`: false, "": false,
		"webhook_id=123456789012345678901": false,
	} {
		if got := p.Greeting(webhook.Request{Body: []byte(body), Header: http.Header{}}); got != want {
			t.Errorf("%q: %v", body, got)
		}
	}
	if p.Greeting(sign(secret, []byte("webhook_id=12"), now)) {
		t.Error("what is signed is no greeting")
	}
}

func TestSimulate(t *testing.T) {
	for _, path := range []string{"meta_data.order_id", "number"} {
		webhooktest.Simulations(t, newProvider(t, woocommerce.Options{Order: path}), adapter.Statuses...)
	}
	if _, err := newProvider(t, woocommerce.Options{}).Simulate(webhook.Simulation{Order: "727", Status: order.Paid}); err == nil {
		t.Error("no amount")
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
