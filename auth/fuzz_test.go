package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func FuzzVerify(f *testing.F) {
	v := newVerifier(f, Options{})
	token := genuine().sign(f)
	for _, seed := range []string{token, token + "\n", token[:len(token)-1], "a.b.c", "..", genuine().head(`"HS256"`, `"none"`).sign(f)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := v.Verify(token)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("error %v is not an ErrInvalid", err)
			}
			return
		}
		at := strings.LastIndexByte(token, '.')
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(token[:at]))
		if token[at+1:] != b64(mac.Sum(nil)) {
			t.Errorf("accepted %q, which the key did not sign", token)
		}
	})
}

// FuzzSignedToken signs whatever comes, and compares what was accepted with
// what a lenient reader makes of the same bytes.
func FuzzSignedToken(f *testing.F) {
	v := newVerifier(f, Options{})
	f.Add(genuine().header, genuine().claims)
	f.Add(genuine().head(`{`, `{"crit":[],`).header, genuine().claim(`["A1001"]`, `[]`).claims)
	f.Add(genuine().head(`{`, `{"Kid":"x",`).header, genuine().claim(`{`, `{"Exp":1,`).claims)
	f.Fuzz(func(t *testing.T, header, claims string) {
		s := genuine()
		s.header, s.claims = header, claims
		got, err := v.Verify(s.sign(t))
		if err != nil {
			return
		}
		var h struct{ Alg, Kid string }
		var c struct {
			Sub, Jti string
			Exp, Iat int64
			Orders   []string
		}
		if err := errors.Join(json.Unmarshal([]byte(header), &h), json.Unmarshal([]byte(claims), &c)); err != nil {
			t.Fatalf("accepted %s.%s, which encoding/json refuses: %v", header, claims, err)
		}
		same := h.Alg == "HS256" && h.Kid == got.KeyID && c.Sub == got.Subject && c.Jti == got.ID &&
			c.Exp == got.Expires.Unix() && c.Iat == got.IssuedAt.Unix() && fmt.Sprint(c.Orders) == fmt.Sprint(got.Orders)
		if !same || len(got.Orders) == 0 || !got.Expires.After(clock) || got.Expires.Sub(got.IssuedAt) > 15*time.Minute {
			t.Errorf("accepted %s.%s as %+v, which encoding/json reads as %+v %+v", header, claims, got, h, c)
		}
	})
}
