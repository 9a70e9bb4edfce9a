// Package doctor examines a gateway from outside, through whatever stands
// before it, and says what that does to a customer who waits: what is stripped,
// held back, cut off or refused, what it means, and how to mend it.
//
// It opens the transports as a page or a phone does, and reads. With a token for
// an order that nobody registered, nothing more is in the gateway's ledger
// afterwards than before. Over TLS the token is sent to nobody who cannot prove to be
// the address that was asked for; plain HTTP to another machine, over which nobody
// can, is a finding of its own.
package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What a gateway promises (docs/protocol.md), and its clients rely on.
const (
	earliestBeat = 15 * time.Second // between two heartbeats of a quiet stream
	latestBeat   = 20 * time.Second
	clientWait   = 25 * time.Second // how long the client library lets a poll be held
	longestWait  = 60 * time.Second // how long anybody may
	clockLeeway  = 30 * time.Second // how far a token's iat may lie ahead
	shownLeeway  = 5 * time.Second  // by how much a clock may be off before it is told
)

// patience is how long anything may take that takes milliseconds on a sound way.
// A slow machine is no fault.
const patience = 10 * time.Second

// Options say what to examine. The zero value examines what needs no token.
type Options struct {
	// Origin is that of the shop's page: "https://shop.example". Empty: what pages
	// may do is not examined.
	Origin string

	// Token opens an order, the first that it names. Empty: states and streams are
	// not examined.
	Token string

	// Idle is for how long streams are watched. 0: [DefaultIdle].
	Idle time.Duration

	// Admin is the gateway's admin address, "http://127.0.0.1:9090", whose metrics say
	// whether it knows its clients' addresses. Empty: that is not examined.
	Admin string

	// Roots are the authorities to trust. nil: those of the system.
	Roots *x509.CertPool

	// Proxy is the one whose mends to tell. Empty: the one that the answers name,
	// or else all.
	Proxy Proxy

	// Tell is told what goes on, about once a second. nil: nobody is.
	Tell func(string)
}

// DefaultIdle is three heartbeats and more than what most proxies have as their
// idle limit, 60 s.
const DefaultIdle = 70 * time.Second

// ErrUnreachable is wrapped by the error of an examination that could not begin.
var ErrUnreachable = errors.New("the address cannot be reached")

// Check says why an address cannot be examined, in words that go on after its
// name; nil: it can.
func Check(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("is not an address such as https://pay.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("is more than scheme, host and path, such as https://pay.example.com")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// Examine examines the gateway at an address that [Check] has passed. It takes
// Idle, and some seconds. Its error, an [ErrUnreachable], means that nothing
// could be examined; what is found is in the report.
func Examine(ctx context.Context, address *url.URL, o Options) (*Report, error) {
	if o.Idle == 0 {
		o.Idle = DefaultIdle
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	e := &exam{base: address, o: o, report: &Report{URL: address.String(), Proxy: o.Proxy, Facts: []Fact{}, Findings: []*Finding{}, LeftOut: []string{}, origin: o.Origin}}
	began := time.Now()
	err := e.run(ctx)
	if e.any != nil {
		e.any.CloseIdleConnections()
		e.one.CloseIdleConnections()
	}
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	e.report.finish(time.Since(began))
	return e.report, nil
}

// An exam is one examination on its way.
type exam struct {
	base   *url.URL
	o      Options
	report *Report

	any     *http.Client // HTTP/2 where there is
	one     *http.Client // HTTP/1.1, which WebSockets need
	proved  bool         // the address proved to be what it says, or speaks no TLS
	bearer  bool         // Authorization comes through
	fronted bool         // there is a proxy: an answer names it, or whoever asks
	handed  bool         // a WebSocket's handshake comes through
}

func (e *exam) run(ctx context.Context) error {
	if err := e.reach(ctx); err != nil {
		return err
	}
	open, err := e.door(ctx)
	if err != nil || !open {
		return err
	}
	e.paths(ctx)
	e.authorization(ctx)
	e.health(ctx)
	e.cors(ctx)
	e.handshake(ctx)
	switch {
	case e.o.Token == "":
		e.report.leaveOut("states, buffering, idle cut-off and caches: they need a token")
	case !e.proved:
		e.report.leaveOut("states, buffering, idle cut-off and caches: the token is not sent to an address that cannot prove its name")
	default:
		before := e.addresses(ctx)
		e.watch(ctx)
		e.judgeAddresses(before, e.addresses(ctx))
	}
	return nil
}

// reach connects, and makes the clients. Certificates are examined by themselves,
// so that one that is not right does not hide the rest.
func (e *exam) reach(ctx context.Context) error {
	e.o.Tell("connect to " + e.base.Host)
	dialer := &net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", e.address())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	conn.Close()
	e.proved = true
	if e.base.Scheme == "https" {
		if err := e.tls(ctx, dialer); err != nil {
			return err
		}
	}
	e.any, e.one = e.client(dialer, true), e.client(dialer, false)
	return nil
}

// address is where to connect to, as host:port.
func (e *exam) address() string {
	port := e.base.Port()
	if port == "" {
		port = e.base.Scheme // "http" and "https" are names of ports
	}
	return net.JoinHostPort(e.base.Hostname(), port)
}

// client speaks to the address, never by way of a proxy of this machine's own.
func (e *exam) client(dialer *net.Dialer, two bool) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(two)
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, Protocols: &protocols, DisableCompression: true,
			TLSClientConfig: e.tlsConfig(e.proved), TLSHandshakeTimeout: patience,
		},
	}
}

// tlsConfig is for connections that must prove the name, as all do once one has, or
// for any. It speaks old versions, to find them.
func (e *exam) tlsConfig(proved bool) *tls.Config {
	return &tls.Config{
		ServerName: e.base.Hostname(), RootCAs: e.o.Roots, InsecureSkipVerify: !proved, MinVersion: tls.VersionTLS10,
	}
}

func (e *exam) find(k *kind, format string, args ...any) {
	e.report.find(k, fmt.Sprintf(format, args...))
}

func (e *exam) fact(name, format string, args ...any) {
	e.report.Facts = append(e.report.Facts, Fact{name, fmt.Sprintf(format, args...)})
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
