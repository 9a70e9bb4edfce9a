package mollie

import (
	"context"
	"errors"
	"fmt"
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
	firstSecret  = "7f3c9d2be81a46509c7d1f0b"
	secondSecret = "b2e60d4c917f4a38d5c8e013"
	thirdSecret  = "0a9b8c7d6e5f41322334d5e6"
	testKey      = "test_7Qv2Lm9Xc4Tn1Wd6B8Rp2Yh5Jf0Gs3"
	payment      = "tr_5B8cwPMGnU6qLbRvo7qEZo"
	refundEvent  = `{"resource":"event","id":"event_GvJ8WHrp5isUdRub9CJyH","type":"refund.refunded","entityId":"re_4qqhO89gsT","createdAt":"2026-11-23T07:59:50+00:00",` +
		`"_embedded":{"entity":{"resource":"refund","id":"re_4qqhO89gsT","status":"refunded","paymentId":"` + payment + `"}}}`
)

var (
	now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

	_ webhook.Provider   = (*Provider)(nil)
	_ webhook.Fetcher    = (*Provider)(nil)
	_ webhook.Simulator  = (*Provider)(nil)
	_ webhook.MediaTyper = (*Provider)(nil)
	_ webhook.Getter     = (*guarded.Client)(nil)
)

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secondSecret, firstSecret}
	}
	o.SigningSecrets, o.APIKey = []string{thirdSecret}, testKey
	return webhooktest.Must(t, New, o)
}

// Signed events are refused as all signed bodies are.
func TestSuite(t *testing.T) {
	webhooktest.Suite(t, webhooktest.Case{
		New: webhooktest.Build(New, func(secrets []string) Options {
			return Options{SigningSecrets: secrets, APIKey: testKey}
		}),
		Secrets: [3]string{firstSecret, secondSecret, thirdSecret},
		Sign:    func(secret string, body []byte, at time.Time) webhook.Request { return sign([]byte(secret), body, at) },
		Body:    refundEvent,
		Headers: []string{signatureHeader},
		Several: true,
		Forgeries: map[string]func(*webhook.Request){
			"WithoutItsScheme": func(r *webhook.Request) {
				r.Header.Set(signatureHeader, strings.TrimPrefix(r.Header.Get(signatureHeader), "sha256="))
			},
			"TheSecretInItsAddress": func(r *webhook.Request) { r.Header.Del(signatureHeader); r.URL += "?secret=" + firstSecret },
		},
	})
}

func TestAClassicWebhookNeedsTheSecretInItsAddress(t *testing.T) {
	p := newProvider(t, Options{})
	for _, secret := range []string{firstSecret, secondSecret} {
		events, err := p.Open(classic(secret, payment, now))
		if err != nil || len(events) != 1 || events[0].Status != order.ToFetch || events[0].Ref != payment {
			t.Errorf("%v, %v", events, err)
		}
	}
	for name, address := range map[string]string{
		"none": "/webhooks/mollie", "empty": "/webhooks/mollie?secret=", "another": "/webhooks/mollie?secret=" + thirdSecret,
		"two": "/webhooks/mollie?secret=" + firstSecret + "&secret=" + firstSecret, "half": "/webhooks/mollie?secret=" + firstSecret[:12],
		"named otherwise": "/webhooks/mollie?Secret=" + firstSecret, "unreadable": "/webhooks/mollie?secret=%zz",
	} {
		r := classic(firstSecret, payment, now)
		r.URL = address
		if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) || strings.Contains(err.Error(), firstSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, body := range []string{"", "id=", "id=../../methods", "id=tr_1%2F..", "id=" + payment + "&id=" + payment, "id=re_", "id=re_%2F..%2Fx", "x=%zz"} {
		r := classic(firstSecret, payment, now)
		r.Body = []byte(body)
		if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// One address may serve orders, subscriptions and payment links too.
func TestAPingOfAnotherThingIsANote(t *testing.T) {
	r := classic(firstSecret, payment, now)
	r.Body = []byte("id=ord_kEn1PlbGa")
	events, err := newProvider(t, Options{}).Open(r)
	if err != nil || len(events) != 1 || events[0].Kind != order.KindNote || events[0].Status != "" || events[0].Ref != "" {
		t.Errorf("%+v, %v", events, err)
	}
}

// While a secret is changed, there is a signature by each, in headers of their
// own or, behind some proxies, in one.
func TestASignatureByEachSecretWhileOneIsChanged(t *testing.T) {
	p := newProvider(t, Options{}) // has the third alone
	r := sign([]byte(thirdSecret), []byte(refundEvent), now)
	old := sign([]byte(firstSecret), []byte(refundEvent), now).Header.Get(signatureHeader)
	value := r.Header.Get(signatureHeader)
	for _, values := range [][]string{{value, old}, {old, value}, {old + ", " + value}, {value + "," + old}} {
		r.Header[signatureHeader] = values
		if _, err := p.Open(r); err != nil {
			t.Errorf("%q: %v", values, err)
		}
	}
	for _, values := range [][]string{{old, old}, {old + "," + old}, {value, ""}, {value, old, value, old, value}, {value + ","}} {
		r.Header[signatureHeader] = values
		if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) {
			t.Errorf("%q: %v", values, err)
		}
	}
}

// Two pings are two pieces of news, though they read the same.
func TestEveryPingIsNews(t *testing.T) {
	p := newProvider(t, Options{})
	first, err := p.Open(classic(firstSecret, payment, now))
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.Open(classic(firstSecret, payment, now.Add(time.Second)))
	if err != nil || first[0].ID == second[0].ID {
		t.Errorf("%v and %v, %v", first, second, err)
	}
}

func TestGolden(t *testing.T) {
	webhooktest.Record(t, "testdata", "news", classic(firstSecret, payment, now))
	webhooktest.Record(t, "testdata", "news-of-a-refund", sign([]byte(thirdSecret), []byte(refundEvent), now))
	webhooktest.Record(t, "testdata", "not-about-a-payment", sign([]byte(thirdSecret),
		[]byte(`{"resource":"event","id":"event_1","type":"payout.initiated","entityId":"po_1","createdAt":"2026-11-23T07:59:50+00:00"}`), now))
	webhooktest.Record(t, "testdata", "news-of-a-payment", sign([]byte(thirdSecret),
		[]byte(`{"resource":"payment","id":"`+payment+`","mode":"live","amount":{"currency":"EUR","value":"99.00"},"metadata":"{\"order_id\":12345}","status":"authorized"}`), now))
	p := newProvider(t, Options{})
	webhooktest.Golden(t, p, "testdata", now)
	webhooktest.GoldenAnswers(t, "testdata/fetched", p.normalize)
}

// mollie is Mollie's API, as far as a gateway knows it.
func mollie(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *Provider {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/payments/{id}", answer)
	return newProvider(t, Options{Client: guardedtest.Serve(t, guarded.Options{Hosts: []string{Host}}, mux)})
}

func TestFetchesThePaymentWithTheKey(t *testing.T) {
	paid, err := os.ReadFile("testdata/fetched/paid.answer")
	if err != nil {
		t.Fatal(err)
	}
	p := mollie(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+testKey || r.Host != Host {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		w.Write(paid)
	})
	events, answer, err := p.Fetch(t.Context(), payment)
	if err != nil || len(events) != 1 || events[0].Order != "A1001" || events[0].Amount != 9900 || string(answer) != string(paid) {
		t.Errorf("%v, %v", events, err)
	}
	again, _, err := p.Fetch(t.Context(), payment)
	if err != nil || again[0].ID != events[0].ID {
		t.Errorf("fetched again it has another id: %v, %v", again, err)
	}
	if _, _, err := p.Fetch(t.Context(), "tr_anotherPayment"); !errors.Is(err, webhook.ErrUnreadable) {
		t.Errorf("an answer about another payment: %v", err)
	}
	if _, _, err := p.Fetch(t.Context(), "../settings"); !errors.Is(err, webhook.ErrUnreadable) {
		t.Errorf("a path for an id: %v", err)
	}
}

func TestWhatMayBeCuredIsTriedAgain(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusFound} {
		p := mollie(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
		_, _, err := p.Fetch(t.Context(), payment)
		if err == nil || errors.Is(err, webhook.ErrUnreadable) || strings.Contains(err.Error(), testKey) {
			t.Errorf("%d: %v", status, err)
		}
	}
	p := mollie(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"id":1}`) })
	if _, _, err := p.Fetch(t.Context(), payment); !errors.Is(err, webhook.ErrUnreadable) {
		t.Errorf("no payment: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.Fetch(ctx, payment); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestSimulatesAPing(t *testing.T) {
	p := newProvider(t, Options{})
	r, err := p.Simulate(webhook.Simulation{Payment: payment, Order: "A1001", Status: order.Paid, At: now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Open(r); err != nil {
		t.Error(err)
	}
	if _, err := p.Simulate(webhook.Simulation{Payment: "pay_1", Order: "A1001", Status: order.Paid, At: now}); err == nil {
		t.Error("a payment that Mollie cannot know is simulated")
	}
}

func FuzzNormalize(f *testing.F) {
	p := newProvider(f, Options{})
	f.Add([]byte(`{"id":"tr_1","status":"paid","amount":{"value":"1.00","currency":"EUR"},"metadata":{"order_id":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := p.normalize(body)
		webhooktest.Checked(t, events, err)
	})
}
