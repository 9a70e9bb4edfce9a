package hub

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// pass asks for a pass, and wants one.
func (n *node) pass(id, brought string) Pass {
	n.t.Helper()
	p, why := n.Hub.Pass(n.t.Context(), id, brought)
	if why != nil {
		n.t.Fatalf("no pass for %s: %s", id, why.Name)
	}
	return p
}

func (n *node) wantNoPass(id, brought, problem string) {
	n.t.Helper()
	switch p, why := n.Hub.Pass(n.t.Context(), id, brought); {
	case why == nil:
		n.t.Errorf("a pass for %s: %+v", id, p.Grant)
	case why.Name != problem:
		n.t.Errorf("no pass for %s: %s, want %s", id, why.Name, problem)
	}
}

func TestPassOpensItsOrderOnEveryTransport(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		n.commit("a", order.Paid)
		p := n.pass("a", n.token("a", "b"))
		over.open(n, p.Text, "a").want("snapshot", "a", 1)
		over.open(n, p.Text, "b").wantClosed(map[string]int{"websocket": 4403, "sse": 403, "poll": 403}[over.name])
	})
}

func TestWhatBuysAPass(t *testing.T) {
	n := start(t, Options{})
	n.wantNoPass("a", "", "token-missing")
	n.wantNoPass("a", "canary", "token-invalid")
	n.wantNoPass("a", passMark+"canary", "token-expired")
	n.wantNoPass("a", tokenMark+"forged", "token-invalid")
	first := n.pass("a", n.token("a"))
	n.wantNoPass("b", first.Text, "not-your-order")

	ticket, _ := n.buy(n.token("a"), "")
	n.wantNoPass("b", ticket, "not-your-order") // and it is not used up by that
	n.pass("a", ticket)
	n.wantNoPass("a", ticket, "ticket-invalid")
	n.ride(ticket, "").wantClosed(401)

	ticket, _ = n.buy(n.token("a"), "")
	n.wantNoPass("a", passMark+ticket, "token-expired") // a ticket is no pass
	n.ride(strings.TrimPrefix(first.Text, passMark), "").wantClosed(401)
	n.Hub.draining.Store(true)
	n.wantNoPass("a", first.Text, "draining")
}

func TestPassOutlivesItsTokenAndEndsAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newStillNode(t, Options{})
		began := time.Now()
		p := n.pass("a", n.token("a"))
		slept := p
		for time.Since(began) < 23*time.Hour {
			time.Sleep(10 * time.Minute)
			p = n.pass("a", p.Text)
		}
		n.wantNoPass("a", slept.Text, "token-expired")
		for time.Since(began) < 24*time.Hour-10*time.Minute {
			time.Sleep(10 * time.Minute)
			p = n.pass("a", p.Text)
		}
		if end := began.Add(24 * time.Hour); p.Grant.Expires.After(end) {
			t.Errorf("it ends at %v, want %v at the latest", p.Grant.Expires, end)
		}
		time.Sleep(10 * time.Minute)
		n.wantNoPass("a", p.Text, "token-expired")
	})
}

func TestTicketOfAPassDoesNotBeginAnotherDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newStillNode(t, Options{})
		began := time.Now()
		p := n.pass("a", n.token("a"))
		for time.Since(began) < 24*time.Hour-10*time.Minute {
			time.Sleep(10 * time.Minute)
			r, w := httptest.NewRequest("POST", "/v1/tickets", nil), httptest.NewRecorder()
			r.Header.Set("Authorization", "Bearer "+p.Text)
			n.Hub.Tickets(w, r)
			var sold struct{ Ticket string }
			if err := json.Unmarshal(w.Body.Bytes(), &sold); err != nil {
				t.Fatal(err)
			}
			p = n.pass("a", sold.Ticket)
		}
		if end := began.Add(24 * time.Hour); p.Grant.Expires.After(end) {
			t.Errorf("it ends at %v, want %v at the latest", p.Grant.Expires, end)
		}
	})
}

func TestPassIsRevokedWithItsToken(t *testing.T) {
	for kind, value := range ofVictim {
		n := start(t, Options{})
		token := n.grant(old("victim"))
		ticket, _ := n.buy(token, "")
		p := n.pass("victim", n.pass("victim", token).Text) // renewed
		w := transports[1].open(n, p.Text, "victim")
		w.want("snapshot", "victim", 0)
		if ended := n.revoke(kind, value); ended != 1 {
			t.Errorf("by %s: %d connections were ended", kind, ended)
		}
		n.wantNoPass("victim", p.Text, "token-revoked")
		n.wantNoPass("victim", ticket, "token-revoked")
		if a := n.do(n.get("/v1/orders/victim", p.Text, nil)); a.status != 401 || a.problem != "token-revoked" {
			t.Errorf("by %s: a poll was answered %d %s", kind, a.status, a.problem)
		}
		if kind != order.RevokeKey {
			n.pass("victim", n.grant(young("victim")))
		}
	}
}

func TestPassOfOneNodeIsGoodOnAnother(t *testing.T) {
	secret := []byte("a secret that all nodes have, 32 bytes")
	one, other := start(t, Options{TicketSecret: secret}), start(t, Options{TicketSecret: secret})
	p := one.pass("a", one.token("a"))
	other.pass("a", p.Text)
	start(t, Options{}).wantNoPass("a", p.Text, "token-expired")
}

func TestShownPageIsToldOf(t *testing.T) {
	n := start(t, Options{})
	n.commit("a", order.Paid)
	s, err := n.Show(t.Context(), n.pass("a", n.token("a")).Grant)
	if err != nil || s.Status != order.Paid {
		t.Fatalf("shown %+v, %v", s, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if one := n.told[0]; one.Transport != "page" || one.Version != 1 || one.Order != "a" {
		t.Errorf("told %+v", one)
	}
}
