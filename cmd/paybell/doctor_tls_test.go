//go:build unix

package main

import (
	"crypto/x509"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/doctor"
	"github.com/paybell/paybell/internal/rig"
)

// A gateway that ends TLS itself, with certificates that are right and wrong.
func TestDoctorReadsCertificates(t *testing.T) {
	const month = 30 * 24 * time.Hour
	authority := rig.NewAuthority(t)
	for _, test := range []struct {
		name    string
		chain   bool
		ends    time.Duration
		host    string
		trusted bool
		want    []string
	}{
		{"right", true, 2 * month, "localhost", true, nil},
		{"another name", true, 2 * month, "pay.example", true, []string{"tls-name-mismatch"}},
		{"expired", true, -time.Hour, "localhost", true, []string{"tls-expired"}},
		{"expires soon", true, time.Hour, "localhost", true, []string{"tls-expires-soon"}},
		{"incomplete", false, 2 * month, "localhost", true, []string{"tls-incomplete-chain"}},
		{"of nobody", true, 2 * month, "localhost", false, []string{"tls-untrusted"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cert, key := authority.Issue(test.chain, test.ends, test.host)
			t.Parallel()
			c := openClinic(t, func(c *config) { c.TLS = tlsConfig{cert, key} })
			u, err := url.Parse(c.base)
			if err != nil {
				t.Fatal(err)
			}
			c.address = "https://localhost:" + u.Port()
			roots := x509.NewCertPool()
			if test.trusted {
				roots = trusting(t, authority)
			}
			r := c.examine(doctor.Options{Roots: roots})
			c.want(r, append(test.want, "readyz-exposed")...)
			if proved := len(test.want) == 0 || test.name == "expires soon"; proved != (len(r.LeftOut) == 0) {
				t.Errorf("not examined: %q", r.LeftOut)
			}
		})
	}
}

// An nginx that ends TLS, as it was set up ten years ago.
func TestDoctorFindsOldTLS(t *testing.T) {
	authority := rig.NewAuthority(t)
	roots := trusting(t, authority)
	cert, key := authority.Issue(true, 60*24*time.Hour, "localhost")
	listen := "listen 8000 ssl; ssl_certificate " + cert + "; ssl_certificate_key " + key + "; ssl_ciphers DEFAULT:@SECLEVEL=0; ssl_protocols "
	for _, test := range []struct {
		protocols string
		want      []string
	}{
		{"TLSv1.2 TLSv1.3;", []string{"http1-only"}},
		{"TLSv1.1 TLSv1.2;", []string{"http1-only", "tls-old-version"}},
		{"TLSv1.1;", []string{"http1-only", "tls-too-old"}},
	} {
		t.Run(test.protocols, func(t *testing.T) {
			t.Parallel()
			c := openClinic(t, nil)
			c.behind("nginx.conf", "listen 8000;", listen+test.protocols)
			c.address = strings.Replace(c.address, "http://127.0.0.1", "https://localhost", 1)
			c.want(c.examine(doctor.Options{Roots: roots}), test.want...)
		})
	}
}

// Who asks over http is sent to https, and examined is that.
func TestDoctorFollowsToHTTPS(t *testing.T) {
	authority := rig.NewAuthority(t)
	cert, key := authority.Issue(true, 60*24*time.Hour, "localhost")
	c := openClinic(t, nil)
	c.behind("nginx.conf", "listen 8000;", "listen 8000 ssl http2; ssl_certificate "+cert+"; ssl_certificate_key "+key+
		"; error_page 497 =301 https://$http_host$request_uri;") // 497: plain HTTP at a port of TLS
	c.address = strings.Replace(c.address, "127.0.0.1", "localhost", 1)
	c.want(c.examine(doctor.Options{Roots: trusting(t, authority)}), "redirect-to-https")
}

func trusting(t *testing.T, a *rig.Authority) *x509.CertPool {
	t.Helper()
	root, err := os.ReadFile(a.Root)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	return roots
}
