package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const (
	testSecret  = "whsec_Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0Gs"
	otherSecret = "whsec_Hq7Rt2Nw9Kb4Xs6Lm1Pd8Vc3Zf5Jy0Ga"
	thirdSecret = "whsec_Bn5Yu8Ae3Gk1Ow7Td4Ci9Mx2Sl6Pz0Rv"
)

// now is when the tests' requests are signed and received.
var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{testSecret}
	}
	return webhooktest.Must(t, New, o)
}

const paidBody = `{"id":"evt_1","object":"event","created":1795420790,"livemode":true,"type":"payment_intent.succeeded",` +
	`"data":{"object":{"id":"pi_1","object":"payment_intent","amount":9900,"amount_received":9900,"currency":"cny",` +
	`"metadata":{"order_id":"A1001"}}}}`

// setHeader replaces the signature header of a request.
func setHeader(change func(timestamp, signature string) string) func(*webhook.Request) {
	return func(r *webhook.Request) {
		t, v1, _ := strings.Cut(r.Header.Get(signatureHeader), ",")
		r.Header.Set(signatureHeader, change(strings.TrimPrefix(t, "t="), strings.TrimPrefix(v1, "v1=")))
	}
}

func TestSuite(t *testing.T) {
	webhooktest.Suite(t, webhooktest.Case{
		New: func(secrets ...string) (webhook.Provider, error) { return New(Options{Secrets: secrets}) },
		Sign: func(secret string, body []byte, at time.Time) webhook.Request {
			return sign([]byte(secret), body, at)
		},
		Secrets: [3]string{testSecret, otherSecret, thirdSecret},
		Body:    paidBody,
		Headers: []string{signatureHeader},
		Timed:   true,
		Forgeries: map[string]func(*webhook.Request){
			"DowngradeToV0":       setHeader(func(t, s string) string { return "t=" + t + ",v0=" + s }),
			"UnknownScheme":       setHeader(func(t, s string) string { return "t=" + t + ",v2=" + s }),
			"CapitalScheme":       setHeader(func(t, s string) string { return "t=" + t + ",V1=" + s }),
			"NoTime":              setHeader(func(t, s string) string { return "v1=" + s }),
			"EmptyTime":           setHeader(func(t, s string) string { return "t=,v1=" + s }),
			"EmptyTimeThenTime":   setHeader(func(t, s string) string { return "t=,t=" + t + ",v1=" + s }),
			"TimeRepeated":        setHeader(func(t, s string) string { return "t=" + t + ",t=" + t + ",v1=" + s }),
			"OldTimeThenNewTime":  setHeader(func(t, s string) string { return "t=1600000000,t=" + t + ",v1=" + s }),
			"AnotherTime":         setHeader(func(t, s string) string { return "t=1795420801,v1=" + s }),
			"TimeWithSign":        setHeader(func(t, s string) string { return "t=+" + t + ",v1=" + s }),
			"TimeWithFraction":    setHeader(func(t, s string) string { return "t=" + t + ".0,v1=" + s }),
			"TimeWithLeadingZero": setHeader(func(t, s string) string { return "t=0" + t + ",v1=" + s }),
			"SpacesAround":        setHeader(func(t, s string) string { return "t=" + t + ", v1=" + s }),
			"EntryWithoutName":    setHeader(func(t, s string) string { return "t=" + t + "," + s }),
			"SignatureTooLong":    setHeader(func(t, s string) string { return "t=" + t + ",v1=" + s + "00" }),
			"SignatureCutShort":   setHeader(func(t, s string) string { return "t=" + t + ",v1=" + s[:62] }),
			"SignatureOfZeros":    setHeader(func(t, s string) string { return "t=" + t + ",v1=" + strings.Repeat("0", 64) }),
			"SignatureNotHex":     setHeader(func(t, s string) string { return "t=" + t + ",v1=" + strings.Repeat("z", 64) }),
			"EmptySignature":      setHeader(func(t, s string) string { return "t=" + t + ",v1=" }),
			"GenuineAfterTooMany": setHeader(func(t, s string) string {
				return "t=" + t + strings.Repeat(",v1="+strings.Repeat("0", 64), 16) + ",v1=" + s
			}),
			"SemicolonsForCommas":  setHeader(func(t, s string) string { return "t=" + t + ";v1=" + s }),
			"DotMovedIntoTheTime":  func(r *webhook.Request) { moveDot(r) },
			"SignedWithoutTheTime": func(r *webhook.Request) { signBodyAlone(r) },
		},
	})
}

// moveDot makes the signed text read as another time and body.
func moveDot(r *webhook.Request) {
	setHeader(func(t, s string) string { return "t=" + t[:5] + ",v1=" + s })(r)
	r.Body = append([]byte(strconv.FormatInt(now.Unix(), 10)[5:]+"."), r.Body...)
}

func signBodyAlone(r *webhook.Request) {
	mac := webhook.HMAC(sha256.New, []byte(testSecret), r.Body)
	setHeader(func(t, s string) string { return "t=" + t + ",v1=" + hex.EncodeToString(mac) })(r)
}

func TestAcceptsWhatStripeSendsWhileASecretIsRolled(t *testing.T) {
	p := newProvider(t, Options{})
	zeros := strings.Repeat("0", 64)
	for name, change := range map[string]func(t, s string) string{
		"second of two":        func(t, s string) string { return "t=" + t + ",v1=" + zeros + ",v1=" + s },
		"first of two":         func(t, s string) string { return "t=" + t + ",v1=" + s + ",v1=" + zeros },
		"beside v0":            func(t, s string) string { return "t=" + t + ",v1=" + s + ",v0=" + zeros },
		"beside a later one":   func(t, s string) string { return "t=" + t + ",v2=abc,v1=" + s },
		"time after signature": func(t, s string) string { return "v1=" + s + ",t=" + t },
		"capital digits":       func(t, s string) string { return "t=" + t + ",v1=" + strings.ToUpper(s) },
		"beside a broken v1":   func(t, s string) string { return "t=" + t + ",v1=zz,v1=" + s },
	} {
		r := sign([]byte(testSecret), []byte(paidBody), now)
		setHeader(change)(&r)
		if events, err := p.Open(r); err != nil || len(events) != 1 {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
}

// The signature of another program: printf '1795420800.{}' | openssl dgst
// -sha256 -hmac whsec_Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0Gs
func TestSignsAsOpenSSLDoes(t *testing.T) {
	got := sign([]byte(testSecret), []byte("{}"), time.Unix(1795420800, 0)).Header.Get(signatureHeader)
	if want := "t=1795420800,v1=7f5cd39491e825eb50648feb5d8c1b550cdf519feb7d4c354a6bca62b1308cbc"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestErrorsTellTheMerchantWhatToMend(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*webhook.Request)
		want   string
	}{
		"old":    {func(r *webhook.Request) { r.At = now.Add(12 * time.Minute) }, "signed 12m0s ago; the window is 5m0s"},
		"future": {func(r *webhook.Request) { r.At = now.Add(-12 * time.Minute) }, "signed 12m0s in the future; the window is 5m0s"},
		"forged": {func(r *webhook.Request) { r.Body[0] = ' ' }, "the secret is another endpoint's, or the body was changed"},
		"none":   {func(r *webhook.Request) { r.Header = nil }, "no header Stripe-Signature"},
	} {
		r := sign([]byte(testSecret), []byte(paidBody), now)
		c.change(&r)
		if _, err := newProvider(t, Options{}).Open(r); !errors.Is(err, webhook.ErrUnverified) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestToleranceIsTheOperators(t *testing.T) {
	p := newProvider(t, Options{Tolerance: time.Hour})
	for off, want := range map[time.Duration]bool{
		time.Hour: true, -time.Hour: true, time.Hour + time.Second: false, -time.Hour - time.Second: false,
	} {
		r := sign([]byte(testSecret), []byte(paidBody), now)
		r.At = now.Add(off)
		if _, err := p.Open(r); (err == nil) != want {
			t.Errorf("%v: %v", off, err)
		}
	}
}

func TestNewNamesTheMend(t *testing.T) {
	for want, o := range map[string]Options{
		"no secrets: anybody could send":       {},
		"secret 2 is an API key":               {Secrets: []string{testSecret, "sk_live_Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0Gs"}},
		"secret 1 does not begin with whsec_":  {Secrets: []string{"Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0Gs"}},
		"secret 1 has 22 bytes, fewer than 24": {Secrets: []string{testSecret[:22]}},
		"tolerance is negative":                {Secrets: []string{testSecret}, Tolerance: -1},
	} {
		_, err := New(o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Zk3Vq9") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	p := newProvider(f, Options{})
	webhooktest.Fuzz(f, p, signatureHeader,
		sign([]byte(testSecret), []byte(paidBody), now),
		sign([]byte(testSecret), []byte(`{"id":"evt_2","object":"v2.core.event","type":"v1.billing.meter.no_meter_found"}`), now),
		sign([]byte(testSecret), []byte(`{"a":1,"a":2}`), now),
	)
}

func FuzzParseHeader(f *testing.F) {
	signature := strings.Repeat("0f", 32)
	for _, seed := range []string{
		"t=1795420800,v1=" + signature, "v1=" + signature + ",t=1", "t=1,t=2,v1=" + signature, "t==,v1", "=,=", "",
		strings.Repeat("v1="+signature+",", 20) + "t=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		h, err := parseHeader(value)
		if err != nil {
			return
		}
		if len(h.signatures) == 0 || len(h.signatures) > maxSignatures {
			t.Errorf("%d signatures", len(h.signatures))
		}
		for _, s := range h.signatures {
			if len(s) != sha256.Size || !strings.Contains(strings.ToLower(value), "v1="+hex.EncodeToString(s)) {
				t.Errorf("a signature of %d bytes that the header does not have", len(s))
			}
		}
		if strings.Count(","+value, ",t=") > 1 {
			t.Errorf("two times, and %q believed", h.timestamp)
		}
	})
}

func TestRefusesAnOrderPathThatLeadsNowhere(t *testing.T) {
	_, err := New(Options{Secrets: []string{"whsec_8f3kQz1XvB7nR2mWp9tYc5LdHs4GjA6e"}, Order: "data.object.metadata.cart, metadata.order_id"})
	if err == nil || !strings.Contains(err.Error(), "data.object.metadata.order_id") {
		t.Errorf("error %v does not name the mend", err)
	}
}
