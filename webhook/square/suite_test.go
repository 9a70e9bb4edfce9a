package square_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/square"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const (
	secret  = "asA3h8zPqLxWmTd7Rb2Kfg"
	address = "https://pay.example.com/webhooks/square?site=1"
)

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newProvider(t testing.TB, o square.Options) *square.Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	return webhooktest.Must(t, square.New, o)
}

// sign makes the request that Square makes.
func sign(key string, body []byte, at time.Time) webhook.Request {
	sum := webhook.HMAC(sha256.New, []byte(key), []byte(address), body)
	return webhook.Request{
		Method: http.MethodPost,
		URL:    address,
		Header: http.Header{
			"Content-Type":                      {"application/json"},
			"User-Agent":                        {"Square Connect v2"},
			"Square-Environment":                {"Production"},
			"Square-Initial-Delivery-Timestamp": {"2026-11-23T07:59:59Z"},
			"X-Square-Hmacsha256-Signature":     {base64.StdEncoding.EncodeToString(sum)},
		},
		Body: body,
		At:   at,
	}
}

var suite = webhooktest.Case{
	New: webhooktest.Build(square.New, func(secrets []string) square.Options {
		return square.Options{Secrets: secrets}
	}),
	Secrets: [3]string{secret, "Qm7Zt2Vc9Xw4Lk1Jh6Np8B", "Yb5Rd0Fs3Gu7Ei2Oa9Tk4M"},
	Sign:    sign,
	Body:    `{"merchant_id":"M1","type":"payment.updated","event_id":"6a8f5f28","created_at":"2026-11-23T08:00:00Z","data":{"type":"payment","object":{"payment":{"id":"p1","status":"COMPLETED","amount_money":{"amount":9900,"currency":"EUR"}}}}}`,
	Headers: []string{"X-Square-Hmacsha256-Signature"},
	Forgeries: map[string]func(*webhook.Request){
		"AnotherURL":   func(r *webhook.Request) { r.URL = "https://pay.example.com/webhooks/square" },
		"AnotherQuery": func(r *webhook.Request) { r.URL += "2" },
		"AnotherHost":  func(r *webhook.Request) { r.URL = strings.Replace(r.URL, "example", "evil", 1) },
		"BodyAlone": func(r *webhook.Request) {
			sum := webhook.HMAC(sha256.New, []byte(secret), r.Body)
			r.Header.Set("X-Square-Hmacsha256-Signature", base64.StdEncoding.EncodeToString(sum))
		},
		"OlderHeaderAlone": func(r *webhook.Request) {
			r.Header.Set("X-Square-Signature", r.Header.Get("X-Square-Hmacsha256-Signature"))
			r.Header.Del("X-Square-Hmacsha256-Signature")
		},
	},
}

// event is one of Square's around an object.
func event(typ, object string) string {
	family, _, _ := strings.Cut(typ, ".")
	return `{"merchant_id":"6SSW7HV8K2ST5","location_id":"S8GWD5R9QB376","type":"` + typ + `","event_id":"6a8f5f28-54a1-4eb0-a98a-3111513fd4fc","created_at":"2026-11-23T07:59:59.123Z","data":{"type":"` +
		family + `","id":"hYy9pRFVxpDsO1FB05SunFWUe9JZY","object":{"` + family + `":` + object + `}}}`
}

const (
	paymentHead = `{"amount_money":{"amount":9500,"currency":"USD"},"tip_money":{"amount":400,"currency":"USD"},"total_money":{"amount":9900,"currency":"USD"},"approved_money":{"amount":9900,"currency":"USD"},"created_at":"2026-11-23T07:59:50.654Z","updated_at":"2026-11-23T07:59:58.051Z","id":"hYy9pRFVxpDsO1FB05SunFWUe9JZY","location_id":"S8GWD5R9QB376","order_id":"03O3USaPaAaFnI6kkwB1JxGgBsUZY","reference_id":"A1001","note":null,"delay_action":"CANCEL","delay_duration":"PT168H","delayed_until":"2026-11-30T07:59:50.654Z","receipt_number":"hYy9","version":4,"version_token":"bhC3b8qKJvNDdxqKzXaeDsAjS1oMFuAKxGgT32HbE6S6o","risk_evaluation":{"created_at":"2026-11-23T07:59:51Z","risk_level":"NORMAL"},`
	card        = `"source_type":"CARD","card_details":{"avs_status":"AVS_ACCEPTED","card":{"bin":"540988","card_brand":"MASTERCARD","card_type":"CREDIT","exp_month":11,"exp_year":2030,"fingerprint":"sq-1-x","last_4":"9029","prepaid_type":"NOT_PREPAID"},"cvv_status":"CVV_ACCEPTED","entry_method":"KEYED","statement_description":"SQ *DEMO","status":"CAPTURED"},`
	refundHead  = `{"id":"KkAkhdMsgzn59SM8A89WgKwekxLZY_ptVTo9","amount_money":{"amount":2500,"currency":"USD"},"created_at":"2026-11-23T07:59:50.654Z","updated_at":"2026-11-23T07:59:58.051Z","location_id":"S8GWD5R9QB376","order_id":"LiDMSJhPvVMQsLLZMcP6lcgsYhWZY","payment_id":"hYy9pRFVxpDsO1FB05SunFWUe9JZY","processing_fee":[{"amount_money":{"amount":-34,"currency":"USD"},"type":"INITIAL"}],"reason":"broken","destination_type":"CARD",`
	disputeHead = `{"id":"ORSEVtZAJxb37RA1EiGw","dispute_id":"ORSEVtZAJxb37RA1EiGw","amount_money":{"amount":9900,"currency":"USD"},"brand_dispute_id":"r5De6vs7","card_brand":"MASTERCARD","created_at":"2026-11-23T07:59:50.654Z","updated_at":"2026-11-23T07:59:58.051Z","disputed_payment":{"payment_id":"hYy9pRFVxpDsO1FB05SunFWUe9JZY"},"due_at":"2026-12-06T00:00:00.000Z","location_id":"S8GWD5R9QB376","reason":"AMOUNT_DIFFERS","reported_at":"2026-11-22T00:00:00.000Z","version":2,`
)

// recorded are requests in the form of Square's reference.
var recorded = map[string]string{
	"created_pending":    event("payment.created", paymentHead+`"source_type":"BANK_ACCOUNT","status":"PENDING"}`),
	"authorized":         event("payment.created", paymentHead+card+`"status":"APPROVED"}`),
	"paid":               event("payment.updated", paymentHead+card+`"status":"COMPLETED"}`),
	"paid-order-of-ours": event("payment.updated", `{"id":"KkAkhdMsgzn59SM8A89WgKwekxLZY","status":"COMPLETED","source_type":"EXTERNAL","amount_money":{"amount":200,"currency":"USD"},"location_id":"L88917AVBK2S5","order_id":"CAISENgvhpdP05f1DWG9H8yMn4kZY","created_at":"2026-11-23T07:59:50.000Z"}`),
	"paid-jpy":           event("payment.updated", `{"id":"KkAkhdMsgzn59SM8A89WgKwekxLZZ","status":"COMPLETED","source_type":"CARD","total_money":{"amount":5400,"currency":"JPY"},"reference_id":"A1002","updated_at":"2026-11-23T07:59:50.000Z"}`),
	"wallet":             event("payment.updated", paymentHead+`"source_type":"WALLET","wallet_details":{"status":"CAPTURED","brand":"CASH_APP","cash_app_details":{"buyer_country_code":"US"}},"status":"COMPLETED"}`),
	"failed":             event("payment.updated", paymentHead+`"source_type":"CARD","card_details":{"status":"FAILED","entry_method":"KEYED","errors":[{"category":"PAYMENT_METHOD_ERROR","code":"GENERIC_DECLINE","detail":"Card declined."}]},"status":"FAILED"}`),
	"canceled":           event("payment.updated", paymentHead+card+`"status":"CANCELED"}`),
	"partial-refund":     event("refund.updated", refundHead+`"status":"COMPLETED"}`),
	"partial-refund-sum": event("payment.updated", paymentHead+card+`"refunded_money":{"amount":2500,"currency":"USD"},"refund_ids":["KkAkhdMsgzn59SM8A89WgKwekxLZY_ptVTo9"],"status":"COMPLETED"}`),
	"refund":             event("payment.updated", paymentHead+card+`"refunded_money":{"amount":9900,"currency":"USD"},"status":"COMPLETED"}`),
	"refund_created":     event("refund.created", refundHead+`"status":"PENDING"}`),
	"refund_rejected":    event("refund.updated", refundHead+`"status":"REJECTED"}`),
	"dispute":            event("dispute.created", disputeHead+`"state":"EVIDENCE_REQUIRED"}`),
	"dispute-older":      event("dispute.created", strings.Replace(disputeHead, `"disputed_payment":{"payment_id":"hYy9pRFVxpDsO1FB05SunFWUe9JZY"}`, `"disputed_payments":[{"payment_id":"hYy9pRFVxpDsO1FB05SunFWUe9JZY"}]`, 1)+`"state":"EVIDENCE_REQUIRED"}`),
	"dispute-won":        event("dispute.state.updated", disputeHead+`"state":"WON"}`),
	"dispute-lost":       event("dispute.state.updated", disputeHead+`"state":"LOST"}`),
	"unknown_type":       event("customer.created", `{"id":"JDKYHBWT1D4F8MFH63DBMEN8Y4","reference_id":"YOUR_REFERENCE_ID"}`),
	"order_updated":      `{"merchant_id":"5S9MXCS9Y99KK","type":"order.updated","event_id":"116038d0-2948-439f-8679-fc86dbf80f69","created_at":"2026-11-23T07:59:59Z","data":{"type":"order_updated","id":"eA3vssLHKJrv9H0IdJCM3gNqfdcZY","object":{"order_updated":{"order_id":"eA3vssLHKJrv9H0IdJCM3gNqfdcZY","state":"OPEN","version":2}}}}`,
	"unreadable_amount":  event("payment.updated", `{"id":"p1","status":"COMPLETED","amount_money":{"amount":"99.00","currency":"USD"}}`),
}

var adapter = webhooktest.Adapter{
	Case:   suite,
	Bodies: recorded,
	Statuses: []order.Status{
		order.Pending, order.Authorized, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled, order.PartiallyRefunded,
		order.Refunded, order.Disputed, order.Won, order.Lost,
	},
}

func TestAdapter(t *testing.T) { adapter.Test(t) }

func TestTheRegisteredURLIsWhatCounts(t *testing.T) {
	r := sign(secret, []byte(recorded["paid"]), now)
	r.URL = "http://10.0.0.7:8080/webhooks/square"
	if _, err := newProvider(t, square.Options{URL: address}).Open(r); err != nil {
		t.Error(err)
	}
	if _, err := newProvider(t, square.Options{}).Open(r); err == nil || !strings.Contains(err.Error(), "notification URL") {
		t.Errorf("got %v", err)
	}
	for _, wrong := range []string{"pay.example.com", "/webhooks/square", "ftp://pay.example.com"} {
		if _, err := square.New(square.Options{Secrets: []string{secret}, URL: wrong}); err == nil {
			t.Errorf("%q is taken for an address", wrong)
		}
	}
}

func TestWhereTheOrderIsNamed(t *testing.T) {
	p := newProvider(t, square.Options{Order: "data.object.payment.note, data.object.payment.order_id"})
	events, err := p.Open(sign(secret, []byte(recorded["paid"]), now))
	if err != nil || events[0].Order != "03O3USaPaAaFnI6kkwB1JxGgBsUZY" {
		t.Errorf("%+v, %v", events, err)
	}
}

// A refund is told of in the payment and in events of its own.
func TestARefundCountsOnce(t *testing.T) {
	p := newProvider(t, square.Options{})
	var events []order.Event
	for _, name := range []string{"partial-refund", "paid", "partial-refund-sum", "refund_created"} {
		got, err := p.Open(sign(secret, []byte(strings.Replace(recorded[name], "6a8f5f28", name, 1)), now))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, got...)
	}
	s := order.Fold("A1001", order.Terms{}, events)
	if s.Status != order.PartiallyRefunded || s.Paid != 9900 || s.Refunded != 2500 {
		t.Errorf("%+v", s)
	}
}

func TestSimulate(t *testing.T) {
	for _, o := range []square.Options{{URL: address}, {URL: address, Order: "data.object.payment.note"}} {
		webhooktest.Simulations(t, newProvider(t, o), adapter.Statuses...)
	}
	p := newProvider(t, square.Options{Order: "data.object.payment.id.order"})
	for want, s := range map[string]webhook.Simulation{
		"leads through": {Order: "A1001", Status: order.Paid, Currency: "EUR"},
		"give an":       {Order: "A1001", Status: order.Paid},
	} {
		if _, err := p.Simulate(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
