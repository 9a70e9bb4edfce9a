package standard_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/standard"
	"github.com/paybell/paybell/webhook/webhooktest"
)

// The secret, id, time, body and signatures of the tests of the specification's
// own Go library (libraries/go/webhook_test.go, webhook_asymmetric_test.go).
const (
	specSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	specID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	specTimestamp = 1614265330
	specBody      = `{"test": 2432232314}`
	specV1        = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	specSeed      = "VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
	specV1a       = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="

	otherSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	wrongV1     = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
)

func specPublicKey(t *testing.T) string {
	seed, err := base64.StdEncoding.DecodeString(specSeed)
	if err != nil {
		t.Fatal(err)
	}
	return "whpk_" + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

func specRequest(signatures string) webhook.Request {
	return webhook.Request{
		Method: http.MethodPost,
		Header: http.Header{
			"Webhook-Id":        {specID},
			"Webhook-Timestamp": {strconv.Itoa(specTimestamp)},
			"Webhook-Signature": {signatures},
		},
		Body: []byte(specBody),
		At:   time.Unix(specTimestamp, 0),
	}
}

func newProvider(t testing.TB, o standard.Options) *standard.Provider {
	t.Helper()
	return webhooktest.Must(t, standard.New, o)
}

func TestOpensTheSpecificationsVectors(t *testing.T) {
	symmetric := standard.Options{Secrets: []string{specSecret}}
	asymmetric := standard.Options{PublicKeys: []string{specPublicKey(t)}}
	for name, c := range map[string]struct {
		options    standard.Options
		signatures string
	}{
		"HMAC":                      {symmetric, specV1},
		"Ed25519":                   {asymmetric, specV1a},
		"bare base64 secret":        {standard.Options{Secrets: []string{strings.TrimPrefix(specSecret, "whsec_")}}, specV1},
		"among unknown versions":    {symmetric, wrongV1 + " v2,AAAA " + specV1 + " v9"},
		"second of two secrets":     {standard.Options{Secrets: []string{otherSecret, specSecret}}, specV1},
		"first of two secrets":      {standard.Options{Secrets: []string{specSecret, otherSecret}}, specV1},
		"either scheme, signed v1":  {standard.Options{Secrets: []string{specSecret}, PublicKeys: []string{specPublicKey(t)}}, specV1},
		"either scheme, signed v1a": {standard.Options{Secrets: []string{specSecret}, PublicKeys: []string{specPublicKey(t)}}, specV1a},
	} {
		t.Run(name, func(t *testing.T) {
			// Verified, that is; their body is no event.
			if _, err := newProvider(t, c.options).Open(specRequest(c.signatures)); !errors.Is(err, webhook.ErrUnreadable) {
				t.Error(err)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	p := newProvider(t, standard.Options{Secrets: []string{specSecret}, PublicKeys: []string{specPublicKey(t)}})
	set := func(name string, values ...string) func(*webhook.Request) {
		return func(r *webhook.Request) { r.Header[name] = values }
	}
	for name, change := range map[string]func(*webhook.Request){
		"no id":                        func(r *webhook.Request) { r.Header.Del("Webhook-Id") },
		"no timestamp":                 func(r *webhook.Request) { r.Header.Del("Webhook-Timestamp") },
		"no signature":                 func(r *webhook.Request) { r.Header.Del("Webhook-Signature") },
		"no header at all":             func(r *webhook.Request) { r.Header = nil },
		"id twice":                     set("Webhook-Id", specID, specID),
		"timestamp twice":              set("Webhook-Timestamp", "1614265330", "1614265330"),
		"signature twice":              set("Webhook-Signature", specV1, specV1),
		"both families":                set("Svix-Id", specID),
		"another id":                   set("Webhook-Id", specID+"x"),
		"empty id":                     set("Webhook-Id", ""),
		"id with a space":              set("Webhook-Id", "msg 1"),
		"another timestamp":            set("Webhook-Timestamp", "1614265331"),
		"signed timestamp":             set("Webhook-Timestamp", "+1614265330"),
		"timestamp with a space":       set("Webhook-Timestamp", " 1614265330"),
		"timestamp with a fraction":    set("Webhook-Timestamp", "1614265330.0"),
		"timestamp of milliseconds":    set("Webhook-Timestamp", "1614265330000"),
		"empty timestamp":              set("Webhook-Timestamp", ""),
		"wrong signature":              set("Webhook-Signature", wrongV1),
		"empty signature":              set("Webhook-Signature", "v1, v1a,"),
		"signature without version":    set("Webhook-Signature", strings.TrimPrefix(specV1, "v1,")),
		"signature of a later version": set("Webhook-Signature", strings.Replace(specV1, "v1", "v2", 1)),
		"Ed25519 passed off as HMAC":   set("Webhook-Signature", strings.Replace(specV1a, "v1a", "v1", 1)),
		"HMAC passed off as Ed25519":   set("Webhook-Signature", strings.Replace(specV1, "v1", "v1a", 1)),
		"signature cut short":          set("Webhook-Signature", specV1[:len(specV1)-5]+"="),
		"signature in base64url":       set("Webhook-Signature", strings.NewReplacer("+", "-", "/", "_").Replace(specV1)),
		"signature after too many":     set("Webhook-Signature", strings.Repeat(wrongV1+" ", 16)+specV1),
		"changed body":                 func(r *webhook.Request) { r.Body[2] ^= 1 },
		"longer body":                  func(r *webhook.Request) { r.Body = append(r.Body, '\n') },
		"empty body":                   func(r *webhook.Request) { r.Body = nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := specRequest(specV1)
			change(&r)
			events, err := p.Open(r)
			if !errors.Is(err, webhook.ErrUnverified) || events != nil {
				t.Fatalf("got %v, %v; want it not verified", events, err)
			}
			if strings.Contains(err.Error(), "g0hM9") || strings.Contains(err.Error(), specID) {
				t.Errorf("error quotes the request: %v", err)
			}
		})
	}
}

func TestTimeWindowEndsOnBothSides(t *testing.T) {
	for _, c := range []struct {
		tolerance, off time.Duration
		opens          bool
	}{
		{0, 5 * time.Minute, true},
		{0, 5*time.Minute + time.Second, false},
		{0, -5 * time.Minute, true},
		{0, -5*time.Minute - time.Second, false},
		{time.Minute, 2 * time.Minute, false},
		{time.Hour, 59 * time.Minute, true},
	} {
		r := specRequest(specV1)
		r.At = r.At.Add(c.off)
		_, err := newProvider(t, standard.Options{Secrets: []string{specSecret}, Tolerance: c.tolerance}).Open(r)
		if opens := !errors.Is(err, webhook.ErrUnverified); opens != c.opens {
			t.Errorf("tolerance %v, received %v after it was signed: %v", c.tolerance, c.off, err)
		}
	}
}

// The sender signed the id "a" and a body that begins with a time. The same text
// would be told with the id "a.<time>", were dots allowed in ids.
func TestRefusesAnIDThatEatsTheTimestamp(t *testing.T) {
	p := newProvider(t, standard.Options{Secrets: []string{specSecret}})
	r := sign("Webhook", "a.1614265330", specSecret, []byte(`{"type":"payment.paid","data":{"order":"A1"}}`), time.Unix(specTimestamp, 0))
	if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) {
		t.Errorf("got %v, want it not verified", err)
	}
}

func TestSvixHeaders(t *testing.T) {
	r := specRequest(specV1)
	svix := http.Header{}
	for _, name := range []string{"Id", "Timestamp", "Signature"} {
		svix["Svix-"+name] = r.Header["Webhook-"+name]
	}
	r.Header = svix
	p := newProvider(t, standard.Options{Secrets: []string{specSecret}})
	if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnreadable) {
		t.Error(err)
	}
	svix.Del("Svix-Timestamp")
	if _, err := p.Open(r); err == nil || !strings.Contains(err.Error(), "Svix-Timestamp") {
		t.Errorf("got %v, want the missing header named", err)
	}
}

func TestNewRefuses(t *testing.T) {
	bytes := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i * 7)
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	for name, c := range map[string]struct {
		options standard.Options
		want    string
	}{
		"nothing to verify with":       {standard.Options{}, "neither secrets nor public_keys"},
		"empty secret":                 {standard.Options{Secrets: []string{""}}, "secret 1 is empty"},
		"prefix alone":                 {standard.Options{Secrets: []string{specSecret, "whsec_"}}, "secret 2 is empty"},
		"short secret":                 {standard.Options{Secrets: []string{"whsec_" + bytes(23)}}, "has 23 bytes"},
		"long secret":                  {standard.Options{Secrets: []string{"whsec_" + bytes(65)}}, "has 65 bytes"},
		"text for a secret":            {standard.Options{Secrets: []string{"my secret, which is long enough to be one"}}, "is not whsec_ and base64"},
		"zeros":                        {standard.Options{Secrets: []string{"whsec_" + strings.Repeat("A", 44)}}, "placeholder"},
		"placeholder":                  {standard.Options{Secrets: []string{"whsec_changemechangemechangemechangeme1234"}}, "placeholder"},
		"private key":                  {standard.Options{Secrets: []string{"whsk_" + bytes(32)}}, "public_keys"},
		"short public key":             {standard.Options{PublicKeys: []string{"whpk_" + bytes(31)}}, "public key 1 is not"},
		"public key that is no base64": {standard.Options{PublicKeys: []string{"whpk_?"}}, "public key 1 is not"},
		"negative tolerance":           {standard.Options{Secrets: []string{specSecret}, Tolerance: -1}, "tolerance is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := standard.New(c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			for _, s := range c.options.Secrets {
				if len(s) > 8 && strings.Contains(err.Error(), s[6:]) {
					t.Errorf("error quotes the secret: %v", err)
				}
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	p := newProvider(f, standard.Options{
		Secrets:    []string{specSecret},
		PublicKeys: []string{"whpk_" + base64.StdEncoding.EncodeToString(key)},
	})
	f.Add(specID, "1614265330", specV1, []byte(specBody))
	f.Add("a.1", "+1", "v1a, v1", []byte(`{"type":"payment.paid","data":{"order":"A1"}}`))
	f.Fuzz(func(t *testing.T, id, timestamp, signatures string, body []byte) {
		r := specRequest(signatures)
		r.Header["Webhook-Id"], r.Header["Webhook-Timestamp"], r.Body = []string{id}, []string{timestamp}, body
		_, err := p.Open(r)
		known := id == specID && timestamp == "1614265330" && string(body) == specBody
		if !errors.Is(err, webhook.ErrUnverified) && !known {
			t.Error("opened what nobody signed")
		}
		if err != nil && !errors.Is(err, webhook.ErrUnverified) && !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("an error of neither kind: %v", err)
		}
	})
}
