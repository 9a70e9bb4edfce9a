package paypal

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/paybell/paybell/webhook"
)

// A signer is a certificate that is believed.
type signer struct {
	key           *rsa.PublicKey
	live          bool // by its name: the sandbox has one of its own
	from, through time.Time
}

// certificates finds the signers of requests. What a request names is fetched
// from PayPal's hosts only, once, and rarely: a stranger may name any number.
type certificates struct {
	client webhook.Getter
	roots  *x509.CertPool // nil: the system's
	pinned []signer

	mu      sync.Mutex
	known   map[string]signer
	failed  map[string]time.Time // when an address may be asked again
	budget  int                  // how many may be fetched before until
	until   time.Time
	pending sync.Mutex // held while one is fetched
}

// Bounds on what strangers can make the gateway fetch and keep.
const (
	maxKnown      = 64
	fetchesPerMin = 6
	failedFor     = time.Minute
)

func newCertificates(client webhook.Getter, roots, pinned []string) (*certificates, error) {
	c := &certificates{client: client, known: map[string]signer{}, failed: map[string]time.Time{}}
	for i, text := range roots {
		if c.roots == nil {
			c.roots = x509.NewCertPool()
		}
		if !c.roots.AppendCertsFromPEM([]byte(text)) {
			return nil, fmt.Errorf("root %d is not a PEM certificate", i+1)
		}
	}
	for i, text := range pinned {
		chain, err := parseChain([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("certificate %d %w", i+1, err)
		}
		s, err := signerOf(chain[0])
		if err != nil {
			return nil, fmt.Errorf("certificate %d %w", i+1, err)
		}
		c.pinned = append(c.pinned, s)
	}
	return c, nil
}

// certPath is where PayPal keeps certificates.
var certPath = regexp.MustCompile(`^/v1/notifications/certs/CERT-[A-Za-z0-9-]{1,100}$`)

// named returns the signers that an address may stand for.
func (c *certificates) named(address string, at time.Time) ([]signer, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || !slices.Contains(Hosts, u.Host) || u.RawQuery != "" || u.Fragment != "" || !certPath.MatchString(u.EscapedPath()) {
		return nil, errors.New("the certificate's address is none of PayPal's")
	}
	if len(c.pinned) > 0 {
		return slices.DeleteFunc(slices.Clone(c.pinned), func(s signer) bool { return !s.valid(at) }), nil
	}
	if s, ok := c.lookUp(address, at); ok {
		return []signer{s}, nil
	}
	c.pending.Lock()
	defer c.pending.Unlock()
	if s, ok := c.lookUp(address, at); ok { // while we waited
		return []signer{s}, nil
	}
	if err := c.mayFetch(address); err != nil {
		return nil, err
	}
	s, err := c.fetch(address, at)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed[address] = time.Now().Add(failedFor)
		return nil, err
	}
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[address] = s
	return []signer{s}, nil
}

func (c *certificates) lookUp(address string, at time.Time) (signer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.known[address]
	return s, ok && s.valid(at)
}

// mayFetch keeps strangers from making the gateway ask PayPal all day.
func (c *certificates) mayFetch(address string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.After(c.until) {
		c.until, c.budget = now.Add(time.Minute), fetchesPerMin
		for known, again := range c.failed {
			if now.After(again) {
				delete(c.failed, known)
			}
		}
	}
	if now.Before(c.failed[address]) {
		return errors.New("the certificate could not be had a moment ago")
	}
	if c.budget == 0 {
		return errors.New("too many new certificates are asked for at once")
	}
	c.budget--
	return nil
}

func (c *certificates) fetch(address string, at time.Time) (signer, error) {
	body, err := c.client.Get(context.Background(), address, nil)
	if err != nil {
		return signer{}, fmt.Errorf("the certificate cannot be fetched: %w", err)
	}
	chain, err := parseChain(body)
	if err != nil {
		return signer{}, fmt.Errorf("the certificate %w", err)
	}
	between := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		between.AddCert(certificate)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{
		Roots: c.roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return signer{}, errors.New("no trusted root vouches for the certificate now")
	}
	return signerOf(chain[0])
}

func parseChain(text []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil && len(chain) < 8; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("is not readable")
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 {
		return nil, errors.New("is not PEM")
	}
	return chain, nil
}

// certName is the name of those that sign webhooks, and the sandbox's.
var certName = regexp.MustCompile(`^messageverificationcerts\.(sandbox\.)?paypal\.com$`)

func signerOf(certificate *x509.Certificate) (signer, error) {
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < 2048 {
		return signer{}, errors.New("has no RSA key of 2048 bits or more")
	}
	names := certificate.DNSNames
	if len(names) == 0 {
		names = []string{certificate.Subject.CommonName}
	}
	s := signer{key: key, from: certificate.NotBefore, through: certificate.NotAfter}
	named := false
	for _, name := range names {
		if parts := certName.FindStringSubmatch(name); parts != nil {
			named, s.live = true, s.live || parts[1] == ""
		}
	}
	if !named {
		return signer{}, errors.New("is not PayPal's by its name")
	}
	return s, nil
}

func (s signer) valid(at time.Time) bool { return !at.Before(s.from) && !at.After(s.through) }
