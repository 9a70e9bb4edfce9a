package paddle_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/paddle"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const secret = "pdl_ntfset_01gkdqs0hc3rm2n6zhm8ndp5c2_Pz3Yl7Qw9Xc1Vb5Nm2Kj4Hg6Fd8Sa0Re"

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newProvider(t testing.TB, o paddle.Options) *paddle.Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	return webhooktest.Must(t, paddle.New, o)
}

func signature(key string, body []byte, at time.Time) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	return hex.EncodeToString(webhook.HMAC(sha256.New, []byte(key), []byte(seconds+":"), body))
}

// sign makes the request that Paddle makes.
func sign(key string, body []byte, at time.Time) webhook.Request {
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/paddle",
		Header: http.Header{
			"Content-Type":     {"application/json"},
			"User-Agent":       {"Paddle"},
			"Paddle-Signature": {"ts=" + strconv.FormatInt(at.Unix(), 10) + ";h1=" + signature(key, body, at)},
		},
		Body: body,
		At:   at,
	}
}

// change makes a forgery that changes the signature's header.
func change(f func(string) string) func(*webhook.Request) {
	return func(r *webhook.Request) { r.Header.Set("Paddle-Signature", f(r.Header.Get("Paddle-Signature"))) }
}

var suite = webhooktest.Case{
	New: webhooktest.Build(paddle.New, func(secrets []string) paddle.Options {
		return paddle.Options{Secrets: secrets}
	}),
	Secrets: [3]string{secret, strings.ToUpper(secret), secret[10:]},
	Sign:    sign,
	Body:    `{"event_id":"evt_1","event_type":"transaction.paid","occurred_at":"2026-11-23T08:00:00Z","data":{"id":"txn_1","currency_code":"EUR","details":{"totals":{"grand_total":"9900"}}}}`,
	Headers: []string{"Paddle-Signature"},
	Timed:   true,
	Forgeries: map[string]func(*webhook.Request){
		"AnotherTime":    change(func(s string) string { return s[:12] + "1" + s[13:] }),
		"TwoTimes":       change(func(s string) string { return s + ";" + s[:13] }),
		"NoTime":         change(func(s string) string { return s[14:] }),
		"SignedTime":     change(func(s string) string { return "ts=+" + s[3:] }),
		"AnotherVersion": change(func(s string) string { return strings.Replace(s, "h1=", "h0=", 1) }),
		"Commas":         change(func(s string) string { return strings.Replace(s, ";", ",", 1) }),
	},
}

// While a secret is rotated there are two signatures, and either may be ours.
func TestTwoSignatures(t *testing.T) {
	p := newProvider(t, paddle.Options{})
	for _, first := range []bool{true, false} {
		r := sign(secret, []byte(recorded["paid"]), now)
		time, ours, _ := strings.Cut(r.Header.Get("Paddle-Signature"), ";")
		other := "h1=" + signature("another", r.Body, now)
		if first {
			ours, other = other, ours
		}
		r.Header.Set("Paddle-Signature", time+";"+ours+";"+other)
		if _, err := p.Open(r); err != nil {
			t.Error(err)
		}
	}
}

// event is one of Paddle's around an entity.
func event(typ, data string) string {
	return `{"event_id":"evt_01jdc4xw2n8z7m3c5v9b1k6h0t","event_type":"` + typ + `","occurred_at":"2026-11-23T07:59:59.318391Z","notification_id":"ntf_01jdc4xw7q2r5t8y1u4i6o9p3a","data":` + data + `}`
}

const (
	head     = `{"id":"txn_01jdc4v1w9k2m5q8s3x7z0b4n6","items":[{"price":{"id":"pri_01gsz8x8sawmvhz1pv30nge1ke","name":"Annual","unit_price":{"amount":"8319","currency_code":"USD"}},"quantity":1}],"origin":"web","address_id":"add_01jdc4v2","business_id":null,"collection_mode":"automatic","created_at":"2026-11-23T07:59:40.651Z","updated_at":"2026-11-23T07:59:58.997Z","billed_at":"2026-11-23T07:59:58.1Z","customer_id":"ctm_01jdc4v3","discount_id":null,"invoice_id":null,"invoice_number":null,"subscription_id":null,"checkout":{"url":"https://shop.example/pay?_ptxn=txn_01jdc4v1w9k2m5q8s3x7z0b4n6"},"currency_code":"USD","custom_data":{"order_id":"A1001"},`
	totals   = `"details":{"totals":{"fee":null,"tax":"1581","total":"9900","credit":"0","balance":"9900","discount":"0","earnings":null,"subtotal":"8319","grand_total":"9900","currency_code":"USD","credit_to_balance":"0"},"line_items":[],"payout_totals":null,"tax_rates_used":[],"adjusted_totals":{}},`
	captured = `{"amount":"9900","status":"captured","created_at":"2026-11-23T07:59:55.297Z","error_code":null,"captured_at":"2026-11-23T07:59:58.018Z","method_details":{"card":{"type":"visa","last4":"3184","expiry_year":2030,"expiry_month":1,"cardholder_name":"Michael McGovern"},"type":"card"},"payment_method_id":"paymtd_01jdc4v4","payment_attempt_id":"8f72cfa6-26b4-4a57-91dc-8f2708f7822d","stored_payment_method_id":"281ff2ca-8550-42b9-bf39-15948e7de62d"}`
	refused  = `{"amount":"9900","status":"error","created_at":"2026-11-23T07:59:50.297Z","error_code":"declined","captured_at":null,"method_details":{"card":{"type":"visa","last4":"0002","expiry_year":2030,"expiry_month":1},"type":"card"},"payment_attempt_id":"937640dd-e3dc-40df-a16c-bb75aafd8f71"}`
)

func adjustment(action, status, amount string) string {
	return `{"id":"adj_01jdc5a1b2c3d4e5f6g7h8j9k0","action":"` + action + `","type":"partial","items":[],"reason":"fraud","status":"` + status + `","totals":{"fee":"300","tax":"400","total":"` + amount + `","earnings":"1800","subtotal":"2100","currency_code":"USD"},"created_at":"2026-11-23T07:59:50.4Z","updated_at":"2026-11-23T07:59:58.4Z","customer_id":"ctm_01jdc4v3","currency_code":"USD","payout_totals":null,"subscription_id":null,"transaction_id":"txn_01jdc4v1w9k2m5q8s3x7z0b4n6","credit_applied_to_balance":null}`
}

// recorded are requests in the form of Paddle's documentation.
var recorded = map[string]string{
	"created":            event("transaction.created", head+totals+`"status":"draft","payments":[]}`),
	"created_empty":      event("transaction.created", `{"id":"txn_1","status":"draft","currency_code":"USD","custom_data":null,"details":{"totals":null},"payments":[]}`),
	"ready":              event("transaction.ready", head+totals+`"status":"ready","payments":[]}`),
	"paid":               event("transaction.paid", head+totals+`"status":"paid","payments":[`+captured+`]}`),
	"paid-completed":     event("transaction.completed", head+totals+`"status":"completed","payments":[`+refused+`,`+captured+`]}`),
	"paid-jpy":           event("transaction.completed", `{"id":"txn_2","status":"completed","currency_code":"JPY","custom_data":{"order":1002},"details":{"totals":{"total":"5400","grand_total":"5400","currency_code":"JPY"}},"payments":[]}`),
	"wallet":             event("transaction.completed", head+totals+`"status":"completed","payments":[{"amount":"9900","status":"captured","error_code":null,"method_details":{"type":"apple_pay","card":null}}]}`),
	"wallet-google-pay":  event("transaction.completed", head+totals+`"status":"completed","payments":[{"amount":"9900","status":"captured","error_code":null,"method_details":{"type":"google_pay","card":null}}]}`),
	"failed":             event("transaction.payment_failed", head+totals+`"status":"ready","payments":[`+refused+`]}`),
	"failed-past-due":    event("transaction.past_due", head+totals+`"status":"past_due","payments":[`+refused+`]}`),
	"canceled":           event("transaction.canceled", head+totals+`"status":"canceled","payments":[]}`),
	"updated":            event("transaction.updated", head+totals+`"status":"ready","payments":[`+refused+`]}`),
	"refund_pending":     event("adjustment.created", adjustment("refund", "pending_approval", "2500")),
	"partial-refund":     event("adjustment.updated", adjustment("refund", "approved", "2500")),
	"refund":             event("adjustment.updated", adjustment("refund", "approved", "9900")),
	"refund_rejected":    event("adjustment.updated", adjustment("refund", "rejected", "2500")),
	"dispute":            event("adjustment.created", adjustment("chargeback", "approved", "9900")),
	"dispute-warning":    event("adjustment.created", adjustment("chargeback_warning", "approved", "9900")),
	"dispute_won":        event("adjustment.created", adjustment("chargeback_reverse", "approved", "9900")),
	"credit":             event("adjustment.created", adjustment("credit", "approved", "9900")),
	"subscription":       event("subscription.activated", `{"id":"sub_01jdc6","status":"active","custom_data":{"order_id":"A1001"},"transaction_id":"txn_01jdc4v1w9k2m5q8s3x7z0b4n6"}`),
	"unreadable_amount":  event("transaction.completed", `{"id":"txn_2","status":"completed","currency_code":"USD","details":{"totals":{"grand_total":"54.00"}}}`),
	"unreadable_no_type": `{"event_id":"evt_1","data":{}}`,
}

var adapter = webhooktest.Adapter{
	Case:   suite,
	Bodies: recorded,
	Statuses: []order.Status{
		order.Created, order.Pending, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled, order.PartiallyRefunded,
		order.Refunded, order.Disputed, order.Won,
	},
}

func TestAdapter(t *testing.T) { adapter.Test(t) }

func TestNewRefusesANegativeTolerance(t *testing.T) {
	if _, err := paddle.New(paddle.Options{Secrets: []string{secret}, Tolerance: -1}); err == nil {
		t.Error("accepted")
	}
}

func TestWhereTheOrderIsNamed(t *testing.T) {
	p := newProvider(t, paddle.Options{Order: "data.id"})
	events, err := p.Open(sign(secret, []byte(recorded["paid"]), now))
	if err != nil || events[0].Order != "txn_01jdc4v1w9k2m5q8s3x7z0b4n6" {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestSimulate(t *testing.T) {
	for _, path := range []string{"data.custom_data.shop.order"} {
		webhooktest.Simulations(t, newProvider(t, paddle.Options{Order: path}), adapter.Statuses...)
	}
	if _, err := newProvider(t, paddle.Options{}).Simulate(webhook.Simulation{Order: "A1001", Status: order.Paid}); err == nil {
		t.Error("no amount")
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
