package hub

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// A book is a ledger in memory: what it returned was committed before.
type book struct {
	mu     sync.Mutex
	states map[string]order.State
	reads  int
	err    error

	before, after func() // around a read, such as a slow disk
}

func (b *book) States(ctx context.Context, ids []string) ([]order.State, error) {
	if b.before != nil {
		b.before()
	}
	b.mu.Lock()
	b.reads++
	states := make([]order.State, len(ids))
	for i, id := range ids {
		states[i] = b.stateLocked(id)
	}
	err := b.err
	b.mu.Unlock()
	if b.after != nil {
		b.after()
	}
	return states, err
}

func (b *book) stateLocked(id string) order.State {
	if s, ok := b.states[id]; ok {
		return s
	}
	return order.Unknown(id, "e1")
}

// commit stores the order's next version.
func (b *book) commit(id string, status order.Status) order.Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stateLocked(id)
	s.Version++
	s.Status, s.Final = status, status == order.Paid
	s.UpdatedAt = time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC)
	b.states[id] = s
	return order.Change{State: s}
}

func (b *book) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// A node is a hub behind a real HTTP server, and what it told of itself.
type node struct {
	*Hub
	t      testing.TB
	book   *book
	server *http.Server
	client *http.Client
	url    string
	dial   func() (net.Conn, error)

	mu     sync.Mutex
	grants map[string]Grant
	logs   bytes.Buffer
	told   []order.Told
	opened map[string]int
	closed map[string]int // by transport and cause

	revocations []order.Revocation
	admitted    func(Grant) // called when the door has let a token in; nil: nothing is
}

func (n *node) Opened(transport string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened[transport]++
}

func (n *node) Closed(transport, cause string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed[transport+" "+cause]++
}

func (n *node) Sent(_ string, late time.Duration) {
	if late < 0 {
		n.t.Errorf("sent %v before it was learned", -late)
	}
}

func (n *node) Write(b []byte) (int, error) { // the log's
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.logs.Write(b)
}

func (n *node) logged() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.logs.String()
}

func (n *node) authorize(token string) (Grant, error) {
	n.mu.Lock()
	g, ok := n.grants[token]
	admitted := n.admitted
	n.mu.Unlock()
	if admitted != nil && ok && !n.isRevoked(g) {
		defer admitted(g)
	}
	switch {
	case !ok:
		return Grant{}, errors.New("The signature is wrong.")
	case !g.Expires.After(time.Now()):
		return Grant{}, fmt.Errorf("%w", ErrExpired)
	case n.isRevoked(g):
		return Grant{}, fmt.Errorf("%w", ErrRevoked)
	}
	return g, nil
}

// tokenMark is in every token, so that a leaked one is seen.
const tokenMark = "tok3nMARK"

func (n *node) grant(g Grant) string {
	token := tokenMark + rand.Text()
	if g.Expires.IsZero() {
		g.Expires = time.Now().Add(5 * time.Minute)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.grants[token] = g
	return token
}

// token is for a customer of these orders.
func (n *node) token(orders ...string) string { return n.grant(Grant{Subject: "u1", Orders: orders}) }

// commit stores an order's next version and dispatches it.
func (n *node) commit(id string, status order.Status) order.State {
	c := n.book.commit(id, status)
	n.Dispatch([]order.Change{c})
	return c.State
}

// watch shows orders to a client, and waits until it can.
func (n *node) watch(ctx context.Context, c *client, orders []string) error {
	shown := make(chan error, 1)
	n.show(c, orders, func(err error) { shown <- err })
	select {
	case err := <-shown:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// newNode makes a hub that has no server yet. Its Run runs until the test ends,
// and then nothing may be left in it.
func newNode(t testing.TB, opts Options) *node {
	n := newStillNode(t, opts)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		n.wantEmpty()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return n
}

// newStillNode makes a hub whose time stands.
func newStillNode(t testing.TB, opts Options) *node {
	n := &node{
		t: t, book: &book{states: map[string]order.State{}}, grants: map[string]Grant{},
		opened: map[string]int{}, closed: map[string]int{},
	}
	opts.Observer = n
	opts.Revoked = n.isRevoked
	opts.Log = slog.New(slog.NewTextHandler(n, nil))
	opts.Told = func(told order.Told) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.told = append(n.told, told)
	}
	n.Hub = New(n.book, n.authorize, opts)
	t.Cleanup(func() {
		if strings.Contains(n.logged(), tokenMark) {
			t.Errorf("a token is in the log:\n%s", n.logged())
		}
	})
	return n
}

// start serves a hub on the loopback.
func start(t testing.TB, opts Options) *node {
	t.Helper()
	return serveTCP(t, newNode(t, opts))
}

// serveTCP serves a node that was made before.
func serveTCP(t testing.TB, n *node) *node {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	return serve(t, n, narrow{listener}, func() (net.Conn, error) { return net.Dial("tcp", address) })
}

// A narrow listener's connections hold little in the kernel, as the gateway's do.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		conn.(*net.TCPConn).SetWriteBuffer(16 << 10)
	}
	return conn, err
}

// startPipes serves a hub over pipes in memory, for a bubble of synctest.
func startPipes(t testing.TB, opts Options) *node {
	opts.Goroutines = true // a pipe has no descriptor
	p := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
	return serve(t, newNode(t, opts), p, p.dial)
}

func serve(t testing.TB, n *node, listener net.Listener, dial func() (net.Conn, error)) *node {
	n.server = &http.Server{Handler: n.routes(), ErrorLog: slog.NewLogLogger(n.opts.Log.Handler(), slog.LevelError)}
	n.dial = dial
	n.url = "http://" + listener.Addr().String()
	transport := &http.Transport{
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return dial() },
		DisableCompression: true,
	}
	n.client = &http.Client{Transport: discreet{t, transport}}
	go n.server.Serve(listener)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		n.server.Close()
		if strings.Contains(n.logged(), "panic") {
			t.Errorf("a panic:\n%s", n.logged())
		}
	})
	return n
}

func (n *node) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/ws", n.WebSocket)
	mux.HandleFunc("GET /v1/sse", n.SSE)
	mux.HandleFunc("GET /v1/orders/{order}", n.Poll)
	mux.HandleFunc("POST /v1/orders/{order}/ack", n.Ack)
	mux.HandleFunc("POST /v1/tickets", n.Tickets)
	return mux
}

// discreet fails the test when an answer's header tells a token.
type discreet struct {
	t    testing.TB
	next http.RoundTripper
}

func (d discreet) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(r)
	if err == nil && strings.Contains(fmt.Sprint(resp.Header), tokenMark) {
		d.t.Errorf("%s echoes the token: %v", r.URL.Path, resp.Header)
	}
	return resp, err
}

// eventually waits for a condition that other goroutines bring about.
func (n *node) eventually(what string, holds func() bool) {
	n.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("not in time: %s", what)
		}
	}
}

// held counts what the hub holds for its clients.
func (n *node) held() (clients, watchers, timers int) {
	for i := range n.index {
		s := &n.index[i]
		s.mu.Lock()
		for _, w := range s.watchers {
			for ; w != nil; w = w.next {
				watchers++
			}
		}
		s.mu.Unlock()
	}
	return n.Clients(), watchers, len(n.wheel.all())
}

// wantEmpty waits until the hub has forgotten every client.
func (n *node) wantEmpty() {
	n.t.Helper()
	n.eventually("every client is forgotten", func() bool {
		clients, watchers, timers := n.held()
		return clients+watchers+timers == 0
	})
}

// pipes is a listener of connections in memory.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.accept <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accept:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "hub.test" }
