package main

import (
	"bufio"
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
	"github.com/paybell/paybell/webhook"
)

// A severed store is one behind a network that may be cut: nothing is refused, and
// nothing answered.
type severed struct {
	*sqlite.Store

	mu  sync.Mutex
	cut chan struct{} // closed when the network is whole again; nil: it is
}

func (s *severed) sever() (mend func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = make(chan struct{})
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.cut)
		s.cut = nil
	})
}

func (s *severed) reach(ctx context.Context) error {
	s.mu.Lock()
	cut := s.cut
	s.mu.Unlock()
	if cut == nil {
		return nil
	}
	select {
	case <-cut:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *severed) Update(ctx context.Context, fn func(order.Tx) error) error {
	if err := s.reach(ctx); err != nil {
		return err
	}
	return s.Store.Update(ctx, fn)
}

func (s *severed) States(ctx context.Context, orders []string) ([]order.State, error) {
	if err := s.reach(ctx); err != nil {
		return nil, err
	}
	return s.Store.States(ctx, orders)
}

func (s *severed) Heads(ctx context.Context) (order.Heads, error) {
	if err := s.reach(ctx); err != nil {
		return order.Heads{}, err
	}
	return s.Store.Heads(ctx)
}

// TestNodeThatLosesItsLedgerSendsEverybodyElsewhere is the whole of it: who waits
// is told, who comes is refused, webhooks are refused and not held, and when the
// ledger is back all is as before, without a restart.
func TestNodeThatLosesItsLedgerSendsEverybodyElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	var st *severed
	gw := startGatewayOver(t, filepath.Join(t.TempDir(), "paybell.db"), nil, func(s store) store {
		st = &severed{Store: s.(*sqlite.Store)}
		return st
	})
	token := gw.session("A1")
	lines := openStream(gw, token)
	awaitLine(t, lines, "event: snapshot")

	mend := st.sever()
	defer mend()
	began := time.Now()
	if status := gw.deliver("stripe", webhook.Simulation{ID: "evt_A1", Order: "A1", Payment: "pi_A1", Status: order.Paid}); status != http.StatusServiceUnavailable {
		t.Errorf("a webhook was answered %d", status)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("a webhook was held for %v", took)
	}
	awaitLine(t, lines, `data: {"reason":"ledger_unavailable","retry_ms":`)
	for _, path := range []string{"/readyz", "/v1/sse?order=A1", "/v1/orders/A1"} {
		if response, content := gw.do("GET", path, token, ""); response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
			t.Errorf("%s answered %d: %s", path, response.StatusCode, content)
		}
	}

	mend()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if response, content := gw.do("GET", "/readyz", "", ""); response.StatusCode == http.StatusOK {
			break
		} else if time.Now().After(end) {
			t.Fatalf("not ready again: %s", content)
		}
	}
	lines = openStream(gw, token)
	awaitLine(t, lines, "event: snapshot")
	if status := gw.deliver("stripe", webhook.Simulation{ID: "evt_A1", Order: "A1", Payment: "pi_A1", Status: order.Paid}); status != http.StatusOK {
		t.Errorf("afterwards a webhook was answered %d", status)
	}
	awaitLine(t, lines, `"status":"paid"`)
}

// openStream opens a stream of A1 and returns its lines.
func openStream(gw *testGateway, token string) <-chan string {
	gw.t.Helper()
	request, err := http.NewRequestWithContext(gw.t.Context(), "GET", gw.base+"/v1/sse?order=A1", nil)
	if err != nil {
		gw.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		gw.t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		defer response.Body.Close()
		for s := bufio.NewScanner(response.Body); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}

// awaitLine waits for a line that holds a text.
func awaitLine(t *testing.T, lines <-chan string, text string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-lines:
			if strings.Contains(line, text) {
				return
			}
			if !ok {
				t.Fatalf("the stream ended before %q", text)
			}
		case <-timeout:
			t.Fatalf("not in time: %q", text)
		}
	}
}
