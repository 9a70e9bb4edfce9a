package webhook

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestHeaderMustBeThereExactlyOnce(t *testing.T) {
	h := http.Header{"X-One": {"1"}, "X-Two": {"1", "2"}, "X-Empty": {""}}
	for name, want := range map[string]string{
		"x-one": "", "X-Empty": "", "X-Two": "more than one header X-Two", "X-None": "no header X-None",
	} {
		_, err := Header(h, name)
		if got := textOf(err); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if v, _ := Header(h, "x-one"); v != "1" {
		t.Errorf("got %q", v)
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestDecodeHexTakesOneLengthOnly(t *testing.T) {
	good := strings.Repeat("0f", 32)
	for s, want := range map[string]bool{
		good: true, strings.ToUpper(good): true, good[:62]: false, good + "00": false, "": false,
		strings.Repeat("0g", 32): false, " " + good[1:]: false,
	} {
		if b, ok := DecodeHex(s, 32); ok != want || ok && len(b) != 32 {
			t.Errorf("%q: %v", s, ok)
		}
	}
}

// RFC 4231, test case 2, and the same key with SHA-512.
func TestHMACVectors(t *testing.T) {
	secret := []byte("Jefe")
	if got := hex.EncodeToString(HMAC(sha256.New, secret, []byte("what do ya want "), []byte("for nothing?"))); got !=
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
		t.Error(got)
	}
	if got := hex.EncodeToString(HMAC(sha512.New, secret, []byte("what do ya want for nothing?"))); got !=
		"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" {
		t.Error(got)
	}
}

func TestSignedByAnyOfSeveral(t *testing.T) {
	one, two, body := []byte("secret one"), []byte("secret two"), []byte("body")
	good, other := HMAC(sha256.New, two, body), HMAC(sha256.New, []byte("else"), body)
	for name, c := range map[string]struct {
		secrets, signatures [][]byte
		want                bool
	}{
		"one of each":              {[][]byte{two}, [][]byte{good}, true},
		"second secret, signature": {[][]byte{one, two}, [][]byte{other, good}, true},
		"another's":                {[][]byte{one, two}, [][]byte{other}, false},
		"cut short":                {[][]byte{two}, [][]byte{good[:31]}, false},
		"empty":                    {[][]byte{two}, [][]byte{{}, nil}, false},
		"no signature":             {[][]byte{two}, nil, false},
		"no secret":                {nil, [][]byte{good, {}}, false},
	} {
		if got := SignedBy(sha256.New, c.secrets, c.signatures, body); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestParseUnixTakesDigitsOnly(t *testing.T) {
	if at, err := ParseUnix("1795420800"); err != nil || at.Unix() != 1795420800 {
		t.Error(at, err)
	}
	for _, s := range []string{"", "+1", "-1", "1.0", " 1", "1e9", "0x10", "179542080012", "１"} {
		if at, err := ParseUnix(s); err == nil {
			t.Errorf("%q: %v", s, at)
		}
	}
}

func TestWindowEndsOnBothSides(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for signed, want := range map[time.Time]string{
		now:                       "",
		now.Add(-5 * time.Minute): "",
		now.Add(5 * time.Minute):  "",
		now.Add(-5*time.Minute - time.Second): "signed 5m1s ago; the window is 5m0s: " +
			"a clock may be wrong, or the request is a replay",
		now.Add(5*time.Minute + time.Second): "signed 5m1s in the future; the window is 5m0s: a clock is wrong",
	} {
		if got := textOf(CheckWindow(signed, now, DefaultTolerance)); got != want {
			t.Errorf("%v: %q", signed, got)
		}
	}
	for _, seconds := range []int64{0, 99999999999, math.MaxInt64 / 4} {
		if CheckWindow(time.Unix(seconds, 0), now, DefaultTolerance) == nil {
			t.Errorf("%d is within", seconds)
		}
	}
}

func TestPlaceholderSecretsAreRefusedWithoutNamingThem(t *testing.T) {
	for secret, want := range map[string]string{
		"":                                        "is empty; do better",
		"whsec_Zk3Vq9Lm4Xc7Tn1Wd6B8Rp":            "",
		"Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf":            "",
		"whsec_ABCDEFGH":                          "has 14 bytes, fewer than 24; do better",
		"whsec_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx":  "is a placeholder, which anybody could guess; do better",
		"whsec_................................":  "is a placeholder, which anybody could guess; do better",
		"whsec_change-me-change-me-change-me":     "is a placeholder, which anybody could guess; do better",
		"whsec_test_secret":                       "is a placeholder, which anybody could guess; do better",
		"whsec_test":                              "is a placeholder, which anybody could guess; do better",
		"CHANGEME":                                "is a placeholder, which anybody could guess; do better",
		"your_secret_goes_here_please_do_it":      "is a placeholder, which anybody could guess; do better",
		"whsec_123412341234123412341234123412341": "is a placeholder, which anybody could guess; do better",
		"whsec_Zk3Vq9Lm4Xc7Tn1Wd6B8Rp\n":          "begins or ends with white space; do better",
	} {
		err := CheckSecret(secret, 24, "do better")
		if got := textOf(err); got != want {
			t.Errorf("%q: %q", secret, got)
		}
	}
}

func TestSandboxSecretIsNoPlaceholder(t *testing.T) {
	for secret, placeholder := range map[string]bool{
		"test_6Zk1vQx93Lw8RtYb2NfPdM":               false,
		"whsec_test_6Zk1vQx93Lw8RtYb2NfPdM":         false,
		"test-9f86d081884c7d659a2feaa0c55ad015":     false,
		"test_dHar4XY7_xsDOtmn-VtjNVWX2SlXsM":       false,
		"secret_K7QXN2M4PB6TZ3WFHJ5RVDYC":           false,
		"test_secret_6Zk1vQx93Lw8RtYb2NfPdM":        false,
		"webhook-secret-key-6Zk1vQx93Lw8RtYb2NfPdM": false,
		"test_6Zk1vQx":                                 true,
		"test_secret_6Zk1vQx":                          true,
		"whsec_test_payments_webhook_2026":             true,
		"test_my_company_v2_webhooks_staging":          true,
		"Test-Secret-For-The-Payment-Gateway-12345678": true,
		"secret_abcdefghijklmnopqrstuvwxyz":            true,
		"password-01234567890123456789":                true,
		"my-webhook-secret-for-the-shop-in-berlin-2":   true,
		"change_me_6Zk1vQx93Lw8RtYb2NfPdM":             true,
		"example_6Zk1vQx93Lw8RtYb2NfPdM":               true,
	} {
		err := CheckSecret(secret, 0, "do better")
		if refused := err != nil; refused != placeholder {
			t.Errorf("%s: refused %v, want %v", secret, refused, placeholder)
		}
	}
}
