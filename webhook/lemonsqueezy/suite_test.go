package lemonsqueezy

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

// event is an event of an order, as Lemon Squeezy writes it, with what is told of
// its money to come.
func event(name, rest string) string {
	return `{"meta":{"test_mode":false,"event_name":"` + name + `","webhook_id":"51f0b6a8-4192-49cd-a939-25f9bfd16d6e","custom_data":{"order_id":"A1001"}},` +
		`"data":{"id":"7111514","type":"orders","links":{"self":"https://api.lemonsqueezy.com/v1/orders/7111514"},"attributes":{"tax":0,` +
		`"urls":{"receipt":"https://app.lemonsqueezy.com/my-orders/12857045"},"store_id":259512,"tax_name":"VAT","tax_rate":"0.00","user_name":"Jon Doe",` +
		`"user_email":"jon@example.com","identifier":"12857045-6839-4982-9f06-fff757fd6a0c","customer_id":7416655,"order_number":2595129,"currency_rate":"1.00000000",` +
		`"first_order_item":{"id":7049786,"price":9900,"order_id":7111514,"quantity":1,"test_mode":false,"product_name":"Bell"},` +
		`"created_at":"2026-11-23T07:59:23.000000Z","updated_at":"2026-11-23T07:59:49.000000Z",` + rest + `},"relationships":{"store":{"links":{}}}}}`
}

const euros = `"currency":"EUR","subtotal":9900,"total":9900,"total_usd":10730,"total_formatted":"€99.00",`

var suite = webhooktest.Case{
	New: webhooktest.Build(New, func(secrets []string) Options { return Options{Secrets: secrets} }),
	Sign: func(secret string, body []byte, at time.Time) webhook.Request {
		return sign([]byte(secret), body, at)
	},
	Secrets: [3]string{"q1Zt7yWmB4nVc8Lx2RkP", "Jf3Kp9TgXw5MzQ7bYv1N", "Us6Hn2EaDq4Lw8ByTk0G"},
	Body:    `{"meta":{"event_name":"order_created","custom_data":{"order_id":"A1001"}},"data":{"type":"orders","id":"7111514","attributes":{"status":"paid","total":9900,"currency":"EUR"}}}`,
	Headers: []string{scheme.Header},
	Forgeries: map[string]func(*webhook.Request){
		"WithAlgorithm":    func(r *webhook.Request) { r.Header.Set(scheme.Header, "sha256="+r.Header.Get(scheme.Header)) },
		"SignatureOfZeros": func(r *webhook.Request) { r.Header.Set(scheme.Header, strings.Repeat("0", 64)) },
	},
}

var recorded = map[string]string{
	"paid":                   event("order_created", euros+`"status":"paid","status_formatted":"Paid","refunded":false,"refunded_at":null,"refunded_amount":0`),
	"paid-test":              strings.ReplaceAll(event("order_created", euros+`"test_mode":true,"status":"paid","refunded":false`), `"test_mode":false`, `"test_mode":true`),
	"paid-jpy":               event("order_created", `"currency":"JPY","total":5000,"status":"paid"`),
	"paid-number-ids":        `{"meta":{"event_name":"order_created","custom_data":{"order_id":9007199254740993}},"data":{"type":"orders","id":9007199254740995,"attributes":{"status":"paid","total":9900,"currency":"usd"}}}`,
	"pending":                event("order_created", euros+`"status":"pending"`),
	"failed":                 event("order_created", euros+`"status":"failed"`),
	"dispute":                event("order_created", euros+`"status":"fraudulent"`),
	"refund":                 event("order_refunded", euros+`"status":"refunded","refunded":true,"refunded_at":"2026-11-23T07:59:48.000000Z","refunded_amount":9900`),
	"refund-without-amount":  event("order_refunded", euros+`"status":"refunded","refunded":true,"refunded_at":"2026-11-23T07:59:48.000000Z"`),
	"partial-refund":         event("order_refunded", euros+`"status":"partial_refund","refunded":true,"refunded_at":"2026-11-23T07:59:48.000000Z","refunded_amount":2550`),
	"unreadable-part":        event("order_refunded", euros+`"status":"partial_refund","refunded":true`),
	"unreadable-amount":      event("order_created", `"currency":"EUR","total":99.5,"status":"paid"`),
	"unreadable-no-currency": event("order_created", `"total":9900,"status":"paid"`),
	"unknown-status":         event("order_created", euros+`"status":"on_hold"`),
	"subscription":           `{"meta":{"test_mode":true,"event_name":"subscription_payment_success","custom_data":{"order_id":"A1001"}},"data":{"type":"subscription-invoices","id":"3095117","attributes":{"billing_reason":"renewal","status":"paid","total":1900,"currency":"USD","card_brand":"visa"}}}`,
	"without-custom-data":    `{"meta":{"event_name":"order_created"},"data":{"type":"orders","id":"1","attributes":{"status":"paid","total":1900,"currency":"USD","test_mode":true}}}`,
	"no-name":                `{"meta":{},"data":{}}`,
}

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.Secrets = suite.Secrets[:1]
	return webhooktest.Must(t, New, o)
}

var adapter = webhooktest.Adapter{Case: suite, Bodies: recorded, Statuses: []order.Status{
	order.Pending, order.Paid, order.PartiallyPaid, order.Failed, order.PartiallyRefunded, order.Refunded, order.Disputed,
}}

func TestAdapter(t *testing.T) { adapter.Test(t) }

// Two parts that are given back one after the other are two events, and the
// second has the running total.
func TestRefundsInPartsAreEventsOfTheirOwn(t *testing.T) {
	p := newProvider(t, Options{})
	seen := map[string]int64{}
	for _, back := range []string{"2550", "5000", "5000"} {
		events, err := p.Read([]byte(event("order_refunded", euros+`"status":"partial_refund","refunded_amount":`+back)))
		if err != nil || len(events) != 2 {
			t.Fatal(events, err)
		}
		seen[events[1].ID] = events[1].Amount
	}
	if len(seen) != 2 {
		t.Error(seen)
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
