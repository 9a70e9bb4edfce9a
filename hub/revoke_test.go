package hub

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/order"
)

// revoke makes a revocation count: first at the door, then for who is in.
func (n *node) revoke(kind order.RevocationKind, value string) int {
	r := order.Revocation{Kind: kind, Value: value, At: time.Now()}
	n.mu.Lock()
	n.revocations = append(n.revocations, r)
	n.mu.Unlock()
	return n.Revoke([]order.Revocation{r})
}

// isRevoked is what package auth says of a token, in short.
func (n *node) isRevoked(g Grant) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.revocations {
		what := map[order.RevocationKind][]string{
			order.RevokeToken: {g.TokenID}, order.RevokeKey: {g.KeyID}, order.RevokeSubject: {g.Subject}, order.RevokeOrder: g.Orders,
		}
		for _, value := range what[r.Kind] {
			if value == r.Value && (r.IssuedBefore().IsZero() || g.Issued.Before(r.IssuedBefore())) {
				return true
			}
		}
	}
	return false
}

// old is a grant for an order that is a minute old, and young one from the next
// minute: a second that ends meanwhile makes it no older than a revocation.
func old(id string) Grant {
	return Grant{TokenID: "t-" + id, Subject: "u-" + id, KeyID: "k-" + id, Orders: []string{id}, Issued: time.Now().Add(-time.Minute)}
}

func young(id string) Grant {
	g := old(id)
	g.TokenID, g.Issued = "t2-"+id, time.Now().Add(time.Minute)
	return g
}

// ofVictim are all ways of revoking old("victim").
var ofVictim = map[order.RevocationKind]string{
	order.RevokeToken: "t-victim", order.RevokeSubject: "u-victim", order.RevokeOrder: "victim", order.RevokeKey: "k-victim",
}

func TestRevocationEndsOpenConnections(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		for kind, value := range ofVictim {
			n.mu.Lock()
			n.revocations = nil
			n.mu.Unlock()
			victim := over.open(n, n.grant(old("victim")), "victim")
			other := over.open(n, n.grant(old("other")), "other")
			victim.want("snapshot", "victim", victim.version(n))
			other.want("snapshot", "other", other.version(n))
			n.eventually("both wait", func() bool { return n.Clients() == 2 })

			if ended := n.revoke(kind, value); ended != 1 {
				t.Errorf("by %s: %d connections were ended", kind, ended)
			}
			n.commit("victim", order.Paid)
			victim.wantRevoked(over)
			paid := n.commit("other", order.Paid)
			other.want("update", "other", paid.Version)
			other.leave()
			n.wantEmpty()
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if got := n.closed[over.name+" token_revoked"]; got != len(ofVictim) {
			t.Errorf("%d connections are said to have ended so: %v", got, n.closed)
		}
	})
}

// version is the newest of the order that a watch is of.
func (w *watch) version(n *node) int64 {
	n.book.mu.Lock()
	defer n.book.mu.Unlock()
	for _, s := range n.book.states {
		return s.Version // all have the same in this story
	}
	return 0
}

// wantRevoked reads the end of a revoked token.
func (w *watch) wantRevoked(over transport) {
	w.t.Helper()
	if over.name == transportSSE {
		if e := w.next(); e.Type != "goodbye" || e.Reason != "token_revoked" || e.RetryMS < 1000 || e.RetryMS > 3000 {
			w.t.Errorf("saw %+v", e)
		}
	}
	w.wantClosed(4401)
}

func TestNewerTokenOutlivesARevocation(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		for _, kind := range []order.RevocationKind{order.RevokeSubject, order.RevokeOrder, order.RevokeToken} {
			w := over.open(n, n.grant(young("victim")), "victim")
			before := w.version(n)
			w.want("snapshot", "victim", before)
			n.eventually("it waits", func() bool { return n.Clients() == 1 })
			if ended := n.revoke(kind, ofVictim[kind]); ended != 0 {
				t.Errorf("by %s: %d connections were ended", kind, ended)
			}
			n.commit("victim", order.Paid)
			w.want("update", "victim", before+1)
			w.leave()
			n.wantEmpty()
			w = over.open(n, n.grant(young("victim")), "victim")
			w.want("snapshot", "victim", before+1)
			w.leave()
			n.wantEmpty()
		}
	})
}

func TestRevokedTokenOpensNothing(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		token := n.grant(old("victim"))
		ticket, _ := n.buy(token, "")
		n.revoke(order.RevokeToken, "t-victim")

		for path, more := range map[string]string{
			"/v1/sse": "", "/v1/orders/victim": "", "/v1/orders/victim?wait=20": `"x"`, "/v1/ws": "",
		} {
			a := n.do(n.get(path, token, http.Header{"If-None-Match": {more}}))
			if a.status != 401 || a.problem != "token-revoked" {
				t.Errorf("%s: %d %s", path, a.status, a.problem)
			}
		}
		if _, a := n.buy(token, ""); a.status != 401 || a.problem != "token-revoked" {
			t.Errorf("another ticket: %d %s", a.status, a.problem)
		}
		if a := n.do(n.get("/v1/sse?ticket="+ticket, "", nil)); a.status != 401 || a.problem != "token-revoked" {
			t.Errorf("its ticket: %d %s", a.status, a.problem)
		}
		openWebSocket(n, token).wantClosed(4401) // from a page, which sees no status
		w := dialWebSocket(n, &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
		w.renew(token)
		w.wantClosed(4401)
	})
}

func TestRevokedRenewalIsEnded(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		n.revoke(order.RevokeToken, "t-victim")
		w := openWebSocket(n, n.grant(young("victim")))
		w.want("snapshot", "victim", 0)
		w.renew(n.grant(old("victim")))
		w.wantClosed(4401)
	})
}

// TestRenewedConnectionIsThatOfItsNewToken: a revocation of the old one comes late.
func TestRenewedConnectionIsThatOfItsNewToken(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		w := openWebSocket(n, n.grant(old("victim")))
		w.want("snapshot", "victim", 0)
		wider := young("victim")
		wider.Orders = append(wider.Orders, "b")
		w.renew(n.grant(wider))
		w.want("snapshot", "b", 0)
		n.revoke(order.RevokeToken, "t-victim")
		n.revoke(order.RevokeSubject, "u-victim")
		n.commit("b", order.Paid)
		w.want("update", "b", 1)
		n.revoke(order.RevokeToken, "t2-victim")
		w.wantClosed(4401)
	})
}

// TestRevocationBetweenTheDoorAndTheIndex comes when the door has let a token in
// and the search for its connection finds none yet.
func TestRevocationBetweenTheDoorAndTheIndex(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		n.mu.Lock()
		n.admitted = func(g Grant) { n.revoke(order.RevokeToken, g.TokenID) }
		n.mu.Unlock()
		w := over.open(n, n.grant(old("victim")), "victim")
		switch over.name {
		case transportWebSocket:
			w.wantClosed(4401)
		case transportSSE:
			w.wantClosed(401)
		case transportPoll: // the first answers at once, from before
			w.want("snapshot", "victim", 0)
			w.wantClosed(4401)
		}
	})
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		w := openWebSocket(n, n.grant(young("victim")))
		w.want("snapshot", "victim", 0)
		n.mu.Lock()
		n.admitted = func(g Grant) { n.revoke(order.RevokeToken, g.TokenID) }
		n.mu.Unlock()
		w.renew(n.grant(old("victim")))
		w.wantClosed(4401)
	})
}

func TestHeldPollIsToldOfTheRevocation(t *testing.T) {
	n := start(t, Options{})
	token := n.grant(old("victim"))
	tag := n.poll(t.Context(), token, "victim", "0", "").tag
	answered := make(chan answer, 1)
	go func() { answered <- n.poll(t.Context(), token, "victim", "60", tag) }()
	n.eventually("it waits", func() bool { _, watchers, _ := n.held(); return watchers == 1 })
	n.revoke(order.RevokeOrder, "victim")
	if a := <-answered; a.status != 401 || a.problem != "token-revoked" {
		t.Errorf("answered %d %s", a.status, a.problem)
	}
}

// TestRevokedClientThatDoesNotReadIsCut: what it has not taken would otherwise
// reach it whenever it chooses to read.
func TestRevokedClientThatDoesNotReadIsCut(t *testing.T) {
	for _, over := range []transport{{transportWebSocket, openWebSocket}, {transportSSE, openSSE}} {
		t.Run(over.name, func(t *testing.T) {
			n := startParked(t, Options{WriteTimeout: time.Hour})
			conn := stall(n, over, "slow")
			defer conn.Close()
			if ended := n.revoke(order.RevokeOrder, "slow"); ended != 1 {
				t.Errorf("%d connections were ended", ended)
			}
			n.wantEmpty()
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.closed[over.name+" token_revoked"] != 1 {
				t.Errorf("connections ended: %v", n.closed)
			}
		})
	}
}

func TestCrowdOfRevokedComesBackSpread(t *testing.T) {
	n := newStillNode(t, Options{})
	const crowd = 5000
	carriers := make([]lastWord, crowd)
	for i := range carriers {
		c := n.open(&carriers[i], "test", old("o"), seat{})
		n.register(c, []string{"o"})
	}
	if ended := n.revoke(order.RevokeKey, "k-o"); ended != crowd {
		t.Errorf("%d connections were ended", ended)
	}
	n.wantEmpty()
	late := 0
	for i := range carriers {
		retry := carriers[i].why.retry
		if retry < time.Second || retry > 7*time.Second {
			t.Errorf("one is to come back after %v", retry)
		}
		if retry > 4*time.Second {
			late++
		}
	}
	if late < crowd/4 || late > crowd*3/4 {
		t.Errorf("%d of %d are to come back in the later half", late, crowd)
	}
}

// A lastWord is a carrier that keeps why it was closed, and counts what it was sent.
type lastWord struct {
	sent atomic.Int32
	why  cause
}

func (l *lastWord) send(batch []outgoing) error { l.sent.Add(int32(len(batch))); return nil }
func (l *lastWord) close(why cause) bool        { l.why = why; return false }

// TestWhatIsDueIsNotWrittenAfterARevocation that comes between a change and its
// write.
func TestWhatIsDueIsNotWrittenAfterARevocation(t *testing.T) {
	n := newStillNode(t, Options{})
	carrier := &lastWord{}
	c := n.open(carrier, "test", old("o"), seat{})
	if err := n.watch(t.Context(), c, []string{"o"}); err != nil {
		t.Fatal(err)
	}
	n.eventually("it has its snapshot", func() bool { return carrier.sent.Load() == 1 })
	n.eventually("nobody writes", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		idle := !c.writing
		c.writing = true // somebody is about to
		return idle
	})
	n.commit("o", order.Paid)
	n.revoke(order.RevokeSubject, "u-o")
	c.flush()
	if carrier.sent.Load() != 1 || carrier.why.name != "token_revoked" {
		t.Errorf("%d states were sent, and the end was %q", carrier.sent.Load(), carrier.why.name)
	}
}

// TestNoRevokedConnectionSurvivesAStorm: tokens are revoked while their clients
// are just connecting.
func TestNoRevokedConnectionSurvivesAStorm(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		if over.name == transportPoll {
			t.Skip("a poll that is over was let in before")
		}
		const clients = 60
		var all sync.WaitGroup
		watches := make([]*watch, clients)
		for i := range clients {
			id := fmt.Sprint("o", i)
			token := n.grant(old(id))
			all.Go(func() { watches[i] = over.open(n, token, id) })
			if i%2 == 0 {
				all.Go(func() { n.revoke(order.RevokeToken, "t-"+id) })
			}
		}
		all.Wait()
		for i, w := range watches {
			for e := w.next(); ; e = w.next() {
				if i%2 == 0 && e.Type == "closed" && (e.code == 4401 || e.code == 401) {
					break
				}
				if i%2 == 1 && e.Type == "snapshot" {
					break
				}
				if e.Type == "closed" {
					t.Fatalf("client %d was ended with %d", i, e.code)
				}
			}
		}
	})
}

// TestClientIsSmall holds P8: most of what a waiting customer costs is this struct.
// The next size in which Go hands out memory is a sixteenth more.
func TestClientIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(client{}); size > 192 {
		t.Errorf("a client takes %d bytes", size)
	}
}
