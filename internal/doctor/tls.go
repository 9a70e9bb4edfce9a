package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// tls examines certificate and version. Its error means that there is no TLS to
// be had.
func (e *exam) tls(ctx context.Context, dialer *net.Dialer) error {
	state, err := e.shake(ctx, dialer, func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} })
	if err != nil {
		return fmt.Errorf("%w: TLS: %w", ErrUnreachable, err)
	}
	e.certificate(state.PeerCertificates)
	e.fact("TLS", "%s, certificate for %s until %s", strings.TrimPrefix(tls.VersionName(state.Version), "TLS "),
		names(state.PeerCertificates[0]), state.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly))
	if state.Version < tls.VersionTLS12 {
		e.find(tlsOnlyOld, "%s is the newest version it speaks", tls.VersionName(state.Version))
		return nil
	}
	if old, err := e.shake(ctx, dialer, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }); err == nil {
		e.find(tlsOld, "%s is still spoken", tls.VersionName(old.Version))
	}
	return nil
}

func (e *exam) shake(ctx context.Context, dialer *net.Dialer, change func(*tls.Config)) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	config := e.tlsConfig(false) // what is presented is examined by itself
	change(config)
	conn, err := (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", e.address())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState(), nil
}

// certificate examines what was presented: for whom it is, its time, and whether
// it leads to an authority. Each is a finding of its own.
func (e *exam) certificate(chain []*x509.Certificate) {
	leaf, now := chain[0], time.Now()
	unproved := func(k *kind, format string, args ...any) {
		e.proved = false
		e.find(k, format, args...)
	}
	if err := leaf.VerifyHostname(e.base.Hostname()); err != nil {
		unproved(tlsName, "the certificate is for %s, not for %s", names(leaf), e.base.Hostname())
	}
	left := leaf.NotAfter.Sub(now)
	switch {
	case left <= 0:
		unproved(tlsExpired, "the certificate expired on %s", leaf.NotAfter.UTC().Format(time.DateTime))
	case now.Before(leaf.NotBefore):
		unproved(tlsExpired, "the certificate is not valid before %s", leaf.NotBefore.UTC().Format(time.DateTime))
	case left < min(14*24*time.Hour, leaf.NotAfter.Sub(leaf.NotBefore)/6):
		e.find(tlsExpires, "the certificate expires in %v", left.Round(time.Hour))
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	within := leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2) // its time was examined above
	if now.After(leaf.NotBefore) && left > 0 {
		within = now
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: e.o.Roots, Intermediates: between, CurrentTime: within})
	last := chain[len(chain)-1]
	switch {
	case err == nil:
	case !errors.As(err, new(x509.UnknownAuthorityError)):
		unproved(tlsUntrusted, "%s", clean(err.Error()))
	case len(chain) == 1 && !bytes.Equal(last.RawIssuer, last.RawSubject):
		unproved(tlsIncomplete, "the certificate is sent alone; that of %q, which issued it, is not", clean(last.Issuer.String()))
	default:
		unproved(tlsUntrusted, "the certificate leads to %q, which this machine does not trust", clean(last.Issuer.String()))
	}
}

// names are for whom a certificate is.
func names(c *x509.Certificate) string {
	all := c.DNSNames
	for _, ip := range c.IPAddresses {
		all = append(all[:len(all):len(all)], ip.String())
	}
	if len(all) > 3 {
		all = append(all[:3:3], "…")
	}
	if len(all) == 0 {
		return "nobody"
	}
	return clean(strings.Join(all, ", "))
}
