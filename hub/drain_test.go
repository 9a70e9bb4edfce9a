package hub

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/order"
)

// Clients of a node that stops come back spread over the window.
func TestDrainSpreadsTheClients(t *testing.T) {
	const clients, window = 100, 10 * time.Second
	for _, over := range transports[:2] {
		t.Run(over.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := startPipes(t, Options{})
				token := n.token("o")
				watches := make([]*watch, clients)
				for i := range watches {
					watches[i] = over.open(n, token, "o")
					watches[i].want("snapshot", "o", 0)
				}
				gone := make(chan struct{})
				go func() { n.Drain(context.Background(), window); close(gone) }()
				least, most := time.Hour, time.Duration(0)
				for _, w := range watches {
					e := w.next()
					if e.Type != "goodbye" || e.Reason != "drain" {
						t.Fatalf("saw %+v", e)
					}
					retry := time.Duration(e.RetryMS) * time.Millisecond
					least, most = min(least, retry), max(most, retry)
					if e := w.next(); e.Type != "closed" || over.name == transportWebSocket && e.code != 1001 {
						t.Fatalf("saw %+v", e)
					}
				}
				<-gone
				if least < 500*time.Millisecond || most > window+500*time.Millisecond || most-least < window*8/10 {
					t.Errorf("they come back between %v and %v", least, most)
				}
			})
		})
	}
}

func TestDrainAnswersHeldPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		n.commit("o", order.Pending)
		answers := make(chan answer)
		for range 50 {
			go func() { answers <- n.poll(context.Background(), n.token("o"), "o", "60", `"e1.1"`) }()
		}
		n.eventually("the polls are held", func() bool { return n.Clients() == 50 })
		synctest.Wait()
		began := time.Now()
		n.Drain(context.Background(), 20*time.Second)
		seen := map[int]bool{}
		for range 50 {
			a := <-answers
			if a.status != 304 || a.retry < 1 || a.retry > 21 {
				t.Errorf("%+v", a)
			}
			seen[a.retry] = true
		}
		if time.Since(began) != 0 || len(seen) < 8 {
			t.Errorf("after %v, at %d different times", time.Since(began), len(seen))
		}
	})
}

func TestDrainingNodeTakesNobody(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		token := n.token("o")
		ticket, _ := n.buy(token, "")
		n.Drain(t.Context(), time.Second)
		post := n.get("/v1/tickets", token, nil)
		post.Method = http.MethodPost
		for _, r := range []*http.Request{
			n.get("/v1/ws", token, nil), n.get("/v1/sse", token, nil), n.get("/v1/sse?ticket="+ticket, "", nil),
			n.get("/v1/orders/o", token, nil), post,
		} {
			if a := n.do(r); a.status != 503 || a.problem != "draining" || a.retry != 1 {
				t.Errorf("%s: %+v", r.URL.Path, a)
			}
		}
	})
}

// A client that was let in just before the drain, and is registered just after it.
func TestLatecomerToADrainIsSentAway(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		n.Drain(context.Background(), time.Second)
		c, r := n.join(Grant{Orders: []string{"o"}})
		if <-c.gone; r.end() != "drain" {
			t.Errorf("ended as %q", r.end())
		}
	})
}

// A WebSocket that has shown no token yet is told as well.
func TestSocketWithoutATokenIsSentAway(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		w := dialWebSocket(n, &websocket.DialOptions{})
		n.eventually("it is open", func() bool { return n.Clients() == 1 })
		go n.Drain(context.Background(), time.Second)
		if e := w.next(); e.Type != "goodbye" || e.RetryMS == 0 {
			t.Errorf("saw %+v", e)
		}
		w.wantClosed(1001)
	})
}

// A drain does not wait for those who do not go longer than it is told to.
func TestDrainEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		w := openWebSocket(n, n.token("o"))
		w.want("snapshot", "o", 0)
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		n.Drain(ctx, time.Second) // nobody reads the goodbye
		if time.Since(began) != 3*time.Second {
			t.Errorf("returned after %v", time.Since(began))
		}
		n.wantEmpty()
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("a client that does not read was held for %v", took)
		}
	})
}
