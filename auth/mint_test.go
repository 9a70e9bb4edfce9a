package auth

import (
	"strings"
	"testing"
	"time"
)

func newMinter(t testing.TB) *Minter {
	t.Helper()
	m, err := NewMinter(Key{ID: "k1", Algorithm: "HS256", Secret: secret}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.now = func() time.Time { return clock.Add(987 * time.Millisecond) }
	return m
}

func TestMintedTokenIsAccepted(t *testing.T) {
	m, v := newMinter(t), newVerifier(t, Options{})
	seen := map[string]bool{}
	for _, ttl := range []time.Duration{0, time.Second, 1999 * time.Millisecond, time.Minute, 15 * time.Minute} {
		token, minted, err := m.Mint("<&\u2028ä", []string{"A<&>1", `A"\1`}, ttl)
		if err != nil {
			t.Fatal(err)
		}
		got := wantAccepted(t, v, token)
		want := ttl.Truncate(time.Second)
		if ttl == 0 {
			want = DefaultLifetime
		}
		if got.Expires.Sub(got.IssuedAt) != want || !minted.Expires.Equal(got.Expires) || got.Subject != "<&\u2028ä" || got.Orders[1] != `A"\1` || got.Issuer != "" {
			t.Errorf("ttl %v: verified %+v", ttl, got)
		}
		if seen[got.ID] || len(got.ID) < 22 {
			t.Errorf("jti %q", got.ID)
		}
		seen[got.ID] = true
	}
}

func TestMintRefusesWhatNoVerifierAccepts(t *testing.T) {
	hundred := strings.Fields(strings.Repeat("A1 ", 100))
	long := strings.Fields(strings.Repeat(strings.Repeat("A", 128)+" ", 100))
	for name, c := range map[string]struct {
		subject string
		orders  []string
		ttl     time.Duration
		want    string
	}{
		"no orders":       {"", nil, 0, "1 to 100 orders"},
		"too many orders": {"", append(hundred, "A1"), 0, "1 to 100 orders"},
		"bad order":       {"", []string{"A1", "A 1"}, 0, "order id"},
		"long subject":    {strings.Repeat("u", 129), []string{"A1"}, 0, "subject"},
		"broken subject":  {"\xff", []string{"A1"}, 0, "subject"},
		"long life":       {"", []string{"A1"}, 15*time.Minute + time.Second, "15 minutes"},
		"no life":         {"", []string{"A1"}, 999 * time.Millisecond, "1 second"},
		"negative life":   {"", []string{"A1"}, -time.Minute, "1 second"},
		"too long":        {"", long, 0, "4096 bytes"},
	} {
		token, claims, err := newMinter(t).Mint(c.subject, c.orders, c.ttl)
		if err == nil || !strings.HasPrefix(err.Error(), "auth: mint: ") || !strings.Contains(err.Error(), c.want) || token != "" || claims.ID != "" {
			t.Errorf("%s: %q, %+v, %v", name, token, claims, err)
		}
	}
	token, _, err := newMinter(t).Mint("", hundred, 0)
	if err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, newVerifier(t, Options{}), token)
}

func TestMinterNeedsASigningKey(t *testing.T) {
	for _, c := range []struct {
		key  Key
		want string
	}{
		{Key{ID: "k", Algorithm: "ES256", PublicKey: publicPEM(ecKey().Public())}, `key "k": only verifies`},
		{Key{Algorithm: "ES256", JWKS: "https://keys.example/"}, "only verifies"},
		{Key{ID: "k", Algorithm: "HS256", Secret: "short"}, `key "k": its secret is shorter`},
		{Key{ID: "k", Algorithm: "ES256", PrivateKey: privatePEM(rsaKey())}, "ES256 takes"},
	} {
		if _, err := NewMinter(c.key, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func TestMinterNamesItsIssuerAudienceAndType(t *testing.T) {
	m, err := NewMinter(Key{ID: "k1", Algorithm: "HS256", Secret: secret}, Options{Issuer: "https://pay.example", Audience: "shop", TokenType: "paybell+jwt"})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := m.Mint("", []string{"A1"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := wantAccepted(t, newVerifier(t, Options{Issuer: "https://pay.example", Audience: "shop", TokenType: "paybell+jwt", Now: time.Now}), token)
	if got.Issuer != "https://pay.example" {
		t.Errorf("issuer %q", got.Issuer)
	}
}
