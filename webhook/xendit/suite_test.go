package xendit

import (
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

var (
	_ webhook.Provider  = (*Provider)(nil)
	_ webhook.Simulator = (*Provider)(nil)
	_ webhook.Writer    = (*Reader)(nil)
)

var suite = webhooktest.Case{
	New:     webhooktest.Build(New, func(secrets []string) Options { return Options{Secrets: secrets} }),
	Sign:    sign,
	Secrets: [3]string{"q1Zt7yWmB4nVc8Lx2RkPd6HsJf3Kp9Tg", "Xw5MzQ7bYv1NcRd8Us6Hn2EaDq4Lw8By", "Tk0GxCm5Zb9Er3Vf7Ug1Ih5Oj8Pk2Al6"},
	Body:    `{"event":"payment.capture","data":{"payment_id":"py-1","reference_id":"A1001","status":"SUCCEEDED","request_amount":10000,"currency":"IDR"}}`,
	Headers: []string{tokenHeader},
	Static:  true,
	Forgeries: map[string]func(*webhook.Request){
		"OneLetterMore": func(r *webhook.Request) { r.Header.Set(tokenHeader, r.Header.Get(tokenHeader)+"x") },
		"SpacesAround":  func(r *webhook.Request) { r.Header.Set(tokenHeader, " "+r.Header.Get(tokenHeader)) },
		"InCapitals":    func(r *webhook.Request) { r.Header.Set(tokenHeader, strings.ToUpper(r.Header.Get(tokenHeader))) },
		"AnotherHeader": func(r *webhook.Request) {
			r.Header.Set("Authorization", "Bearer "+r.Header.Get(tokenHeader))
			r.Header.Del(tokenHeader)
		},
	},
}

// event is an event of the Payments API of version 3, with the rest of its
// payment to come.
func event(name, rest string) string {
	return `{"event":"` + name + `","business_id":"6094fa76c2fd53701b8e079c","created":"2026-11-23T07:59:58.566Z","api_version":"v3","data":{` +
		`"payment_id":"py-1fdaf346-dd2e-4b6c-b938-124c7167a822","business_id":"6094fa76c2fd53701b8e079c","payment_request_id":"pr-1fdaf346-dd2e-4b6c-b938-124c7167a822",` +
		`"customer_id":"cust-5ed61c4e","country":"ID","reference_id":"A1001","description":"Bell","channel_properties":{"success_return_url":"https://shop.example/ok"},` +
		`"created":"2026-11-23T07:58:21.566Z","updated":"2026-11-23T07:59:50.566Z",` + rest + `}}`
}

const invoiceHead = `{"id":"579c8d61f23fa4ca35e52da4","external_id":"A1001","user_id":"5781d19b2e2385880219791c","is_high":true,"merchant_name":"Xendit","payer_email":"wildan@example.com",` +
	`"description":"Bell","adjusted_received_amount":47500,"fees_paid_amount":0,"created":"2026-11-23T07:50:00.105Z",`

var recorded = map[string]string{
	"paid":              event("payment.capture", `"status":"SUCCEEDED","request_amount":10000,"currency":"IDR","channel_code":"BRI_VIRTUAL_ACCOUNT","type":"SINGLE_PAYMENT","captures":[{"capture_id":"cptr-1","capture_amount":10000,"capture_timestamp":"2026-11-23T07:59:50.566Z"}]`),
	"paid-in-parts":     event("payment.capture", `"status":"SUCCEEDED","request_amount":100.5,"currency":"PHP","channel_code":"CARDS","captures":[{"capture_amount":50.25},{"capture_amount":25.25}]`),
	"paid-vnd":          event("payment.capture", `"status":"SUCCEEDED","request_amount":150000,"currency":"VND","channel_code":"ZALOPAY"`),
	"paid-v2":           `{"event":"payment.succeeded","business_id":"5f27a14a9bf05c73dd040bc8","created":"2026-11-23T07:59:58.001Z","data":{"id":"ddpy-3cd658ae-25b9-4659-aa36-596ae41a809f","amount":1000,"currency":"PHP","country":"PH","status":"SUCCEEDED","payment_request_id":"pr-1","reference_id":"A1001","payment_method":{"id":"pm-1","type":"EWALLET","ewallet":{"channel_code":"GCASH"}},"failure_code":null,"channel_code":null,"created":"2026-11-23T07:58:00Z","updated":"2026-11-23T07:59:50Z","metadata":null}}`,
	"paid-invoice":      invoiceHead + `"payment_method":"BANK_TRANSFER","status":"PAID","amount":50000,"paid_amount":50000,"bank_code":"PERMATA","paid_at":"2026-11-23T07:59:49.764Z","updated":"2026-11-23T07:59:50.105Z","currency":"IDR","payment_channel":"PERMATA","payment_destination":"888888888888"}`,
	"paid-invoice-part": invoiceHead + `"status":"SETTLED","amount":50000,"paid_amount":45000,"updated":"2026-11-23T07:59:50.105Z"}`,
	"paid-va":           `{"id":"598d91b1191029596846047f","payment_id":"5f218745736e619164dc8608","callback_virtual_account_id":"598d5f71bf64853820c49a18","owner_id":"57b4e5181473eeb61c11f9b9","external_id":"A1001","account_number":"9999000002","bank_code":"MANDIRI","amount":50000,"transaction_timestamp":"2026-11-23T07:59:50.000Z","merchant_code":"88464","sender_name":null,"updated":"2026-11-23T07:59:51.000Z","created":"2026-11-23T07:59:51.000Z"}`,
	"paid-counter":      `{"id":"5b61881e7cc2770f00117f73","external_id":"A1001","prefix":"TEST","payment_code":"TEST123","retail_outlet_name":"ALFAMART","name":"JOHN DOE","amount":50000,"status":"SETTLING","transaction_timestamp":"2026-11-23T07:59:50.000Z","payment_id":"1543887418480","fixed_payment_code_payment_id":"5c05dd66a4ea1c1e0d6c9a0f","fixed_payment_code_id":"5b61881e7cc2770f00117f73","owner_id":"57b4e5181473eeb61c11f9b9"}`,
	"paid-ewallet":      `{"created":"2026-11-23T07:59:54.633Z","business_id":"63507702e70a76e77284652a","event":"ewallet.capture","api_version":null,"data":{"actions":{"mobile_deeplink_checkout_url":null},"capture_amount":1000,"capture_now":true,"channel_code":"ID_LINKAJA","charge_amount":1000,"created":"2026-11-23T07:59:21.063815Z","currency":"IDR","failure_code":null,"id":"ewc_168b969b-1cb1-42f5-a723-b02e5aef02cc","metadata":{"branch_code":"tree_branch"},"reference_id":"A1001","status":"SUCCEEDED","updated":"2026-11-23T07:59:54.366348Z","void_status":null}}`,
	"paid-session":      `{"event":"payment_session.completed","business_id":"6094","created":"2026-11-23T07:59:58Z","data":{"payment_session_id":"ps-1","payment_request_id":"pr-1","payment_id":"py-1","reference_id":"A1001","status":"COMPLETED","session_type":"PAY","amount":10000,"currency":"IDR"}}`,
	"session-to-save":   `{"event":"payment_session.completed","business_id":"6094","created":"2026-11-23T07:59:58Z","data":{"payment_session_id":"ps-2","payment_token_id":"pt-1","reference_id":"A1001","status":"COMPLETED","session_type":"SAVE","amount":0,"currency":"IDR"}}`,
	"failed":            event("payment.failure", `"status":"FAILED","request_amount":10000,"currency":"IDR","channel_code":"OVO","failure_code":"INSUFFICIENT_BALANCE"`),
	"failed-ewallet":    `{"event":"ewallet.capture","data":{"id":"ewc_2","reference_id":"A1001","charge_amount":1000,"currency":"PHP","channel_code":"PH_GCASH","status":"FAILED","failure_code":"USER_DECLINED_THE_TRANSACTION"}}`,
	"authorized":        event("payment.authorization", `"status":"AUTHORIZED","request_amount":10000,"currency":"IDR","channel_code":"CARDS"`),
	"expired":           event("payment_request.expiry", `"status":"EXPIRED","request_amount":10000,"currency":"IDR"`),
	"expired-invoice":   invoiceHead + `"status":"EXPIRED","amount":50000,"updated":"2026-11-23T07:59:50.105Z","currency":"IDR"}`,
	"canceled":          `{"event":"ewallet.void","data":{"id":"ewc_3","reference_id":"A1001","charge_amount":1000,"currency":"PHP","channel_code":"PH_PAYMAYA","status":"VOIDED","void_status":"SUCCEEDED"}}`,
	"refund":            `{"event":"refund.succeeded","business_id":"6094fa76c2fd53701b8e079c","created":"2026-11-23T07:59:51.566Z","data":{"id":"rfd-6f4a377d-a201-437f-9119-f8b00cbbe857","payment_id":"py-1fdaf346-dd2e-4b6c-b938-124c7167a822","invoice_id":null,"amount":10000,"payment_method_type":"DIRECT_DEBIT","channel_code":"BPI","currency":"IDR","status":"SUCCEEDED","reason":"CANCELLATION","reference_id":"b2756a1e-e6cd-4352-9a68-0483aa2b6a2","failure_code":null,"refund_fee_amount":null,"created":"2026-11-23T07:59:40.001Z","updated":"2026-11-23T07:59:50.001Z","metadata":null}}`,
	"partial-refund":    `{"event":"refund.succeeded","data":{"event":"refund.succeeded","business_id":"5f27","data":{"id":"rfd-2","payment_id":null,"invoice_id":"579c8d61f23fa4ca35e52da4","amount":2500,"currency":"IDR","status":"SUCCEEDED","metadata":{"order_id":"A1001"}}}}`,
	"refund-failed":     `{"event":"refund.failed","data":{"id":"rfd-3","payment_id":"py-1","amount":2500,"currency":"IDR","status":"FAILED","failure_code":"DUPLICATE_ERROR"}}`,
	"va-made":           `{"id":"57fb4e076fa3fa296b7f5a97","owner_id":"5824128aa6f9f2e648be9d76","external_id":"A1001","merchant_code":"88608","account_number":"886081000123456","bank_code":"MANDIRI","name":"John Doe","is_closed":false,"expiration_date":"2051-11-10T17:00:00.000Z","is_single_use":false,"status":"ACTIVE","created":"2026-11-23T07:59:50.000Z","updated":"2026-11-23T07:59:50.000Z"}`,
	"others":            `{"event":"payout.succeeded","data":{"id":"disb-1","reference_id":"p1","status":"SUCCEEDED"}}`,
	"no-event":          `{"id":"x"}`,
	"no-payment":        `{"event":"refund.succeeded","data":{"id":"rfd-4","amount":1,"currency":"IDR"}}`,
	"no-amount":         `{"event":"payment.capture","data":{"payment_id":"py-1","reference_id":"A1001","status":"SUCCEEDED"}}`,
}

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.Secrets = suite.Secrets[:1]
	return webhooktest.Must(t, New, o)
}

var adapter = webhooktest.Adapter{Case: suite, Bodies: recorded, Statuses: []order.Status{
	order.Pending, order.Authorized, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled, order.Expired, order.PartiallyRefunded, order.Refunded,
}}

func TestAdapter(t *testing.T) { adapter.Test(t) }

// A payment that is captured in two parts is told of twice, with the same id and
// status, and is two events.
func TestCapturesAreEventsOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, captures := range []string{`{"capture_amount":50}`, `{"capture_amount":50},{"capture_amount":49}`} {
		events, err := newProvider(t, Options{}).Read([]byte(event("payment.capture", `"status":"SUCCEEDED","request_amount":99,"currency":"PHP","captures":[`+captures+`]`)))
		if err != nil {
			t.Fatal(err)
		}
		seen[events[0].ID] = true
	}
	if len(seen) != 2 {
		t.Error(seen)
	}
}

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
