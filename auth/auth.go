// Package auth says who may look at which orders, and who may act for the
// merchant.
//
// A customer shows a token: a JWT (RFC 7519) that names the orders it opens and
// ends within 15 minutes. [Verifier] accepts it only when it is signed by a
// configured key, with that key's own algorithm, and says everything it must
// say in the one way it may be said; a token that names no orders opens none.
// [Minter] makes such tokens. The merchant's backend shows an API key, which
// [APIKeys] checks. No error text and no log line holds any part of a token, a
// secret or an API key.
//
// What a token's bearer then sees, and ending a connection when its token ends or
// is revoked, is package hub's business.
package auth

import (
	"errors"
	"time"
)

// What callers branch on. Each error about a token is an ErrInvalid, about an
// expired one also an ErrExpired, and about a revoked one also an ErrRevoked.
var (
	ErrInvalid = errors.New("auth: token not valid")
	ErrExpired = errors.New("auth: token expired")
	ErrRevoked = errors.New("auth: token revoked")
)

// LongestUse is for how long, at most, a token is good that there is already: its
// longest life, and how far its signer's clock may run ahead.
const LongestUse = maxLifetime + clockSkew

// A Reason is the stable name of why a token was refused, short enough for a
// metric label and drawn from the constants below only.
type Reason string

// The reasons for refusing a token or an API key.
const (
	ReasonMalformed Reason = "malformed" // not a bearer token, or not a JWT of three parts with strict JSON in them
	ReasonHeader    Reason = "header"    // a header member that is missing, of the wrong type or not supported
	ReasonUnknown   Reason = "unknown"   // no key of that kid, or no such API key
	ReasonAlgorithm Reason = "algorithm" // not the algorithm of the key
	ReasonSignature Reason = "signature" // not signed with the key
	ReasonClaims    Reason = "claims"    // a claim that is missing, of the wrong type or out of bounds
	ReasonIssuer    Reason = "issuer"    // made by someone else
	ReasonAudience  Reason = "audience"  // made for someone else
	ReasonEarly     Reason = "early"     // not valid yet
	ReasonExpired   Reason = "expired"
	ReasonRevoked   Reason = "revoked"
)

// An Error says why a token was refused and how to mend it. Its text is chosen
// for strangers: it repeats nothing of what they sent.
type Error struct {
	Reason Reason
	text   string
}

func refuse(reason Reason, text string) *Error { return &Error{reason, text} }

func (e *Error) Error() string { return "auth: " + e.text }

// Is makes every Error an [ErrInvalid], and one for an expired or revoked token
// also an [ErrExpired] or [ErrRevoked].
func (e *Error) Is(target error) bool {
	return target == ErrInvalid || target == ErrExpired && e.Reason == ReasonExpired ||
		target == ErrRevoked && e.Reason == ReasonRevoked
}

// Claims are what a verified token says.
type Claims struct {
	Issuer  string // empty: it does not say, and none is configured
	Subject string // the customer; empty: it does not say
	ID      string // jti: names this token in logs and revocations, never opens anything
	// Orders are the exact ids of the orders that the token opens: 1 to 100 that
	// pass order.CheckID.
	Orders   []string
	IssuedAt time.Time
	Expires  time.Time // the token is worth nothing from here on
	KeyID    string    // the key that signed
}
