package bearer

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func authorization(values ...string) http.Header {
	return http.Header{"Authorization": values}
}

func TestToken(t *testing.T) {
	for _, value := range []string{"Bearer a.b-c_d", "bearer a.b-c_d", "BEARER a.b-c_d", "Bearer   a.b-c_d"} {
		if token, err := Token(authorization(value)); err != nil || token != "a.b-c_d" {
			t.Errorf("%q: %q, %v", value, token, err)
		}
	}
}

func TestNoToken(t *testing.T) {
	for _, h := range []http.Header{{}, authorization(), authorization("Basic dTpw"), authorization("")} {
		if token, err := Token(h); !errors.Is(err, ErrNone) || token != "" {
			t.Errorf("%v: %q, %v", h, token, err)
		}
	}
}

func TestRefusesTwoAuthorizationHeaders(t *testing.T) {
	for _, h := range []http.Header{authorization("Bearer a", "Bearer a"), authorization("Basic dTpw", "Bearer a")} {
		if token, err := Token(h); !errors.Is(err, ErrMalformed) || token != "" {
			t.Errorf("%v: %q, %v", h, token, err)
		}
	}
}

func TestRefusesWhatIsNoToken(t *testing.T) {
	for _, value := range []string{
		"Bearer", "Bearer ", "Bearer a b", "Bearer a, Bearer b", "Bearer a,b", "Bearer \"a\"", "Bearer a\tb", "Bearer \ta", "Bearer =",
		"Bearer a=b", "Bearer ä", "Bearer a\x00", "Bearer " + strings.Repeat("a", MaxBytes+1),
	} {
		if token, err := Token(authorization(value)); !errors.Is(err, ErrMalformed) || token != "" {
			t.Errorf("%q: %q, %v", value, token, err)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add("Bearer a.b.c")
	f.Add("Basic dTpw")
	f.Add("Bearer a, Bearer b")
	f.Fuzz(func(t *testing.T, value string) {
		token, err := Token(authorization(value))
		switch {
		case err == nil && (token == "" || len(token) > MaxBytes || strings.ContainsAny(token, " ,;\"\r\n\t\x00") || !strings.HasSuffix(value, " "+token)):
			t.Errorf("%q gave %q", value, token)
		case err != nil && !errors.Is(err, ErrNone) && !errors.Is(err, ErrMalformed):
			t.Errorf("%q gave %v", value, err)
		}
	})
}
