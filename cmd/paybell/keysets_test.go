package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// An identityProvider publishes a key, and signs tokens with it.
type identityProvider struct {
	*httptest.Server
	private ed25519.PrivateKey
}

func startIdentityProvider(t *testing.T, delay time.Duration) *identityProvider {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &identityProvider{private: private}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(delay)
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"idp-1","x":%q}]}`,
			base64.RawURLEncoding.EncodeToString(public))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *identityProvider) token(t *testing.T, issuer string) string {
	t.Helper()
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "aud": "paybell", "iat": now, "exp": now + 60, "jti": "t1", "orders": []string{"A1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"EdDSA","kid":"idp-1","typ":"JWT"}`)) + "." + encode(claims)
	return signed + "." + encode(ed25519.Sign(p.private, []byte(signed)))
}

func withKeySet(url string) func(*config) {
	return func(c *config) {
		c.Auth.Keys = append(c.Auth.Keys, keyConfig{ID: "idp", Algorithm: "EdDSA", JWKS: addressURL(url)})
	}
}

// TestFirstTokenOfAKeySetIsAccepted has a source slow enough that a gateway which
// served before it knew the keys would refuse the token.
func TestFirstTokenOfAKeySetIsAccepted(t *testing.T) {
	idp := startIdentityProvider(t, 300*time.Millisecond)
	gw := startGatewayWith(t, t.TempDir()+"/l.db", withKeySet(idp.URL))
	response, content := gw.do("GET", "/v1/orders/A1", idp.token(t, gw.config.Auth.Issuer), "")
	if response.StatusCode != http.StatusOK {
		t.Errorf("the first token was answered %d: %s", response.StatusCode, content)
	}
}

func TestGatewayStartsWithoutItsKeySet(t *testing.T) {
	idp := startIdentityProvider(t, 0)
	idp.Close()
	gw := startGatewayWith(t, t.TempDir()+"/l.db", withKeySet(idp.URL))
	if response, content := gw.do("GET", "/v1/orders/A1", gw.session("A1"), ""); response.StatusCode != http.StatusOK {
		t.Errorf("a token of another key was answered %d: %s", response.StatusCode, content)
	}
	if logs := gw.logs.String(); !strings.Contains(logs, `level=WARN msg="start without all token keys"`) || !strings.Contains(logs, idp.URL) {
		t.Errorf("the logs do not say which keys are missing: %s", logs)
	}
}
