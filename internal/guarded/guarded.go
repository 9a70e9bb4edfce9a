// Package guarded fetches by addresses that strangers had a say in. It promises
// that nothing is reached but named hosts of the public internet over HTTPS,
// whatever their names resolve to, and that an answer is bounded in size and
// time. So a webhook cannot make a gateway ask its own network's services.
package guarded

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Options say what a [Client] may reach.
type Options struct {
	Hosts    []string       // exact names, in lower case; no others are asked
	Timeout  time.Duration  // for the whole of a fetch. 0: 10 s
	MaxBytes int64          // of a body. 0: 1 MiB
	Roots    *x509.CertPool // who may vouch for the hosts. nil: the system's
}

// A Client fetches from its hosts. Many goroutines use it at once.
type Client struct {
	hosts    []string
	maxBytes int64
	http     *http.Client
	dialer   net.Dialer
	allow    func(netip.AddrPort) bool
	port     string // that takes the place of 443; tests alone set it
}

var (
	// ErrRefused is wrapped by errors about an address that is not fetched from.
	ErrRefused = errors.New("guarded: refused")
	// ErrTooLarge means that an answer has more bytes than it may.
	ErrTooLarge = errors.New("guarded: the answer is too large")
)

// A StatusError is an answer other than 200. Redirects are among them: none is
// followed.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("guarded: answered %d %s", e.Status, http.StatusText(e.Status))
}

// New returns a Client.
func New(o Options) *Client {
	c := &Client{hosts: o.Hosts, maxBytes: o.MaxBytes, allow: public, port: "443"}
	if c.maxBytes == 0 {
		c.maxBytes = 1 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	// The check is on the address that is connected to, after names were
	// resolved: a name that resolves to something else the second time gains nothing.
	c.dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !c.allow(at) {
			return fmt.Errorf("%w: the name resolves to an address that is not of the public internet", ErrRefused)
		}
		return nil
	}
	c.http = &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // one in the environment would resolve names for us
			DialContext:            c.dial,
			TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
		},
	}
	return c
}

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return c.dialer.DialContext(ctx, network, net.JoinHostPort(host, c.port))
}

// Check says why an address would not be fetched from, or nil. It resolves
// nothing.
func (c *Client) Check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Opaque != "":
		return fmt.Errorf("%w: not an address", ErrRefused)
	case u.Scheme != "https":
		return fmt.Errorf("%w: not https", ErrRefused)
	case u.User != nil:
		return fmt.Errorf("%w: the address names a user", ErrRefused)
	case u.Port() != "" && u.Port() != "443" || strings.HasSuffix(u.Host, ":"):
		return fmt.Errorf("%w: the address names a port", ErrRefused)
	case !slices.Contains(c.hosts, u.Hostname()):
		return fmt.Errorf("%w: the host is none of %s", ErrRefused, strings.Join(c.hosts, ", "))
	}
	return nil
}

// Get fetches from an address, with these headers. Its errors quote neither the
// address nor a header; one that wraps ErrRefused will come again.
func (c *Client) Get(ctx context.Context, address string, header http.Header) ([]byte, error) {
	if err := c.Check(address); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: not an address", ErrRefused)
	}
	if header != nil {
		r.Header = header.Clone()
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if wrapped := new(url.Error); errors.As(err, &wrapped) {
			err = wrapped.Err // which does not quote the address
		}
		return nil, fmt.Errorf("guarded: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, &StatusError{answer.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("guarded: %w", err)
	}
	if int64(len(body)) > c.maxBytes {
		return nil, ErrTooLarge
	}
	return body, nil
}

// A TB is a test. Nothing else has these methods.
type TB interface {
	Helper()
	TempDir() string
	Cleanup(func())
}

// ForTest returns a Client whose hosts, whatever they are called, are all at one
// loopback address, vouched for by roots. All other checks stand.
func ForTest(tb TB, o Options, server netip.AddrPort, roots *x509.CertPool) *Client {
	tb.Helper()
	o.Roots = roots
	c := New(o)
	c.allow = func(at netip.AddrPort) bool { return at == server && at.Addr().IsLoopback() }
	transport := c.http.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return c.dialer.DialContext(ctx, network, server.String())
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return c
}
