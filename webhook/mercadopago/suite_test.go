package mercadopago

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/guarded"
	"github.com/paybell/paybell/internal/guarded/guardedtest"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const (
	firstSecret  = "7f3c9d2be81a46509c7d1f0b7f3c9d2be81a46509c7d1f0b7f3c9d2be81a4650"
	secondSecret = "b2e60d4c917f4a38d5c8e013b2e60d4c917f4a38d5c8e013b2e60d4c917f4a38"
	testToken    = "TEST-7392845610293847-112308-5f2c9d2be81a46509c7d1f0b7f3c9d2b-1"
	payment      = "1312345678901"
	news         = `{"action":"payment.updated","api_version":"v1","data":{"id":"1312345678901"},"date_created":"2026-11-23T07:59:50Z","id":112233445566,"live_mode":true,"type":"payment","user_id":"1"}`
)

var (
	now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

	_ webhook.Provider  = (*Provider)(nil)
	_ webhook.Fetcher   = (*Provider)(nil)
	_ webhook.Simulator = (*Provider)(nil)
	_ webhook.Getter    = (*guarded.Client)(nil)
)

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.Secrets, o.AccessToken = []string{secondSecret, firstSecret}, testToken
	return webhooktest.Must(t, New, o)
}

func genuine() webhook.Request { return sign([]byte(firstSecret), payment, "req-1", []byte(news), now) }

func TestSuite(t *testing.T) {
	webhooktest.Suite(t, webhooktest.Case{
		New: webhooktest.Build(New, func(secrets []string) Options { return Options{Secrets: secrets, AccessToken: testToken} }),
		Sign: func(secret string, body []byte, at time.Time) webhook.Request {
			return sign([]byte(secret), payment, "req-1", body, at)
		},
		Secrets: [3]string{firstSecret, secondSecret, firstSecret[32:] + secondSecret[32:]},
		Body:    news,
		Headers: []string{signatureHeader, requestHeader},
		Static:  true, // what is signed is in the address
	})
}

func TestWhatIsSignedIsTheIDAndTheRequest(t *testing.T) {
	p := newProvider(t, Options{})
	events, err := p.Open(genuine())
	if err != nil || len(events) != 1 || events[0].Ref != payment || events[0].Status != order.ToFetch {
		t.Fatalf("%v, %v", events, err)
	}
	signature := genuine().Header.Get(signatureHeader)
	ts, v1, _ := strings.Cut(signature, ",")
	for name, change := range map[string]func(r *webhook.Request){
		"another payment": func(r *webhook.Request) { r.URL = strings.Replace(r.URL, payment, "1312345678902", 1) },
		"two payments":    func(r *webhook.Request) { r.URL += "&data.id=1312345678902" },
		"no payment":      func(r *webhook.Request) { r.URL = "/webhooks/mercadopago?type=payment" },
		"an empty one":    func(r *webhook.Request) { r.URL = "/webhooks/mercadopago?type=payment&data.id=" },
		"an older one":    func(r *webhook.Request) { r.URL = "/webhooks/mercadopago?topic=payment&id=" + payment },
		"no query":        func(r *webhook.Request) { r.URL = "/webhooks/mercadopago" },
		"another request": func(r *webhook.Request) { r.Header.Set(requestHeader, "req-2") },
		"no request":      func(r *webhook.Request) { r.Header.Del(requestHeader) },
		"two requests":    func(r *webhook.Request) { r.Header.Add(requestHeader, "req-1") },
		"no signature":    func(r *webhook.Request) { r.Header.Del(signatureHeader) },
		"two signatures":  func(r *webhook.Request) { r.Header.Add(signatureHeader, signature) },
		"another time":    func(r *webhook.Request) { r.Header.Set(signatureHeader, "ts=1,"+v1) },
		"no time":         func(r *webhook.Request) { r.Header.Set(signatureHeader, v1) },
		"two times":       func(r *webhook.Request) { r.Header.Set(signatureHeader, ts+","+signature) },
		"time of letters": func(r *webhook.Request) { r.Header.Set(signatureHeader, "ts=1;id:2,"+v1) },
		"no code":         func(r *webhook.Request) { r.Header.Set(signatureHeader, ts) },
		"empty code":      func(r *webhook.Request) { r.Header.Set(signatureHeader, ts+",v1=") },
		"a code of zeros": func(r *webhook.Request) { r.Header.Set(signatureHeader, ts+",v1="+strings.Repeat("0", 64)) },
		"another secret":  func(r *webhook.Request) { *r = sign([]byte(testToken), payment, "req-1", []byte(news), now) },
		"nothing":         func(r *webhook.Request) { r.Header = nil },
	} {
		r := genuine()
		change(&r)
		if events, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) || events != nil || strings.Contains(err.Error(), v1) {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
}

func TestWhatIsNotSignedIsNotBelieved(t *testing.T) {
	p := newProvider(t, Options{})
	r := genuine()
	r.Body = []byte(strings.Replace(news, payment, "999", 1))
	events, err := p.Open(r)
	if err != nil || events[0].Ref != payment {
		t.Errorf("the body's id is taken: %v, %v", events, err)
	}
	r.Body = []byte("not JSON")
	if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnreadable) {
		t.Error(err)
	}
	r = genuine()
	r.URL = strings.Replace(r.URL, "type=payment", "type=plan", 1)
	if events, err := p.Open(r); err != nil || events[0].Status == order.ToFetch {
		t.Errorf("of a plan: %v, %v", events, err)
	}
	r = sign([]byte(firstSecret), "../users/me", "req-1", []byte(news), now)
	if events, err := p.Open(r); err == nil && events[0].Ref != "" {
		t.Errorf("a path for an id: %v", events)
	}
}

// Of an older notification nothing is signed but the request and the time: it is
// known that Mercado Pago sent it, and not what about.
func TestAnOlderNotificationIsANote(t *testing.T) {
	for address, body := range map[string]string{
		"/webhooks/mercadopago?id=12345&topic=merchant_order":            `{"resource":"https://api.mercadolibre.com/merchant_orders/12345","topic":"merchant_order"}`,
		"/webhooks/mercadopago?id=" + payment + "&topic=payment":         `{"resource":"` + payment + `","topic":"payment"}`,
		"/webhooks/mercadopago?type=payment":                             news,
		"/webhooks/mercadopago?data.id=" + "&type=payment&id=" + payment: news,
	} {
		r := sign([]byte(firstSecret), "", "req-1", []byte(body), now)
		r.URL = address
		events, err := newProvider(t, Options{}).Open(r)
		if err != nil || len(events) != 1 || events[0].Kind != order.KindNote || events[0].Status != "" || events[0].Payment != "" {
			t.Errorf("%s: %+v, %v", address, events, err)
		}
	}
}

func TestLettersOfAnIDAreSignedInEitherCase(t *testing.T) {
	p := newProvider(t, Options{})
	for _, signed := range []string{"ABC123", "abc123"} {
		r := sign([]byte(firstSecret), signed, "req-1", []byte(news), now)
		r.URL = "/webhooks/mercadopago?data.id=ABC123&type=order"
		if _, err := p.Open(r); err != nil {
			t.Errorf("%s: %v", signed, err)
		}
	}
}

func TestAWindowIsTheOperatorsChoice(t *testing.T) {
	for tolerance, want := range map[time.Duration]bool{0: true, time.Minute: false, time.Hour: true} {
		r := genuine()
		r.At = now.Add(10 * time.Minute)
		if _, err := newProvider(t, Options{Tolerance: tolerance}).Open(r); (err == nil) != want {
			t.Errorf("%v: %v", tolerance, err)
		}
	}
}

func TestNewNamesTheMend(t *testing.T) {
	for want, o := range map[string]Options{
		"no secrets: anybody could send": {AccessToken: testToken},
		"secret 1 is a placeholder":      {AccessToken: testToken, Secrets: []string{"changeme-changeme-changeme"}},
		"access_token is missing":        {Secrets: []string{firstSecret}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestGolden(t *testing.T) {
	p := newProvider(t, Options{})
	webhooktest.Record(t, "testdata", "news", genuine())
	r := sign([]byte(firstSecret), "2c938084726fca480172750000000000", "req-2", []byte(`{"type":"subscription_preapproval","data":{"id":"2c938084726fca480172750000000000"}}`), now)
	r.URL = strings.Replace(r.URL, "type=payment", "type=subscription_preapproval", 1)
	webhooktest.Record(t, "testdata", "not-about-a-payment", r)
	webhooktest.Golden(t, p, "testdata", now)
	webhooktest.GoldenAnswers(t, "testdata/fetched", p.normalize)
}

func TestFetchesThePaymentWithTheToken(t *testing.T) {
	paid, err := os.ReadFile("testdata/fetched/paid.answer")
	if err != nil {
		t.Fatal(err)
	}
	client := guardedtest.Serve(t, guarded.Options{Hosts: []string{Host}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+testToken:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v1/payments/7":
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.Write(paid)
		}
	}))
	p := newProvider(t, Options{Client: client})
	events, answer, err := p.Fetch(t.Context(), payment)
	if err != nil || len(events) != 1 || events[0].Order != "A1001" || events[0].Amount != 9990 || len(answer) == 0 {
		t.Errorf("%v, %v", events, err)
	}
	if _, _, err := p.Fetch(t.Context(), "7"); err == nil || errors.Is(err, webhook.ErrUnreadable) {
		t.Errorf("a gateway that is down: %v", err)
	}
	for _, ref := range []string{"8", "../users/me", ""} {
		if _, _, err := p.Fetch(t.Context(), ref); !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

func TestSimulatesNews(t *testing.T) {
	p := newProvider(t, Options{})
	r, err := p.Simulate(webhook.Simulation{ID: "evt_1", Payment: payment, Status: order.Paid, At: now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Open(r); err != nil {
		t.Error(err)
	}
	if _, err := p.Simulate(webhook.Simulation{ID: "evt_1", Payment: "pay_1", At: now}); err == nil {
		t.Error("a payment that Mercado Pago cannot know is simulated")
	}
}

func FuzzNormalize(f *testing.F) {
	p := newProvider(f, Options{})
	f.Add([]byte(`{"id":1,"status":"charged_back","live_mode":false,"currency_id":"ARS","transaction_amount":1e2,"external_reference":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := p.normalize(body)
		webhooktest.Checked(t, events, err)
	})
}
