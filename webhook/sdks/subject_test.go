package sdks_test

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/adyen"
	"github.com/paybell/paybell/webhook/coinbasecommerce"
	"github.com/paybell/paybell/webhook/gocardless"
	"github.com/paybell/paybell/webhook/paddle"
	"github.com/paybell/paybell/webhook/razorpay"
	"github.com/paybell/paybell/webhook/relayed"
	"github.com/paybell/paybell/webhook/shopify"
	"github.com/paybell/paybell/webhook/square"
	"github.com/paybell/paybell/webhook/standard"
	"github.com/paybell/paybell/webhook/stripe"
)

// An adapter is one of Paybell's, and how its sender signs.
type adapter struct {
	build         func(secret string) (webhook.Provider, error)
	simulated     func(secret string) (webhook.Provider, error) // which simulates, where it is another
	recorded      string                                        // the folder of its recorded requests
	secret, other string
	private       string // what the SDK signs with, where it is not the secret
	scheme
}

// A scheme is how requests are signed, as far as the mutations must know it.
type scheme struct {
	headers   []string // that the signature is in or covers, the signature's first
	signature place
	base64    bool // else hex
	timestamp place
	hash      crypto.Hash
	sum       func(h crypto.Hash, secret string, text []byte) []byte // the signature; nil: nobody can sign with such a secret
	public    bool                                                   // the secret is a public key
	addressed bool                                                   // the address is signed
	text      func(m message) []byte                                 // that is signed; nil: more than the mutations can put together
	list      list
}

// A list is how several signatures stand in one header: entries of a name, a
// joint and a signature.
type list struct{ separator, name, joint string }

// sign signs a message anew, with the secret that its receiver has, or reports
// false where nobody could.
func (s scheme) sign(m *message) bool { return s.set(m, s.sum(s.hash, m.secret, s.text(*m))) }

// set gives a message another signature, if there is one.
func (s scheme) set(m *message, sum []byte) bool {
	s.signature.set(m, s.encode(sum))
	return sum != nil
}

func (s scheme) encode(sum []byte) string {
	if s.base64 {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}

func (s scheme) decode(text string) []byte {
	if s.base64 {
		sum, _ := base64.StdEncoding.DecodeString(text)
		return sum
	}
	sum, _ := hex.DecodeString(text)
	return sum
}

// An sdk is a library, the program that holds it, and the adapter that it is
// held against.
type sdk struct {
	name, peer string
	adapter    adapter
}

// subjects are all SDKs. Where a sender signs with a private key, it is one of the pairs.
func subjects(pairs [2]pair) []sdk {
	return []sdk{
		{"stripe", "node", stripeAdapter},
		{"github.com/stripe/stripe-go/v85", "golang", stripeAdapter},
		{"standardwebhooks", "node", standardAdapter("Webhook-")},
		{"github.com/standard-webhooks/standard-webhooks/libraries", "golang", standardAdapter("Webhook-")},
		{"svix", "node", relayedAdapter("svix")},
		{"github.com/svix/svix-webhooks", "golang", standardAdapter("Svix-")},
		{"@hookdeck/sdk", "node", relayedAdapter("hookdeck")},
		{"@adyen/api-library", "node", adyenAdapter},
		{"square", "node", squareAdapter},
		{"razorpay", "node", razorpayAdapter},
		{"github.com/razorpay/razorpay-go", "golang", razorpayAdapter},
		{"@paddle/paddle-node-sdk", "node", paddleAdapter},
		{"github.com/PaddleHQ/paddle-go-sdk/v4", "golang", paddleAdapter},
		{"@shopify/shopify-api", "node", shopifyAdapter},
		{"gocardless-nodejs", "node", gocardlessAdapter},
		{"coinbase-commerce-node", "node", coinbaseAdapter},
		{"mercadopago", "node", mercadopagoAdapter},
		{"braintree", "node", braintreeAdapter},
		{"wechatpay-axios-plugin", "node", wechatpayAdapter(pairs)},
		{"alipay-sdk", "node", alipayAdapter(pairs)},
	}
}

// now is when the requests are received: when the adapters' recorded ones are.
var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// hmacWith is how one signs with a secret that is shared.
func hmacWith(key func(secret string) []byte) func(crypto.Hash, string, []byte) []byte {
	return func(h crypto.Hash, secret string, text []byte) []byte { return webhook.HMAC(h.New, key(secret), text) }
}

var hmacWithText = hmacWith(func(secret string) []byte { return []byte(secret) })

func wholeBody(m message) []byte { return m.body }

// timed is a text of a time, what stands after it, and the body.
func timed(timestamp place, after string) func(m message) []byte {
	return func(m message) []byte { return []byte(timestamp.get(m) + after + string(m.body)) }
}

// ofBody is the scheme of a signature of the body, alone in a header.
func ofBody(header string, inBase64 bool) scheme {
	return scheme{
		headers: []string{header}, signature: in(header, `(?s)^(.*)$`), base64: inBase64, hash: crypto.SHA256, sum: hmacWithText, text: wholeBody,
	}
}

var stripeTime = in("Stripe-Signature", `(?:^|,)t=([^,]*)`)

var stripeAdapter = adapter{
	build: func(secret string) (webhook.Provider, error) {
		return stripe.New(stripe.Options{Secrets: []string{secret}})
	},
	recorded: "../stripe/testdata",
	secret:   "whsec_Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0Gs",
	other:    "whsec_Hq7Rt2Nw9Kb4Xs6Lm1Pd8Vc3Zf5Jy0Ga",
	scheme: scheme{
		headers: []string{"Stripe-Signature"}, signature: in("Stripe-Signature", `(?:^|,)v1=([^,]*)`), timestamp: stripeTime,
		hash: crypto.SHA256, sum: hmacWithText, text: timed(stripeTime, "."), list: list{",", "v1", "="},
	},
}

var paddleTime = in("Paddle-Signature", `(?:^|;)ts=([^;]*)`)

var paddleAdapter = adapter{
	build: func(secret string) (webhook.Provider, error) {
		return paddle.New(paddle.Options{Secrets: []string{secret}})
	},
	recorded: "../paddle/testdata",
	secret:   "pdl_ntfset_01gkdqs0hc3rm2n6zhm8ndp5c2_Pz3Yl7Qw9Xc1Vb5Nm2Kj4Hg6Fd8Sa0Re",
	other:    "pdl_ntfset_01hk2m8r9s0t1v2w3x4y5z6a7b_Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0GsZk3Vq9Pd",
	scheme: scheme{
		headers: []string{"Paddle-Signature"}, signature: in("Paddle-Signature", `(?:^|;)h1=([^;]*)`), timestamp: paddleTime,
		hash: crypto.SHA256, sum: hmacWithText, text: timed(paddleTime, ":"), list: list{";", "h1", "="},
	},
}

// standardScheme is that of Standard Webhooks, under its names of headers or Svix's.
func standardScheme(prefix string) scheme {
	timestamp, id := in(prefix+"Timestamp", `(?s)^(.*)$`), in(prefix+"Id", `(?s)^(.*)$`)
	return scheme{
		headers:   []string{prefix + "Signature", prefix + "Id", prefix + "Timestamp"},
		signature: in(prefix+"Signature", `(?:^| )v1,([^ ]*)`), base64: true, timestamp: timestamp, hash: crypto.SHA256,
		sum: hmacWith(func(secret string) []byte {
			key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
			return key
		}),
		text: func(m message) []byte { return []byte(id.get(m) + "." + timestamp.get(m) + "." + string(m.body)) },
		list: list{" ", "v1", ","},
	}
}

func standardAdapter(prefix string) adapter {
	return adapter{
		build: func(secret string) (webhook.Provider, error) {
			return standard.New(standard.Options{Secrets: []string{secret}})
		},
		recorded: "../standard/testdata",
		secret:   "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		other:    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
		scheme:   standardScheme(prefix),
	}
}

// relayedAdapter is what a relay passes on of Stripe's.
func relayedAdapter(relay string) adapter {
	a := adapter{
		build: func(secret string) (webhook.Provider, error) {
			inner, err := stripe.NewReader(stripe.Options{})
			if err != nil {
				return nil, err
			}
			return relayed.New(relayed.Options{Relay: relay, Secrets: []string{secret}}, inner)
		},
		recorded: "../relayed/testdata/" + relay,
		secret:   "q1Zt7yWmB4nVc8Lx2RkP",
		other:    "Jf3Kp9TgXw5MzQ7bYv1N",
		scheme:   ofBody("X-Hookdeck-Signature", true),
	}
	if relay == "svix" {
		a.secret, a.other, a.scheme = standardAdapter("").secret, standardAdapter("").other, standardScheme("Svix-")
	}
	return a
}

var adyenAdapter = adapter{
	build: func(secret string) (webhook.Provider, error) {
		return adyen.New(adyen.Options{Secrets: []string{secret}})
	},
	recorded: "../adyen/testdata",
	secret:   "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
	other:    "0D1B3B7A8F4E2C6D9A5E7F1C3B2D4A6E8F0C1E3D5B7A9C2E4F6D8B0A1C3E5F79",
	scheme:   scheme{signature: in("", `"hmacSignature":"([^"]*)"`), base64: true, hash: crypto.SHA256},
}

const squareURL = "https://pay.example.com/webhooks/square?site=1"

var squareAdapter = adapter{
	build: func(secret string) (webhook.Provider, error) {
		return square.New(square.Options{Secrets: []string{secret}})
	},
	recorded: "../square/testdata",
	secret:   "asA3h8zPqLxWmTd7Rb2Kfg",
	other:    "Qm7Zt2Vc9Xw4Lk1Jh6Np8B",
	simulated: func(secret string) (webhook.Provider, error) {
		return square.New(square.Options{Secrets: []string{secret}, URL: squareURL})
	},
	scheme: func() scheme {
		s := ofBody("X-Square-Hmacsha256-Signature", true)
		s.addressed = true
		s.text = func(m message) []byte { return []byte(m.url + string(m.body)) }
		return s
	}(),
}

var razorpayAdapter = adapter{
	build: func(secret string) (webhook.Provider, error) {
		return razorpay.New(razorpay.Options{Secrets: []string{secret}})
	},
	recorded: "../razorpay/testdata",
	secret:   "k7Qp2vXz9Lm4Rt8Wn1",
	other:    "Yd3Fg5Hj0Ks7Tv2U",
	scheme:   ofBody("X-Razorpay-Signature", false),
}

var shopifyAdapter = adapter{
	build: func(secret string) (webhook.Provider, error) {
		return shopify.New(shopify.Options{Secrets: []string{secret}})
	},
	recorded: "../shopify/testdata",
	secret:   "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",
	other:    "8f14e45fceea167a5a36dedd4bea2543f1c3d2a4",
	scheme:   ofBody("X-Shopify-Hmac-Sha256", true),
}

var gocardlessAdapter = adapter{
	build: func(secret string) (webhook.Provider, error) {
		return gocardless.New(gocardless.Options{Secrets: []string{secret}})
	},
	recorded: "../gocardless/testdata",
	secret:   "q1Zt7yWmB4nVc8Lx2RkP",
	other:    "Jf3Kp9TgXw5MzQ7bYv1N",
	scheme:   ofBody("Webhook-Signature", false),
}

var coinbaseAdapter = adapter{
	build: func(secret string) (webhook.Provider, error) {
		return coinbasecommerce.New(coinbasecommerce.Options{Secrets: []string{secret}})
	},
	recorded: "../coinbasecommerce/testdata",
	secret:   "7b1f2c9e-4a8d-4f36-9c05-e2d714b6a380",
	other:    "c40e9d72-15bb-4e8f-a6d3-0f92837ce15a",
	scheme:   ofBody("X-Cc-Webhook-Signature", false),
}

// provider returns the adapter's provider for a secret, or nil where it takes
// none that is so.
func (a adapter) provider(secret string) webhook.Provider {
	p, err := a.build(secret)
	if err != nil {
		return nil
	}
	return p
}

func (a adapter) simulator(t *testing.T) webhook.Simulator {
	t.Helper()
	build := a.build
	if a.simulated != nil {
		build = a.simulated
	}
	p, err := build(a.secret)
	if err != nil {
		t.Fatal(err)
	}
	return p.(webhook.Simulator)
}
