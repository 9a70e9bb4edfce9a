package hub

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

func TestRenewalOnAnOpenSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		until := func(d time.Duration, orders ...string) string {
			return n.grant(Grant{Subject: "u1", Orders: orders, Expires: time.Now().Add(d)})
		}
		began := time.Now()
		w := openWebSocket(n, until(time.Minute, "a", "b"))
		w.want("snapshot", "a", 0)
		w.want("snapshot", "b", 0)
		if e := w.next(); e.Type != "token_expiring" {
			t.Errorf("saw %+v", e)
		}
		w.renew(until(2*time.Minute, "b", "c")) // widened by c, narrowed by a
		w.want("snapshot", "c", 0)
		n.commit("a", order.Paid)
		n.commit("b", order.Paid)
		w.want("update", "b", 1) // and no second snapshot of it
		n.commit("c", order.Paid)
		w.want("update", "c", 1)
		if e := w.next(); e.Type != "token_expiring" || time.Since(began) < 2*time.Minute {
			t.Errorf("saw %+v after %v", e, time.Since(began))
		}
		w.renew(until(5*time.Minute, "b", "a"))
		w.want("snapshot", "a", 1)
		w.renew(until(time.Second, "a", "b")) // a shorter life counts too
		w.next()                              // token_expiring
		renewed := time.Now()
		if w.wantClosed(4401); time.Since(renewed) > 1500*time.Millisecond {
			t.Errorf("ended %v after a token of one second", time.Since(renewed))
		}
	})
}

func TestRenewalKeepsToTheOrdersOfTheAddress(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		w := openWebSocket(n, n.token("a", "b"), "a")
		w.want("snapshot", "a", 0)
		w.renew(n.token("a", "b", "c"))
		n.commit("b", order.Paid)
		n.commit("c", order.Paid)
		n.commit("a", order.Paid)
		w.want("update", "a", 1)
		w.renew(n.token("b"))
		w.wantClosed(4403)
	})
}

func TestRenewalForAnotherIsRefused(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		for name, grant := range map[string]Grant{
			"another subject": {Subject: "u2", Orders: []string{"o"}},
			"no subject":      {Orders: []string{"o"}},
			"no orders":       {Subject: "u1"},
		} {
			t.Run(name, func(t *testing.T) {
				n := start(t, Options{Goroutines: goroutines})
				w := openWebSocket(n, n.token("o"))
				w.want("snapshot", "o", 0)
				w.renew(n.grant(grant))
				w.wantClosed(4403)
			})
		}
		n := start(t, Options{Goroutines: goroutines})
		w := openWebSocket(n, n.grant(Grant{Orders: []string{"o"}}))
		w.want("snapshot", "o", 0)
		w.renew(n.token("o")) // an anonymous socket becomes nobody's
		w.wantClosed(4403)
	})
}

func TestRenewalThatCannotBeReadIsEnded(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		w := openWebSocket(n, n.token("a"))
		w.want("snapshot", "a", 0)
		n.book.fail(errDisk)
		w.renew(n.token("a", "b"))
		w.wantClosed(1013)
	})
}

func TestExpiredRenewalIsEnded(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		w := openWebSocket(n, n.token("a"))
		w.want("snapshot", "a", 0)
		w.renew(n.grant(Grant{Subject: "u1", Orders: []string{"a"}, Expires: time.Now().Add(-time.Second)}))
		w.wantClosed(4401)
	})
}
