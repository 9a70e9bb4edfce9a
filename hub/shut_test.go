package hub

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// Clients of a node that has lost the ledger are told to come again, and when;
// nobody is let in meanwhile, and everybody afterwards.
func TestShutNodeSendsClientsAwayAndReopens(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		n.commit("o", order.Pending)
		token := n.token("o")
		w := over.open(n, token, "o")
		w.want("snapshot", "o", 1)
		n.eventually("it is held", func() bool { return n.Clients() == 1 })
		n.Shut()
		n.Shut()
		if over.name != transportPoll { // which is answered instead
			if e := w.next(); e.Type != "goodbye" || e.Reason != "ledger_unavailable" || e.RetryMS < 500 || e.RetryMS > 5500 {
				t.Errorf("saw %+v", e)
			}
			if e := w.next(); e.Type != "closed" || over.name == transportWebSocket && e.code != 1013 {
				t.Errorf("saw %+v", e)
			}
		}
		n.wantEmpty()
		post := n.get("/v1/tickets", token, nil)
		post.Method = http.MethodPost
		for _, r := range []*http.Request{
			n.get("/v1/ws", token, nil), n.get("/v1/sse", token, nil), n.get("/v1/sse?ticket=x", "", nil),
			n.get("/v1/orders/o", token, nil), n.get("/v1/orders/o?wait=9", token, nil), post,
		} {
			if a := n.do(r); a.status != 503 || a.problem != "ledger-unavailable" || a.retry < 1 || a.retry > 6 {
				t.Errorf("%s: %+v", r.URL.Path, a)
			}
		}
		n.Reopen()
		again := over.open(n, token, "o")
		again.want("snapshot", "o", 1)
		n.commit("o", order.Paid)
		again.want("update", "o", 2)
	})
}

func TestShutNodeAnswersHeldPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		n.commit("o", order.Pending)
		held := make(chan answer)
		go func() { held <- n.poll(context.Background(), n.token("o"), "o", "60", `"e1.1"`) }()
		n.eventually("the poll is held", func() bool { return n.Clients() == 1 })
		synctest.Wait()
		n.Shut()
		if a := <-held; a.status != 503 || a.problem != "ledger-unavailable" || a.retry < 1 {
			t.Errorf("%+v", a)
		}
	})
}

// Who does not go is cut in the end.
func TestShutNodeCutsWhoDoesNotGo(t *testing.T) {
	for _, over := range streams {
		t.Run(over.name, func(t *testing.T) {
			n := startParked(t, Options{WriteTimeout: time.Hour})
			n.shutTime = 20 * time.Millisecond
			stall(n, over, "o")
			n.Shut()
			n.wantEmpty()
			n.mu.Lock()
			defer n.mu.Unlock()
			// The kernel may have found room for the goodbye after all.
			if n.closed[over.name+" cut"]+n.closed[over.name+" ledger_unavailable"] != 1 {
				t.Errorf("closed %v", n.closed)
			}
		})
	}
}

// A client that was let in just before, and is registered just after.
func TestLatecomerToAShutNodeIsSentAway(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		n.Shut()
		c, r := n.join(Grant{Orders: []string{"o"}})
		if <-c.gone; r.end() != "ledger_unavailable" {
			t.Errorf("ended as %q", r.end())
		}
	})
}

func TestDrainOfAShutNodeIsNotUndone(t *testing.T) {
	n := start(t, Options{})
	n.Shut()
	n.Drain(t.Context(), time.Second)
	n.Reopen()
	if a := n.do(n.get("/v1/sse", n.token("o"), nil)); a.problem != "draining" {
		t.Errorf("%+v", a)
	}
}
