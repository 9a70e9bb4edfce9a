package hub

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// errDisk is what a ledger that cannot be read says.
var errDisk = errors.New("disk on fire")

// eachForm runs a test for both ways in which a connection is kept: parked, and
// with goroutines.
func eachForm(t *testing.T, test func(t *testing.T, goroutines bool)) {
	t.Run("parked", func(t *testing.T) { test(t, false) })
	t.Run("goroutines", func(t *testing.T) { test(t, true) })
}

// onEach runs a test over every transport in both forms, over real sockets.
func onEach(t *testing.T, test func(t *testing.T, n *node, over transport)) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		for _, over := range transports {
			t.Run(over.name, func(t *testing.T) { test(t, start(t, Options{Goroutines: goroutines}), over) })
		}
	})
}

// onEachInTime runs a test over every transport in a bubble, whose clock goes on
// when nothing else can.
func onEachInTime(t *testing.T, test func(t *testing.T, n *node, over transport)) {
	for _, over := range transports {
		t.Run(over.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, startPipes(t, Options{}), over) })
		})
	}
}

func TestSnapshotComesFirst(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		over.open(n, n.token("new"), "new").want("snapshot", "new", 0)
		n.commit("old", order.Pending)
		n.commit("old", order.Paid)
		e := over.open(n, n.token("old"), "old").want("snapshot", "old", 2)
		if e.Order.Status != order.Paid || !e.Order.Final || e.Order.Epoch != "e1" {
			t.Errorf("saw %+v", e.Order)
		}
	})
}

func TestUpdatesRise(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		w := over.open(n, n.token("o"), "o")
		w.want("snapshot", "o", 0)
		for version := int64(1); version <= 5; version++ {
			n.commit("o", order.Pending)
			w.want("update", "o", version)
		}
	})
}

func TestStaleAndRepeatedChangesAreIgnored(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		one, two := n.book.commit("o", order.Pending), n.book.commit("o", order.Authorized)
		w := over.open(n, n.token("o"), "o")
		w.want("snapshot", "o", 2)
		n.Dispatch([]order.Change{one, two, two, one})
		n.commit("o", order.Paid)
		n.Dispatch([]order.Change{two, one})
		w.want("update", "o", 3)
		n.commit("o", order.Refunded)
		w.want("update", "o", 4)
	})
}

func TestOthersOrdersAreRefused(t *testing.T) {
	refusal := map[string]int{transportWebSocket: 4403, transportSSE: 403, transportPoll: 403}
	onEach(t, func(t *testing.T, n *node, over transport) {
		over.open(n, n.token("mine"), "theirs").wantClosed(refusal[over.name])
		over.open(n, n.token(), "mine").wantClosed(refusal[over.name])
		if over.name != transportPoll { // which is of one order
			over.open(n, n.token("mine"), "mine", "theirs").wantClosed(refusal[over.name])
			over.open(n, n.token()).wantClosed(refusal[over.name])
		}
	})
}

func TestOthersChangesAreNotSeen(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		w := over.open(n, n.token("mine"), "mine")
		w.want("snapshot", "mine", 0)
		for range 20 {
			n.commit("theirs", order.Paid)
		}
		n.commit("mine", order.Paid)
		w.want("update", "mine", 1)
	})
}

func TestSeveralOrders(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		if over.name == transportPoll {
			t.Skip("a poll is of one order")
		}
		n.commit("b", order.Pending)
		w := over.open(n, n.token("a", "b", "c"), "a", "b", "a")
		seen := map[string]int64{}
		for range 2 {
			e := w.next()
			seen[e.Order.Order] = e.Order.Version
			if e.Type != "snapshot" || e.id != "" {
				t.Errorf("saw %s with id %q", e.Type, e.id)
			}
		}
		if fmt.Sprint(seen) != "map[a:0 b:1]" {
			t.Errorf("saw %v", seen)
		}
		n.commit("c", order.Paid) // allowed, but not asked for
		n.commit("a", order.Paid)
		w.want("update", "a", 1)
	})
}

func TestWrongTokensAreRefused(t *testing.T) {
	refusal := map[string]int{transportWebSocket: 4401, transportSSE: 401, transportPoll: 4401}
	onEach(t, func(t *testing.T, n *node, over transport) {
		over.open(n, tokenMark+"forged", "o").wantClosed(refusal[over.name])
		expired := n.grant(Grant{Orders: []string{"o"}, Expires: time.Now().Add(-time.Second)})
		over.open(n, expired, "o").wantClosed(refusal[over.name])
	})
}

// A reader that does not read keeps one slot: what comes last is the newest.
func TestSlowClientGetsTheNewest(t *testing.T) {
	onEachInTime(t, func(t *testing.T, n *node, over transport) {
		w := over.open(n, n.token("o"), "o")
		w.want("snapshot", "o", 0)
		synctest.Wait()
		for range 1000 {
			n.commit("o", order.Pending)
			synctest.Wait()
		}
		seen, last := 0, int64(0)
		for last < 1000 {
			e := w.next()
			if e.Order.Version <= last {
				t.Fatalf("version %d after %d", e.Order.Version, last)
			}
			seen, last = seen+1, e.Order.Version
		}
		if seen > 50 {
			t.Errorf("%d of 1000 states were kept for a client that did not read", seen)
		}
	})
}

func TestTokenEndsEveryTransport(t *testing.T) {
	onEachInTime(t, func(t *testing.T, n *node, over transport) {
		began := time.Now()
		token := n.grant(Grant{Orders: []string{"o"}, Expires: began.Add(2 * time.Minute)})
		w := over.open(n, token, "o")
		w.want("snapshot", "o", 0)
		at := func(want time.Duration) {
			t.Helper()
			if got := time.Since(began); got < want || got > want+500*time.Millisecond {
				t.Errorf("came after %v, want %v", got, want)
			}
		}
		quiet := func() event { // heartbeats keep patience from running out
			for {
				if e := <-w.events; e.Type != "ping" {
					return e
				}
			}
		}
		if over.name != transportPoll {
			e := quiet()
			at(90 * time.Second)
			if e.Type != "token_expiring" || e.ExpiresIn != 30 {
				t.Errorf("saw %+v", e)
			}
		}
		e := quiet()
		at(2 * time.Minute)
		if over.name == transportSSE {
			if e.Type != "goodbye" || e.Reason != "token_expired" || e.RetryMS == 0 {
				t.Errorf("saw %+v", e)
			}
			e = quiet()
		}
		if e.Type != "closed" || e.code != 4401 {
			t.Errorf("saw %+v", e)
		}
		n.commit("o", order.Paid)
	})
}

func TestShortTokenIsWarnedOfAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		token := n.grant(Grant{Orders: []string{"o"}, Expires: time.Now().Add(10 * time.Second)})
		w := openSSE(n, token)
		w.want("snapshot", "o", 0)
		if e := w.next(); e.Type != "token_expiring" || e.ExpiresIn != 10 {
			t.Errorf("saw %+v", e)
		}
	})
}

func TestHeartbeatsOnQuietConnections(t *testing.T) {
	onEachInTime(t, func(t *testing.T, n *node, over transport) {
		if over.name == transportPoll {
			t.Skip("a held poll is silent")
		}
		w := over.open(n, n.token("o"), "o")
		w.want("snapshot", "o", 0)
		last := time.Now()
		for range 10 {
			if e := <-w.events; e.Type != "ping" {
				t.Fatalf("saw %+v", e)
			}
			if gap := time.Since(last); gap < 15*time.Second || gap > 20*time.Second+3*wheelStep {
				t.Errorf("%v between heartbeats", gap)
			}
			last = time.Now()
		}
		time.Sleep(10 * time.Second)
		n.commit("o", order.Pending) // as good as a heartbeat
		w.want("update", "o", 1)
		last = time.Now()
		<-w.events
		if gap := time.Since(last); gap < 15*time.Second {
			t.Errorf("a heartbeat %v after an update", gap)
		}
	})
}

func TestDisconnectAndComeBack(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		token := n.token("o")
		w := over.open(n, token, "o")
		w.want("snapshot", "o", 0)
		n.eventually("it watches", func() bool { _, watchers, _ := n.held(); return watchers == 1 })
		if got := n.Disconnect("o"); got != 1 {
			t.Errorf("cut %d", got)
		}
		if n.Disconnect("nobody") != 0 {
			t.Error("cut somebody")
		}
		if over.name != transportPoll { // whose next request is a new connection
			w.wantClosed(-1)
		}
		n.commit("o", order.Pending)
		n.commit("o", order.Paid)
		over.open(n, token, "o").want("snapshot", "o", 2)
	})
}

func TestUnreadableLedger(t *testing.T) {
	refusal := map[string]int{transportWebSocket: 1013, transportSSE: 503, transportPoll: 503}
	onEach(t, func(t *testing.T, n *node, over transport) {
		n.book.fail(errDisk)
		over.open(n, n.token("o"), "o").wantClosed(refusal[over.name])
		n.book.fail(nil)
		over.open(n, n.token("o"), "o").want("snapshot", "o", 0)
	})
}

// What is shown to whom is told once per state that was written.
func TestToldOfWhatWasShown(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		w := over.open(n, n.grant(Grant{Subject: "u7", Orders: []string{"o"}}), "o")
		w.want("snapshot", "o", 0)
		n.commit("o", order.Pending)
		w.want("update", "o", 1)
		n.commit("o", order.Paid)
		w.want("update", "o", 2)
		told := func() []order.Told {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.told
		}
		n.eventually("it is told", func() bool { return len(told()) >= 2 })
		w.leave()
		n.wantEmpty()
		got := told()
		for i, one := range got {
			if one.Version != int64(i+1) || one.Order != "o" || one.Subject != "u7" || one.Transport != over.name || one.Count != 1 {
				t.Errorf("told %+v", one)
			}
		}
		if len(got) != 2 {
			t.Errorf("told %d times, of 2 states", len(got))
		}
	})
}
