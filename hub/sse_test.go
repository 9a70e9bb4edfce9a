package hub

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

func TestStreamIsWhatAnEventSourceReads(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		resp, err := n.client.Do(n.get("/v1/sse", n.token("o"), nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform",
			"X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff", "Content-Length": "", "Content-Encoding": "",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		lines := bufio.NewScanner(resp.Body)
		n.commit("o", order.Paid)
		for _, want := range []string{"retry: ", "", "event: snapshot", "id: e1.", `data: {"order":"o",`, ""} {
			if !lines.Scan() || !strings.HasPrefix(lines.Text(), want) || want == "" && lines.Text() != "" {
				t.Errorf("read %q, want %q", lines.Text(), want)
			}
		}
	})
}

func TestLastEventIDNeedsNoReading(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		n.commit("o", order.Paid)
		for _, id := range []string{
			"e1.1", "e1.999", "e1.-1", "other.7", "e1.9223372036854775808", ".", "\xff\xfe", "'; drop table orders", strings.Repeat("9", 10_000),
		} {
			w := streamSSE(n, n.get("/v1/sse", n.token("o"), http.Header{"Last-Event-Id": {id}}))
			if e := w.want("snapshot", "o", 1); e.id != "e1.1" {
				t.Errorf("id %q", e.id)
			}
			w.leave()
		}
	})
}

func TestStreamRequestsAreRefused(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		for name, test := range map[string]struct {
			path, token string
			status      int
			problem     string
		}{
			"no token":       {"/v1/sse?order=a", "", 401, "token-missing"},
			"forged":         {"/v1/sse?order=a", tokenMark, 401, "token-invalid"},
			"expired":        {"/v1/sse", n.grant(Grant{Orders: []string{"a"}, Expires: time.Now().Add(-1)}), 401, "token-expired"},
			"which of two":   {"/v1/sse", n.token("a", "b"), 400, "order-missing"},
			"not yours":      {"/v1/sse?order=c", n.token("a", "b"), 403, "not-your-order"},
			"one not yours":  {"/v1/sse?order=a&order=c", n.token("a", "b"), 403, "not-your-order"},
			"no order":       {"/v1/sse?order=", n.token("a"), 403, "not-your-order"},
			"names no order": {"/v1/sse", n.token(), 403, "not-your-order"},
			"unknown ticket": {"/v1/sse?ticket=x", "", 401, "ticket-invalid"},
			"empty ticket":   {"/v1/sse?ticket=", n.token("a"), 401, "ticket-invalid"},
		} {
			if a := n.do(n.get(test.path, test.token, nil)); a.status != test.status || a.problem != test.problem {
				t.Errorf("%s: %d %s, want %d %s", name, a.status, a.problem, test.status, test.problem)
			}
		}
		r := n.get("/v1/sse", "", http.Header{"Authorization": {"Bearer a", "Bearer b"}})
		if a := n.do(r); a.status != 400 {
			t.Errorf("two tokens: %d", a.status)
		}
	})
}

// A write deadline that has passed resets an HTTP/2 stream, even when nothing
// is being written; ours must not be there.
func TestIdleHTTP2StreamOutlivesWriteDeadlines(t *testing.T) {
	n := newNode(t, Options{WriteTimeout: 400 * time.Millisecond})
	server := httptest.NewUnstartedServer(n.routes())
	server.EnableHTTP2 = true
	server.Config.WriteTimeout = 500 * time.Millisecond
	server.StartTLS()
	defer server.Close()
	n.client, n.url = server.Client(), server.URL
	w := streamSSE(n, n.get("/v1/sse", n.token("o"), nil))
	w.want("snapshot", "o", 0)
	held := make(chan answer, 1)
	go func() { held <- n.poll(context.Background(), n.token("o"), "o", "20", `"e1.0"`) }()
	n.eventually("the poll is held", func() bool { return n.Clients() == 2 })
	time.Sleep(time.Second) // past every deadline
	n.commit("o", order.Paid)
	w.want("update", "o", 1)
	if a := <-held; a.status != 200 || a.state.Version != 1 {
		t.Errorf("the held poll: %+v", a)
	}
	time.Sleep(time.Second)
	n.commit("o", order.Refunded)
	w.want("update", "o", 2)
	w.leave()
}

// The server's own limit on the time of an answer is not for streams.
func TestStreamOutlivesTheServersWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		n.server.WriteTimeout = time.Second
		w := openSSE(n, n.token("o"))
		w.want("snapshot", "o", 0)
		p := openPoll(n, n.token("o"), "o")
		p.want("snapshot", "o", 0)
		time.Sleep(10 * time.Second)
		n.commit("o", order.Paid)
		w.want("update", "o", 1)
		p.want("update", "o", 1)
	})
}

func TestStalledStreamIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		stalled, fine := openSSE(n, n.token("o")), openSSE(n, n.token("o"))
		stalled.want("snapshot", "o", 0)
		fine.want("snapshot", "o", 0)
		began := time.Now()
		for version := int64(1); version <= 100; version++ {
			n.commit("o", order.Pending)
			fine.want("update", "o", version)
		}
		if time.Since(began) != 0 {
			t.Errorf("the other waited %v", time.Since(began))
		}
		n.eventually("the stalled one is cut", func() bool { return n.Clients() == 1 })
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("cut after %v", took)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.closed["sse slow"] != 1 {
			t.Errorf("closed %v", n.closed)
		}
	})
}

// lateWriter reports what is written after its handler returned.
type lateWriter struct {
	http.ResponseWriter
	t    testing.TB
	mu   sync.Mutex
	over bool
}

func (w *lateWriter) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		w.t.Error("the ResponseWriter was used after its handler returned")
	}
}

func (w *lateWriter) Write(b []byte) (int, error) { w.check(); return w.ResponseWriter.Write(b) }
func (w *lateWriter) Unwrap() http.ResponseWriter { w.check(); return w.ResponseWriter }

func TestNothingIsWrittenAfterTheHandlerReturned(t *testing.T) {
	n := newNode(t, Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		late := &lateWriter{ResponseWriter: w, t: t}
		defer func() {
			late.mu.Lock()
			defer late.mu.Unlock()
			late.over = true
		}()
		n.routes().ServeHTTP(late, r)
	}))
	defer server.Close()
	n.client, n.url = server.Client(), server.URL
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				n.commit("o", order.Pending)
				n.Disconnect("o")
			}
		}
	})
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := n.client.Do(n.get("/v1/sse", n.token("o"), nil).WithContext(ctx))
		if err == nil {
			io.CopyN(io.Discard, resp.Body, 100)
			resp.Body.Close()
		}
		cancel()
	}
	close(stop)
	others.Wait()
	n.wantEmpty()
}

// A drain that comes while the ledger is failing a newcomer.
func TestDrainWhileTheLedgerFails(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		reading, drained := make(chan struct{}), make(chan struct{})
		n.book.before = func() {
			close(reading)
			<-drained
		}
		n.book.fail(errDisk)
		w := over.open(n, n.token("o"), "o")
		<-reading
		gone := make(chan struct{})
		go func() { n.Drain(t.Context(), time.Second); close(gone) }()
		n.eventually("it drains", n.draining.Load)
		close(drained)
		for w.next().Type != "closed" {
		}
		<-gone
	})
}

// failing is a writer whose client has gone.
type failing struct{ http.ResponseWriter }

func (failing) SetWriteDeadline(time.Time) error { return nil }
func (failing) Write([]byte) (int, error)        { return 0, errors.New("broken pipe") }
func (failing) FlushError() error                { return nil }
func (f failing) Unwrap() http.ResponseWriter    { return f.ResponseWriter }

func TestFailedWriteEndsTheStream(t *testing.T) {
	n := newNode(t, Options{})
	r := httptest.NewRequest(http.MethodGet, "/v1/sse", nil)
	r.Header.Set("Authorization", "Bearer "+n.token("o"))
	n.SSE(failing{httptest.NewRecorder()}, r)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed["sse gone"] != 1 || len(n.told) != 0 {
		t.Errorf("closed %v, told %v", n.closed, n.told)
	}
}
