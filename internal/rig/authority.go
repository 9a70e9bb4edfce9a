//go:build unix

package rig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// An Authority issues certificates as a public one does: by a certificate of its
// own that stands between. Its methods are for one goroutine at a time.
type Authority struct {
	Root string // its PEM file, for whom is to trust it

	t       testing.TB
	between *x509.Certificate
	key     *ecdsa.PrivateKey // of between
	serial  int64
}

// NewAuthority returns an authority that nobody trusts yet.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t}
	root, rootKey := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "a test's root"}, IsCA: true}, nil, nil)
	a.between, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "a test's issuer"}, IsCA: true}, root, rootKey)
	a.Root = a.write("root.pem", "CERTIFICATE", root.Raw)
	return a
}

// Issue issues a certificate for names, which ends after a time, and returns the
// PEM files of it and its key. Chain says whether the certificate between is in the
// first, as it should be.
func (a *Authority) Issue(chain bool, ends time.Duration, names ...string) (cert, key string) {
	a.t.Helper()
	now := time.Now()
	leaf, private := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: now.Add(min(0, ends) - 90*24*time.Hour), NotAfter: now.Add(ends),
	}, a.between, a.key)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	blocks := [][]byte{leaf.Raw}
	if chain {
		blocks = append(blocks, a.between.Raw)
	}
	return a.write("cert.pem", "CERTIFICATE", blocks...), a.write("key.pem", "PRIVATE KEY", secret)
}

// sign makes a certificate with a key of its own. Without a parent it signs itself.
func (a *Authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if template.IsCA {
		template.KeyUsage |= x509.KeyUsageCertSign
		template.BasicConstraintsValid = true
		template.NotBefore, template.NotAfter = time.Now().Add(-365*24*time.Hour), time.Now().Add(365*24*time.Hour)
	}
	if parent == nil {
		parent, by = template, private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, private
}

func (a *Authority) write(name, kind string, blocks ...[]byte) string {
	a.t.Helper()
	var content []byte
	for _, block := range blocks {
		content = slices.Concat(content, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: block}))
	}
	path := filepath.Join(Folder(a.t), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}
