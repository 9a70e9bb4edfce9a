package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/paybell/paybell/internal/bearer"
	"github.com/paybell/paybell/internal/strictjson"
)

// maxTokenBytes bounds the work that a stranger's token can cause: header and
// claims are read before the signature can be checked.
const maxTokenBytes = bearer.MaxBytes

// Options tune a Verifier. The zero value is what production runs.
type Options struct {
	// Issuer is what iss must be. Empty: iss is not compared.
	Issuer string

	// Audience is what aud must hold, so that tokens made for another service
	// open nothing here. Empty means "paybell".
	Audience string

	// TokenType is what the header's typ must be, without regard to case. Empty
	// accepts no typ, "JWT" and "paybell+jwt", and so refuses access tokens
	// ("at+jwt"), logout tokens and the like.
	TokenType string

	// Revocations are the tokens that are refused before their time is up, and as
	// which none is minted. nil: there are none.
	Revocations *Revocations

	Now        func() time.Time // what exp, iat and nbf are compared with; nil means time.Now
	Log        *slog.Logger     // key sets that could not be read, and their changes; nil means slog.Default
	HTTPClient *http.Client     // reads key sets, never following redirects; nil means one of our own
}

// A Verifier tells genuine tokens from others. All its methods may be called
// from any goroutine.
type Verifier struct {
	issuer, audience, tokenType string
	now                         func() time.Time

	keys   map[string]key // by kid; the configured ones
	sets   []*keySet      // asked in the order of the configuration for any other kid
	claims *jwt.Validator

	revocations *Revocations
}

// NewVerifier returns a Verifier for tokens signed by any of keys. It refuses
// a key that anyone could guess or that does not fit its algorithm; the error
// names the key's id and the mend, never the secret. It reads no key set; see
// [Verifier.Refresh].
func NewVerifier(keys []Key, opts Options) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, errors.New("auth: no keys, so no token could be accepted; configure at least one")
	}
	v := &Verifier{
		issuer: opts.Issuer, audience: opts.Audience, tokenType: opts.TokenType, now: opts.Now,
		keys: map[string]key{}, revocations: opts.Revocations,
	}
	if v.audience == "" {
		v.audience = "paybell"
	}
	if v.now == nil {
		v.now = time.Now
	}
	ids := map[string]bool{}
	for i, k := range keys {
		if k.ID != "" && ids[k.ID] {
			return nil, fmt.Errorf("auth: key %q: another key has the same id; give each its own", k.ID)
		}
		ids[k.ID] = true
		if err := v.add(k, opts); err != nil {
			return nil, fmt.Errorf("auth: key %s: %w", label(k, i), err)
		}
	}
	v.claims = v.validator()
	return v, nil
}

func (v *Verifier) add(k Key, opts Options) error {
	if k.JWKS != "" {
		set, err := newKeySet(k, opts)
		if err == nil {
			v.sets = append(v.sets, set)
		}
		return err
	}
	parsed, err := parseKey(k)
	if err == nil {
		v.keys[k.ID] = parsed
	}
	return err
}

// validator makes golang-jwt check all of the claims that it can check;
// [payload.check] then says it again, more strictly where the library knows one
// leeway for everything.
func (v *Verifier) validator() *jwt.Validator {
	options := []jwt.ParserOption{
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithAudience(v.audience),
		jwt.WithLeeway(clockSkew), jwt.WithTimeFunc(v.now),
	}
	if v.issuer != "" {
		options = append(options, jwt.WithIssuer(v.issuer))
	}
	return jwt.NewValidator(options...)
}

// Verify returns what a token says when it is genuine, made for this service
// and valid now. Every error is an [ErrInvalid]; an expired token's is also an
// [ErrExpired], a revoked one's an [ErrRevoked], and only when the token was
// genuine otherwise. It never waits:
// a kid that no key set holds is refused at once, and asks for the sets to be
// read again soon.
func (v *Verifier) Verify(token string) (Claims, error) {
	parts, err := split(token)
	if err != nil {
		return Claims{}, err
	}
	key, err := v.key(parts.header)
	if err != nil {
		return Claims{}, err
	}
	p, err := readClaims(parts.claims)
	if err != nil {
		return Claims{}, err
	}
	// Not by the library's parser: it reads header and claims once more, and more
	// leniently. The key has chosen the method, and the header agreed.
	if jwt.GetSigningMethod(key.algorithm).Verify(parts.signed, parts.signature, key.public) != nil {
		return Claims{}, refuse(ReasonSignature, "signature does not match the key that kid names; sign with that key")
	}
	now := v.now()
	if why := p.check(v.issuer, v.audience, now); why != nil {
		return Claims{}, why
	}
	if v.claims.Validate(p) != nil {
		return Claims{}, refuse(ReasonClaims, "claims are not valid")
	}
	p.KeyID = key.id
	if v.revocations.Revoked(p.Claims, now) {
		return Claims{}, refuse(ReasonRevoked, "token was revoked; get a new one")
	}
	return p.Claims, nil
}

// The parts of a token, decoded, and the text that is signed.
type parts struct {
	header, claims, signature []byte
	signed                    string
}

// split takes a compact JWS (RFC 7515 section 7.1) apart. golang-jwt skips CR
// and LF inside a part, so that one token would have many spellings.
func split(token string) (p parts, err error) {
	if len(token) > maxTokenBytes {
		return parts{}, refuse(ReasonMalformed, fmt.Sprintf("token is longer than %d bytes; name fewer orders or drop claims that nobody reads", maxTokenBytes))
	}
	texts := strings.Split(token, ".")
	if len(texts) != 3 {
		return parts{}, refuse(ReasonMalformed, "token does not have three parts; send a signed JWT in compact form")
	}
	for i, into := range []*[]byte{&p.header, &p.claims, &p.signature} {
		*into, err = base64.RawURLEncoding.Strict().DecodeString(texts[i])
		if err != nil || texts[i] == "" || strings.ContainsAny(texts[i], "\r\n") {
			return parts{}, refuse(ReasonMalformed, "a part of the token is not base64url without padding (RFC 7515 section 2)")
		}
	}
	p.signed = token[:len(token)-len(texts[2])-1]
	return p, nil
}

// key returns the key that the header names. Only kid chooses it; the header's
// alg must then be the key's, and jku, jwk, x5u and x5c are ignored, because
// what a token brings along proves nothing about it.
func (v *Verifier) key(data []byte) (key, error) {
	header, err := readObject(data, "header members", headerNames)
	if err != nil {
		return key{}, err
	}
	if err := v.checkHeader(header); err != nil {
		return key{}, err
	}
	kid, has := header["kid"]
	id, ok := kid.(string)
	switch {
	case !has:
		return key{}, refuse(ReasonHeader, "header has no kid; set it to the id of the key that signs")
	case !ok || !validKeyID(id):
		return key{}, refuse(ReasonHeader, "header kid is not a string of 1 to 64 letters, digits, - and _; set it to the id of the key that signs")
	}
	k, ok := v.find(id)
	if !ok {
		return key{}, refuse(ReasonUnknown, "header kid names no key that is known here; set it to the id of a configured key")
	}
	if header["alg"] != k.algorithm {
		return key{}, refuse(ReasonAlgorithm, "header alg is not the algorithm configured for the key; sign with that one")
	}
	return k, nil
}

func (v *Verifier) checkHeader(header strictjson.Object) error {
	for _, name := range []string{"crit", "b64", "zip", "enc", "cty"} {
		if _, has := header[name]; has {
			return refuse(ReasonHeader, "header has "+name+", which is not supported; leave it out")
		}
	}
	typ, has := header["typ"]
	name, _ := typ.(string) // another type is no name that is accepted
	if v.tokenType != "" {
		if !strings.EqualFold(name, v.tokenType) {
			return refuse(ReasonHeader, "header typ is not the token type configured here; set it to that")
		}
	} else if has && !strings.EqualFold(name, "JWT") && !strings.EqualFold(name, "paybell+jwt") {
		return refuse(ReasonHeader, "header typ is of another kind of token; set it to JWT or paybell+jwt")
	}
	return nil
}

func (v *Verifier) find(id string) (key, bool) {
	if k, ok := v.keys[id]; ok {
		return k, true
	}
	for _, set := range v.sets {
		if k, ok := set.find(id); ok {
			return k, true
		}
	}
	for _, set := range v.sets {
		set.want()
	}
	return key{}, false
}

// Refresh reads every key set once, now, and returns what went wrong with any.
// Called before serving, it saves the first tokens after a start from being
// refused.
func (v *Verifier) Refresh(ctx context.Context) error {
	errs := make([]error, len(v.sets))
	var done sync.WaitGroup
	for i, set := range v.sets {
		done.Go(func() { errs[i] = set.refresh(ctx) })
	}
	done.Wait()
	return errors.Join(errs...)
}

// Run keeps the key sets fresh until ctx ends, and then returns nil. It starts
// one goroutine for each set, and waits for them.
func (v *Verifier) Run(ctx context.Context) error {
	var done sync.WaitGroup
	for _, set := range v.sets {
		done.Go(func() { set.run(ctx) })
	}
	<-ctx.Done()
	done.Wait()
	return nil
}
