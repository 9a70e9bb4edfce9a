// Package bearer finds the token in a request's Authorization header, for
// whoever answers HTTP. What the token is worth is for package auth to say.
package bearer

import (
	"errors"
	"net/http"
	"strings"
)

// MaxBytes is the longest token that is looked at.
const MaxBytes = 4096

var (
	// ErrNone means that the request brings no bearer token.
	ErrNone = errors.New("bearer: no token; send it as Authorization: Bearer <token>")
	// ErrMalformed means that it brings something in a token's place which is
	// none, or two of them.
	ErrMalformed = errors.New("bearer: send one Authorization header: Bearer, a space and one token of at most 4096 bytes")
)

// Token returns the token in a request's Authorization header (RFC 6750,
// section 2.1). Without the header, or with one of another scheme, such as the
// Basic that a browser repeats by itself, the error is [ErrNone]. A second
// header, or a token that is none, is [ErrMalformed]: two readers might pick
// different ones.
func Token(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", ErrNone
	}
	if len(values) > 1 {
		return "", ErrMalformed
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", ErrNone
	}
	token = strings.TrimLeft(token, " ")
	if len(token) > MaxBytes || !Bearable(token) {
		return "", ErrMalformed
	}
	return token, nil
}

// Bearable says whether s has the form of a token that a header can carry
// (b64token, RFC 6750, section 2.1).
func Bearable(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~+/", c) >= 0) {
			return false
		}
	}
	return s != ""
}
