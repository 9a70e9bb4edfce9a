package webhook

import (
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What signature schemes share. The errors say what is wrong in words that
// follow the name of the thing ("secret 1 is empty"), so that a provider wraps
// them with its own. None quotes a secret, a signature or a body.

// DefaultTolerance is how far the signed time of a request may be off, in the
// past and in the future, where an operator sets nothing else. Stripe's and the
// Standard Webhooks libraries have the same.
const DefaultTolerance = 5 * time.Minute

// Header returns the value of a header that must be there exactly once. Of two
// values, somebody else may have believed the other one.
func Header(h http.Header, name string) (string, error) {
	switch values := h.Values(name); len(values) {
	case 0:
		return "", fmt.Errorf("no header %s", name)
	case 1:
		return values[0], nil
	}
	return "", fmt.Errorf("more than one header %s", name)
}

// DecodeHex reads a signature of size bytes. It reports false for any other
// length, and for what is not hex.
func DecodeHex(s string, size int) ([]byte, bool) {
	if len(s) != hex.EncodedLen(size) {
		return nil, false
	}
	decoded, err := hex.DecodeString(s)
	return decoded, err == nil
}

// HMAC returns the code of the parts, one after the other.
func HMAC(newHash func() hash.Hash, secret []byte, parts ...[]byte) []byte {
	h := hmac.New(newHash, secret)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// SignedBy says whether any of the signatures is the HMAC of the parts under
// any of the secrets. All are compared, each in constant time, so that nobody
// learns which one matched.
func SignedBy(newHash func() hash.Hash, secrets, signatures [][]byte, parts ...[]byte) bool {
	signed := false
	for _, secret := range secrets {
		sum := HMAC(newHash, secret, parts...)
		for _, signature := range signatures {
			if hmac.Equal(sum, signature) {
				signed = true
			}
		}
	}
	return signed
}

// ParseUnix reads a time in whole seconds since 1970: digits only, because
// strconv would take a sign, and no more of them than a reasonable year has.
func ParseUnix(s string) (time.Time, error) {
	if s == "" || len(s) > 11 || strings.Trim(s, "0123456789") != "" {
		return time.Time{}, errors.New("timestamp is not a whole number of seconds")
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(seconds, 0), err
}

// CheckWindow refuses a request that was signed more than tolerance before or
// after now, with a [*WindowError]. Too new is refused as well: such a request
// could be kept and sent again for as long as its time lies ahead.
func CheckWindow(signed, now time.Time, tolerance time.Duration) error {
	if age := now.Sub(signed).Round(time.Second); age > tolerance || age < -tolerance {
		return &WindowError{Signed: signed, Age: age, Tolerance: tolerance}
	}
	return nil
}

// A WindowError says that a request was signed at another time than now. Nothing
// is known yet of its signature.
type WindowError struct {
	Signed    time.Time
	Age       time.Duration // to the second; below zero: it is from the future
	Tolerance time.Duration
}

func (e *WindowError) Error() string {
	if e.Age < 0 {
		return fmt.Sprintf("signed %v in the future; the window is %v: a clock is wrong", -e.Age, e.Tolerance)
	}
	return fmt.Sprintf("signed %v ago; the window is %v: a clock may be wrong, or the request is a replay", e.Age, e.Tolerance)
}

// CheckSecret says what is wrong with a secret, or nil: it must be at least
// least bytes long and no placeholder. The mend is how to get a good one.
func CheckSecret(secret string, least int, mend string) error {
	switch {
	case secret == "":
		return errors.New("is empty; " + mend)
	case strings.TrimSpace(secret) != secret:
		return errors.New("begins or ends with white space; " + mend)
	case placeholder(secret):
		return errors.New("is a placeholder, which anybody could guess; " + mend)
	case len(secret) < least:
		return fmt.Errorf("has %d bytes, fewer than %d; %s", len(secret), least, mend)
	}
	return nil
}

// placeholder says whether a secret was written by hand to be replaced: with
// one of the usual words, or by repeating a few characters. Of 24 random
// characters, fewer than eight different ones do not occur.
func placeholder(secret string) bool {
	text := strings.TrimPrefix(strings.ToLower(secret), "whsec_")
	plain := strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(text)
	for _, word := range []string{"changeme", "replaceme", "placeholder", "yoursecret", "example"} {
		if strings.Contains(plain, word) {
			return true
		}
	}
	for _, word := range []string{"testsecret", "webhooksecret", "secretkey"} {
		if _, rest, found := strings.Cut(plain, word); found && byHand(text, rest) {
			return true
		}
	}
	for _, word := range []string{"test", "secret", "password", "todo", "dummy"} {
		rest, found := strings.CutPrefix(text, word)
		if plain == word || found && (strings.HasPrefix(rest, "_") || strings.HasPrefix(rest, "-")) && byHand(text, rest[1:]) {
			return true
		}
	}
	different := map[rune]bool{}
	for _, r := range text {
		different[r] = true
	}
	return len(different) < 8
}

var wordsAndNumbers = regexp.MustCompile(`^([a-z]*[0-9]*[_. -]+)*[a-z]*[0-9]*$`)

// byHand says whether a text, in which rest follows a usual word, ends soon or
// is all words and numbers. Providers too begin the secrets of their sandboxes
// with test_; but of random characters, some digits stand before letters.
func byHand(text, rest string) bool {
	return len(rest) < 16 || wordsAndNumbers.MatchString(text)
}
