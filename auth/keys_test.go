package auth

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"
)

// wantNoVerifier checks that the key is refused with an error that names it and
// says want, and holds nothing of what must stay secret.
func wantNoVerifier(t *testing.T, k Key, want string) {
	t.Helper()
	_, err := NewVerifier([]Key{{ID: "good", Algorithm: "HS256", Secret: secret}, k}, Options{})
	if err == nil {
		t.Fatalf("took key %+v", k)
	}
	name := "number 2"
	if validKeyID(k.ID) {
		name = `"` + k.ID + `"`
	}
	if text := err.Error(); !strings.HasPrefix(text, "auth: key "+name+": ") || !strings.Contains(text, want) {
		t.Errorf("error %q does not name key %s and say %q", text, name, want)
	}
	for _, hidden := range []string{k.Secret, k.PublicKey, k.PrivateKey} {
		if len(hidden) > 4 && strings.Contains(err.Error(), hidden) {
			t.Errorf("error %q tells the key", err)
		}
	}
}

func TestRefusesShortSecret(t *testing.T) {
	for _, s := range []string{"x", secret[:31]} {
		wantNoVerifier(t, Key{ID: "k", Algorithm: "HS256", Secret: s}, "shorter than 32 bytes")
	}
	wantNoVerifier(t, Key{ID: "k", Algorithm: "HS256"}, "exactly one")
}

func TestRefusesPlaceholderSecret(t *testing.T) {
	for _, s := range []string{
		"changemechangemechangemechangeme",
		"changeme-changeme-please-changeme!",
		"CHANGE_ME_CHANGE_ME_CHANGE_ME_123",
		"your-256-bit-secret-your-256-bit-secret",
		"a-string-secret-at-least-256-bits-long",
		"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long"[:38],
		"replace-this-with-your-secret-key!!!",
		"super-secret-jwt-signing-key-for-test",
		"secret_secret_secret_secret_secret",
		"this-is-a-very-long-secret-key-please",
		strings.Repeat("a", 32),
		strings.Repeat("0", 64),
		strings.Repeat("ab", 20),
		strings.Repeat("0123456789abcdef", 2),
		"abcdefghijklmnopqrstuvwxyz012345",
		"12345678901234567890123456789012",
		"qwertyuiopasdfghjklzxcvbnmqwertyuiop",
		"deadbeefdeadbeefdeadbeefdeadbeef00",
	} {
		wantNoVerifier(t, Key{ID: "k", Algorithm: "HS256", Secret: s}, "placeholder")
	}
}

func TestTakesRandomSecret(t *testing.T) {
	for range 2000 {
		random := make([]byte, 32)
		rand.Read(random)
		for _, s := range []string{rand.Text() + rand.Text(), b64(random), string(random), "pb_test_key_" + rand.Text() + rand.Text()} {
			if strings.TrimSpace(s) != s {
				continue
			}
			if err := checkSecret(s); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
		}
	}
}

func TestRefusesSecretWithBlanksAtItsEnds(t *testing.T) {
	wantNoVerifier(t, Key{ID: "k", Algorithm: "HS256", Secret: secret + "\n"}, "white space")
}

func TestRefusesPEMAsSecret(t *testing.T) {
	wantNoVerifier(t, Key{ID: "k", Algorithm: "HS256", Secret: publicPEM(rsaKey().Public())}, "PEM")
}

func TestRefusesSmallRSAKey(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256"} {
		wantNoVerifier(t, Key{ID: "k", Algorithm: alg, PublicKey: publicPEM(smallRSA().Public())}, "1024 bits")
		wantNoVerifier(t, Key{ID: "k", Algorithm: alg, PrivateKey: privatePEM(smallRSA())}, "1024 bits")
	}
}

func TestRefusesUnsafeRSAExponent(t *testing.T) {
	for _, e := range []int{1, 4} {
		public := rsa.PublicKey{N: rsaKey().N, E: e}
		if err := checkPublic("RS256", &public); err == nil || !strings.Contains(err.Error(), "exponent") {
			t.Errorf("exponent %d: %v", e, err)
		}
	}
}

func TestRefusesWrongKindOfKey(t *testing.T) {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for _, c := range []struct {
		algorithm string
		public    any
	}{
		{"RS256", ecKey().Public()}, {"PS256", ed25519Key().Public()}, {"ES256", rsaKey().Public()},
		{"ES256", p384.Public()}, {"EdDSA", ecKey().Public()}, {"EdDSA", rsaKey().Public()},
	} {
		wantNoVerifier(t, Key{ID: "k", Algorithm: c.algorithm, PublicKey: publicPEM(c.public)}, c.algorithm+" takes")
	}
	wantNoVerifier(t, Key{ID: "k", Algorithm: "HS256", PublicKey: publicPEM(rsaKey().Public())}, "HS256 goes with a secret")
	wantNoVerifier(t, Key{ID: "k", Algorithm: "RS256", Secret: secret}, "HS256 goes with a secret")
	x25519 := privatePEM(must(ecdh.X25519().GenerateKey(rand.Reader)))
	wantNoVerifier(t, Key{ID: "k", Algorithm: "EdDSA", PrivateKey: x25519}, "of a kind")
}

func TestRefusesUnreadablePEM(t *testing.T) {
	public, private := publicPEM(ecKey().Public()), privatePEM(ecKey())
	for _, c := range []struct {
		key  Key
		want string
	}{
		{Key{PublicKey: "MFkw"}, "not PEM"},
		{Key{PrivateKey: "MFkw"}, "not PEM"},
		{Key{PublicKey: public + public}, "something follows"},
		{Key{PublicKey: private}, "another type"},
		{Key{PrivateKey: public}, "another type"},
		{Key{PrivateKey: encodePEM("ENCRYPTED PRIVATE KEY", []byte("x"))}, "nocrypt"},
		{Key{PublicKey: encodePEM("PUBLIC KEY", []byte("x"))}, "cannot be read"},
		{Key{PublicKey: encodePEM("RSA PUBLIC KEY", []byte("x"))}, "cannot be read"},
		{Key{PrivateKey: encodePEM("PRIVATE KEY", []byte("x"))}, "cannot be read"},
		{Key{PrivateKey: encodePEM("RSA PRIVATE KEY", []byte("x"))}, "cannot be read"},
		{Key{PrivateKey: encodePEM("EC PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey()))}, "cannot be read"},
	} {
		c.key.ID, c.key.Algorithm = "k", "ES256"
		wantNoVerifier(t, c.key, c.want)
	}
}

func TestRefusesBadKeyID(t *testing.T) {
	for _, id := range []string{"a b", "../k", "k/1", "ä", strings.Repeat("k", 65), "k\n"} {
		wantNoVerifier(t, Key{ID: id, Algorithm: "HS256", Secret: secret}, "choose another")
		wantNoVerifier(t, Key{ID: id, Algorithm: "ES256", JWKS: "https://keys.example/"}, "choose another")
	}
	wantNoVerifier(t, Key{Algorithm: "HS256", Secret: secret}, "no id")
}

func TestRefusesDuplicateKeyID(t *testing.T) {
	wantNoVerifier(t, Key{ID: "good", Algorithm: "HS256", Secret: secret}, "same id")
	wantNoVerifier(t, Key{ID: "good", Algorithm: "ES256", JWKS: "https://keys.example/"}, "same id")
}

func TestRefusesUnknownAlgorithm(t *testing.T) {
	for _, alg := range []string{"", "none", "hs256", "HS512", "RS512", "ES384", "Ed25519"} {
		wantNoVerifier(t, Key{ID: "k", Algorithm: alg, Secret: secret}, "none of HS256")
	}
}

func TestRefusesTwoKeysInOne(t *testing.T) {
	wantNoVerifier(t, Key{ID: "k", Algorithm: "HS256", Secret: secret, JWKS: "https://keys.example/"}, "exactly one")
	wantNoVerifier(t, Key{ID: "k", Algorithm: "ES256", PublicKey: publicPEM(ecKey().Public()), PrivateKey: privatePEM(ecKey())}, "exactly one")
}

func TestRefusesNoKeys(t *testing.T) {
	if _, err := NewVerifier(nil, Options{}); err == nil || !strings.Contains(err.Error(), "no keys") {
		t.Errorf("error %v", err)
	}
}

func TestRefusesUnsafeJWKSURL(t *testing.T) {
	for url, want := range map[string]string{
		"http://keys.example/jwks":          "not https",
		"http://127.0.0.1.keys.example/":    "not https",
		"http://10.0.0.1/":                  "not https",
		"ftp://keys.example/":               "not https",
		"file:///etc/keys":                  "absolute",
		"keys.example/jwks":                 "absolute",
		"https://":                          "absolute",
		"https://keys.example/%zz":          "absolute",
		"https://user:pass@keys.example/":   "password",
		"https://keys.example/jwks#section": "fragment",
	} {
		wantNoVerifier(t, Key{ID: "set", Algorithm: "ES256", JWKS: url}, want)
	}
	wantNoVerifier(t, Key{ID: "set", Algorithm: "HS256", JWKS: "https://keys.example/"}, "HS256 goes with a secret")
	for _, url := range []string{"https://keys.example/jwks?tenant=1", "http://localhost:8080/", "http://127.0.0.1:1/", "http://[::1]/jwks"} {
		if _, err := NewVerifier([]Key{{Algorithm: "ES256", JWKS: url}}, Options{}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
