package standard_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/standard"
	"github.com/paybell/paybell/webhook/webhooktest"
)

// sign makes the request of a sender with this family of header names.
func sign(family, id, secret string, body []byte, at time.Time) webhook.Request {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	seconds := strconv.FormatInt(at.Unix(), 10)
	sum := webhook.HMAC(sha256.New, key, []byte(id+"."+seconds+"."), body)
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "https://pay.example.com/webhooks/shop",
		Header: http.Header{
			"Content-Type":        {"application/json"},
			family + "-Id":        {id},
			family + "-Timestamp": {seconds},
			family + "-Signature": {"v1," + base64.StdEncoding.EncodeToString(sum)},
		},
		Body: body,
		At:   at,
	}
}

func TestSuite(t *testing.T) {
	for _, family := range []string{"Webhook", "Svix"} {
		t.Run(family, func(t *testing.T) {
			webhooktest.Suite(t, webhooktest.Case{
				New: webhooktest.Build(standard.New, func(secrets []string) standard.Options {
					return standard.Options{Secrets: secrets}
				}),
				Secrets: [3]string{specSecret, otherSecret, "whsec_plJ3nmyCDGBKInavdOK15jsl9b6bZlYQ"},
				Sign: func(secret string, body []byte, at time.Time) webhook.Request {
					return sign(family, "msg_1", secret, body, at)
				},
				Body:    `{"type":"payment.paid","timestamp":"2026-11-23T08:00:00Z","data":{"order":"A1001","payment":"p1","amount":9900,"currency":"CNY"}}`,
				Headers: []string{family + "-Signature", family + "-Id", family + "-Timestamp"},
				Timed:   true,
				Forgeries: map[string]func(*webhook.Request){
					"AnotherID":    func(r *webhook.Request) { r.Header.Set(family+"-Id", "msg_2") },
					"AnotherTime":  func(r *webhook.Request) { r.Header.Set(family+"-Timestamp", strconv.FormatInt(r.At.Unix()+1, 10)) },
					"SignedTime":   func(r *webhook.Request) { r.Header.Set(family+"-Timestamp", "+"+r.Header.Get(family+"-Timestamp")) },
					"BothFamilies": func(r *webhook.Request) { r.Header.Set("Webhook-Id", "msg_1"); r.Header.Set("Svix-Id", "msg_1") },
					"AnotherVersion": func(r *webhook.Request) {
						r.Header.Set(family+"-Signature", "v0"+r.Header.Get(family + "-Signature")[2:])
					},
					"AsymmetricOfSecret": func(r *webhook.Request) {
						r.Header.Set(family+"-Signature", "v1a"+r.Header.Get(family + "-Signature")[2:])
					},
				},
			})
		})
	}
}

// Requests as senders make them, and what must become of them.
func TestGolden(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ family, body string }{
		"paid":                 {"Webhook", `{"type":"payment.paid","timestamp":"2026-11-23T08:00:00.123Z","data":{"order":"A1001","payment":"pay_1","amount":9900,"currency":"CNY","method":"wechat_pay"}}`},
		"svix_decimal":         {"Svix", `{"type":"payment.succeeded","timestamp":"2026-11-23T08:00:00Z","data":{"order_id":1001,"payment_id":"pay_2","amount":"19.90","currency":"eur","method":"card","livemode":false}}`},
		"requires-action":      {"Webhook", `{"type":"payment.requires_action","timestamp":"2026-11-23T07:59:58Z","data":{"order":"A1001","payment":"pay_1","action_url":"https://bank.example/3ds?id=7","amount":9900,"currency":"CNY"}}`},
		"authorized":           {"Webhook", `{"type":"payment.authorized","timestamp":"2026-11-23T07:59:58Z","data":{"order":"A1001","payment":"pay_1","amount":9900,"currency":"CNY"}}`},
		"canceled":             {"Webhook", `{"type":"payment.canceled","timestamp":"2026-11-23T07:59:59Z","data":{"order":"A1001","payment":"pay_1"}}`},
		"wallet":               {"Webhook", `{"type":"payment.paid","timestamp":"2026-11-23T08:00:00Z","data":{"order":"A1001","payment":"pay_1","amount":9900,"currency":"CNY","method":"apple_pay"}}`},
		"dispute":              {"Webhook", `{"type":"dispute.opened","timestamp":"2026-11-23T08:00:00Z","data":{"order":"A1001","payment":"pay_1","dispute":"dp_1","reason":"fraudulent"}}`},
		"failed":               {"Webhook", `{"type":"payment.failed","timestamp":"2026-11-23T07:59:59Z","data":{"order":"A1001","payment":"pay_1","reason":"insufficient_funds"}}`},
		"expired":              {"Webhook", `{"type":"order.expired","timestamp":"2026-11-23T08:00:00Z","data":{"order":"A1001"}}`},
		"partial-refund":       {"Webhook", `{"type":"refund.succeeded","timestamp":"2026-11-23T08:00:00Z","data":{"payment":"pay_1","refund_id":"re_1","amount":100,"currency":"CNY"}}`},
		"refund":               {"Webhook", `{"type":"payment.refunded","timestamp":"2026-11-23T08:00:00Z","data":{"order":"A1001","payment":"pay_1","amount":9900,"currency":"CNY"}}`},
		"dispute-won":          {"Webhook", `{"type":"dispute.closed","timestamp":"2026-11-23T08:00:00Z","data":{"order":"A1001","payment":"pay_1","dispute":"dp_1","status":"won"}}`},
		"not_about_an_order":   {"Webhook", `{"type":"contact.created","timestamp":"2026-11-23T08:00:00Z","data":{"id":"1f81eb52-5198-4599-803e-771906343485"}}`},
		"refused_amount":       {"Webhook", `{"type":"payment.paid","timestamp":"2026-11-23T08:00:00Z","data":{"order":"A1001","amount":99.00,"currency":"CNY"}}`},
		"refused_without_data": {"Webhook", `{"type":"payment.paid","timestamp":"2026-11-23T08:00:00Z"}`},
	} {
		webhooktest.Record(t, "testdata", name, sign(c.family, "msg_"+name, specSecret, []byte(c.body), at))
	}
	webhooktest.Golden(t, newProvider(t, standard.Options{Secrets: []string{otherSecret, specSecret}}), "testdata", at.Add(time.Minute))
}

var (
	_ webhook.Provider  = (*standard.Provider)(nil)
	_ webhook.Simulator = (*standard.Provider)(nil)
)
