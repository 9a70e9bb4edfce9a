package gocardless

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

// The first is that of GoCardless's own libraries' tests.
var secrets = [3]string{"ED7D658C-D8EB-4941-948B-3973214F2D49", "3F2B9A57-0C41-4E6D-8A7B-95D1E2C80F64", "7A90C3DE-51B8-4F02-BC66-1E8F4D2739A5"}

// event is one as the API reference has it, with links and details to come.
func event(id, resource, action, rest string) string {
	return `{"id":"` + id + `","created_at":"2026-11-23T07:59:50.404Z","resource_type":"` + resource + `","action":"` + action + `",` + rest + `}`
}

func delivery(events ...string) string {
	return `{"events":[` + strings.Join(events, ",") + `],"meta":{"webhook_id":"WB0000YT52M4QK"}}`
}

const (
	ofA1001 = `"links":{"payment":"PM00AMA19XGEC2"},"metadata":{},"resource_metadata":{"order_id":"A1001"},`
	caused  = `"details":{"origin":"gocardless","cause":"payment_x","description":"…"}`
)

var suite = webhooktest.Case{
	New: webhooktest.Build(New, func(secrets []string) Options { return Options{Secrets: secrets} }),
	Sign: func(secret string, body []byte, at time.Time) webhook.Request {
		return sign([]byte(secret), body, at)
	},
	Secrets: secrets,
	Body:    delivery(event("EV00BD05S5VM2T", "payments", "confirmed", ofA1001+caused)),
	Headers: []string{scheme.Header},
	Forgeries: map[string]func(*webhook.Request){
		"WithAlgorithm": func(r *webhook.Request) { r.Header.Set(scheme.Header, "sha256="+r.Header.Get(scheme.Header)) },
		"SignatureTwice": func(r *webhook.Request) {
			r.Header.Set(scheme.Header, r.Header.Get(scheme.Header)+","+r.Header.Get(scheme.Header))
		},
		"SignatureOfZeros": func(r *webhook.Request) { r.Header.Set(scheme.Header, strings.Repeat("0", 64)) },
		"SpacesAround":     func(r *webhook.Request) { r.Header.Set(scheme.Header, " "+r.Header.Get(scheme.Header)) },
	},
}

var recorded = map[string]string{
	"paid":                                delivery(event("EV00BD05S5VM2T", "payments", "confirmed", ofA1001+`"details":{"origin":"gocardless","cause":"payment_confirmed","description":"Enough time has passed since the payment was submitted for the banks to return an error, so this payment is now confirmed."}`)),
	"paid-out":                            delivery(event("EV00BD05S5VM2U", "payments", "paid_out", `"links":{"payment":"PM00AMA19XGEC2","parent_event":"EV00BD05S5VM2V"},"metadata":{},"details":{"origin":"gocardless","cause":"payment_paid_out","description":"The payment has been paid out by GoCardless."}`)),
	"created":                             delivery(event("EV00BD05S5VM2W", "payments", "created", `"links":{"payment":"PM00AMA19XGEC2"},"metadata":{"order_id":"A1001"},"details":{"origin":"api","cause":"payment_created","description":"Payment created via the API."}`)),
	"pending":                             delivery(event("EV00BD05S5VM2X", "payments", "submitted", ofA1001+caused)),
	"failed":                              delivery(event("EV00BD05S5VM2Y", "payments", "failed", ofA1001+`"details":{"origin":"bank","cause":"insufficient_funds","description":"The customer's account had insufficient funds to make this payment.","scheme":"sepa_core","reason_code":"AM04","will_attempt_retry":false}`)),
	"canceled":                            delivery(event("EV00BD05S5VM2Z", "payments", "cancelled", ofA1001+`"details":{"origin":"bank","cause":"bank_account_closed","description":"The customer's bank account has been closed.","scheme":"bacs","reason_code":"ADDACS-B"}`)),
	"dispute":                             delivery(event("EV00BD05S5VM30", "payments", "charged_back", `"links":{"payment":"PM00AMA19XGEC2"},"details":{"origin":"bank","cause":"authorisation_disputed","description":"The customer has disputed that the amount taken differs from the amount they were notified of.","scheme":"bacs","reason_code":"DDICA-2"}`)),
	"dispute-won":                         delivery(event("EV00BD05S5VM31", "payments", "chargeback_cancelled", ofA1001+caused)),
	"dispute-lost":                        delivery(event("EV00BD05S5VM32", "payments", "chargeback_settled", ofA1001+caused)),
	"late-failure":                        delivery(event("EV00BD05S5VM33", "payments", "late_failure_settled", ofA1001+caused)),
	"resubmitted":                         delivery(event("EV00BD05S5VM34", "payments", "resubmission_requested", ofA1001+caused)),
	"refund-noted":                        delivery(event("EV00BD05S5VM35", "refunds", "paid", `"links":{"refund":"RF00099999"},"metadata":{},"details":{"origin":"gocardless","cause":"refund_paid","description":"The refund has been paid to your customer."}`)),
	"others":                              delivery(event("EV00BD05S5VM36", "subscriptions", "created", `"links":{"subscription":"SB0003JJQ2MR06"},"details":{"origin":"api","cause":"subscription_created","description":"Subscription created via the API."},"metadata":{}`), event("EV00BD05TB8K63", "mandates", "created", `"links":{"mandate":"MD000AMA19XGEC"},"details":null`)),
	"batch":                               delivery(event("EV1", "payments", "submitted", ofA1001+caused), event("EV2", "payments", "confirmed", `"links":{"payment":"PM2"},"resource_metadata":{"order_id":9007199254740993}`), event("EV3", "payments", "confirmed", `"links":{"payment":"PM3"},"resource_metadata":{"order_id":"two words"}`)),
	"unknown":                             delivery(event("EV4", "payments", "surcharge_fee_debited", ofA1001+caused)),
	"empty":                               delivery(),
	"paid-beside-one-that-makes-no-sense": delivery(event("EV5", "payments", "confirmed", `"links":{}`), event("EV6", "payments", "confirmed", ofA1001+caused)),
	"no-payment":                          delivery(event("EV5", "payments", "confirmed", `"links":{}`)),
	"no-id":                               delivery(event("", "payments", "confirmed", ofA1001+caused)),
	"no-list":                             `{"events":{}}`,
	"time-misspelt":                       delivery(`{"id":"EV123","created_at":"2014-04-08T17:01::06.000Z","resource_type":"payments","action":"failed","details":{"origin":"bank","cause":"insufficient_funds"},"metadata":{},"links":{"payment":"PM123"}}`),
}

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.Secrets = suite.Secrets[:1]
	return webhooktest.Must(t, New, o)
}

var adapter = webhooktest.Adapter{Case: suite, Bodies: recorded, Statuses: []order.Status{
	order.Created, order.Pending, order.Paid, order.Failed, order.Canceled, order.Disputed, order.Won, order.Lost,
}}

func TestAdapter(t *testing.T) { adapter.Test(t) }

// GoCardless's own signature of a body, from the tests of its library for
// Node.js.
func TestOpensWhatGoCardlessSigned(t *testing.T) {
	body := `{"events":[{"id":"EV00BD05S5VM2T","created_at":"2018-07-05T09:13:51.404Z","resource_type":"subscriptions","action":"created",` +
		`"links":{"subscription":"SB0003JJQ2MR06"},"details":{"origin":"api","cause":"subscription_created","description":"Subscription created via the API."},` +
		`"metadata":{}},{"id":"EV00BD05TB8K63","created_at":"2018-07-05T09:13:56.893Z","resource_type":"mandates","action":"created",` +
		`"links":{"mandate":"MD000AMA19XGEC"},"details":{"origin":"api","cause":"mandate_created","description":"Mandate created via the API."},"metadata":{}}]}`
	r := sign([]byte(secrets[0]), []byte(body), time.Now())
	if got, want := r.Header.Get(scheme.Header), "2693754819d3e32d7e8fcb13c729631f316c6de8dc1cf634d6527f1c07276e7e"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOrderIsWhereTheOperatorSays(t *testing.T) {
	p := newProvider(t, Options{Order: "resource_metadata.shop.order, details.description"})
	r, err := p.Simulate(webhook.Simulation{ID: "EV1", Order: "A1001", Status: order.Paid, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if events, err := p.Open(r); err != nil || events[0].Order != "A1001" || events[0].Payment != "PMA1001" {
		t.Errorf("%+v, %v", events, err)
	}
}

func FuzzOpen(f *testing.F) { adapter.FuzzOpen(f) }

func FuzzRead(f *testing.F) { adapter.FuzzRead(f) }

func BenchmarkOpen(b *testing.B) { adapter.Benchmark(b) }
