package golang

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	paddle "github.com/PaddleHQ/paddle-go-sdk/v4"
	razorpay "github.com/razorpay/razorpay-go/utils"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripe "github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"
)

// An sdk is what one library is asked. The keys of sdks are the modules' paths.
type sdk struct {
	verify func(q question) error
	// sign returns the names and values of the headers of a genuine request.
	sign func(q question) (map[string]string, error)
}

var sdks = map[string]sdk{
	"github.com/stripe/stripe-go/v85": {
		func(q question) error {
			return stripe.ValidatePayload(q.Body, q.header.Get("Stripe-Signature"), q.Secret)
		},
		func(q question) (map[string]string, error) {
			signed := stripe.GenerateTestSignedPayload(&stripe.UnsignedPayload{Payload: q.Body, Secret: q.Secret, Timestamp: time.Now()})
			return map[string]string{"Stripe-Signature": signed.Header}, nil
		},
	},
	"github.com/standard-webhooks/standard-webhooks/libraries": {
		func(q question) error {
			w, err := standardwebhooks.NewWebhook(q.Secret)
			if err != nil {
				return err
			}
			return w.Verify(q.Body, q.header)
		},
		func(q question) (map[string]string, error) {
			w, err := standardwebhooks.NewWebhook(q.Secret)
			if err != nil {
				return nil, err
			}
			return standard(q, "Webhook-", w.Sign)
		},
	},
	"github.com/svix/svix-webhooks": {
		func(q question) error {
			w, err := svix.NewWebhook(q.Secret)
			if err != nil {
				return err
			}
			return w.Verify(q.Body, q.header)
		},
		func(q question) (map[string]string, error) {
			w, err := svix.NewWebhook(q.Secret)
			if err != nil {
				return nil, err
			}
			return standard(q, "Svix-", w.Sign)
		},
	},
	"github.com/razorpay/razorpay-go": {
		func(q question) error {
			return unless(razorpay.VerifyWebhookSignature(string(q.Body), q.header.Get("X-Razorpay-Signature"), q.Secret))
		},
		func(q question) (map[string]string, error) {
			return map[string]string{"X-Razorpay-Signature": sum(q.Secret, q.Body)}, nil
		},
	},
	"github.com/PaddleHQ/paddle-go-sdk/v4": {
		func(q question) error {
			r, err := http.NewRequest(http.MethodPost, "/", bytes.NewReader(q.Body))
			if err != nil {
				return err
			}
			r.Header = q.header
			ok, err := paddle.NewWebhookVerifier(q.Secret, paddle.VerifierWithTimestampTolerance(5*time.Minute)).Verify(r)
			return cmp.Or(err, unless(ok))
		},
		func(q question) (map[string]string, error) {
			at := strconv.FormatInt(time.Now().Unix(), 10)
			return map[string]string{"Paddle-Signature": "ts=" + at + ";h1=" + sum(q.Secret, []byte(at+":"), q.Body)}, nil
		},
	},
}

func standard(q question, prefix string, sign func(id string, at time.Time, body []byte) (string, error)) (map[string]string, error) {
	id, now := cmp.Or(q.header.Get("Webhook-Id"), q.header.Get("Svix-Id"), "msg_1"), time.Now()
	signature, err := sign(id, now, q.Body)
	return map[string]string{
		prefix + "Id": id, prefix + "Timestamp": strconv.FormatInt(now.Unix(), 10), prefix + "Signature": signature,
	}, err
}

// sum signs where a library can only verify.
func sum(secret string, parts ...[]byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	for _, part := range parts {
		mac.Write(part)
	}
	return hex.EncodeToString(mac.Sum(nil))
}
