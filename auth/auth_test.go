package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const secret = "q3T8vZ1mLw6Rk0Yb5Xc9Jd2Hf7Ng4Ps_"

// clock is when every test happens that does not say otherwise.
var clock = time.Unix(1795420800, 0) // 2026-11-23 08:00 UTC

// A sample is a token before it is signed, as text, so that a test can write
// what no JSON library would.
type sample struct {
	header, claims string
	algorithm      string
	key            any
}

// genuine is a sample that newVerifier accepts once it is signed.
func genuine() sample {
	return sample{
		header:    `{"alg":"HS256","kid":"k1","typ":"JWT"}`,
		claims:    `{"iss":"https://shop.example","sub":"u42","aud":"paybell","iat":1795420800,"nbf":1795420800,"exp":1795421100,"jti":"t1","orders":["A1001"]}`,
		algorithm: "HS256", key: []byte(secret),
	}
}

// head replaces one piece of the header, which must be there.
func (s sample) head(old, new string) sample {
	s.header = edit(s.header, old, new)
	return s
}

// claim replaces one piece of the claims, which must be there.
func (s sample) claim(old, new string) sample {
	s.claims = edit(s.claims, old, new)
	return s
}

func edit(text, old, new string) string {
	if !strings.Contains(text, old) {
		panic("no " + old + " in " + text)
	}
	return strings.Replace(text, old, new, 1)
}

func (s sample) sign(t testing.TB) string {
	t.Helper()
	text := b64([]byte(s.header)) + "." + b64([]byte(s.claims))
	signature, err := jwt.GetSigningMethod(s.algorithm).Sign(text, s.key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(signature)
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func newVerifier(t testing.TB, opts Options, more ...Key) *Verifier {
	t.Helper()
	if opts.Now == nil {
		opts.Now = func() time.Time { return clock }
	}
	v, err := NewVerifier(append([]Key{{ID: "k1", Algorithm: "HS256", Secret: secret}}, more...), opts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantRefused checks that each token is refused for the reason, in words that
// repeat nothing of it, by a verifier that accepts the genuine one.
func wantRefused(t *testing.T, want Reason, tokens ...string) {
	t.Helper()
	v := newVerifier(t, Options{})
	wantAccepted(t, v, genuine().sign(t))
	for _, token := range tokens {
		wantRefusedBy(t, v, want, token)
	}
}

func wantRefusedBy(t *testing.T, v *Verifier, want Reason, token string) {
	t.Helper()
	claims, err := v.Verify(token)
	if err == nil {
		t.Fatalf("accepted %s as %+v", token, claims)
	}
	if claims.ID != "" || claims.Orders != nil {
		t.Errorf("claims %+v came with the error %v", claims, err)
	}
	wantReason(t, err, want)
	if expired := want == ReasonExpired; errors.Is(err, ErrExpired) != expired {
		t.Errorf("errors.Is(%v, ErrExpired) is %v", err, !expired)
	}
	for _, part := range []string{"EVIL", "A1001", "u42", "shop.example"} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("error %q repeats what was sent", err)
		}
	}
}

func wantReason(t *testing.T, err error, want Reason) {
	t.Helper()
	why, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, ErrInvalid) {
		t.Fatalf("error %v is not an ErrInvalid", err)
	}
	if why.Reason != want {
		t.Errorf("refused as %q (%v), want %q", why.Reason, err, want)
	}
	if !strings.HasPrefix(err.Error(), "auth: ") {
		t.Errorf("error text %q", err)
	}
}

func wantAccepted(t *testing.T, v *Verifier, token string) Claims {
	t.Helper()
	claims, err := v.Verify(token)
	if err != nil {
		t.Fatalf("refused a genuine token: %v", err)
	}
	if len(claims.Orders) == 0 || claims.ID == "" || claims.KeyID == "" {
		t.Fatalf("claims %+v", claims)
	}
	return claims
}

// Test keys, made once.
var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	smallRSA   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	ecKey      = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	ed25519Key = sync.OnceValue(func() ed25519.PrivateKey {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return must(private, err)
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func privatePEM(private any) string {
	return encodePEM("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(private)))
}

func publicPEM(public any) string {
	return encodePEM("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(public)))
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestGenuineTokenSaysWhatItSays(t *testing.T) {
	got := wantAccepted(t, newVerifier(t, Options{Issuer: "https://shop.example"}), genuine().sign(t))
	if got.Issuer != "https://shop.example" || got.Subject != "u42" || got.ID != "t1" || got.KeyID != "k1" ||
		!slices.Equal(got.Orders, []string{"A1001"}) || !got.IssuedAt.Equal(clock) || !got.Expires.Equal(clock.Add(5*time.Minute)) {
		t.Errorf("claims %+v", got)
	}
}

func TestAcceptsWhatMayDiffer(t *testing.T) {
	v := newVerifier(t, Options{})
	for name, s := range map[string]sample{
		"no typ":              genuine().head(`,"typ":"JWT"`, ``),
		"typ in lower case":   genuine().head(`"JWT"`, `"jwt"`),
		"our own typ":         genuine().head(`"JWT"`, `"paybell+JWT"`),
		"other members":       genuine().head(`{`, `{"x5t":"abc","ver":1,`),
		"other claims":        genuine().claim(`{`, `{"name":"Lin","scope":{"a":[1,null]},`),
		"audiences":           genuine().claim(`"paybell"`, `["x","paybell"]`),
		"no nbf":              genuine().claim(`"nbf":1795420800,`, ``),
		"no sub":              genuine().claim(`"sub":"u42",`, ``),
		"no iss":              genuine().claim(`"iss":"https://shop.example",`, ``),
		"the same order":      genuine().claim(`["A1001"]`, `["A1001","A1001"]`),
		"hundred orders":      genuine().claim(`["A1001"]`, `["A1001"`+strings.Repeat(`,"A1"`, 99)+`]`),
		"the longest life":    genuine().claim(`"exp":1795421100`, `"exp":1795421700`),
		"a signer 30 s ahead": genuine().claim(`"iat":1795420800,"nbf":1795420800`, `"iat":1795420830,"nbf":1795420830`),
		"the last second":     genuine().claim(`"exp":1795421100`, `"exp":1795420801`).claim(`"iat":1795420800`, `"iat":1795420000`),
		"white space in JSON": genuine().claim(`{`, "{ \n "),
		"an escape in a name": genuine().claim(`"sub"`, `"\u0073ub"`),
	} {
		t.Run(name, func(t *testing.T) { wantAccepted(t, v, s.sign(t)) })
	}
}

func TestEveryAlgorithm(t *testing.T) {
	ec := encodePEM("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey())))
	pkcs1 := encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey()))
	for name, c := range map[string]struct{ sign, verify Key }{
		"HS256":               {Key{Secret: secret}, Key{Secret: secret}},
		"RS256":               {Key{PrivateKey: privatePEM(rsaKey())}, Key{PublicKey: publicPEM(rsaKey().Public())}},
		"RS256 PKCS #1":       {Key{PrivateKey: pkcs1}, Key{PublicKey: encodePEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey))}},
		"PS256":               {Key{PrivateKey: pkcs1}, Key{PublicKey: publicPEM(rsaKey().Public())}},
		"ES256":               {Key{PrivateKey: privatePEM(ecKey())}, Key{PublicKey: publicPEM(ecKey().Public())}},
		"ES256 SEC 1":         {Key{PrivateKey: ec}, Key{PrivateKey: ec}},
		"EdDSA":               {Key{PrivateKey: privatePEM(ed25519Key())}, Key{PublicKey: publicPEM(ed25519Key().Public())}},
		"EdDSA, one key":      {Key{PrivateKey: privatePEM(ed25519Key())}, Key{PrivateKey: privatePEM(ed25519Key())}},
		"EdDSA, blanks after": {Key{PrivateKey: privatePEM(ed25519Key()) + "\n \n"}, Key{PublicKey: "\n" + publicPEM(ed25519Key().Public())}},
	} {
		t.Run(name, func(t *testing.T) {
			c.sign.ID, c.sign.Algorithm = "new", name[:5]
			c.verify.ID, c.verify.Algorithm = "new", name[:5]
			m, err := NewMinter(c.sign, Options{Issuer: "https://shop.example"})
			if err != nil {
				t.Fatal(err)
			}
			m.now = func() time.Time { return clock }
			token, minted, err := m.Mint("u42", []string{"A1", "A2"}, 0)
			if err != nil {
				t.Fatal(err)
			}
			got := wantAccepted(t, newVerifier(t, Options{Issuer: "https://shop.example"}, c.verify), token)
			if !slices.Equal(got.Orders, minted.Orders) || got.ID != minted.ID || got.Subject != "u42" || got.KeyID != "new" ||
				!got.Expires.Equal(minted.Expires) || !got.Expires.Equal(clock.Add(5*time.Minute)) {
				t.Errorf("minted %+v, verified %+v", minted, got)
			}
			forged := token[:len(token)-8] + "AAAAAAAA"
			wantRefusedBy(t, newVerifier(t, Options{}, c.verify), ReasonSignature, forged)
		})
	}
}

// What the tests of Verify rest on: golang-jwt by itself accepts these. When
// a release no longer does, the comments that say so can go.
func TestGolangJWTIsLenientByItself(t *testing.T) {
	p := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(func() time.Time { return clock }), jwt.WithStrictDecoding())
	for name, s := range map[string]sample{
		"crit":      genuine().head(`{`, `{"crit":["b64"],"b64":false,`),
		"duplicate": genuine().claim(`{`, `{"exp":1,`),
		"no exp":    genuine().claim(`"exp":1795421100,`, ``),
	} {
		token, err := p.Parse(s.sign(t), func(*jwt.Token) (any, error) { return []byte(secret), nil })
		if err != nil || !token.Valid {
			t.Errorf("%s: %v", name, err)
		}
	}
	token := genuine().sign(t)
	_, err := p.Parse(token[:len(token)-4]+"\n"+token[len(token)-4:], func(*jwt.Token) (any, error) { return []byte(secret), nil })
	if err != nil {
		t.Errorf("newline in the signature: %v", err)
	}
}
