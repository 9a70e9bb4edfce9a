package paystack_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/paystack"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const secret = "sk_live_7c1f0a9d3e5b8246f0a1c2e3d4b5968778695a4b"

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newProvider(t testing.TB, o paystack.Options) *paystack.Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	return webhooktest.Must(t, paystack.New, o)
}

// sign makes the request that Paystack makes.
func sign(key string, body []byte, at time.Time) webhook.Request {
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/paystack",
		Header: http.Header{
			"Content-Type":         {"application/json"},
			"User-Agent":           {"Paystack/2.0"},
			"X-Paystack-Signature": {hex.EncodeToString(webhook.HMAC(sha512.New, []byte(key), body))},
		},
		Body: body,
		At:   at,
	}
}

var suite = webhooktest.Case{
	New: webhooktest.Build(paystack.New, func(secrets []string) paystack.Options {
		return paystack.Options{Secrets: secrets}
	}),
	Secrets: [3]string{secret, "sk_test_0d9c8b7a6f5e4d3c2b1a09f8e7d6c5b4a3928170", "sk_live_f1e2d3c4b5a6978869504132a3b4c5d6e7f80911"},
	Sign:    sign,
	Body:    `{"event":"charge.success","data":{"id":9007199254740993,"domain":"live","status":"success","reference":"A1001","amount":9900,"currency":"NGN","channel":"card"}}`,
	Headers: []string{"X-Paystack-Signature"},
	Forgeries: map[string]func(*webhook.Request){
		"SHA256": func(r *webhook.Request) {
			r.Header.Set("X-Paystack-Signature", hex.EncodeToString(webhook.HMAC(sha256.New, []byte(secret), r.Body)))
		},
	},
}

const (
	chargeHead  = `{"event":"charge.success","data":{"id":4099260516,"domain":"live","status":"success","amount":9900,"message":null,"gateway_response":"Approved by Financial Institution","paid_at":"2026-11-23T07:59:58.000Z","created_at":"2026-11-23T07:59:50.000Z","currency":"NGN","ip_address":"203.0.113.7","log":{"time_spent":9,"attempts":1,"authentication":"pin","errors":0,"success":true,"mobile":false,"input":[],"channel":null,"history":[]},"fees":149,"fees_split":null,"customer":{"id":82796315,"first_name":"Bojack","last_name":"Horseman","email":"bojack@example.com","customer_code":"CUS_xnxdt6s1zg1f4nx","phone":"","metadata":null,"risk_action":"default"},"plan":{},"subaccount":{},"split":{},"order_id":null,"paidAt":"2026-11-23T07:59:58.000Z","requested_amount":9900,"pos_transaction_data":null,"source":{"type":"api","source":"merchant_api","entry_point":"transaction_initialize","identifier":null},`
	card        = `"authorization":{"authorization_code":"AUTH_f5rnfq9p","bin":"539999","last4":"8877","exp_month":"08","exp_year":"2030","card_type":"mastercard DEBIT","bank":"Guaranty Trust Bank","country_code":"NG","brand":"mastercard","account_name":"BoJack Horseman"},`
	refundTail  = `"currency":"NGN","processor":"mpgs_zen","customer":{"first_name":"Damilola","last_name":"Kwabena","email":"damilola@example.com"},"integration":412829,"domain":"live"}}`
	disputeTail = `"domain":"live","transaction":{"id":896467688,"domain":"live","status":"success","reference":"qTPrJoy9Bx","amount":9900,"message":null,"gateway_response":"Approved","channel":"card","currency":"NGN","metadata":""},"transaction_reference":null,"category":"chargeback","customer":{"id":5406463,"email":"bojack@example.com"},"bin":null,"last4":null,"dueAt":"2026-11-30T18:00:00.000Z","evidence":null,"attachments":null,"note":null,"history":[],"messages":[],"created_at":"2026-11-23T07:59:50.000Z","updated_at":"2026-11-23T07:59:58.000Z"}}`
)

// recorded are requests in the form of Paystack's documentation.
var recorded = map[string]string{
	"paid":               chargeHead + card + `"channel":"card","reference":"qTPrJoy9Bx","metadata":{"order_id":"A1001","custom_fields":[]}}}`,
	"paid-by-reference":  chargeHead + card + `"channel":"card","reference":"qTPrJoy9Bx","metadata":0}}`,
	"paid-no-metadata":   chargeHead + card + `"channel":"bank_transfer","reference":"qTPrJoy9Bx","metadata":""}}`,
	"paid-test":          strings.Replace(chargeHead, `"live"`, `"test"`, 1) + card + `"channel":"mobile_money","reference":"qTPrJoy9Bx","metadata":null}}`,
	"paid-xof":           `{"event":"charge.success","data":{"id":4099260517,"domain":"live","status":"success","reference":"A1002","amount":500000,"paid_at":"2026-11-23T07:59:58.000Z","channel":"mobile_money","currency":"XOF","metadata":null}}`,
	"wallet":             chargeHead + card + `"channel":"apple_pay","reference":"qTPrJoy9Bx","metadata":{"order_id":"A1001"}}}`,
	"failed":             `{"event":"charge.failed","data":{"id":4099260518,"domain":"live","status":"failed","reference":"qTPrJoy9By","amount":9900,"gateway_response":"Declined","paid_at":null,"created_at":"2026-11-23T07:59:50.000Z","channel":"mobile_money","currency":"GHS","metadata":{"order_id":1003}}}`,
	"refund_pending":     `{"event":"refund.pending","data":{"status":"pending","transaction_reference":"qTPrJoy9Bx","refund_reference":null,"amount":"2500",` + refundTail,
	"refund_failed":      `{"event":"refund.failed","data":{"status":"failed","transaction_reference":"qTPrJoy9Bx","refund_reference":"132013318360","amount":"2500",` + refundTail,
	"partial-refund":     `{"event":"refund.processed","data":{"status":"processed","transaction_reference":"qTPrJoy9Bx","refund_reference":"132013318360","amount":"2500",` + refundTail,
	"partial-refund-id":  `{"event":"refund.processed","data":{"id":13201331,"status":"processed","transaction_reference":"qTPrJoy9Bx","refund_reference":null,"amount":2500,` + refundTail,
	"refund":             `{"event":"refund.processed","data":{"status":"processed","transaction_reference":"qTPrJoy9Bx","refund_reference":null,"amount":"9900",` + refundTail,
	"dispute":            `{"event":"charge.dispute.create","data":{"id":358950,"refund_amount":9900,"currency":"NGN","status":"awaiting-merchant-feedback","resolution":null,"resolvedAt":null,` + disputeTail,
	"dispute-reminder":   `{"event":"charge.dispute.remind","data":{"id":358950,"refund_amount":9900,"currency":"NGN","status":"awaiting-merchant-feedback","resolution":null,"resolvedAt":null,` + disputeTail,
	"dispute-declined":   `{"event":"charge.dispute.resolve","data":{"id":358950,"refund_amount":9900,"currency":"NGN","status":"resolved","resolution":"declined","resolvedAt":"2026-11-23T07:59:58.000Z",` + disputeTail,
	"dispute-accepted":   `{"event":"charge.dispute.resolve","data":{"id":358950,"refund_amount":null,"currency":null,"status":"resolved","resolution":"merchant-accepted","resolvedAt":"2026-11-23T07:59:58.000Z",` + disputeTail,
	"transfer":           `{"event":"transfer.success","data":{"amount":30000,"currency":"NGN","domain":"live","reference":"TRF_1","status":"success","transfer_code":"TRF_1"}}`,
	"unreadable_amount":  `{"event":"charge.success","data":{"id":1,"reference":"A1","amount":99.5,"currency":"NGN"}}`,
	"unreadable_no_name": `{"data":{}}`,
}

var adapter = webhooktest.Adapter{
	Case:   suite,
	Bodies: recorded,
	Statuses: []order.Status{
		order.Paid, order.PartiallyPaid, order.PartiallyRefunded, order.Refunded, order.Disputed, order.Won, order.Lost,
	},
}

func TestAdapter(t *testing.T) { adapter.Test(t) }

func TestAPublicKeyIsNoSecret(t *testing.T) {
	_, err := paystack.New(paystack.Options{Secrets: []string{"pk_live_7c1f0a9d3e5b8246f0a1c2e3d4b5968778695a4b"}})
	if err == nil || !strings.Contains(err.Error(), "public key") {
		t.Errorf("got %v", err)
	}
}

// Two refunds of one amount are two, each however often it is told.
func TestRefundsWithoutIDs(t *testing.T) {
	p := newProvider(t, paystack.Options{})
	events := []order.Event{}
	for _, body := range []string{
		recorded["paid-by-reference"], recorded["partial-refund"], recorded["partial-refund"], recorded["refund_pending"],
		strings.Replace(recorded["partial-refund"], "132013318360", "132013318361", 1),
	} {
		got, err := p.Open(sign(secret, []byte(body), now))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, got...)
	}
	if s := order.Fold("qTPrJoy9Bx", order.Terms{}, events); s.Status != order.PartiallyRefunded || s.Refunded != 5000 {
		t.Errorf("%+v", s)
	}
}

func TestSimulate(t *testing.T) {
	for _, path := range []string{"data.reference", "data.metadata.shop.order"} {
		webhooktest.Simulations(t, newProvider(t, paystack.Options{Order: path}), adapter.Statuses...)
	}
	p := newProvider(t, paystack.Options{})
	for _, s := range []webhook.Simulation{{Order: "A1001", Status: order.Paid}, {Order: "A1001", Status: order.Paid, Amount: 1, Currency: "KWD"}} {
		if _, err := p.Simulate(s); err == nil {
			t.Errorf("%+v", s)
		}
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
