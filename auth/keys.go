package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Key is one configured key. Exactly one of Secret, PublicKey, PrivateKey and
// JWKS is set.
type Key struct {
	// ID is the kid of the tokens that the key signs: 1 to 64 letters, digits,
	// - and _. With JWKS it may be left out, since the kids come from the set.
	ID string

	// Algorithm is the only one that the key, or any key of the set, is used
	// with: HS256, RS256, PS256, ES256 or EdDSA (Ed25519).
	Algorithm string

	Secret     string // HS256: 32 bytes or more, used as they are, whatever they look like
	PublicKey  string // PEM: PUBLIC KEY, or RSA PUBLIC KEY
	PrivateKey string // PEM: PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY, not encrypted
	JWKS       string // the https URL of a JSON Web Key Set (RFC 7517)
}

// A key is a checked Key, or one of a key set.
type key struct {
	id, algorithm string
	public        any // what golang-jwt verifies with: []byte, *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey
	private       any // what it signs with; nil when there is only a public key
}

const (
	minSecretBytes = 32 // RFC 7518 section 3.2: as long as the hash
	minRSABits     = 2048
	maxRSABits     = 8192 // more makes each forged signature costly to refuse
)

var algorithms = []string{"HS256", "RS256", "PS256", "ES256", "EdDSA"}

// label is how an error names a key. An id that is none is not shown: it may
// be a secret in the wrong place.
func label(k Key, i int) string {
	if !validKeyID(k.ID) {
		return "number " + strconv.Itoa(i+1)
	}
	return strconv.Quote(k.ID)
}

// validKeyID keeps ids to what can be no path, URL or query, wherever they end up.
func validKeyID(id string) bool {
	return len(id) >= 1 && len(id) <= 64 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func (k Key) check() error {
	given := 0
	for _, s := range []string{k.Secret, k.PublicKey, k.PrivateKey, k.JWKS} {
		if s != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("set exactly one of secret, public key, private key and JWKS URL")
	case k.ID == "" && k.JWKS == "":
		return errors.New("has no id; give it one, which tokens name as kid")
	case k.ID != "" && !validKeyID(k.ID):
		return errors.New("its id is not 1 to 64 letters, digits, - and _; choose another")
	case !slices.Contains(algorithms, k.Algorithm):
		return errors.New("its algorithm is none of " + strings.Join(algorithms, ", ") + "; name one of them")
	case (k.Algorithm == "HS256") != (k.Secret != ""):
		return errors.New("HS256 goes with a secret, and every other algorithm with a public key, a private key or a JWKS URL")
	}
	return nil
}

// parseKey reads a Key that has no JWKS.
func parseKey(k Key) (key, error) {
	if err := k.check(); err != nil {
		return key{}, err
	}
	parsed := key{id: k.ID, algorithm: k.Algorithm}
	if k.Secret != "" {
		parsed.public, parsed.private = []byte(k.Secret), []byte(k.Secret)
		return parsed, checkSecret(k.Secret)
	}
	var err error
	if k.PublicKey != "" {
		parsed.public, err = readPublic(k.PublicKey)
	} else {
		parsed.private, parsed.public, err = readPrivate(k.PrivateKey)
	}
	if err != nil {
		return key{}, err
	}
	return parsed, checkPublic(k.Algorithm, parsed.public)
}

func checkSecret(secret string) error {
	switch {
	case strings.Contains(secret, "-----BEGIN"):
		return errors.New("its secret is a PEM file; HS256 takes a random secret, and a PEM key another algorithm")
	case strings.TrimSpace(secret) != secret:
		return errors.New("its secret begins or ends with white space, which the signer hardly has; remove it")
	case len(secret) < minSecretBytes:
		return fmt.Errorf("its secret is shorter than %d bytes; make one with: openssl rand -hex 32", minSecretBytes)
	case guessable(secret):
		return errors.New("its secret is a well-known placeholder or a simple pattern; make one with: openssl rand -hex 32")
	}
	return nil
}

// words are what manuals, jwt.io and tired people make secrets of: lower case,
// no punctuation, the longer before what it begins with.
var words = []string{
	"changeit", "changeme", "changethis", "replaceme", "replacethis", "placeholder", "example", "sample", "default",
	"insecure", "donotuse", "notsosecret", "supersecret", "secret", "passw0rd", "password", "letmein", "deadbeef",
	"avalid", "valid", "string", "atleast", "256bit", "512bit", "bits", "32bytes", "32chars", "characters", "long", "signing", "hs256",
	"your", "super", "very", "this", "that", "with", "paybell", "please", "production", "test", "token", "jwt", "apikey", "key",
	"qwertyuiop", "qwerty", "asdfghjkl", "zxcvbnm",
}

var withoutWords = func() *strings.Replacer {
	var pairs []string
	for _, word := range words {
		pairs = append(pairs, word, "")
	}
	return strings.NewReplacer(pairs...)
}()

// guessable finds repetitions, runs like 12345 or aaaaa, secrets of so few
// different characters that nothing random made them (32 random hex digits have
// fewer than 8 once in ten million), and placeholders: fewer than 12 characters
// are left when the words are taken out.
func guessable(secret string) bool {
	if strings.Contains((secret + secret)[1:2*len(secret)-1], secret) {
		return true // one piece, over and over
	}
	steps, different := 0, map[byte]bool{}
	for i := range len(secret) {
		different[secret[i]] = true
		if i > 0 && secret[i]-secret[i-1]+1 <= 2 { // −1, 0 or 1, as bytes wrap
			steps++
		}
	}
	if len(different) < 8 || steps > len(secret)*3/4 {
		return true
	}
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(secret))
	return len(secret)-(len(plain)-len(withoutWords.Replace(plain))) < 12
}

func readPublic(text string) (any, error) {
	block, err := onePEM(text)
	if err != nil {
		return nil, err
	}
	var public any
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, errors.New("its public key is a PEM of another type; take the public half with: openssl pkey -pubout")
	}
	if err != nil {
		return nil, errors.New("its public key cannot be read; export it anew with: openssl pkey -pubout")
	}
	return public, nil
}

func readPrivate(text string) (private, public any, err error) {
	block, err := onePEM(text)
	if err != nil {
		return nil, nil, err
	}
	switch block.Type {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, nil, errors.New("its private key is a PEM of another type, or encrypted; export it with: openssl pkcs8 -topk8 -nocrypt")
	}
	if err != nil {
		return nil, nil, errors.New("its private key cannot be read; export it without a password: openssl pkcs8 -topk8 -nocrypt")
	}
	switch k := private.(type) {
	case *rsa.PrivateKey:
		return k, &k.PublicKey, nil
	case *ecdsa.PrivateKey:
		return k, &k.PublicKey, nil
	case ed25519.PrivateKey:
		return k, k.Public(), nil
	}
	return nil, nil, errors.New("its private key is of a kind that no algorithm here takes; make an RSA, P-256 or Ed25519 key")
}

func onePEM(text string) (*pem.Block, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("its key is not PEM; give the whole file with its BEGIN and END lines")
	}
	if strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("something follows its key in the PEM; give one key alone")
	}
	return block, nil
}

// checkPublic says why a public key is not one for the algorithm, or nil. What
// a key is good for is never taken from a token.
func checkPublic(algorithm string, public any) error {
	switch algorithm {
	case "RS256", "PS256":
		k, ok := public.(*rsa.PublicKey)
		if !ok {
			return errors.New(algorithm + " takes an RSA key; give one, or name the algorithm of this key")
		}
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("its RSA key has %d bits; use %d to %d", bits, minRSABits, maxRSABits)
		}
		if k.E < 3 || k.E%2 == 0 {
			return errors.New("its RSA key has an unsafe public exponent; make a new key")
		}
	case "ES256":
		if k, ok := public.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
			return errors.New("ES256 takes a P-256 key; give one, or name the algorithm of this key")
		}
	case "EdDSA":
		if _, ok := public.(ed25519.PublicKey); !ok {
			return errors.New("EdDSA takes an Ed25519 key; give one, or name the algorithm of this key")
		}
	}
	return nil
}
