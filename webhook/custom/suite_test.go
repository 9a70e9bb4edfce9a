package custom_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/custom"
	"github.com/paybell/paybell/webhook/webhooktest"
)

var (
	_ webhook.Provider  = (*custom.Provider)(nil)
	_ webhook.Simulator = (*custom.Provider)(nil)
	_ webhook.Answerer  = (*custom.Provider)(nil)
	_ webhook.Modeless  = (*custom.Provider)(nil)
)

// A sender signs as one of the descriptions says, by code of its own.
type sender struct {
	verify  custom.Verify
	headers []string
	timed   bool
	sign    func(secret string, body []byte, at time.Time) map[string]string
}

func senders() map[string]sender {
	paddle := paddle
	paddle.Timestamp.Tolerance = 0
	return map[string]sender{
		"paddle": {paddle, []string{"Paddle-Signature"}, true, func(secret string, body []byte, at time.Time) map[string]string {
			seconds := strconv.FormatInt(at.Unix(), 10)
			return map[string]string{"Paddle-Signature": "ts=" + seconds + ";h1=" + hexMAC(secret, seconds+":"+string(body))}
		}},
		"github": {github, []string{"X-Hub-Signature-256"}, false, func(secret string, body []byte, _ time.Time) map[string]string {
			return map[string]string{"X-Hub-Signature-256": "sha256=" + hexMAC(secret, string(body))}
		}},
		"shop": {shop, []string{"X-Signature", "X-Time", "X-Id", "X-Shop"}, true, func(secret string, body []byte, at time.Time) map[string]string {
			ms := strconv.FormatInt(at.UnixMilli(), 10)
			text := "POST /webhooks/shop?account=7\nacme\nn1." + ms + ".{" + string(body) + "}"
			return map[string]string{
				"X-Shop": "acme", "X-Id": "n1", "X-Time": ms,
				"X-Signature": "v1=" + base64.RawURLEncoding.EncodeToString(signature(sha512.New, secret, text)),
			}
		}},
		"square": {square, nil, false, func(secret string, body []byte, _ time.Time) map[string]string {
			return map[string]string{"X-Square-Hmacsha256-Signature": base64.StdEncoding.EncodeToString(signature(sha256.New, secret, address+string(body)))}
		}},
	}
}

func (s sender) request(secret string, body []byte, at time.Time) webhook.Request {
	r := request(s.sign(secret, body, at))
	r.Body, r.At = body, at
	return r
}

func TestSuite(t *testing.T) {
	for name, s := range senders() {
		if s.headers == nil {
			continue // base64 is read with and without its padding, which the suite would call cut short
		}
		t.Run(name, func(t *testing.T) {
			webhooktest.Suite(t, webhooktest.Case{
				New: func(secrets ...string) (webhook.Provider, error) {
					p, err := custom.New(config(s.verify), secrets, nil)
					if err != nil {
						return nil, err
					}
					return p, nil
				},
				Secrets: [3]string{secret, previous, "pdl_ntfset_02bbbbbbbb_Tz8RqWs5V"},
				Sign:    s.request,
				Body:    `{"id":"evt_1","data":{"order_id":"A1001","payment_id":"p1","status":"PAID","amount":9900,"currency":"CNY"}}`,
				Headers: s.headers,
				Timed:   s.timed,
			})
		})
	}
}

// Requests as senders make them, and what must become of them.
func TestGolden(t *testing.T) {
	event := shopEvent()
	event.Ref, event.Reason, event.Time, event.Livemode, event.Type = "data.refund_id", "data.error.code", "data.time", "!test", "event"
	event.Method = "data.method"
	steps := map[string]string{"canceled": "VOID", "expired": "TIMED_OUT", "authorized": "HELD", "requires-action": "ASK", "partial-refund": "REFUNDED_SOME"}
	for name, status := range steps {
		event.Statuses[status] = map[string]string{"partial-refund": "partially_refunded", "requires-action": "requires_action"}[name]
		if event.Statuses[status] == "" {
			event.Statuses[status] = name
		}
	}
	for name, s := range senders() {
		dir := filepath.Join("testdata", name)
		for file, body := range map[string]string{
			"paid":     `{"id":"evt_1","event":"payment","data":{"order_id":"A1001","payment_id":"p1","status":"PAID","amount":"9900","currency":"cny","time":"2026-11-23T08:00:00+08:00"}}`,
			"failed":   `{"id":"evt_2","event":"payment","test":true,"data":{"order_id":"A1001","payment_id":"p1","status":"FAILED","error":{"code":"card_declined"}}}`,
			"refund":   `{"id":"evt_3","event":"refund","data":{"payment_id":"p1","refund_id":"r1","status":"REFUNDED","amount":9900,"currency":"CNY"}}`,
			"dispute":  `{"id":"evt_4","event":"case","data":{"order_id":"A1001","status":"CHARGEBACK"}}`,
			"wallet":   `{"id":"evt_8","event":"payment","data":{"order_id":"A1001","payment_id":"p1","status":"PAID","amount":"9900","currency":"cny","method":"google_pay"}}`,
			"ping":     `{"id":"evt_5","event":"ping","data":{"status":"PING"}}`,
			"unlisted": `{"id":"evt_6","event":"payout","data":{"status":"IN_TRANSIT"}}`,
			"refused":  `{"id":"evt_7","event":"payment","data":{"order_id":"A1001","status":"PAID","amount":99.00,"currency":"CNY"}}`,
		} {
			webhooktest.Record(t, dir, file, s.request(secret, []byte(body), now))
		}
		for file, status := range steps {
			body := `{"id":"evt_` + file + `","event":"payment","data":{"order_id":"A1001","payment_id":"p1","status":"` + status + `","amount":100,"currency":"CNY"}}`
			webhooktest.Record(t, dir, file, s.request(secret, []byte(body), now))
		}
		webhooktest.Golden(t, newProvider(t, custom.Config{Verify: s.verify, Event: event}, previous, secret), dir, now.Add(time.Second))
	}
}

// FuzzNormalize signs whatever it is given.
func FuzzNormalize(f *testing.F) {
	event := shopEvent()
	event.ID, event.Ref, event.Reason, event.ActionURL, event.Time, event.TimeUnit = "", "ref", "why", "url", "time", "ms"
	event.AmountUnit, event.Livemode, event.Method = "major", "!test", "method"
	p := newProvider(f, custom.Config{Verify: github, Event: event}, secret)
	f.Add([]byte(body))
	f.Add([]byte(`{"ref":1e9,"time":253402300799999,"test":1,"why":"\u00e9","data":{"order_id":true,"status":"FAILED"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := request(map[string]string{"X-Hub-Signature-256": "sha256=" + hexMAC(secret, string(body))})
		r.Body = body
		events, err := p.Open(r)
		if err != nil {
			if !errors.Is(err, webhook.ErrUnreadable) {
				t.Errorf("signed and yet: %v", err)
			}
			return
		}
		for _, e := range events {
			e.Source = "shop"
			if err := e.Check(); err != nil {
				t.Errorf("an event that the ledger refuses: %v", err)
			}
			if _, err := e.At.MarshalJSON(); err != nil {
				t.Error(err)
			}
		}
	})
}
