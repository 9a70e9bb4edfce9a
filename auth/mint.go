package auth

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/paybell/paybell/order"
)

// DefaultLifetime is how long a minted token lives when nothing else is asked.
const DefaultLifetime = 5 * time.Minute

// A Minter makes the tokens that a [Verifier] with the same key accepts. Its
// methods may be called from any goroutine.
type Minter struct {
	key              key
	method           jwt.SigningMethod
	issuer, audience string
	tokenType        string
	now              func() time.Time
	revocations      *Revocations
}

// NewMinter returns a Minter whose tokens a [Verifier] with the same options
// accepts. It signs with k: a secret for HS256, a private key for any other
// algorithm. An empty issuer is left out of the tokens.
func NewMinter(k Key, opts Options) (*Minter, error) {
	if k.JWKS != "" || k.PublicKey != "" {
		return nil, fmt.Errorf("auth: key %s: only verifies; give its private key or a secret to mint with", label(k, 0))
	}
	parsed, err := parseKey(k)
	if err != nil {
		return nil, fmt.Errorf("auth: key %s: %w", label(k, 0), err)
	}
	m := &Minter{
		key: parsed, method: jwt.GetSigningMethod(parsed.algorithm),
		issuer: opts.Issuer, audience: cmp.Or(opts.Audience, "paybell"),
		tokenType: cmp.Or(opts.TokenType, "JWT"), now: opts.Now, revocations: opts.Revocations,
	}
	if m.now == nil {
		m.now = time.Now
	}
	return m, nil
}

// Mint returns a token that opens orders until ttl from now, and what it says.
// A ttl of 0 means [DefaultLifetime]; it is cut to whole seconds, of which there
// must be 1 to 900. An empty subject is left out. With a key that is revoked it is
// ErrRevoked. Where older tokens of the subject or the orders were revoked within
// this second, the new one says that it was issued in the next.
func (m *Minter) Mint(subject string, orders []string, ttl time.Duration) (string, Claims, error) {
	if ttl == 0 {
		ttl = DefaultLifetime
	}
	ttl = ttl.Truncate(time.Second)
	if ttl <= 0 || ttl > maxLifetime {
		return "", Claims{}, errors.New("auth: mint: a token lives 1 second to 15 minutes; ask for such a ttl, and renew the token")
	}
	if len(subject) > maxText || !utf8.ValidString(subject) {
		return "", Claims{}, fmt.Errorf("auth: mint: subject is not UTF-8 of at most %d bytes", maxText)
	}
	if len(orders) == 0 || len(orders) > maxOrders {
		return "", Claims{}, fmt.Errorf("auth: mint: a token names 1 to %d orders", maxOrders)
	}
	for _, id := range orders {
		if err := order.CheckID(id); err != nil {
			return "", Claims{}, fmt.Errorf("auth: mint: order id %w", err)
		}
	}
	now := m.now().Truncate(time.Second)
	c := Claims{
		Issuer: m.issuer, Subject: subject, ID: rand.Text(), Orders: orders,
		IssuedAt: now, KeyID: m.key.id,
	}
	if from := m.revocations.validFrom(c, now); from.After(now) {
		c.IssuedAt = from
	}
	c.Expires = c.IssuedAt.Add(ttl)
	if m.revocations.Revoked(c, now) {
		return "", Claims{}, fmt.Errorf("auth: mint: %w: its key %s is; sign with another", ErrRevoked, label(Key{ID: m.key.id}, 0))
	}
	token, err := m.sign(c)
	if err != nil {
		return "", Claims{}, err
	}
	return token, c, nil
}

func (m *Minter) sign(c Claims) (string, error) {
	claims := jwt.MapClaims{
		"aud": m.audience, "exp": c.Expires.Unix(), "iat": c.IssuedAt.Unix(), "jti": c.ID, "orders": c.Orders,
	}
	if c.Issuer != "" {
		claims["iss"] = c.Issuer
	}
	if c.Subject != "" {
		claims["sub"] = c.Subject
	}
	t := jwt.NewWithClaims(m.method, claims)
	t.Header["kid"], t.Header["typ"] = c.KeyID, m.tokenType
	token, err := t.SignedString(m.key.private)
	if err != nil {
		return "", fmt.Errorf("auth: mint: sign: %w", err)
	}
	if len(token) > maxTokenBytes {
		return "", fmt.Errorf("auth: mint: the token would be longer than %d bytes; name fewer orders", maxTokenBytes)
	}
	return token, nil
}
