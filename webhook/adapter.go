package webhook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

// What the providers have in common that sign a body with a shared secret and
// write JSON.

// Keys checks the secrets of a source and returns them as bytes. The errors
// begin with the provider's name and hold no part of a secret; the mend is how
// to get a good one.
func Keys(provider string, secrets []string, least int, mend string) ([][]byte, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%s: no secrets: anybody could send; %s", provider, mend)
	}
	var keys [][]byte
	for i, s := range secrets {
		if err := CheckSecret(s, least, mend); err != nil {
			return nil, fmt.Errorf("%s: secret %d %w", provider, i+1, err)
		}
		keys = append(keys, []byte(s))
	}
	return keys, nil
}

// OpenWith is a provider's Open, made of its two halves: verify proves the
// sender, and only then read is asked for the events, which are tidied.
func OpenWith(r Request, verify func(Request) error, read func(body []byte) ([]order.Event, error)) ([]order.Event, error) {
	if err := verify(r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnverified, err)
	}
	events, err := read(r.Body)
	for i := range events {
		if err != nil {
			break
		}
		events[i], err = Tidy(events[i])
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return events, nil
}

// A Scheme is how a provider signs: the HMAC of some bytes, written as text in
// one header.
type Scheme struct {
	Header string
	Hash   func() hash.Hash
	Base64 bool // else hex
}

// Verify proves that a request's header is the signature of the parts under any
// of the keys.
func (s Scheme) Verify(r Request, keys [][]byte, parts ...[]byte) error {
	text, err := Header(r.Header, s.Header)
	if err != nil {
		return err
	}
	size, form := s.Hash().Size(), "hex"
	decode := DecodeHex
	if s.Base64 {
		decode, form = DecodeBase64, "base64"
	}
	signature, ok := decode(text, size)
	if !ok {
		return fmt.Errorf("%s is not %d bytes in %s", s.Header, size, form)
	}
	if !SignedBy(s.Hash, keys, [][]byte{signature}, parts...) {
		return ErrMismatch
	}
	return nil
}

// Sign returns the header's text for the parts.
func (s Scheme) Sign(key []byte, parts ...[]byte) string {
	sum := HMAC(s.Hash, key, parts...)
	if s.Base64 {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}

// ErrMismatch says that a signature is well formed and not that of the body.
var ErrMismatch = errors.New("no signature matches: the secret is another's, or the body was changed on the way")

// DecodeBase64 reads a signature of size bytes in standard base64, padded. It
// reports false for any other length, and for what is not base64.
func DecodeBase64(s string, size int) ([]byte, bool) {
	if len(s) != base64.StdEncoding.EncodedLen(size) || strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(s)
	return decoded, err == nil && len(decoded) == size
}

// Paths splits a list of dotted paths with commas between them.
func Paths(list string) []string {
	var paths []string
	for path := range strings.SplitSeq(list, ",") {
		if path = strings.TrimSpace(path); path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// First returns the first text or number at any of the paths, or "".
func First(o strictjson.Object, paths ...string) string {
	for _, path := range paths {
		switch v := o.Get(path).(type) {
		case string:
			if v != "" {
				return strings.Clone(v)
			}
		case strictjson.Number:
			return strings.Clone(string(v))
		}
	}
	return ""
}

// Listed returns the value with a name in a list of objects that have a name
// and a value: [{"key":"order_id","value":"A1001"}].
func Listed(o strictjson.Object, list, key, name string) string {
	members, _ := o[list].([]strictjson.Value)
	for _, m := range members {
		if member, ok := m.(strictjson.Object); ok && member.String(key) == name {
			return First(member, "value")
		}
	}
	return ""
}

// BodyID names an event that has no signed id of its own: by its body, which is
// the same whenever it is sent again.
func BodyID(prefix string, body []byte) string {
	sum := sha256.Sum256(body)
	return prefix + hex.EncodeToString(sum[:16])
}

// Currency reads a currency's code in capitals or not.
func Currency(code string) (string, error) {
	upper := strings.ToUpper(code)
	if !order.IsCurrency(upper) {
		return "", errors.New("currency is not a code of three letters")
	}
	return upper, nil
}

// Rescale reads a whole number of minor units that have from decimals as minor
// units that have to decimals: some providers count the units of a currency
// otherwise than ISO 4217 does.
func Rescale(text string, from, to int) (int64, error) {
	if _, err := Minor(text, 0); err != nil || strings.Contains(text, ".") {
		return 0, errors.New("amount is not a whole number of minor units")
	}
	return Minor(text+"e-"+strconv.Itoa(from), to)
}

// Put sets what a dotted path leads to in an object that is to be sent.
func Put(root map[string]any, path, value string) error {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		if root[name] == nil {
			root[name] = map[string]any{}
		}
		inner, ok := root[name].(map[string]any)
		if !ok {
			return fmt.Errorf("cannot simulate: the order's path %s leads through a value", path)
		}
		root = inner
	}
	root[names[len(names)-1]] = value
	return nil
}
