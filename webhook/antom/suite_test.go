package antom

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const (
	clientID = "5Y60302AXA123456"
	path     = "/webhooks/antom"
)

var (
	now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

	_ webhook.Provider  = (*Provider)(nil)
	_ webhook.Simulator = (*Provider)(nil)
	_ webhook.Answerer  = (*Provider)(nil)
)

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.PublicKeys = []string{webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])}
	return webhooktest.Must(t, New, o)
}

func notified(t testing.TB, private, client, body string, at time.Time) webhook.Request {
	t.Helper()
	key, err := webhook.ParseRSAPrivate(private)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sign(key, client, path, []byte(body), at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	success = `"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success."}`
	ids     = `"paymentRequestId":"A1001","paymentId":"202611231540108001001888Y0200000001"`
	amount  = `"paymentAmount":{"value":"9900","currency":"EUR"},"paymentCreateTime":"2026-11-23T15:59:40+08:00","paymentTime":"2026-11-23T15:59:50+08:00"`
	paid    = `{"notifyType":"PAYMENT_RESULT",` + success + `,` + ids + `,` + amount + `,"paymentMethodType":"CARD"}`
)

func TestSuite(t *testing.T) {
	webhooktest.Suite(t, webhooktest.Case{
		New: func(secrets ...string) (webhook.Provider, error) {
			var keys []string
			for _, s := range secrets {
				if strings.HasPrefix(s, "-----BEGIN") {
					s = webhooktest.RSAPublic(t, s)
				}
				keys = append(keys, s)
			}
			p, err := New(Options{PublicKeys: keys})
			if err != nil {
				return nil, err
			}
			return p, nil
		},
		Secrets: webhooktest.RSAKeys,
		Sign: func(secret string, body []byte, at time.Time) webhook.Request {
			return notified(t, secret, clientID, string(body), at)
		},
		Body:    paid,
		Headers: []string{signatureHeader, clientHeader, timeHeader},
		Forgeries: map[string]func(*webhook.Request){
			"AnotherClient": func(r *webhook.Request) { r.Header.Set(clientHeader, "SANDBOX_"+clientID) },
			"AnotherTime":   func(r *webhook.Request) { r.Header.Set(timeHeader, "2026-11-23T08:00:01Z") },
			"AnotherPath":   func(r *webhook.Request) { r.URL = "/webhooks/other" },
			"AnotherMethod": func(r *webhook.Request) { r.Method = "PUT" },
			"AnotherAlgorithm": func(r *webhook.Request) {
				r.Header.Set(signatureHeader, strings.Replace(r.Header.Get(signatureHeader), "RSA256", "RSA1", 1))
			},
			"NoAlgorithm": func(r *webhook.Request) {
				r.Header.Set(signatureHeader, strings.TrimPrefix(r.Header.Get(signatureHeader), "algorithm=RSA256,"))
			},
			"TwoSignatures": func(r *webhook.Request) {
				r.Header.Set(signatureHeader, r.Header.Get(signatureHeader)+",signature=AAAA")
			},
			"TheDotMoved": func(r *webhook.Request) {
				r.Header.Set(clientHeader, clientID+"."+r.Header.Get(timeHeader))
				r.Header.Set(timeHeader, `{"notifyType":"PAYMENT_RESULT"`)
			},
		},
	})
}

func TestAnotherClientIsRefused(t *testing.T) {
	r := notified(t, webhooktest.RSAKeys[0], clientID, paid, now)
	if _, err := newProvider(t, Options{ClientID: clientID}).Open(r); err != nil {
		t.Error(err)
	}
	if _, err := newProvider(t, Options{ClientID: "5Y60302AXA999999"}).Open(r); !errors.Is(err, webhook.ErrUnverified) {
		t.Error(err)
	}
}

func TestThePathIsTheOneThatAntomHas(t *testing.T) {
	r := notified(t, webhooktest.RSAKeys[0], clientID, paid, now)
	r.URL = "https://pay.example.com" + path
	if _, err := newProvider(t, Options{}).Open(r); err != nil {
		t.Error(err)
	}
	r.URL = "https://inside.example/behind/a/proxy"
	if _, err := newProvider(t, Options{Path: path}).Open(r); err != nil {
		t.Error(err)
	}
}

func TestASandboxClientIsTestMoney(t *testing.T) {
	events, err := newProvider(t, Options{}).Open(notified(t, webhooktest.RSAKeys[0], "SANDBOX_"+clientID, paid, now))
	if err != nil || events[0].Livemode {
		t.Errorf("%v, %v", events, err)
	}
}

// Antom's retries go on for a day, and nobody says that they are signed anew.
func TestTheSignedTimeCounts(t *testing.T) {
	for _, c := range []struct {
		tolerance, age time.Duration
		want           bool
	}{
		{0, 0, true}, {0, 25 * time.Hour, true}, {0, 25*time.Hour + time.Second, false}, {0, 9000 * time.Hour, false},
		{0, -5 * time.Minute, true}, {0, -5*time.Minute - time.Second, false}, {0, -9000 * time.Hour, false},
		{time.Minute, time.Minute, true}, {time.Minute, 2 * time.Minute, false}, {time.Minute, -2 * time.Minute, false},
	} {
		r := notified(t, webhooktest.RSAKeys[0], clientID, paid, now)
		r.At = now.Add(c.age)
		_, err := newProvider(t, Options{Tolerance: c.tolerance}).Open(r)
		if (err == nil) != c.want || err != nil && !errors.Is(err, webhook.ErrUnverified) {
			t.Errorf("signed %v ago, with tolerance %v: %v", c.age, c.tolerance, err)
		}
	}
}

// Antom's documentation has the time in milliseconds, and with a zone in older
// pages; the signature percent-encoded, and spaces after the commas or none.
func TestTheFormsOfARequest(t *testing.T) {
	const zoned = "2026-11-23T16:00:01.253+08:00"
	for name, c := range map[string]struct{ url, signed, at string }{
		"milliseconds":      {path, path, "1795420800000"},
		"a date":            {path, path, zoned},
		"the path alone":    {path + "?site=1", path, "1795420800000"},
		"the query as well": {path + "?site=1", path + "?site=1", "1795420800000"},
	} {
		signature := webhooktest.SignRSA(webhooktest.RSAKeys[0], signed("POST", c.signed, clientID, c.at, []byte(paid)))
		for _, header := range []string{
			"algorithm=RSA256,keyVersion=1,signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature)),
			"algorithm=RSA256, keyVersion=2, signature=" + base64.StdEncoding.EncodeToString(signature),
		} {
			r := webhook.Post([]byte(paid), now, clientHeader, clientID, timeHeader, c.at, signatureHeader, header)
			r.URL = "https://pay.example.com" + c.url
			if _, err := newProvider(t, Options{}).Open(r); err != nil {
				t.Errorf("%s, %.40s: %v", name, header, err)
			}
		}
	}
	for _, at := range []string{"179542080000", "17954208000000", "+795420800000", "yesterday", "2026-11-23T08:00:00"} {
		r := notified(t, webhooktest.RSAKeys[0], clientID, paid, now)
		r.Header.Set(timeHeader, at)
		if _, err := newProvider(t, Options{}).Open(r); !errors.Is(err, webhook.ErrUnverified) {
			t.Errorf("%s: %v", at, err)
		}
	}
}

func TestGolden(t *testing.T) {
	dispute := `"disputeId":"202611231154060700130123456","disputeTime":"2026-11-23T15:59:55+08:00","disputeAmount":{"value":"9900","currency":"EUR"},"disputeReasonCode":"4837",` + ids
	const refund = `"refundRequestId":"R1","refundId":"2026112319074102","refundTime":"2026-11-23T15:59:55+08:00"`
	for name, body := range map[string]string{
		"paid":                  paid,
		"paid-jpy":              strings.Replace(paid, "EUR", "JPY", 1),
		"paid-kwd":              strings.Replace(paid, "EUR", "KWD", 1),
		"wallet":                strings.Replace(paid, "CARD", "GCASH", 1),
		"pending":               `{"notifyType":"PAYMENT_PENDING",` + success + `,` + ids + `,` + amount + `}`,
		"failed":                `{"notifyType":"PAYMENT_RESULT","result":{"resultCode":"INSUFFICIENT_BALANCE","resultStatus":"F","resultMessage":"…"},` + ids + `,` + amount + `}`,
		"captured":              `{"notifyType":"CAPTURE_RESULT",` + success + `,"captureRequestId":"C1","captureId":"2026112319074101","captureAmount":{"value":"5000","currency":"EUR"},"captureTime":"2026-11-23T15:59:55+08:00","paymentId":"202611231540108001001888Y0200000001"}`,
		"capture-failed":        `{"notifyType":"CAPTURE_RESULT","result":{"resultCode":"ORDER_IS_CLOSED","resultStatus":"F"},"captureRequestId":"C1","captureId":"2026112319074101","captureAmount":{"value":"5000","currency":"EUR"},"paymentId":"202611231540108001001888Y0200000001"}`,
		"expired":               `{"notifyType":"PAYMENT_RESULT","result":{"resultCode":"ORDER_IS_CLOSED","resultStatus":"F","resultMessage":"…"},` + ids + `,` + amount + `}`,
		"canceled":              `{"notifyType":"PAYMENT_RESULT","result":{"resultCode":"ORDER_IS_CANCELED","resultStatus":"F","resultMessage":"…"},` + ids + `,` + amount + `}`,
		"refund":                `{"notifyType":"REFUND_RESULT",` + success + `,"refundStatus":"SUCCESS",` + refund + `,"refundAmount":{"value":"9900","currency":"EUR"},"metadata":"{\"order_id\":\"A1001\"}"}`,
		"refund-failed":         `{"notifyType":"REFUND_RESULT","result":{"resultCode":"REFUND_WINDOW_EXCEED","resultStatus":"F"},"refundStatus":"FAIL",` + refund + `,"refundAmount":{"value":"9900","currency":"EUR"},"metadata":"{\"order_id\":\"A1001\"}"}`,
		"partial-refund":        `{"notifyType":"REFUND_RESULT",` + success + `,"refundStatus":"SUCCESS",` + refund + `,"refundAmount":{"value":"2500","currency":"EUR"},"metadata":"{\"paymentId\":\"202611231540108001001888Y0200000001\"}"}`,
		"refund-direct":         `{"notifyType":"REFUND_RESULT","refundStatus":"SUCCESS","paymentId":"202611231540108001001888Y0200000001",` + refund + `,"refundAmount":{"value":"9900","currency":"EUR"}}`,
		"of-no-payment":         `{"notifyType":"REFUND_RESULT",` + success + `,"refundStatus":"SUCCESS",` + refund + `,"refundAmount":{"value":"2500","currency":"EUR"},"metadata":"spring sale"}`,
		"dispute":               `{"disputeNotificationType":"DISPUTE_CREATED",` + dispute + `}`,
		"dispute-won":           `{"disputeNotificationType":"DISPUTE_JUDGED","disputeJudgedResult":"ACCEPT_BY_CUSTOMER",` + dispute + `}`,
		"dispute-lost":          `{"disputeNotificationType":"DISPUTE_JUDGED","disputeJudgedResult":"ACCEPT_BY_MERCHANT",` + dispute + `}`,
		"dispute-lost-accepted": `{"disputeNotificationType":"DISPUTE_ACCEPTED","disputeAcceptReason":"TIMEOUT","disputeAcceptTime":"2026-12-09T15:59:55+08:00",` + dispute + `}`,
		"dispute-lost-rdr":      `{"disputeNotificationType":"RDR_RESOLVED",` + dispute + `}`,
		"dispute-canceled":      `{"disputeNotificationType":"DISPUTE_CANCELLED",` + dispute + `}`,
		"dispute-defended":      `{"disputeNotificationType":"DEFENSE_SUPPLIED",` + dispute + `}`,
		"dispute-question":      `{"disputeNotificationType":"DISPUTE_CREATED","disputeType":"RETRIEVAL_REQUEST",` + dispute + `}`,
		"dispute-typed":         `{"notifyType":"DISPUTE_NOTIFICATION","disputeNotificationType":"DISPUTE_CREATED","disputeType":"CHARGEBACK",` + dispute + `}`,
		"wallet-alipay":         strings.Replace(paid, "CARD", "ALIPAY_CN", 1),
		"authorization":         `{"authorizationNotifyType":"AUTHCODE_CREATED",` + success + `,"authState":"s"}`,
		"vaulting":              `{"notifyType":"VAULTING_RESULT",` + success + `}`,
		"refused-amount":        strings.Replace(paid, `"9900"`, `"99.00"`, 1),
	} {
		webhooktest.Record(t, "testdata", name, notified(t, webhooktest.RSAKeys[0], clientID, body, now))
	}
	webhooktest.Compare(t, "testdata/public.pem", []byte(webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])))
	webhooktest.Golden(t, newProvider(t, Options{}), "testdata", now)
	webhooktest.Record(t, "testdata/manual", "authorized", notified(t, webhooktest.RSAKeys[0], clientID, paid, now))
	webhooktest.Record(t, "testdata/manual", "authorized-untyped", notified(t, webhooktest.RSAKeys[0], clientID,
		strings.Replace(paid, `"paymentMethodType":"CARD"`, `"paymentResultInfo":{"cardNo":"****4242","cardBrand":"VISA"}`, 1), now))
	webhooktest.Golden(t, newProvider(t, Options{Capture: "manual"}), "testdata/manual", now)
}

func TestSimulates(t *testing.T) {
	p := newProvider(t, Options{SimulateKey: webhooktest.RSAKeys[0], Path: path})
	for _, status := range []order.Status{order.Pending, order.Paid, order.Failed, order.Canceled, order.Expired, order.Refunded, order.Disputed, order.Won, order.Lost} {
		r, err := p.Simulate(webhook.Simulation{Order: "A1001", Payment: "P1", Status: status, Amount: 9900, Currency: "EUR", Method: "CARD", At: now, Live: true})
		if err != nil {
			t.Fatal(err)
		}
		events, err := p.Open(r)
		if err != nil || events[0].Status != status || events[0].Order != "A1001" || events[0].Payment != "P1" || events[0].Amount != 9900 || !events[0].Livemode {
			t.Errorf("%s: %+v, %v", status, events, err)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	p := newProvider(f, Options{})
	f.Add([]byte(paid))
	f.Add([]byte(`{"disputeNotificationType":"DISPUTE_X","disputeId":1,"paymentId":"1","disputeAmount":{"value":1,"currency":"EUR"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := p.normalize(body)
		if e.Source = "antom"; err == nil && e.Check() != nil {
			t.Error(e.Check())
		}
	})
}

func FuzzOpen(f *testing.F) {
	p := newProvider(f, Options{})
	webhooktest.Fuzz(f, p, signatureHeader, notified(f, webhooktest.RSAKeys[0], clientID, paid, now))
}

func BenchmarkOpen(b *testing.B) {
	webhooktest.Bench(b, newProvider(b, Options{}), paid, func(body []byte) webhook.Request {
		return notified(b, webhooktest.RSAKeys[0], clientID, string(body), now)
	})
}
