package flutterwave

import (
	"encoding/hex"
	"errors"
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

var secrets = [3]string{"q1Zt7yWmB4nVc8Lx2RkP", "Jf3Kp9TgXw5MzQ7bYv1N", "Us6Hn2EaDq4Lw8ByTk0G"}

var build = webhooktest.Build(New, func(secrets []string) Options { return Options{Secrets: secrets} })

var signed = webhooktest.Case{
	New: build,
	Sign: func(secret string, body []byte, at time.Time) webhook.Request {
		return sign([]byte(secret), body, at)
	},
	Secrets: secrets,
	Body:    `{"webhook_id":"wbk_1","timestamp":1795420800000,"type":"charge.completed","data":{"id":"chg_1","amount":200.5,"currency":"NGN","reference":"A1001","status":"succeeded"}}`,
	Headers: []string{scheme.Header},
	Forgeries: map[string]func(*webhook.Request){
		"InHex": func(r *webhook.Request) {
			r.Header.Set(scheme.Header, hex.EncodeToString([]byte(r.Header.Get(scheme.Header))))
		},
		"ForgedBesideTheToken": func(r *webhook.Request) {
			r.Body[0] = ' '
			r.Header.Set(tokenHeader, secrets[0])
		},
		"EmptyBesideTheToken": func(r *webhook.Request) {
			r.Header.Set(scheme.Header, "")
			r.Header.Set(tokenHeader, secrets[0])
		},
	},
}

var static = webhooktest.Case{
	New: build,
	Sign: func(secret string, body []byte, at time.Time) webhook.Request {
		return webhook.Post(body, at, tokenHeader, secret)
	},
	Secrets: secrets,
	Body:    `{"event":"charge.completed","data":{"id":285959875,"tx_ref":"A1001","amount":100,"currency":"NGN","status":"successful"},"event.type":"CARD_TRANSACTION"}`,
	Headers: []string{tokenHeader},
	Static:  true,
	Forgeries: map[string]func(*webhook.Request){
		"OneLetterMore": func(r *webhook.Request) { r.Header.Set(tokenHeader, secrets[0]+"x") },
		"SpacesAround":  func(r *webhook.Request) { r.Header.Set(tokenHeader, " "+secrets[0]) },
		"InCapitals":    func(r *webhook.Request) { r.Header.Set(tokenHeader, strings.ToUpper(secrets[0])) },
	},
}

// v3 and v4 are charges as the two versions write them.
func v3(rest string) string {
	return `{"event":"charge.completed","data":{"id":285959875,"tx_ref":"A1001","flw_ref":"PeterEkene/FLW270177170","device_fingerprint":"a42937f4a73ce8bb8b8df14e63a2df31",` +
		`"charged_amount":101.4,"app_fee":1.4,"merchant_fee":0,"auth_model":"PIN","ip":"197.210.64.96","narration":"CARD Transaction ","created_at":"2026-11-23T07:59:04.000Z","account_id":17321,` +
		`"customer":{"id":215604089,"name":"Yemi Desola","phone_number":null,"email":"user@example.com","created_at":"2026-11-23T07:59:04.000Z"},"card":{"first_6digits":"123456","last_4digits":"7889","type":"VERVE","expiry":"02/29"},` +
		rest + `},"event.type":"CARD_TRANSACTION"}`
}

func v4(name, rest string) string {
	return `{"webhook_id":"wbk_Zk3Vq9Lm4Xc7","timestamp":1795420790123,"type":"` + name + `","data":{"created_datetime":"2026-11-23T07:59:09.001Z","customer":{"id":"cus_4fa9c2b5","email":"user@example.com"},"meta":{},` + rest + `}}`
}

var recordedV3 = map[string]string{
	"paid-v3":           v3(`"amount":100,"currency":"NGN","processor_response":"Approved by Financial Institution","status":"successful","payment_type":"card"`),
	"paid-v3-ugx":       v3(`"amount":15000,"currency":"UGX","status":"successful","payment_type":"mobilemoneyug"`),
	"wallet-v3":         v3(`"amount":19.99,"currency":"USD","status":"successful","payment_type":"applepay"`),
	"failed-v3":         v3(`"amount":100,"currency":"NGN","processor_response":"Insufficient Funds","status":"failed","payment_type":"card"`),
	"pending-v3":        v3(`"amount":100,"currency":"NGN","status":"pending","payment_type":"bank_transfer"`),
	"unknown-status-v3": v3(`"amount":100,"currency":"NGN","status":"on-hold"`),
	"transfer-v3":       `{"event":"transfer.completed","event.type":"Transfer","data":{"id":33286,"account_number":"0690000033","amount":30020,"currency":"NGN","status":"SUCCESSFUL","reference":"a0a827b1eca65311_PMCKDU_5"}}`,
	"older":             `{"id":126122,"txRef":"A1001","flwRef":"FLW-MOCK-8b986b30","orderRef":"URF_1595","paymentPlan":null,"createdAt":"2026-11-23T07:59:04.000Z","amount":2000,"charged_amount":2000,"status":"successful","currency":"NGN","event.type":"CARD_TRANSACTION","entity":{"card6":"539983"}}`,
	"fraction-v3":       v3(`"amount":100.5,"currency":"RWF","status":"successful"`),
	"without-amount-v3": v3(`"status":"successful"`),
}

var recordedV4 = map[string]string{
	"paid":           v4("charge.completed", `"id":"chg_e1f3a2b1","amount":25000.50,"currency":"NGN","status":"succeeded","reference":"A1001","payment_method":{"type":"mobile_money","mobile_money":{"network":"MTN"}},"processor_response":{"type":"approved","code":"00"}`),
	"wallet":         v4("charge.completed", `"id":"chg_e1f3a2b1","amount":99,"currency":"EUR","status":"succeeded","reference":"A1001","payment_method":{"type":"googlepay"}`),
	"failed":         v4("charge.completed", `"id":"chg_e1f3a2b1","amount":99,"currency":"EUR","status":"failed","reference":"A1001","payment_method":{"type":"card"},"processor_response":{"type":"insufficient_funds","code":"51"}`),
	"failed-by-name": v4("charge.failed", `"id":"chg_e1f3a2b1","amount":99,"currency":"EUR","status":"declined","reference":"A1001"`),
	"canceled":       v4("charge.completed", `"id":"chg_e1f3a2b1","amount":99,"currency":"EUR","status":"voided","reference":"A1001"`),
	"refund":         v4("refund.completed", `"id":"rfd_1","charge_id":"chg_e1f3a2b1","amount_refunded":99,"currency":"EUR","status":"completed"`),
	"partial-refund": v4("refund.completed", `"id":"rfd_2","charge_id":"chg_e1f3a2b1","amount_refunded":25.5,"currency":"EUR","status":"succeeded"`),
	"refund-failed":  v4("refund.failed", `"id":"rfd_3","charge_id":"chg_e1f3a2b1","amount":25.5,"currency":"EUR","status":"failed"`),
	"refund-of-what": v4("refund.completed", `"id":"rfd_4","charge_id":"chg_e1f3a2b1","status":"completed"`),
	"dispute":        v4("chargeback.created", `"id":"chb_1","charge_id":"chg_e1f3a2b1","amount":99,"currency":"EUR","status":"pending"`),
	"dispute-lost":   v4("chargeback.updated", `"id":"chb_1","charge_id":"chg_e1f3a2b1","amount":99,"currency":"EUR","status":"accepted"`),
	"others":         v4("transfer.disburse", `"id":"trf_1","amount":1,"currency":"EUR","status":"SUCCESSFUL"`),
	"no-name":        `{"data":{"id":"chg_1"}}`,
	"no-id":          v4("charge.completed", `"amount":1,"currency":"EUR","status":"succeeded"`),
}

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.Secrets = secrets[:1]
	return webhooktest.Must(t, New, o)
}

func TestSuite(t *testing.T) {
	t.Run("v4", func(t *testing.T) { webhooktest.Suite(t, signed) })
	t.Run("v3", func(t *testing.T) { webhooktest.Suite(t, static) })
}

func TestGolden(t *testing.T) {
	for name, body := range recordedV3 {
		r := static.Sign(secrets[0], []byte(body), time.Time{})
		r.URL = "/webhooks/shop"
		webhooktest.Record(t, "testdata", name, r)
	}
	signed.Recorded(t, "testdata", recordedV4)
}

func TestSimulations(t *testing.T) {
	webhooktest.Simulations(t, newProvider(t, Options{}),
		order.Pending, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled, order.PartiallyRefunded, order.Refunded,
		order.Disputed, order.Won, order.Lost)
	signed.SignsWithTheFirst(t, webhook.Simulation{Order: "A1001", Status: order.Paid, Amount: 9900, Currency: "NGN"})
}

func TestSignedOnlyRefusesTheToken(t *testing.T) {
	p := newProvider(t, Options{SignedOnly: true})
	if _, err := p.Open(static.Sign(secrets[0], []byte(static.Body), time.Time{})); !errors.Is(err, webhook.ErrUnverified) {
		t.Error(err)
	}
	if _, err := p.Open(signed.Sign(secrets[0], []byte(signed.Body), time.Time{})); err != nil {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) { signed.Fuzz(f, recordedV4["refund"], recordedV4["others"]) }

func FuzzReadV3(f *testing.F) { static.FuzzRead(f, recordedV3) }

func FuzzReadV4(f *testing.F) { signed.FuzzRead(f, recordedV4) }

func BenchmarkOpen(b *testing.B) {
	b.Run("v4", signed.Benchmark)
	b.Run("v3", static.Benchmark)
}
