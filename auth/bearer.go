package auth

import (
	"fmt"
	"net/http"
	"strings"
)

// BearerToken returns the token in a request's Authorization header (RFC 6750
// section 2.1). Without the header, or with one of another scheme, such as the
// Basic that a browser repeats by itself, the error is an [ErrNoToken]. A second
// header, or a token that is none, is an [ErrInvalid]: two readers might pick
// different ones.
func BearerToken(h http.Header) (string, error) {
	values := h["Authorization"]
	switch len(values) {
	case 0:
		return "", ErrNoToken
	case 1:
	default:
		return "", refuse(ReasonMalformed, "request has more than one Authorization header; send one")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", fmt.Errorf("%w, not another scheme", ErrNoToken)
	}
	token = strings.TrimLeft(token, " ")
	if len(token) > maxTokenBytes || !bearable(token) {
		return "", refuse(ReasonMalformed, fmt.Sprintf("Authorization is not Bearer, a space and one token of at most %d bytes", maxTokenBytes))
	}
	return token, nil
}

// bearable says whether s is a b64token (RFC 6750 section 2.1).
func bearable(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~+/", c) >= 0) {
			return false
		}
	}
	return s != ""
}
