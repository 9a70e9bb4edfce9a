package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// claims is what a token must say for centrifuge and nchan-auth; mercure has its
// own.
type claims struct {
	jwt.RegisteredClaims
	Channels []string `json:"channels"` // the orders that may be watched
}

// parseToken checks a token's signature (HS256) and expiry, which it must have.
func parseToken(token string, secret []byte) (claims, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c,
		func(*jwt.Token) (any, error) { return secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	if err == nil && len(c.Channels) == 0 {
		err = fmt.Errorf("the token names no channels")
	}
	return c, err
}

// checkToken answers nginx's sub-request for a connect: 200 when the bearer token
// names the channel, 403 when not.
func checkToken(secret []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		c, err := parseToken(token, secret)
		if err != nil || !slices.Contains(c.Channels, r.Header.Get("X-Channel-Id")) {
			w.WriteHeader(http.StatusForbidden)
		}
	})
}
