package auth

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func authorization(values ...string) http.Header {
	return http.Header{"Authorization": values}
}

func TestBearerToken(t *testing.T) {
	for _, value := range []string{"Bearer a.b-c_d", "bearer a.b-c_d", "BEARER a.b-c_d", "Bearer   a.b-c_d"} {
		if token, err := BearerToken(authorization(value)); err != nil || token != "a.b-c_d" {
			t.Errorf("%q: %q, %v", value, token, err)
		}
	}
}

func TestNoBearerToken(t *testing.T) {
	for _, h := range []http.Header{{}, authorization(), authorization("Basic dTpw"), authorization("")} {
		if token, err := BearerToken(h); !errors.Is(err, ErrNoToken) || errors.Is(err, ErrInvalid) || token != "" {
			t.Errorf("%v: %q, %v", h, token, err)
		}
	}
}

func TestRefusesTwoAuthorizationHeaders(t *testing.T) {
	_, err := BearerToken(authorization("Bearer a", "Bearer a"))
	wantReason(t, err, ReasonMalformed)
	_, err = BearerToken(authorization("Basic dTpw", "Bearer a"))
	wantReason(t, err, ReasonMalformed)
}

func TestRefusesWhatIsNoBearerToken(t *testing.T) {
	for _, value := range []string{
		"Bearer", "Bearer ", "Bearer a b", "Bearer a, Bearer b", "Bearer a,b", "Bearer \"a\"", "Bearer a\tb", "Bearer \ta", "Bearer =",
		"Bearer a=b", "Bearer ä", "Bearer a\x00", "Bearer " + strings.Repeat("a", maxTokenBytes+1),
	} {
		token, err := BearerToken(authorization(value))
		if token != "" {
			t.Errorf("%q: %q", value, token)
		}
		wantReason(t, err, ReasonMalformed)
	}
}

func FuzzBearerToken(f *testing.F) {
	f.Add("Bearer a.b.c")
	f.Add("Basic dTpw")
	f.Add("Bearer a, Bearer b")
	f.Fuzz(func(t *testing.T, value string) {
		token, err := BearerToken(authorization(value))
		switch {
		case err == nil && (token == "" || len(token) > maxTokenBytes || strings.ContainsAny(token, " ,;\"\r\n\t\x00") || !strings.HasSuffix(value, " "+token)):
			t.Errorf("%q gave %q", value, token)
		case err != nil && !errors.Is(err, ErrNoToken) && !errors.Is(err, ErrInvalid):
			t.Errorf("%q gave %v", value, err)
		}
	})
}
