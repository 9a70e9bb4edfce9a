package custom

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"strings"

	"github.com/paybell/paybell/webhook"
)

// macs are the algorithms with shared secrets.
var macs = map[string]func() hash.Hash{
	"hmac-sha1":   sha1.New,
	"hmac-sha256": sha256.New,
	"hmac-sha512": sha512.New,
}

// publics are the algorithms with a public key.
var publics = []string{"rsa-sha256", "rsa-pss-sha256", "ecdsa-sha256", "ed25519"}

const algorithms = "hmac-sha256, hmac-sha512, hmac-sha1, rsa-sha256, rsa-pss-sha256, ecdsa-sha256 or ed25519"

// A key says whether it signed a text.
type key func(text, signature []byte) bool

func secretKey(newHash func() hash.Hash, secret []byte) key {
	return func(text, signature []byte) bool { return hmac.Equal(signature, webhook.HMAC(newHash, secret, text)) }
}

// publicKey returns the key of one of the other algorithms. form is how an
// ECDSA signature is written.
func publicKey(algorithm, form, text string) (key, error) {
	public, err := parsePublic(algorithm, text)
	if err != nil {
		return nil, err
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < 2048 {
			return nil, fmt.Errorf("is of %d bits, which can be broken: have the sender use 2048 or more", bits)
		}
		if algorithm == "rsa-sha256" {
			return func(text, signature []byte) bool {
				sum := sha256.Sum256(text)
				return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) == nil
			}, nil
		}
		if algorithm == "rsa-pss-sha256" {
			return func(text, signature []byte) bool {
				sum := sha256.Sum256(text)
				return rsa.VerifyPSS(public, crypto.SHA256, sum[:], signature, nil) == nil
			}, nil
		}
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, errors.New("is not on the curve P-256 (prime256v1): have the sender use that one")
		}
		if algorithm == "ecdsa-sha256" {
			return ecdsaKey(public, form), nil
		}
	case ed25519.PublicKey:
		if algorithm == "ed25519" {
			return func(text, signature []byte) bool { return ed25519.Verify(public, text, signature) }, nil
		}
	}
	return nil, fmt.Errorf("is a key of another kind than verify.algorithm %s needs", algorithm)
}

func ecdsaKey(public *ecdsa.PublicKey, form string) key {
	if form == "asn1" {
		return func(text, signature []byte) bool {
			sum := sha256.Sum256(text)
			return ecdsa.VerifyASN1(public, sum[:], signature)
		}
	}
	return func(text, signature []byte) bool {
		if len(signature) != 64 {
			return false
		}
		sum := sha256.Sum256(text)
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, sum[:], r, s)
	}
}

// parsePublic reads PEM, the base64 inside a PEM, or for Ed25519 the base64 of
// the 32 bytes.
func parsePublic(algorithm, text string) (any, error) {
	const mend = "; give PEM: -----BEGIN PUBLIC KEY----- …"
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if block, _ := pem.Decode([]byte(text)); block != nil {
		switch der, err = block.Bytes, nil; block.Type {
		case "PUBLIC KEY":
		case "RSA PUBLIC KEY":
			public, err := x509.ParsePKCS1PublicKey(der)
			if err != nil {
				return nil, errors.New("is not a readable public key" + mend)
			}
			return public, nil
		case "CERTIFICATE":
			certificate, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, errors.New("is not a readable certificate" + mend)
			}
			return certificate.PublicKey, nil
		default:
			return nil, fmt.Errorf("is a %s%s", block.Type, mend)
		}
	}
	if err == nil && algorithm == "ed25519" && len(der) == ed25519.PublicKeySize {
		return ed25519.PublicKey(der), nil
	}
	if err == nil {
		if public, err := x509.ParsePKIXPublicKey(der); err == nil {
			return public, nil
		}
	}
	return nil, errors.New("is not a readable public key" + mend)
}

// parseSecret returns the bytes of a secret, or what is wrong with it and how to
// mend it.
func parseSecret(s, encoding string) ([]byte, error) {
	const mend = "have the sender make another, or make one with: openssl rand -hex 32"
	if err := webhook.CheckSecret(s, 0, mend); err != nil {
		return nil, err
	}
	secret, err := []byte(s), error(nil)
	switch encoding {
	case "hex":
		secret, err = hex.DecodeString(s)
	case "base64":
		secret, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	}
	if err != nil {
		return nil, fmt.Errorf("is not %s: see verify.secret_encoding", encoding)
	}
	if len(secret) < minSecretBytes {
		return nil, fmt.Errorf("has %d bytes, fewer than %d; %s", len(secret), minSecretBytes, mend)
	}
	return secret, nil
}

// minSecretBytes is what senders that choose the secret themselves keep above.
const minSecretBytes = 16

// decodeSignature reads a signature in the encoding of the configuration.
func decodeSignature(s, encoding string) ([]byte, error) {
	switch encoding {
	case "hex":
		return hex.DecodeString(s)
	case "base64url":
		return base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	}
	return base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
}

func encodeSignature(signature []byte, encoding string) string {
	switch encoding {
	case "hex":
		return hex.EncodeToString(signature)
	case "base64url":
		return base64.URLEncoding.EncodeToString(signature)
	}
	return base64.StdEncoding.EncodeToString(signature)
}
