package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/paybell/paybell/internal/bearer"
)

const minAPIKeyBytes = 20

// APIKeys are the keys with which the merchant's backend acts. Its methods may
// be called from any goroutine.
type APIKeys struct {
	keys []apiKey
}

// An apiKey is kept as its hash, so that comparing takes the same time for any
// length and any guess.
type apiKey struct {
	hash [sha256.Size]byte
	id   string
}

// NewAPIKeys returns a check for the given keys; with none, it refuses every
// request. Keys under 20 characters, placeholders, repeated keys and keys that
// no Authorization header can carry are refused by their number in the list.
func NewAPIKeys(keys []string) (*APIKeys, error) {
	k := &APIKeys{}
	seen := map[string]bool{}
	for i, text := range keys {
		why := ""
		switch {
		case len(text) < minAPIKeyBytes:
			why = fmt.Sprintf("is shorter than %d characters", minAPIKeyBytes)
		case !bearer.Bearable(text) || len(text) > maxTokenBytes:
			why = "has characters that a bearer token cannot have, or too many"
		case guessable(text):
			why = "is a well-known placeholder or a simple pattern"
		case seen[text]:
			why = "is there twice"
		}
		if why != "" {
			return nil, fmt.Errorf("auth: API key number %d %s; make one with: openssl rand -hex 32", i+1, why)
		}
		seen[text] = true
		k.keys = append(k.keys, apiKey{sha256.Sum256([]byte(text)), fingerprint(text)})
	}
	return k, nil
}

// fingerprint names a key in logs: 32 bits of a hash that is used for nothing else.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte("paybell API key id\x00" + text))
	return hex.EncodeToString(sum[:4])
}

// Check returns the id of the key in the request's Authorization header. The id
// is no secret: it is for logs and idempotency scopes, and stays the same as
// long as the key. The error is bearer.ErrNone,
// bearer.ErrMalformed or an [ErrInvalid].
func (k *APIKeys) Check(r *http.Request) (id string, err error) {
	text, err := bearer.Token(r.Header)
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(text))
	for _, have := range k.keys { // all of them: the time tells nothing of which matched
		if subtle.ConstantTimeCompare(have.hash[:], hash[:]) == 1 {
			id = have.id
		}
	}
	if id == "" {
		return "", refuse(ReasonUnknown, "API key is not one of those configured here")
	}
	return id, nil
}
