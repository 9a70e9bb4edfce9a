package razorpay_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/razorpay"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const secret = "k7Qp2vXz9Lm4Rt8Wn1"

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newProvider(t testing.TB, o razorpay.Options) *razorpay.Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	return webhooktest.Must(t, razorpay.New, o)
}

// sign makes the request that Razorpay makes.
func sign(key string, body []byte, at time.Time) webhook.Request {
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/razorpay",
		Header: http.Header{
			"Content-Type":         {"application/json"},
			"User-Agent":           {"Razorpay-Webhook/v1"},
			"X-Razorpay-Event-Id":  {"RjT0b8Yv2Qm1Lk"},
			"X-Razorpay-Signature": {hex.EncodeToString(webhook.HMAC(sha256.New, []byte(key), body))},
		},
		Body: body,
		At:   at,
	}
}

var suite = webhooktest.Case{
	New: webhooktest.Build(razorpay.New, func(secrets []string) razorpay.Options {
		return razorpay.Options{Secrets: secrets}
	}),
	Secrets: [3]string{secret, "Yd3Fg5Hj0Ks7Tv2U", "z5Hn8Wq1Lr4Tb7Yc"},
	Sign:    sign,
	Body:    `{"entity":"event","event":"payment.captured","payload":{"payment":{"entity":{"id":"pay_1","amount":9900,"currency":"INR","status":"captured"}}},"created_at":1795420790}`,
	Headers: []string{"X-Razorpay-Signature"},
}

// event is one of Razorpay's around its payload.
func event(typ, contains, payload string) string {
	return `{"entity":"event","account_id":"acc_BFQ7uQEaa7j2z7","event":"` + typ + `","contains":[` + contains + `],"payload":{` + payload + `},"created_at":1795420790}`
}

const (
	paymentHead = `"payment":{"entity":{"id":"pay_RjSzKv1cQ9wXyZ","entity":"payment","amount":9900,"currency":"INR","base_amount":9900,"order_id":"order_RjSyTn4mP2aBcD","invoice_id":null,"international":false,"amount_transferred":0,"description":null,"card_id":"card_DESp9fNnu0RoNc","card":{"id":"card_DESp9fNnu0RoNc","entity":"card","name":"","last4":"5558","network":"Visa","type":"credit","issuer":null,"emi":false,"sub_type":"consumer","token_iin":null},"bank":null,"vpa":null,"email":"gaurav.kumar@example.com","contact":"+919876543210","notes":{"order_id":"A1001"},"fee":null,"tax":null,"acquirer_data":{"auth_code":"828553","rrn":"322206890934"},"created_at":1795420700,`
	noError     = `"error_code":null,"error_description":null,"error_source":null,"error_step":null,"error_reason":null,`
	captured    = paymentHead + noError + `"method":"card","wallet":null,"status":"captured","amount_refunded":0,"refund_status":null,"captured":true}}`
	refundHead  = `"refund":{"entity":{"id":"rfnd_FS8SPQ2CC5p3LD","entity":"refund","amount":2500,"currency":"INR","payment_id":"pay_RjSzKv1cQ9wXyZ","notes":[],"receipt":null,"acquirer_data":{"arn":null},"created_at":1795420780,"batch_id":null,"speed_processed":"normal","speed_requested":"optimum",`
	refunded    = paymentHead + noError + `"method":"card","wallet":null,"status":"captured","amount_refunded":2500,"refund_status":"partial","captured":true}}`
	disputeHead = `"dispute":{"entity":{"id":"disp_EsIAlDcoUr8CaQ","entity":"dispute","payment_id":"pay_RjSzKv1cQ9wXyZ","amount":9900,"currency":"INR","amount_deducted":0,"reason_code":"processing_invalid_expired_card","respond_by":1796000000,"phase":"chargeback","created_at":1795420780,`
	linkHead    = `"payment_link":{"entity":{"id":"plink_ERgihyaAAC0VNW","amount":9900,"amount_paid":0,"currency":"INR","accept_partial":false,"cancelled_at":0,"created_at":1795420000,"description":"Order 1001","expire_by":1795420780,"expired_at":0,"first_min_partial_amount":0,"notes":null,"notify":{"email":true,"sms":true},"payments":null,"reference_id":"A1001","reminder_enable":false,"short_url":"https://rzp.io/i/x",`
)

// recorded are requests in the form of Razorpay's documentation.
var recorded = map[string]string{
	"authorized":        event("payment.authorized", `"payment"`, paymentHead+noError+`"method":"card","wallet":null,"status":"authorized","amount_refunded":0,"refund_status":null,"captured":false}}`),
	"paid":              event("payment.captured", `"payment"`, captured),
	"paid-order":        event("order.paid", `"payment","order"`, captured+`,"order":{"entity":{"id":"order_RjSyTn4mP2aBcD","entity":"order","amount":9900,"amount_paid":9900,"amount_due":0,"currency":"INR","receipt":"rcptid #1","offer_id":null,"status":"paid","attempts":1,"notes":[],"created_at":1795420600}}`),
	"paid-link":         event("payment_link.paid", `"payment_link","order","payment"`, captured+`,`+linkHead+`"status":"paid"}}`),
	"paid-without-note": event("payment.captured", `"payment"`, `"payment":{"entity":{"id":"pay_RjSzKv1cQ9wXyA","entity":"payment","amount":500,"currency":"JPY","status":"captured","order_id":"order_RjSyTn4mP2aBcE","method":"upi","vpa":"gaurav@upi","wallet":null,"notes":[],"captured":true,"error_code":null}}`),
	"paid-kwd":          event("payment.captured", `"payment"`, `"payment":{"entity":{"id":"pay_RjSzKv1cQ9wXyB","entity":"payment","amount":12340,"currency":"KWD","status":"captured","order_id":null,"method":"card","notes":{"order":"A1002"},"captured":true}}`),
	"wallet":            event("payment.captured", `"payment"`, paymentHead+noError+`"method":"wallet","wallet":"amazonpay","status":"captured","amount_refunded":0,"refund_status":null,"captured":true}}`),
	"failed":            event("payment.failed", `"payment"`, paymentHead+`"error_code":"BAD_REQUEST_ERROR","error_description":"Payment failed due to insufficient account balance","error_source":"customer","error_step":"payment_authorization","error_reason":"insufficient_funds","method":"netbanking","wallet":null,"status":"failed","amount_refunded":0,"refund_status":null,"captured":false}}`),
	"failed-older":      event("payment.failed", `"payment"`, `"payment":{"entity":{"id":"pay_6X6jcHoHdRdy79","entity":"payment","amount":50000,"currency":"INR","status":"failed","order_id":"order_6X4mcHoSXRdy79","method":"card","error_code":"BAD_REQUEST_ERROR","notes":{"reference_no":"848493"}}},"created_at":1400826760`),
	"canceled":          event("payment_link.cancelled", `"payment_link"`, linkHead+`"status":"cancelled"}}`),
	"expired":           event("payment_link.expired", `"payment_link"`, linkHead+`"status":"expired"}}`),
	"link_of_no_order":  event("payment_link.expired", `"payment_link"`, `"payment_link":{"entity":{"id":"plink_1","status":"expired","reference_id":"","notes":null}}`),
	"partial-refund":    event("refund.processed", `"refund","payment"`, refundHead+`"status":"processed"}},`+refunded),
	"refund":            event("refund.processed", `"refund","payment"`, `"refund":{"entity":{"id":"rfnd_FS8SPQ2CC5p3LE","entity":"refund","amount":9900,"currency":"INR","payment_id":"pay_RjSzKv1cQ9wXyZ","status":"processed"}}`),
	"refund_created":    event("refund.created", `"refund","payment"`, refundHead+`"status":"pending"}},`+refunded),
	"refund_failed":     event("refund.failed", `"refund","payment"`, refundHead+`"status":"failed"}},`+refunded),
	"canceled-auto-refund": event("refund.processed", `"refund","payment"`, refundHead+`"status":"processed"}},`+
		paymentHead+noError+`"method":"card","wallet":null,"status":"refunded","amount_refunded":9900,"refund_status":"full","captured":false}}`),
	"dispute":           event("payment.dispute.created", `"payment","dispute"`, captured+`,`+disputeHead+`"status":"open"}}`),
	"dispute-review":    event("payment.dispute.under_review", `"payment","dispute"`, captured+`,`+disputeHead+`"status":"under_review"}}`),
	"dispute-won":       event("payment.dispute.won", `"payment","dispute"`, captured+`,`+disputeHead+`"status":"won"}}`),
	"dispute-lost":      event("payment.dispute.lost", `"payment","dispute"`, captured+`,`+disputeHead+`"status":"lost"}}`),
	"downtime":          event("payment.downtime.started", `"payment.downtime"`, `"payment.downtime":{"entity":{"id":"down_F1cxDoHWD4fkQt","status":"started","method":"upi"}}`),
	"unreadable_amount": event("payment.captured", `"payment"`, `"payment":{"entity":{"id":"pay_1","amount":99.5,"currency":"INR","status":"captured"}}`),
}

var adapter = webhooktest.Adapter{
	Case:   suite,
	Bodies: recorded,
	Statuses: []order.Status{
		order.Pending, order.Authorized, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled, order.Expired,
		order.PartiallyRefunded, order.Refunded, order.Disputed, order.Won, order.Lost,
	},
}

func TestAdapter(t *testing.T) { adapter.Test(t) }

// The id in the header is not signed: whoever has a genuine request may write
// another, and it must not count twice.
func TestTheIDIsSigned(t *testing.T) {
	p := newProvider(t, razorpay.Options{})
	r := sign(secret, []byte(recorded["partial-refund"]), now)
	want, err := p.Open(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Razorpay-Event-Id", "another")
	if got, err := p.Open(r); err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhereTheOrderIsNamed(t *testing.T) {
	p := newProvider(t, razorpay.Options{Order: "payload.order.entity.receipt"})
	for name, want := range map[string]string{"paid": "", "paid-without-note": "", "paid-order": ""} {
		events, err := p.Open(sign(secret, []byte(recorded[name]), now))
		if name == "paid-order" { // a receipt with a space is no id
			if err == nil {
				t.Errorf("%+v", events)
			}
			continue
		}
		if err != nil || events[0].Order != want || events[0].Payment == "" {
			t.Errorf("%s: %+v, %v", name, events, err)
		}
	}
}

func TestSimulate(t *testing.T) {
	for _, path := range []string{"payload.order.entity.receipt"} {
		webhooktest.Simulations(t, newProvider(t, razorpay.Options{Order: path}), adapter.Statuses...)
	}
	if _, err := newProvider(t, razorpay.Options{}).Simulate(webhook.Simulation{Order: "A1001", Status: order.Paid}); err == nil {
		t.Error("no amount")
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
