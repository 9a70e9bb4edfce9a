package relayed_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/relayed"
	"github.com/paybell/paybell/webhook/stripe"
	"github.com/paybell/paybell/webhook/webhooktest"
)

var (
	_ webhook.Provider  = (*relayed.Provider)(nil)
	_ webhook.Simulator = (*relayed.Provider)(nil)
)

// inner reads the bodies of Stripe, whose own signature no longer counts.
func inner(t testing.TB) *stripe.Reader {
	t.Helper()
	reader, err := stripe.NewReader(stripe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

const paid = `{"id":"evt_1","object":"event","created":1795420790,"livemode":true,"type":"payment_intent.succeeded",` +
	`"data":{"object":{"id":"pi_1","object":"payment_intent","amount":9900,"amount_received":9900,"currency":"cny","metadata":{"order_id":"A1001"}}}}`

var (
	plain   = [3]string{"q1Zt7yWmB4nVc8Lx2RkP", "Jf3Kp9TgXw5MzQ7bYv1N", "Us6Hn2EaDq4Lw8ByTk0G"}
	encoded = [3]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0Gs8"}
	headers = map[string][]string{
		"hookdeck": {"X-Hookdeck-Signature"}, "svix": {"Svix-Signature", "Svix-Id", "Svix-Timestamp"},
		"convoy": {"X-Convoy-Signature"}, "convoy-simple": {"X-Convoy-Signature"},
	}
)

// A body is signed by the code that the demo uses, which openssl and the known
// signatures below speak for.
func sign(t testing.TB, relay, secret string, body []byte, at time.Time) webhook.Request {
	t.Helper()
	p, err := relayed.New(relayed.Options{Relay: relay, Secrets: []string{secret}}, written{inner(t), body})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Simulate(webhook.Simulation{At: at})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// written is a Reader that writes one body, whatever it is asked for.
type written struct {
	*stripe.Reader
	body []byte
}

func (w written) Write(webhook.Simulation) ([]byte, error) { return w.body, nil }

func suite(t testing.TB, relay string) webhooktest.Case {
	c := webhooktest.Case{
		New: func(secrets ...string) (webhook.Provider, error) {
			p, err := relayed.New(relayed.Options{Relay: relay, Secrets: secrets}, inner(t))
			return p, err
		},
		Sign: func(secret string, body []byte, at time.Time) webhook.Request {
			return sign(t, relay, secret, body, at)
		},
		Secrets: plain,
		Body:    paid,
		Headers: headers[relay],
		Timed:   relay == "svix" || relay == "convoy",
	}
	if relay == "svix" {
		c.Secrets = encoded
	}
	header := headers[relay][0]
	set := func(change func(string) string) func(*webhook.Request) {
		return func(r *webhook.Request) { r.Header.Set(header, change(r.Header.Get(header))) }
	}
	c.Forgeries = map[string]func(*webhook.Request){
		"SignedByStripeAlone": func(r *webhook.Request) { r.Header = map[string][]string{"Stripe-Signature": {"t=1,v1=00"}} },
		"SpacesForCommas":     set(func(s string) string { return strings.ReplaceAll(s, ",", " ") + " " }),
	}
	switch relay {
	case "svix":
		c.Forgeries["AnotherVersion"] = set(func(s string) string { return strings.Replace(s, "v1,", "v2,", 1) })
		c.Forgeries["AnotherID"] = func(r *webhook.Request) { r.Header.Set("Svix-Id", "msg_2") }
		c.Forgeries["DotInTheID"] = func(r *webhook.Request) {
			r.Header.Set("Svix-Id", r.Header.Get("Svix-Id")+"."+r.Header.Get("Svix-Timestamp"))
		}
	case "convoy":
		c.Forgeries["NoTime"] = set(func(s string) string { _, rest, _ := strings.Cut(s, ","); return rest })
		c.Forgeries["TwoTimes"] = set(func(s string) string { return "t=1," + s })
		c.Forgeries["AnotherTime"] = set(func(s string) string { return "t=1795420801" + s[12:] })
		c.Forgeries["NoVersion"] = set(func(s string) string { return strings.Replace(s, "v1=", "v=", 1) })
		c.Forgeries["TheSimpleSignature"] = func(r *webhook.Request) { *r = sign(t, "convoy-simple", plain[0], r.Body, r.At) }
	case "hookdeck":
		c.Forgeries["SecondHeaderAlone"] = func(r *webhook.Request) {
			r.Header.Set(header+"-2", r.Header.Get(header))
			r.Header.Del(header)
		}
		c.Forgeries["SecondHeaderTwice"] = func(r *webhook.Request) { r.Header[header+"-2"] = []string{"a", "b"} }
	}
	return c
}

func TestSuite(t *testing.T) {
	for relay := range headers {
		t.Run(relay, func(t *testing.T) { webhooktest.Suite(t, suite(t, relay)) })
	}
}

// What the relays themselves signed, or openssl for them:
// printf … | openssl dgst -sha256 -hmac q1Zt7yWmB4nVc8Lx2RkP [-binary | base64]
func TestKnownSignatures(t *testing.T) {
	at := time.Unix(1795420800, 0)
	for relay, want := range map[string]string{"hookdeck": "LZnr1D8pywe+XW08NINrQLX79ZRpFxPXPyRIDiXl5dQ=", "convoy": "t=1795420800,v1=9e507dd019e11a48d362f006e6dcf5d7090fedbd1d2b26a3642d368d5c643fef", "convoy-simple": "2d99ebd43f29cb07be5d6d3c34836b40b5fbf594691713d73f24480e25e5e5d4"} {
		if got := sign(t, relay, plain[0], []byte("{}"), at).Header.Get(headers[relay][0]); got != want {
			t.Errorf("%s: got %s, want %s", relay, got, want)
		}
	}
	p, err := relayed.New(relayed.Options{Relay: "svix", Secrets: encoded[:1]}, inner(t)) // the specification's own request
	if err != nil {
		t.Fatal(err)
	}
	r := webhook.Post([]byte(`{"test": 2432232314}`), time.Unix(1614265330, 0),
		"Svix-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "Svix-Timestamp", "1614265330", "Svix-Signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	if _, err := p.Open(r); err == nil || !strings.Contains(err.Error(), "no event") {
		t.Errorf("got %v, want a body that is verified and is no event of Stripe's", err)
	}
}

func TestWhileASecretIsRolledHookdeckSignsTwice(t *testing.T) {
	c := suite(t, "hookdeck")
	p, err := c.New(c.Secrets[0])
	if err != nil {
		t.Fatal(err)
	}
	r, other := c.Sign(c.Secrets[1], []byte(paid), time.Now()), c.Sign(c.Secrets[0], []byte(paid), time.Now())
	r.Header.Set("X-Hookdeck-Signature-2", other.Header.Get("X-Hookdeck-Signature"))
	if _, err := p.Open(r); err != nil {
		t.Error(err)
	}
}

func TestGolden(t *testing.T) {
	bodies := map[string]string{
		"others":     `{"id":"evt_2","object":"event","created":1795420790,"livemode":true,"type":"customer.updated","data":{"object":{"id":"cus_1"}}}`,
		"unreadable": `{"hello":"world"}`,
	}
	for name, status := range map[string]order.Status{
		"paid": order.Paid, "failed": order.Failed, "canceled": order.Canceled, "expired": order.Expired, "authorized": order.Authorized,
		"requires-action": order.RequiresAction, "refund": order.Refunded, "partial-refund": order.PartiallyRefunded, "dispute": order.Disputed, "wallet": order.Paid,
	} {
		s := webhook.Simulation{ID: "evt_" + name, Order: "A1001", Payment: "pi_1", Status: status, Amount: 9900, Currency: "CNY", Live: true,
			At: time.Date(2026, 11, 23, 7, 59, 50, 0, time.UTC), Method: map[string]string{"wallet": "apple_pay"}[name]}
		if status == order.PartiallyRefunded {
			s.Amount = 2500
		}
		body, err := inner(t).Write(s)
		if err != nil {
			t.Fatal(err)
		}
		bodies[name] = string(body)
	}
	for _, relay := range []string{"hookdeck", "svix", "convoy"} {
		suite(t, relay).Recorded(t, filepath.Join("testdata", relay), bodies)
	}
}

// A customer sees the same as if the provider had sent the webhook itself.
func TestSimulations(t *testing.T) {
	for relay := range headers {
		c := suite(t, relay)
		p, err := c.New(c.Secrets[0])
		if err != nil {
			t.Fatal(err)
		}
		webhooktest.Simulations(t, p.(*relayed.Provider),
			order.Created, order.Pending, order.RequiresAction, order.Authorized, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled,
			order.Expired, order.PartiallyRefunded, order.Refunded, order.Disputed, order.Won, order.Lost)
		c.SignsWithTheFirst(t, webhook.Simulation{ID: "evt_1", Order: "A1001", Status: order.Paid, Amount: 9900, Currency: "EUR"})
	}
}

func TestNewNamesTheMend(t *testing.T) {
	for want, o := range map[string]relayed.Options{
		`relay is "mule": write one of convoy, convoy-simple, hookdeck, svix`: {Relay: "mule", Secrets: plain[:1]},
		"no secrets: anybody could send; copy the signing secret":             {Relay: "hookdeck"},
		"secret 1 is not whsec_ and the base64":                               {Relay: "svix", Secrets: []string{"whsec_Zk3Vq9Lm4Xc7Tn1Wd6B8-2Yh5Jf0Gs8"}},
		"tolerance is negative":                                               {Relay: "convoy", Secrets: plain[:1], Tolerance: -1},
	} {
		if _, err := relayed.New(o, inner(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := relayed.New(relayed.Options{Relay: "svix", Secrets: encoded[:1]}, nil); err == nil || !strings.Contains(err.Error(), "whose webhooks") {
		t.Error(err)
	}
}

func FuzzOpenHookdeck(f *testing.F) { suite(f, "hookdeck").Fuzz(f) }

func FuzzOpenSvix(f *testing.F) { suite(f, "svix").Fuzz(f) }

func FuzzOpenConvoy(f *testing.F) { suite(f, "convoy").Fuzz(f) }

func BenchmarkOpen(b *testing.B) {
	for relay := range headers {
		b.Run(relay, suite(b, relay).Benchmark)
	}
}
