package hub

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// restore makes the book a restored backup: another epoch, with some of the
// states of the last.
func (b *book) restore(epoch string, versions map[string]int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, s := range b.states {
		s.Epoch, s.Version = epoch, versions[id]
		b.states[id] = s
	}
}

// again is what a snapshot is that is not the first: a poll has no name for it.
func again(over transport) string {
	if over.name == transportPoll {
		return "update"
	}
	return "snapshot"
}

// A watcher of a ledger that was restored is shown a snapshot, though it has seen a
// higher version, and goes on from there.
func TestNewEpochIsASnapshotForEveryWatcher(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		n.Renew("e1")
		for range 5 {
			n.commit("o", order.Pending)
		}
		w := over.open(n, n.token("o"), "o")
		w.want("snapshot", "o", 5)
		last := n.book.states["o"]
		n.book.restore("e2", map[string]int64{"o": 2})
		n.Renew("e2")
		if e := w.want(again(over), "o", 2); e.Order.Epoch != "e2" {
			t.Errorf("saw %+v", e.Order)
		}
		last.Version = 6
		n.Dispatch([]order.Change{{State: last}}) // of the old epoch, and late
		n.commit("o", order.Paid)
		if e := w.want("update", "o", 3); e.Order.Epoch != "e2" || e.Order.Status != order.Paid {
			t.Errorf("saw %+v", e.Order)
		}
	})
}

// Renewed for an epoch that a watcher knows already, it is shown what is newer and
// nothing twice.
func TestRenewalOfTheSameEpochRepeatsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		n.commit("o", order.Pending)
		w := over.open(n, n.token("o"), "o")
		w.want("snapshot", "o", 1)
		n.Renew("e1")
		n.Renew("e1")
		n.book.commit("o", order.Authorized) // and nobody is told
		n.Renew("e1")
		w.want("update", "o", 2)
		n.commit("o", order.Paid)
		w.want("update", "o", 3)
	})
}

func TestChangeDuringARenewalIsNotLost(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		var slow atomic.Bool
		n.book.after = func() { // what was read is old when it comes
			if slow.Load() {
				time.Sleep(time.Second)
			}
		}
		n.Renew("e1")
		n.commit("o", order.Pending)
		c, r := n.join(Grant{Orders: []string{"o"}})
		time.Sleep(time.Second)
		n.book.restore("e2", map[string]int64{"o": 1})
		slow.Store(true)
		n.Renew("e2")
		time.Sleep(500 * time.Millisecond)
		n.commit("o", order.Paid)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := fmt.Sprint(r.saw("o")); got != "[1 2]" { // of e1, and of e2
			t.Errorf("saw %v", got)
		}
		c.end(causeGone)
		<-c.gone
	})
}

// An answer from before the restore, which comes after the one from after it, is
// not believed.
func TestLateReadOfTheOldEpochIsNotBelieved(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		n.commit("o", order.Pending)
		n.commit("o", order.Pending)
		old := n.book.states["o"]
		r := &recorder{t: t}
		c := n.open(r, "test", Grant{Expires: time.Now().Add(time.Hour)}, seat{})
		watchers := n.register(c, []string{"o"})
		first := c.reading(watchers)
		n.book.restore("e2", map[string]int64{"o": 1})
		n.Renew("e2")
		synctest.Wait()
		time.Sleep(time.Second)
		c.settle(watchers, []order.State{old}, first)
		synctest.Wait()
		if got := fmt.Sprint(r.saw("o")); got != "[1]" {
			t.Errorf("saw %v", got)
		}
		c.end(causeGone)
		<-c.gone
	})
}

// A renewal for which the ledger cannot be read is tried again, and nobody is sent
// away for it.
func TestRenewalWaitsForTheLedger(t *testing.T) {
	onEach(t, func(t *testing.T, n *node, over transport) {
		if over.name == transportPoll {
			t.Skip("the next poll reads by itself, and is told that it cannot")
		}
		n.commit("o", order.Pending)
		w := over.open(n, n.token("o"), "o")
		w.want("snapshot", "o", 1)
		n.book.restore("e2", map[string]int64{"o": 1})
		n.book.fail(errDisk)
		n.Renew("e2")
		reads := func() int { n.book.mu.Lock(); defer n.book.mu.Unlock(); return n.book.reads }
		before := reads()
		n.eventually("it is tried again", func() bool { return reads() > before+1 })
		n.book.fail(nil)
		if e := w.want(again(over), "o", 1); e.Order.Epoch != "e2" {
			t.Errorf("saw %+v", e.Order)
		}
	})
}

func TestRenewalOfACrowdCostsFewReads(t *testing.T) {
	inBubble(t, Options{Limits: Limits{PerToken: -1}}, func(t *testing.T, n *node) {
		const crowd = 5000
		var all []*client
		var seen []*recorder
		for i := range crowd {
			id := fmt.Sprint("o", i%2500)
			c, r := n.join(Grant{Orders: []string{id}})
			all, seen = append(all, c), append(seen, r)
		}
		before := n.book.reads
		n.book.mu.Lock()
		n.book.states = map[string]order.State{}
		for i := range 2500 {
			s := order.Unknown(fmt.Sprint("o", i), "e2")
			n.book.states[s.Order] = s
		}
		n.book.mu.Unlock()
		n.Renew("e2")
		time.Sleep(10 * time.Second)
		for i, r := range seen {
			if got := len(r.saw(fmt.Sprint("o", i%2500))); got != 2 {
				t.Fatalf("client %d was shown %d states", i, got)
			}
		}
		if reads := n.book.reads - before; reads > 20 {
			t.Errorf("%d reads", reads)
		}
		for _, c := range all {
			c.end(causeGone)
			<-c.gone
		}
	})
}
