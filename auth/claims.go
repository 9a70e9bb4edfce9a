package auth

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

const (
	maxLifetime = 15 * time.Minute // exp − iat
	clockSkew   = 30 * time.Second // how far a signer's clock may run ahead of ours
	maxOrders   = 100
	maxText     = 128 // bytes of sub and jti
)

// Times outside 2000–2100 are mistakes (milliseconds) or attacks (values that
// overflow on the way to a time.Time).
const (
	firstSecond = 946684800  // 2000-01-01
	lastSecond  = 4102444800 // 2100-01-01
)

var (
	claimNames  = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "orders"}
	headerNames = []string{"alg", "kid", "typ", "cty", "crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256"}
)

// A payload is a token's claims as read. Nothing in it is proved before the
// signature is.
type payload struct {
	Claims
	audience  []string
	notBefore time.Time // zero: none
}

// readClaims reads claims the one way they may be written: a strict JSON object,
// registered names in their exact case, whole numbers for times, and never a
// null or another type in the place of an answer.
func readClaims(data []byte) (*payload, error) {
	o, err := readObject(data, "claims", claimNames)
	if err != nil {
		return nil, err
	}
	var p payload
	if p.Issuer, err = text(o, "iss", len(data)); err != nil {
		return nil, err
	}
	if p.Subject, err = text(o, "sub", maxText); err != nil {
		return nil, err
	}
	if p.ID, err = text(o, "jti", maxText); err != nil {
		return nil, err
	}
	if p.ID == "" {
		return nil, refuse(ReasonClaims, "claims have no jti; set it to a random string of at most 128 bytes")
	}
	if p.audience, err = audience(o["aud"]); err != nil {
		return nil, err
	}
	if p.Orders, err = orders(o["orders"]); err != nil {
		return nil, err
	}
	if p.IssuedAt, err = moment(o, "iat"); err != nil {
		return nil, err
	}
	if p.Expires, err = moment(o, "exp"); err != nil {
		return nil, err
	}
	if _, has := o["nbf"]; has {
		if p.notBefore, err = moment(o, "nbf"); err != nil {
			return nil, err
		}
	}
	return &p, nil
}

// readObject reads a strict JSON object in which no name differs from one of
// names only in case: golang-jwt and others would take one for the other.
func readObject(data []byte, what string, names []string) (strictjson.Object, error) {
	o, err := strictjson.ParseObject(data)
	if err != nil {
		why := strings.TrimPrefix(err.Error(), "strictjson: ")
		return nil, refuse(ReasonMalformed, what+" are not one strict JSON object: "+why)
	}
	for have := range o {
		for _, name := range names {
			if have != name && strings.EqualFold(have, name) {
				return nil, refuse(ReasonMalformed, fmt.Sprintf("%s hold a name that differs from %s only in case; write %[2]s", what, name))
			}
		}
	}
	return o, nil
}

// text returns a string claim; one that is absent is empty.
func text(o strictjson.Object, name string, longest int) (string, error) {
	v, has := o[name]
	if !has {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", refuse(ReasonClaims, name+" is not a string; write a string, or leave it out where it is optional")
	}
	if len(s) > longest {
		return "", refuse(ReasonClaims, fmt.Sprintf("%s is longer than %d bytes; use a shorter one", name, longest))
	}
	return strings.Clone(s), nil
}

// moment returns a required time: whole seconds since 1970, as a JSON integer.
func moment(o strictjson.Object, name string) (time.Time, error) {
	v, has := o[name]
	if !has {
		return time.Time{}, refuse(ReasonClaims, "claims have no "+name+"; set it to a time in seconds since 1970")
	}
	n, ok := v.(strictjson.Number)
	seconds, err := strconv.ParseInt(string(n), 10, 64)
	if !ok || err != nil {
		return time.Time{}, refuse(ReasonClaims, name+" is not a JSON integer; write whole seconds since 1970, without quotes, fraction or exponent")
	}
	if seconds < firstSecond || seconds >= lastSecond {
		return time.Time{}, refuse(ReasonClaims, name+" is not in the years 2000 to 2099; write seconds since 1970, not milliseconds")
	}
	return time.Unix(seconds, 0), nil
}

func audience(v strictjson.Value) ([]string, error) {
	if s, ok := v.(string); ok {
		return []string{s}, nil
	}
	if all, ok := strs(v); ok {
		return all, nil
	}
	return nil, refuse(ReasonClaims, "aud is missing or is neither a string nor an array of strings; set it to the audience configured here")
}

// orders refuses all but a plain list of ids. Anything else read as "no limit"
// would open every order there is.
func orders(v strictjson.Value) ([]string, error) {
	ids, ok := strs(v)
	if !ok {
		return nil, refuse(ReasonClaims, "orders is missing or is not an array of strings; set it to the ids of the orders that the token opens")
	}
	if len(ids) == 0 || len(ids) > maxOrders {
		return nil, refuse(ReasonClaims, fmt.Sprintf("orders does not hold 1 to %d ids", maxOrders))
	}
	for _, id := range ids {
		if err := order.CheckID(id); err != nil {
			return nil, refuse(ReasonClaims, "an id in orders "+err.Error())
		}
	}
	return ids, nil
}

func strs(v strictjson.Value) ([]string, bool) {
	list, ok := v.([]strictjson.Value)
	if !ok {
		return nil, false
	}
	all := make([]string, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		all[i] = strings.Clone(s)
	}
	return all, true
}

// check says why these claims open nothing here and now, or nil.
func (p *payload) check(issuer, audience string, now time.Time) error {
	lifetime := p.Expires.Sub(p.IssuedAt)
	switch {
	case issuer != "" && p.Issuer != issuer:
		return refuse(ReasonIssuer, "iss is not the issuer configured here; set both to the same text")
	case !slices.Contains(p.audience, audience):
		return refuse(ReasonAudience, "aud does not hold the audience configured here; add it")
	case lifetime <= 0:
		return refuse(ReasonClaims, "exp is not after iat; set it to at most 15 minutes after")
	case lifetime > maxLifetime:
		return refuse(ReasonClaims, "exp is more than 15 minutes after iat; use a shorter life and renew the token")
	case p.IssuedAt.After(now.Add(clockSkew)):
		return refuse(ReasonEarly, "iat is in the future; set the signer's clock by NTP")
	case p.notBefore.After(now.Add(clockSkew)):
		return refuse(ReasonEarly, "token is not valid yet: nbf is in the future")
	case !now.Before(p.Expires):
		return refuse(ReasonExpired, "token expired; get a new one")
	}
	return nil
}

// The claims as golang-jwt asks for them.

func (p *payload) GetExpirationTime() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(p.Expires), nil
}
func (p *payload) GetIssuedAt() (*jwt.NumericDate, error) { return jwt.NewNumericDate(p.IssuedAt), nil }
func (p *payload) GetIssuer() (string, error)             { return p.Issuer, nil }
func (p *payload) GetSubject() (string, error)            { return p.Subject, nil }
func (p *payload) GetAudience() (jwt.ClaimStrings, error) { return p.audience, nil }
func (p *payload) GetNotBefore() (*jwt.NumericDate, error) {
	if p.notBefore.IsZero() {
		return nil, nil
	}
	return jwt.NewNumericDate(p.notBefore), nil
}
