package checkout_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/checkout"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const secret = "7c1f0a9d-3e5b-4824-96f0-a1c2e3d4b596"

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newProvider(t testing.TB, o checkout.Options) *checkout.Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	return webhooktest.Must(t, checkout.New, o)
}

// sign makes the request that Checkout.com makes.
func sign(key string, body []byte, at time.Time) webhook.Request {
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/checkout",
		Header: http.Header{
			"Content-Type":  {"application/json; charset=utf-8"},
			"Cko-Signature": {hex.EncodeToString(webhook.HMAC(sha256.New, []byte(key), body))},
		},
		Body: body,
		At:   at,
	}
}

// suite is for sources with an authorization besides the signature, and without.
func suite(authorization string) webhooktest.Case {
	c := webhooktest.Case{
		New: webhooktest.Build(checkout.New, func(secrets []string) checkout.Options {
			return checkout.Options{Secrets: secrets, AuthorizationSecret: authorization}
		}),
		Secrets: [3]string{secret, "0d9c8b7a6f5e4d3c2b1a", "f1e2d3c4-b5a6-4978-8695-04132a3b4c5d"},
		Sign: func(secret string, body []byte, at time.Time) webhook.Request {
			r := sign(secret, body, at)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			return r
		},
		Body:    `{"id":"evt_1","type":"payment_captured","created_on":"2026-11-23T08:00:00Z","data":{"id":"pay_1","reference":"A1001","amount":9900,"currency":"EUR"}}`,
		Headers: []string{"Cko-Signature"},
	}
	if authorization != "" {
		c.Headers = append(c.Headers, "Authorization")
	}
	return c
}

func TestAuthorizationBesidesTheSignature(t *testing.T) {
	webhooktest.Suite(t, suite("Zx4 Vb7 Nm2 Kj9"))
}

// event is one of Checkout.com's around its data.
func event(typ, data string) string {
	return `{"id":"evt_caxmnvuvbe4elkbdx2imwbnjxu","type":"` + typ + `","version":"1.0.29","created_on":"2026-11-23T07:59:59.8821546Z","data":` + data +
		`,"_links":{"self":{"href":"https://api.checkout.com/workflows/events/evt_caxmnvuvbe4elkbdx2imwbnjxu"},"subject":{"href":"https://api.checkout.com/workflows/events/subject/pay_griq7wyqkggu7mnk7ecm6ysrl4"},"payment":{"href":"https://api.checkout.com/payments/pay_griq7wyqkggu7mnk7ecm6ysrl4"},"payment_actions":{"href":"https://api.checkout.com/payments/pay_griq7wyqkggu7mnk7ecm6ysrl4/actions"}}}`
}

const (
	head    = `{"id":"pay_griq7wyqkggu7mnk7ecm6ysrl4","action_id":"act_gl5cpqgccxeulozrvaassd4lta","reference":"ORD-5023-4E89","currency":"USD","metadata":{"coupon_code":"NY2018","order_id":"A1001"},"processed_on":"2026-11-23T07:59:58.1299682Z","event_links":null,`
	payment = head + `"amount":9900,"auth_code":"528709","customer":{"id":"cus_m3cixs4slzcelfjmdcodlgyvkq","email":"jia@example.com"},"payment_ip":"203.0.113.0","payment_type":"Regular","processing":{"acquirer_transaction_id":"217551732463583666445","retrieval_reference_number":"011307140034"},"3ds":{"downgraded":false,"enrolled":"Y","version":"2.2.0","challenged":false},"risk":{"flagged":false},"scheme_id":"638284745624527",`
	card    = `"source":{"id":"src_nmukohhu7vbe5f55ndwqzwv2c4","type":"card","expiry_month":12,"expiry_year":2030,"scheme":"VISA","last_4":"4242","fingerprint":"A3F1","bin":"424242","card_type":"CREDIT","card_category":"CONSUMER","issuer":"JPMORGAN CHASE BANK NA","issuer_country":"US","avs_check":"S","cvv_check":"Y"}}`
	dispute = `{"id":"dsp_bc94ebda8d275i461229","category":"fraudulent","amount":9900,"currency":"USD","reason_code":"10.4","payment_id":"pay_griq7wyqkggu7mnk7ecm6ysrl4","payment_reference":"ORD-5023-4E89","payment_arn":"74567201086346341232","payment_method":"VISA","status":"evidence_required","evidence_required_by":"2026-12-06T00:00:00Z","received_on":"2026-11-23T07:59:50Z","metadata":{}}`
)

// recorded are requests in the form of Checkout.com's documentation.
var recorded = map[string]string{
	"pending":             event("payment_pending", head+`"amount":9900,"source":{"id":"src_1","type":"klarna"}}`),
	"authorized":          event("payment_approved", payment+`"response_code":"10000","response_summary":"Approved",`+card),
	"paid":                event("payment_captured", head+`"amount":9900,"response_code":"10000","response_summary":"Approved","processing":{"acquirer_transaction_id":"8137549557","acquirer_reference_number":"000220552364"}}`),
	"paid-in-parts":       event("payment_captured", head+`"amount":4000,"response_code":"10000","response_summary":"Approved"}`),
	"paid-jpy":            event("payment_captured", `{"id":"pay_1","action_id":"act_1","reference":"A1002","amount":5400,"currency":"JPY","metadata":null}`),
	"paid-clp":            event("payment_captured", `{"id":"pay_1","action_id":"act_1","reference":"A1003","amount":540000,"currency":"CLP"}`),
	"paid-kwd":            event("payment_captured", `{"id":"pay_1","action_id":"act_1","reference":null,"amount":12340,"currency":"KWD","metadata":{"order_id":1004}}`),
	"paid-sandbox":        strings.ReplaceAll(event("payment_captured", head+`"amount":9900}`), "api.checkout.com", "api.sandbox.checkout.com"),
	"wallet":              event("payment_approved", payment+strings.Replace(card, `"scheme"`, `"card_wallet_type":"applepay","scheme"`, 1)),
	"wallet-google-pay":   event("payment_approved", payment+strings.Replace(card, `"scheme"`, `"card_wallet_type":"googlepay","scheme"`, 1)),
	"failed":              event("payment_declined", payment+`"response_code":"20051","response_summary":"Insufficient Funds",`+card),
	"canceled":            event("payment_voided", head+`"amount":9900,"response_code":"10000","response_summary":"Approved"}`),
	"canceled-by-shop":    event("payment_canceled", head+`"amount":9900}`),
	"expired":             event("payment_expired", head+`"amount":9900}`),
	"capture_declined":    event("payment_capture_declined", head+`"amount":9900,"response_code":"20005","response_summary":"Declined - Do not honour"}`),
	"partial-refund":      event("payment_refunded", head+`"amount":2500,"response_code":"10000","response_summary":"Approved"}`),
	"refund":              event("payment_refunded", head+`"amount":9900,"response_code":"10000","response_summary":"Approved"}`),
	"refund_declined":     event("payment_refund_declined", head+`"amount":2500,"response_code":"20005","response_summary":"Declined - Do not honour"}`),
	"dispute":             event("dispute_received", dispute),
	"dispute-evidence":    event("dispute_evidence_required", dispute),
	"dispute-won":         event("dispute_won", dispute),
	"dispute-lost":        event("dispute_lost", dispute),
	"card_verified":       event("card_verified", head+`"amount":0}`),
	"unreadable_amount":   event("payment_captured", `{"id":"pay_1","action_id":"act_1","reference":"A1003","amount":540050,"currency":"CLP"}`),
	"unreadable_json":     `{"id":"evt_1","type":"authentication_failed","` + "\uFFFD" + `:{"id":"sid_1"}}`,
	"unreadable_no_money": event("payment_refunded", `{"id":"pay_1","action_id":"act_1"}`),
}

var adapter = webhooktest.Adapter{
	Case:   suite(""),
	Bodies: recorded,
	Statuses: []order.Status{
		order.Pending, order.Authorized, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled, order.Expired,
		order.PartiallyRefunded, order.Refunded, order.Disputed, order.Won, order.Lost,
	},
}

func TestAdapter(t *testing.T) { adapter.Test(t) }

func TestWhereTheOrderIsNamed(t *testing.T) {
	p := newProvider(t, checkout.Options{Order: "data.metadata.order_id"})
	for name, want := range map[string]string{"paid": "A1001", "partial-refund": "A1001", "dispute": ""} {
		events, err := p.Open(sign(secret, []byte(recorded[name]), now))
		if err != nil || events[0].Order != want || events[0].Payment != "pay_griq7wyqkggu7mnk7ecm6ysrl4" {
			t.Errorf("%s: %+v, %v", name, events, err)
		}
	}
}

func TestSimulate(t *testing.T) {
	for _, o := range []checkout.Options{{}, {Order: "data.metadata.order_id", AuthorizationSecret: "Zx4 Vb7"}} {
		webhooktest.Simulations(t, newProvider(t, o), adapter.Statuses...)
	}
	p := newProvider(t, checkout.Options{Order: "data.id.order"})
	for _, s := range []webhook.Simulation{{Order: "A1001", Status: order.Paid}, {Order: "A1001", Status: order.Paid, Currency: "EUR"}} {
		if _, err := p.Simulate(s); err == nil {
			t.Errorf("%+v", s)
		}
	}
	r, err := newProvider(t, checkout.Options{}).Simulate(webhook.Simulation{ID: "evt_1", Order: "A1001", Status: order.Paid, Amount: 5400, Currency: "CLP"})
	if err != nil || !strings.Contains(string(r.Body), `"amount":540000`) {
		t.Errorf("%s, %v", r.Body, err)
	}
	if events, err := newProvider(t, checkout.Options{}).Open(r); err != nil || events[0].Amount != 5400 || events[0].Livemode {
		t.Errorf("%+v, %v", events, err)
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
