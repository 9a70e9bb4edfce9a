package coinbasecommerce

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

// event is an event as Coinbase writes it, with the rest of the charge to come.
func event(id, typ, rest string) string {
	return `{"attempt_number":1,"event":{"api_version":"2018-03-22","created_at":"2026-11-23T07:59:50Z","data":{` +
		`"id":"fecb23b6-92ae-4e78-97e3-7764f26a369e","code":"NAB45HKP","name":"Order A1001","resource":"charge","description":"Bell",` +
		`"pricing":{"dai":{"amount":"98.95","currency":"DAI"},"usdc":{"amount":"99.000000","currency":"USDC"},"local":{"amount":"99.00","currency":"USD"},"bitcoin":{"amount":"0.00295000","currency":"BTC"}},` +
		`"created_at":"2026-11-23T07:49:14Z","expires_at":"2026-11-23T08:49:14Z","hosted_url":"https://commerce.coinbase.com/charges/NAB45HKP",` +
		`"pricing_type":"fixed_price","exchange_rates":{"BTC-USD":"33899.975"},"metadata":{"order_id":"A1001","customer_name":"Jon Doe"},` + rest + `},` +
		`"id":"` + id + `","resource":"event","type":"` + typ + `"},"id":"1b88a9d4-8cec-4661-b620-8c0e548ce752","scheduled_for":"2026-11-23T07:59:51Z"}`
}

func timed(statuses string) string {
	return `"timeline":[{"time":"2026-11-23T07:49:14Z","status":"NEW"}` + statuses + `]`
}

func paidOf(amount, currency, status string) string {
	return `{"block":{"hash":null,"height":null,"confirmations":0,"confirmations_required":1},"value":{"local":{"amount":"` + amount + `","currency":"` + currency +
		`"},"crypto":{"amount":"0.00295000","currency":"BTC"}},"status":"` + status + `","network":"bitcoin","detected_at":"2026-11-23T07:52:25Z","transaction_id":"0cae5a98"}`
}

var suite = webhooktest.Case{
	New: webhooktest.Build(New, func(secrets []string) Options { return Options{Secrets: secrets} }),
	Sign: func(secret string, body []byte, at time.Time) webhook.Request {
		return sign([]byte(secret), body, at)
	},
	Secrets: [3]string{"7b1f2c9e-4a8d-4f36-9c05-e2d714b6a380", "c40e9d72-15bb-4e8f-a6d3-0f92837ce15a", "2e6a81f4-d3c7-49b0-8f15-76ad09c4be23"},
	Body:    `{"id":"d1","event":{"id":"e1","type":"charge:confirmed","data":{"id":"c1","code":"C1","metadata":{"order_id":"A1001"},"pricing":{"local":{"amount":"99.00","currency":"USD"}}}}}`,
	Headers: []string{scheme.Header},
	Forgeries: map[string]func(*webhook.Request){
		"WithAlgorithm":    func(r *webhook.Request) { r.Header.Set(scheme.Header, "sha256="+r.Header.Get(scheme.Header)) },
		"SignatureOfZeros": func(r *webhook.Request) { r.Header.Set(scheme.Header, strings.Repeat("0", 64)) },
	},
}

var recorded = map[string]string{
	"created":        event("e-01", "charge:created", `"payments":[],`+timed("")),
	"pending":        event("e-02", "charge:pending", `"payments":[`+paidOf("99.00", "USD", "PENDING")+`],`+timed(`,{"time":"2026-11-23T07:52:25Z","status":"PENDING","payment":{"network":"bitcoin"}}`)),
	"paid":           event("e-03", "charge:confirmed", `"payments":[`+paidOf("98.997", "USD", "CONFIRMED")+`],"confirmed_at":"2026-11-23T07:59:49Z",`+timed(`,{"time":"2026-11-23T07:59:49Z","status":"COMPLETED"}`)),
	"paid-no-price":  strings.Replace(event("e-04", "charge:confirmed", `"payments":[`+paidOf("12.349", "USD", "CONFIRMED")+`,`+paidOf("1.00", "USD", "CONFIRMED")+`],`+timed(``)), `"local":{"amount":"99.00","currency":"USD"},"bitcoin"`, `"bitcoin"`, 1),
	"paid-jpy":       strings.Replace(event("e-05", "charge:delayed", `"payments":[`+paidOf("5000.52", "JPY", "CONFIRMED")+`],`+timed(`,{"status":"UNRESOLVED","context":"DELAYED"}`)), `"99.00","currency":"USD"`, `"5000.00","currency":"JPY"`, 1),
	"paid-too-much":  event("e-06", "charge:delayed", `"payments":[`+paidOf("150.00", "USD", "CONFIRMED")+`],`+timed(`,{"time":"2026-11-23T07:59:49Z","status":"UNRESOLVED","context":"OVERPAID"}`)),
	"paid-in-part":   event("e-07", "charge:delayed", `"payments":[`+paidOf("50.00", "USD", "CONFIRMED")+`,`+paidOf("49.00", "USD", "PENDING")+`],`+timed(`,{"time":"2026-11-23T07:59:49Z","status":"UNRESOLVED","context":"UNDERPAID"}`)),
	"delayed":        event("e-08", "charge:delayed", `"payments":[],`+timed(`,{"time":"2026-11-23T07:59:49Z","status":"UNRESOLVED","context":"DELAYED"}`)),
	"resolved":       event("e-09", "charge:resolved", `"payments":[],`+timed(`,{"time":"2026-11-23T07:59:49Z","status":"RESOLVED","context":"OTHER"}`)),
	"expired":        event("e-10", "charge:failed", `"payments":[],`+timed(`,{"time":"2026-11-23T07:59:49Z","status":"EXPIRED"}`)),
	"canceled":       event("e-11", "charge:failed", `"payments":[],`+timed(`,{"time":"2026-11-23T07:59:49Z","status":"CANCELED"}`)),
	"failed":         event("e-12", "charge:failed", `"payments":[],"timeline":null`),
	"by-code":        `{"event":{"id":"e-13","type":"charge:created","data":{"id":"c1","code":"NAB45HKP","metadata":{},"pricing":{"local":{"amount":"1.0","currency":"EUR"}}}}}`,
	"others":         `{"event":{"id":"e-14","type":"invoice:paid","data":null}}`,
	"two-currencies": event("e-15", "charge:delayed", `"payments":[`+paidOf("1.00", "USD", "CONFIRMED")+`,`+paidOf("1.00", "EUR", "CONFIRMED")+`]`),
	"without-id":     `{"event":{"type":"charge:confirmed"}}`,
	"without-charge": `{"event":{"id":"e-16","type":"charge:confirmed","data":{}}}`,
}

var adapter = webhooktest.Adapter{Case: suite, Bodies: recorded, Statuses: []order.Status{
	order.Created, order.Pending, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled, order.Expired,
}}

func TestAdapter(t *testing.T) { adapter.Test(t) }

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
