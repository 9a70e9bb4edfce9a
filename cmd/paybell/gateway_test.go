package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 20 * time.Second

// A testGateway is a whole gateway in this process, on a free port.
type testGateway struct {
	t       testing.TB
	config  *config
	gateway *gateway
	base    string // of the public listener
	admin   string
	signers map[string]webhook.Simulator
	logs    *syncBuffer
	stop    func() error
}

// startGateway starts a gateway with the sources stripe and shop, over a ledger
// in a temporary folder. The test's end stops it.
func startGateway(t testing.TB) *testGateway {
	t.Helper()
	return startGatewayWith(t, filepath.Join(t.TempDir(), "paybell.db"), nil)
}

func startGatewayWith(t testing.TB, ledger string, change func(*config)) *testGateway {
	t.Helper()
	return startGatewayOver(t, ledger, change, func(st store) store { return st })
}

// startGatewayOver starts a gateway over what over makes of the ledger.
func startGatewayOver(t testing.TB, ledger string, change func(*config), over func(store) store) *testGateway {
	t.Helper()
	at := newBerth(t, ledger, change)
	st, err := openLedger(t.Context(), at.config.Ledger, false)
	if err != nil {
		t.Fatal(err)
	}
	gw := at.start(t, over(st))
	stop := gw.stop
	gw.stop = sync.OnceValue(func() error {
		defer st.Close()
		return stop()
	})
	t.Cleanup(func() { gw.stop() })
	return gw
}

// startNode starts a gateway over a store that is open, and that others may use
// too.
func startNode(t testing.TB, ledger string, st store, change func(*config)) *testGateway {
	t.Helper()
	return newBerth(t, ledger, change).start(t, st)
}

// A berth is where a gateway is to run.
type berth struct {
	config        *config
	public, admin net.Listener
}

func newBerth(t testing.TB, ledger string, change func(*config)) berth {
	t.Helper()
	loopback := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	public, admin := loopback(), loopback()
	c := demoConfig(public.Addr().(*net.TCPAddr).Port, ledger)
	c.Drain = 20 * time.Millisecond
	if change != nil {
		change(c)
	}
	return berth{c, public, admin}
}

func (at berth) start(t testing.TB, st store) *testGateway {
	t.Helper()
	c, public, admin := at.config, at.public, at.admin
	logs := &syncBuffer{}
	g, err := newGateway(c, st, slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	sources, err := buildSources(c)
	if err != nil {
		t.Fatal(err)
	}
	gw := &testGateway{
		t: t, config: c, gateway: g, base: c.PublicURL, admin: "http://" + admin.Addr().String(),
		signers: map[string]webhook.Simulator{}, logs: logs,
	}
	for _, s := range sources {
		gw.signers[s.Name] = s.Provider.(webhook.Simulator)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.run(ctx, public, admin) }()
	gw.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := gw.stop(); err != nil {
			t.Errorf("the gateway ended with: %v", err)
		}
	})
	return gw
}

// do sends a request and returns the answer with its body.
func (gw *testGateway) do(method, address, bearer, body string, headers ...string) (*http.Response, string) {
	gw.t.Helper()
	if !strings.HasPrefix(address, "http") {
		address = gw.base + address
	}
	request, err := http.NewRequestWithContext(gw.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		gw.t.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		gw.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		gw.t.Fatal(err)
	}
	return response, string(content)
}

// backend sends a request as the merchant's backend and wants a status.
func (gw *testGateway) backend(want int, method, address, body string, headers ...string) string {
	gw.t.Helper()
	response, content := gw.do(method, address, string(gw.config.Auth.APIKeys[0]), body, headers...)
	if response.StatusCode != want {
		gw.t.Fatalf("%s %s answered %d, want %d: %s", method, address, response.StatusCode, want, content)
	}
	return content
}

// session registers an order for 9900 EUR cents, and returns its token.
func (gw *testGateway) session(id string) string {
	gw.t.Helper()
	content := gw.backend(http.StatusCreated, "POST", "/v1/sessions", fmt.Sprintf(`{"order":%q,"amount":9900,"currency":"EUR"}`, id))
	return decode[struct{ Token string }](gw.t, content).Token
}

// deliver sends a genuinely signed webhook and returns the answer's status.
func (gw *testGateway) deliver(source string, s webhook.Simulation) int {
	gw.t.Helper()
	if s.At.IsZero() {
		s.At = time.Now()
	}
	if s.Currency == "" {
		s.Amount, s.Currency, s.Method = 9900, "EUR", "card"
	}
	if s.Payment == "" {
		s.Payment = "pi_" + s.Order
	}
	s.Live = true
	signed, err := gw.signers[source].Simulate(s)
	if err != nil {
		gw.t.Fatal(err)
	}
	return gw.post(source, signed)
}

func (gw *testGateway) post(source string, signed webhook.Request) int {
	gw.t.Helper()
	address := gw.base + "/webhooks/" + source
	if _, query, ok := strings.Cut(signed.URL, "?"); ok {
		address += "?" + query
	}
	request, err := http.NewRequestWithContext(gw.t.Context(), "POST", address, bytes.NewReader(signed.Body))
	if err != nil {
		gw.t.Fatal(err)
	}
	request.Header = signed.Header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		gw.t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// An openWatch is an open SSE stream.
type openWatch struct {
	t      testing.TB
	events chan sseEvent
	cancel func()
}

// watch opens an SSE stream of an order.
func (gw *testGateway) watch(id, token string) *openWatch {
	gw.t.Helper()
	ctx, cancel := context.WithCancel(gw.t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", gw.base+"/v1/sse?order="+id, nil)
	if err != nil {
		gw.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		gw.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		gw.t.Fatalf("the stream was answered %d", response.StatusCode)
	}
	w := &openWatch{t: gw.t, events: make(chan sseEvent, 100), cancel: cancel}
	go func() {
		defer response.Body.Close()
		defer close(w.events)
		readEvents(response.Body, func() {}, func(e sseEvent) error { // ends with the stream
			if e.name != "" {
				w.events <- e
			}
			return nil
		})
	}()
	gw.t.Cleanup(cancel)
	return w
}

// next waits for the next event of a name.
func (w *openWatch) next(name string) string {
	w.t.Helper()
	select {
	case e, ok := <-w.events:
		if !ok || e.name != name {
			w.t.Fatalf("got event %q (open %v), want %q", e.name, ok, name)
		}
		return e.data
	case <-time.After(patience):
		w.t.Fatalf("no event %q came", name)
	}
	return ""
}

// want waits for a state.
func (w *openWatch) want(event string, version int64, status order.Status) order.State {
	w.t.Helper()
	s := decode[order.State](w.t, w.next(event))
	if s.Version != version || s.Status != status {
		w.t.Fatalf("got version %d %s, want version %d %s", s.Version, s.Status, version, status)
	}
	return s
}

func decode[T any](t testing.TB, content string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(content), &value); err != nil {
		t.Fatalf("%v in %s", err, content)
	}
	return value
}

// A syncBuffer collects logs from many goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
