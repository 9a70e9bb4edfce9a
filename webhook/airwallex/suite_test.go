package airwallex

import (
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

var (
	_ webhook.Provider  = (*Provider)(nil)
	_ webhook.Simulator = (*Provider)(nil)
	_ webhook.Writer    = (*Reader)(nil)
)

// event is an event around an object, as the web app previews it.
func event(id, name, object string) string {
	return `{"id":"` + id + `","name":"` + name + `","account_id":"acct_TOslkS7-MnyXlQuV8Lb4og","version":"2025-11-11","created_at":"2026-11-23T07:59:50+0000","data":{"object":` + object + `}}`
}

const (
	intent = `{"id":"int_hkpdcpcvbgh8mwk1111","request_id":"d6a92e2a-02e5-c37b-c977-13796ec7443a","merchant_order_id":"A1001","amount":99.00,"currency":"EUR",` +
		`"created_at":"2026-11-23T07:58:05+0000","updated_at":"2026-11-23T07:59:49+0000","payment_method_options":{"card":{"risk_control":{"three_ds_action":"FORCE_3DS"}}},"metadata":null,`
	card     = `"latest_payment_attempt":{"id":"att_hkpdcpcvbgh8mw11111_wkgwfs","payment_intent_id":"int_hkpdcpcvbgh8mwk1111","amount":99,"currency":"EUR","status":"CAPTURE_REQUESTED","payment_method":{"id":"mtd_hkpdcpcvbgh8m111111","type":"card","card":{"bin":"53651045","brand":"mastercard","last4":"8511"}}},`
	applePay = `"latest_payment_attempt":{"id":"att_hkpdcpcvbgh8mw11111_wkgwfs","payment_method":{"type":"applepay","applepay":{"payment_data_type":"tokenized_card"}}},`
	attempt  = `{"id":"att_hkpdcpcvbgh8mw11111_wkgwfs","payment_intent_id":"int_hkpdcpcvbgh8mwk1111","payment_consent_id":null,"currency":"KRW","amount":62723,"captured_amount":0,"refunded_amount":0,` +
		`"payment_method":{"id":"mtd_hkpdcpcvbgh8m111111","type":"card","card":{"brand":"mastercard"}},"provider_original_response_code":"51","created_at":"2026-11-23T07:59:05+0000",`
	refund  = `{"id":"rfd_hkpdfxdmvgh9mu8hzkr_wkgwfs","request_id":"r-1","payment_intent_id":"int_hkpdcpcvbgh8mwk1111","payment_attempt_id":"att_hkpdcpcvbgh8mw11111_wkgwfs","amount":25.5,"currency":"EUR","reason":"Return good","metadata":{},"created_at":"2026-11-23T07:59:45+0000",`
	dispute = `{"id":"dsp_1","payment_intent_id":"int_hkpdcpcvbgh8mwk1111","payment_attempt_id":"att_hkpdcpcvbgh8mw11111_wkgwfs","amount":99,"currency":"EUR","reason":{"type":"FRAUD","description":"Fraudulent transaction","original_code":"10.4"},"stage":"CHARGEBACK","due_at":"2026-12-03T07:59:50+0000",`
)

var suite = webhooktest.Case{
	New: webhooktest.Build(New, func(secrets []string) Options { return Options{Secrets: secrets} }),
	Sign: func(secret string, body []byte, at time.Time) webhook.Request {
		return sign([]byte(secret), body, at)
	},
	Secrets: [3]string{"whsec_q1Zt7yWmB4nVc8Lx2RkPd6Hs", "whsec_Jf3Kp9TgXw5MzQ7bYv1NcRd8", "whsec_Us6Hn2EaDq4Lw8ByTk0GxCm5"},
	Body:    event("evt_1", "payment_intent.succeeded", `{"id":"int_1","merchant_order_id":"A1001","amount":99.00,"captured_amount":99.00,"currency":"EUR"}`),
	Headers: []string{scheme.Header, timestampHeader},
	Timed:   true,
	Forgeries: map[string]func(*webhook.Request){
		"DigitMovedIntoTheBody": func(r *webhook.Request) {
			ts := r.Header.Get(timestampHeader)
			r.Header.Set(timestampHeader, ts[:12])
			r.Body = append([]byte(ts[12:]), r.Body...)
		},
		"TimeInSeconds": func(r *webhook.Request) { r.Header.Set(timestampHeader, r.Header.Get(timestampHeader)[:10]) },
		"TimeWithSign":  func(r *webhook.Request) { r.Header.Set(timestampHeader, "+"+r.Header.Get(timestampHeader)[1:]) },
		"AnotherTime":   func(r *webhook.Request) { r.Header.Set(timestampHeader, "1795420800001") },
		"SignedWithoutTheTime": func(r *webhook.Request) {
			r.Header.Set(scheme.Header, scheme.Sign([]byte("whsec_q1Zt7yWmB4nVc8Lx2RkPd6Hs"), r.Body))
		},
		"SignedWithADot": func(r *webhook.Request) {
			ts := r.Header.Get(timestampHeader)
			r.Header.Set(scheme.Header, scheme.Sign([]byte("whsec_q1Zt7yWmB4nVc8Lx2RkPd6Hs"), []byte(ts+"."), r.Body))
		},
		"WithAlgorithm":    func(r *webhook.Request) { r.Header.Set(scheme.Header, "sha256="+r.Header.Get(scheme.Header)) },
		"SignatureOfZeros": func(r *webhook.Request) { r.Header.Set(scheme.Header, strings.Repeat("0", 64)) },
	},
}

var recorded = map[string]string{
	"created":                 event("evt_100_01", "payment_intent.created", intent+`"captured_amount":0,"status":"REQUIRES_PAYMENT_METHOD"}`),
	"requires-payment-method": event("evt_100_02", "payment_intent.requires_payment_method", intent+`"captured_amount":0,"status":"REQUIRES_PAYMENT_METHOD"}`),
	"pending":                 event("evt_100_03", "payment_intent.pending", intent+`"captured_amount":0,"status":"PENDING"}`),
	"requires-action":         event("evt_100_04", "payment_intent.requires_customer_action", intent+`"captured_amount":0,"status":"REQUIRES_CUSTOMER_ACTION","next_action":{"type":"redirect","method":"GET","url":"https://pci-api-demo.airwallex.com/pa/card3ds/redirect?key=1"}}`),
	"requires-action-qrcode":  event("evt_100_05", "payment_intent.requires_customer_action", intent+`"captured_amount":0,"status":"REQUIRES_CUSTOMER_ACTION","next_action":{"type":"render_qrcode","qrcode":"https://wx.tenpay.com/f2f?t=1"}}`),
	"requires-action-form":    event("evt_100_06", "payment_intent.requires_customer_action", intent+`"captured_amount":0,"status":"REQUIRES_CUSTOMER_ACTION","next_action":{"type":"redirect","method":"POST","url":"https://acs.example/3ds"}}`),
	"authorized":              event("evt_100_07", "payment_intent.requires_capture", intent+card+`"captured_amount":0,"status":"REQUIRES_CAPTURE"}`),
	"paid":                    event("evt_100_08", "payment_intent.succeeded", intent+card+`"captured_amount":99.00,"status":"SUCCEEDED"}`),
	"paid-in-part":            event("evt_100_09", "payment_intent.succeeded", intent+card+`"captured_amount":50.5,"status":"SUCCEEDED"}`),
	"paid-jpy":                event("evt_100_10", "payment_intent.succeeded", `{"id":"int_2","merchant_order_id":9007199254740993,"amount":5000.00,"captured_amount":5000.00,"currency":"JPY"}`),
	"paid-kwd":                event("evt_100_11", "payment_intent.succeeded", `{"id":"int_3","merchant_order_id":"A1003","amount":1.234,"captured_amount":1.234,"currency":"KWD"}`),
	"paid-huf":                event("evt_100_12", "payment_intent.succeeded", `{"id":"int_4","metadata":{"order_id":"A1004"},"merchant_order_id":null,"amount":1E+4,"currency":"HUF"}`),
	"wallet":                  event("evt_100_13", "payment_intent.succeeded", intent+applePay+`"captured_amount":99.00,"status":"SUCCEEDED"}`),
	"canceled":                event("evt_100_14", "payment_intent.cancelled", intent+`"captured_amount":0,"status":"CANCELLED","cancellation_reason":"Order cancelled","cancelled_at":"2026-11-23T07:59:49+0000"}`),
	"failed":                  event("evt_100_15", "payment_attempt.authorization_failed", attempt+`"status":"FAILED","failure_code":"card_declined"}`),
	"failed-without-code":     event("evt_100_16", "payment_attempt.risk_declined", `{"id":"att_1","payment_intent_id":"int_hkpdcpcvbgh8mwk1111","amount":99,"currency":"EUR"}`),
	"failed-expired":          event("evt_100_17", "payment_attempt.expired", attempt+`"status":"EXPIRED"}`),
	"attempt-received":        event("evt_100_18", "payment_attempt.received", attempt+`"status":"RECEIVED"}`),
	"refund-received":         event("evt_100_19", "refund.received", refund+`"status":"RECEIVED"}`),
	"partial-refund":          event("evt_100_20", "refund.accepted", refund+`"status":"ACCEPTED"}`),
	"refund":                  event("evt_100_21", "refund.settled", strings.Replace(refund, "25.5", "99.00", 1)+`"status":"SETTLED","acquirer_reference_number":"74537605259536043849425"}`),
	"refund-failed":           event("evt_100_22", "refund.failed", refund+`"status":"FAILED","failure_details":{"code":"refund_expired"}}`),
	"dispute":                 event("evt_100_23", "payment_dispute.requires_response", dispute+`"status":"REQUIRES_RESPONSE"}`),
	"dispute-won":             event("evt_100_24", "payment_dispute.won", dispute+`"status":"WON"}`),
	"dispute-lost":            event("evt_100_25", "payment_dispute.accepted", dispute+`"status":"ACCEPTED"}`),
	"of-the-documentation":    `{"id":"evt_100_2019102201549020043_8321220011893766","name":"payment_intent.created","accountId":"78814faa-1b30-4598-a9c8-f0583db8d09d","data":{"object":{"request_id":"d6a92e2a-02e5-c37b-c977-13796ec7443a","id":"int_aaaat9w2hgh8mzi1111","merchant_order_id":"0000000000","amount":16.66,"currency":"USD","captured_amount":0,"status":"REQUIRES_PAYMENT_METHOD","created_at":"2023-01-13T07:32:05+0000","updated_at":"2023-01-13T07:32:05+0000"}}}`,
	"others":                  event("evt_100_26", "transfer.paid", `{"id":"t1","amount":"x"}`),
	"without-amount":          event("evt_100_27", "payment_intent.succeeded", `{"id":"int_5","merchant_order_id":"A1"}`),
	"without-intent":          event("evt_100_28", "refund.settled", `{"id":"rfd_1","amount":1,"currency":"EUR"}`),
	"fraction-of-a-yen":       event("evt_100_29", "payment_intent.succeeded", `{"id":"int_6","merchant_order_id":"A1","amount":0.5,"currency":"JPY"}`),
}

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.Secrets = suite.Secrets[:1]
	return webhooktest.Must(t, New, o)
}

var adapter = webhooktest.Adapter{Case: suite, Bodies: recorded, Statuses: []order.Status{
	order.Created, order.Pending, order.RequiresAction, order.Authorized, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled, order.PartiallyRefunded, order.Refunded, order.Disputed, order.Won, order.Lost,
}}

func TestAdapter(t *testing.T) { adapter.Test(t) }

func TestSimulateNeedsAnAmount(t *testing.T) {
	if _, err := newProvider(t, Options{}).Simulate(webhook.Simulation{ID: "evt-1", Order: "A1001", Status: order.Paid}); err == nil {
		t.Error("a payment without an amount is simulated")
	}
}

// The signature of another program: printf '1795420800000{}' | openssl dgst
// -sha256 -hmac whsec_q1Zt7yWmB4nVc8Lx2RkPd6Hs
func TestSignsAsOpenSSLDoes(t *testing.T) {
	got := sign([]byte(suite.Secrets[0]), []byte("{}"), time.Unix(1795420800, 0)).Header.Get(scheme.Header)
	if want := "a79d910aa0ab0189df62355b860a04c4a4e4c638704d99289af5649b30a7a49e"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTheOperatorsChoices(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	r := sign([]byte(suite.Secrets[0]), []byte(recorded["paid"]), at)
	r.At = at.Add(time.Hour)
	if _, err := newProvider(t, Options{Tolerance: 72 * time.Hour}).Open(r); err != nil {
		t.Errorf("within a wider window: %v", err)
	}
	for account, want := range map[string]order.Kind{"acct_TOslkS7-MnyXlQuV8Lb4og": order.KindPayment, "acct_2": order.KindNote} {
		r.At = at
		if events, err := newProvider(t, Options{Account: account}).Open(r); err != nil || events[0].Kind != want {
			t.Errorf("%s: %+v, %v", account, events, err)
		}
	}
	if events, err := newProvider(t, Options{Order: "data.object.request_id"}).Open(r); err != nil || events[0].Order != "d6a92e2a-02e5-c37b-c977-13796ec7443a" {
		t.Errorf("%+v, %v", events, err)
	}
	if _, err := New(Options{Secrets: suite.Secrets[:1], Tolerance: -1}); err == nil || !strings.Contains(err.Error(), "leave it out") {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
