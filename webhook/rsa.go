package webhook

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// What providers share that sign with RSA PKCS #1 v1.5 over SHA-256 (RFC 8017
// section 8.2). Errors go on after the name of the key.

// minRSABits is what cannot be broken (NIST SP 800-131A).
const minRSABits = 2048

// ParseRSAPublic reads a public key: PEM of one or of a certificate, or the
// base64 inside of it, as dashboards show it.
func ParseRSAPublic(text string) (*rsa.PublicKey, error) {
	const mend = "; give PEM: -----BEGIN PUBLIC KEY----- …"
	if strings.Contains(text, "PRIVATE KEY") {
		return nil, errors.New("is a private key, which belongs nowhere near here" + mend)
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if block, _ := pem.Decode([]byte(text)); block != nil {
		der, err = block.Bytes, nil
	}
	if err != nil {
		return nil, errors.New("is not a readable public key" + mend)
	}
	var parsed any
	if parsed, err = x509.ParsePKIXPublicKey(der); err != nil {
		if certificate, failed := x509.ParseCertificate(der); failed == nil {
			parsed = certificate.PublicKey
		} else if parsed, err = x509.ParsePKCS1PublicKey(der); err != nil {
			return nil, errors.New("is not a readable public key" + mend)
		}
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("is not an RSA key" + mend)
	}
	if bits := key.N.BitLen(); bits < minRSABits {
		return nil, fmt.Errorf("is of %d bits, which can be broken: have the provider use %d or more", bits, minRSABits)
	}
	return key, nil
}

// ParseRSAPrivate reads a private key in PEM. It is one of the operator's own
// making, with which a provider is simulated.
func ParseRSAPrivate(text string) (*rsa.PrivateKey, error) {
	const mend = "; make one with: openssl genrsa 2048"
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("is not PEM of an RSA private key" + mend)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("is not PEM of an RSA private key" + mend)
	}
	return key, nil
}

// VerifyRSA says whether a signature is the key's, of the text.
func VerifyRSA(key *rsa.PublicKey, text, signature []byte) bool {
	sum := sha256.Sum256(text)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
}

// SignRSA signs a text.
func SignRSA(key *rsa.PrivateKey, text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
}

// ErrNoSimulateKey says why a provider that signs with a key of its own cannot be
// simulated.
var ErrNoSimulateKey = errors.New("only the provider can sign: to simulate it, set simulate_key to a private key of your own " +
	"(openssl genrsa 2048), and list its public half among the keys of this source in a test")
