package btcpay

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

const store = "Hf9GvFK2dHJehm9J8A6kYfbc1ruc5jEZBKEr9r7jsrLo"

// event is a delivery as BTCPay Server writes it.
func event(id, typ, rest string) string {
	return `{
  "deliveryId": "` + id + `",
  "webhookId": "6KQ4EmzqKowRgyBL65TwJg",
  "originalDeliveryId": "` + id + `",
  "isRedelivery": false,
  "type": "` + typ + `",
  "timestamp": 1795420790,
  "storeId": "` + store + `",
  "invoiceId": "7X1rfbRjMCmLAGwbCdTdX2"` + rest + `
}`
}

const ofA1001 = `,
  "metadata": {
    "orderId": "A1001",
    "itemDesc": null,
    "buyerEmail": null
  }`

var suite = webhooktest.Case{
	New: webhooktest.Build(New, func(secrets []string) Options { return Options{Secrets: secrets} }),
	Sign: func(secret string, body []byte, at time.Time) webhook.Request {
		return sign([]byte(secret), body, at)
	},
	Secrets: [3]string{"5TjrCfkTgfjY4rJj85bTJj", "3MvQ9mTzWqxyRk2NdPbLs7", "8HcYw4KnJrFgZt6EaVuXp1"},
	Body:    event("PENf2czGBzTepjzSJdt6Nz", "InvoiceSettled", `,"manuallyMarked":false,"overPaid":false,"metadata":{"orderId":"A1001"}`),
	Headers: []string{signatureHeader},
	Forgeries: map[string]func(*webhook.Request){
		"WithoutAlgorithm": change(func(s string) string { return strings.TrimPrefix(s, signaturePrefix) }),
		"AnotherAlgorithm": change(func(s string) string { return strings.Replace(s, "sha256", "sha1", 1) }),
		"CapitalAlgorithm": change(func(s string) string { return strings.Replace(s, "sha256", "SHA256", 1) }),
		"SignatureOfZeros": change(func(string) string { return signaturePrefix + strings.Repeat("0", 64) }),
	},
}

func change(signature func(string) string) func(*webhook.Request) {
	return func(r *webhook.Request) { r.Header.Set(signatureHeader, signature(r.Header.Get(signatureHeader))) }
}

var recorded = map[string]string{
	"paid":    event("PENf2czGBzTepjzSJdt6Nz", "InvoiceSettled", `,"manuallyMarked":false,"overPaid":false`+ofA1001),
	"created": event("PENf2czGBzTepjzSJdt601", "InvoiceCreated", ofA1001),
	"received": event("PENf2czGBzTepjzSJdt602", "InvoiceReceivedPayment", `,"afterExpiration":false,"paymentMethodId":"BTC-CHAIN","payment":{`+
		`"id":"4f8e1c-0","receivedDate":1795420785,"value":"0.00021","fee":"0.0","status":"Processing","destination":"bc1q5n2x4pvxhq8sxc7ck3uxq8sxc7ck3u"}`+ofA1001),
	"received-lightning": event("PENf2czGBzTepjzSJdt603", "InvoiceReceivedPayment", `,"afterExpiration":true,"paymentMethod":"BTC-LightningNetwork","payment":null`),
	"processing":         event("PENf2czGBzTepjzSJdt604", "InvoiceProcessing", `,"overPaid":true`+ofA1001),
	"expired":            event("PENf2czGBzTepjzSJdt605", "InvoiceExpired", `,"partiallyPaid":true`+ofA1001),
	"failed":             event("PENf2czGBzTepjzSJdt606", "InvoiceInvalid", `,"manuallyMarked":true`+ofA1001),
	"payment-settled":    event("PENf2czGBzTepjzSJdt607", "InvoicePaymentSettled", `,"afterExpiration":false,"paymentMethodId":"BTC-CHAIN","payment":{}`+ofA1001),
	"paid-redelivered": strings.NewReplacer(`"deliveryId": "PENf2czGBzTepjzSJdt6Nz"`, `"deliveryId": "UccGXvAP2YxrJu1RdcPQvC"`, `false,
  "type"`, `true,
  "type"`).Replace(event("PENf2czGBzTepjzSJdt6Nz", "InvoiceSettled", `,"manuallyMarked":false,"overPaid":false`+ofA1001)),
	"payout":      `{"deliveryId":"PENf2czGBzTepjzSJdt608","originalDeliveryId":"PENf2czGBzTepjzSJdt608","type":"PayoutApproved","timestamp":1795420790,"storeId":"` + store + `","payoutId":"po1","payoutState":"AwaitingPayment","pullPaymentId":null}`,
	"no-invoice":  `{"deliveryId":"PENf2czGBzTepjzSJdt609","type":"InvoiceSettled","timestamp":1795420790,"storeId":"` + store + `"}`,
	"no-delivery": `{"type":"InvoiceSettled","invoiceId":"7X1rfbRjMCmLAGwbCdTdX2"}`,
}

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.Secrets = suite.Secrets[:1]
	return webhooktest.Must(t, New, o)
}

var adapter = webhooktest.Adapter{Case: suite, Bodies: recorded, Statuses: []order.Status{
	order.Created, order.Pending, order.Paid, order.Failed, order.Expired,
}}

func TestAdapter(t *testing.T) { adapter.Test(t) }

func TestOnlyTheStoresOwnEventsCount(t *testing.T) {
	for id, want := range map[string]order.Kind{store: order.KindPayment, "another": order.KindNote} {
		p := newProvider(t, Options{Store: id})
		if events, err := p.Open(sign(p.keys[0], []byte(suite.Body), time.Now())); err != nil || events[0].Kind != want {
			t.Errorf("%s: %+v, %v", id, events, err)
		}
	}
}

// The signature of another program: printf '{}' | openssl dgst -sha256 -hmac
// 5TjrCfkTgfjY4rJj85bTJj
func TestSignsAsOpenSSLDoes(t *testing.T) {
	got := sign([]byte(suite.Secrets[0]), []byte("{}"), time.Now()).Header.Get(signatureHeader)
	if want := "sha256=a778d2413bb73384e66b928dcd7ca10fe0823954441b58097f3dae5d388fc9d7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
