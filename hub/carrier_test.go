package hub

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// A recorder is a carrier that remembers. Two calls at once, or any after close,
// fail its test.
type recorder struct {
	t  testing.TB
	in sync.Mutex

	mu       sync.Mutex
	versions map[string][]int64
	others   []kind
	closed   *cause

	err   error
	stall time.Duration // of every send
}

func (r *recorder) enter() func() {
	if !r.in.TryLock() {
		r.t.Error("two calls of a carrier at once")
		return func() {}
	}
	return r.in.Unlock
}

func (r *recorder) send(batch []outgoing) error {
	defer r.enter()()
	time.Sleep(r.stall)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed != nil {
		r.t.Error("sent after close")
	}
	if r.versions == nil {
		r.versions = map[string][]int64{}
	}
	for _, out := range batch {
		if m := out.message; m != nil {
			r.versions[m.order] = append(r.versions[m.order], m.version)
		} else {
			r.others = append(r.others, out.kind)
		}
	}
	return r.err
}

func (r *recorder) close(why cause) bool {
	defer r.enter()()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed != nil {
		r.t.Error("closed twice")
	}
	r.closed = &why
	return false
}

func (r *recorder) saw(order string) []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.versions[order])
}

// beats counts the heartbeats since it was last asked.
func (r *recorder) beats() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.others)
	r.others = nil
	return n
}

func (r *recorder) end() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed == nil {
		return ""
	}
	return r.closed.name
}

// join opens a client over a recorder.
func (n *node) join(g Grant) (*client, *recorder) {
	r := &recorder{t: n.t}
	if g.Expires.IsZero() {
		g.Expires = time.Now().Add(time.Hour)
	}
	c := n.open(r, "test", g, seat{})
	if err := n.watch(n.t.Context(), c, g.Orders); err != nil {
		n.t.Error(err)
	}
	return c, r
}

// inBubble runs a test over a hub without a server, in a bubble.
func inBubble(t *testing.T, opts Options, test func(t *testing.T, n *node)) {
	opts.Goroutines = true // real descriptors know no bubble
	synctest.Test(t, func(t *testing.T) { test(t, newNode(t, opts)) })
}

func TestCoalescing(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		c, r := n.join(Grant{Orders: []string{"a", "b"}})
		defer c.end(causeGone)
		synctest.Wait()
		r.stall = time.Second
		n.commit("a", order.Pending) // is being written while the rest comes
		synctest.Wait()
		for range 50 {
			n.commit("a", order.Pending)
			n.commit("b", order.Pending)
		}
		time.Sleep(3 * time.Second)
		if got := fmt.Sprint(r.saw("a"), r.saw("b")); got != "[0 1 51] [0 50]" {
			t.Errorf("saw %s", got)
		}
	})
}

// What a change overtook in the ledger read is not shown.
func TestChangeDuringTheReadIsTheSnapshot(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		n.book.after = func() { // the read has its answer already
			n.book.after = nil
			n.commit("o", order.Pending)
			n.commit("o", order.Paid)
		}
		c, r := n.join(Grant{Orders: []string{"o"}})
		defer c.end(causeGone)
		synctest.Wait()
		if got := fmt.Sprint(r.saw("o")); got != "[2]" {
			t.Errorf("saw %s", got)
		}
	})
}

func TestNothingIsShownOnceTheEndIsDecided(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		c, r := n.join(Grant{Orders: []string{"o"}})
		synctest.Wait()
		r.stall = time.Second
		n.commit("o", order.Pending)
		synctest.Wait()
		c.end(causeExpired)
		n.commit("o", order.Paid)
		<-c.gone
		if got := fmt.Sprint(r.saw("o"), r.end()); got != "[0 1]token_expired" {
			t.Errorf("saw %s", got)
		}
		c.end(causeGone) // only the first counts
		if err := n.watch(t.Context(), c, []string{"p"}); err != nil {
			t.Error(err)
		}
		c.renew(Grant{Orders: []string{"q"}, Expires: time.Now().Add(time.Hour)})
	})
}

func TestCauseOfAFailedWrite(t *testing.T) {
	for want, stall := range map[string]time.Duration{"gone": 0, "slow": 10 * time.Second} {
		inBubble(t, Options{}, func(t *testing.T, n *node) {
			c, r := n.join(Grant{Orders: []string{"o"}})
			synctest.Wait()
			r.stall, r.err = stall, errDisk
			n.commit("o", order.Paid)
			<-c.gone
			if got := r.end(); got != want {
				t.Errorf("ended as %q, want %q", got, want)
			}
		})
	}
}

// Newcomers that come while a query runs share the next one.
func TestStormOfNewcomersCostsFewReads(t *testing.T) {
	const clients = 5000
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		n.book.before = func() { time.Sleep(10 * time.Millisecond) }
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				id := fmt.Sprint("o", i%2500)
				c, r := n.join(Grant{Orders: []string{id}})
				time.Sleep(time.Second)
				if got := r.saw(id); len(got) != 1 {
					t.Errorf("saw %v", got)
				}
				c.end(causeGone)
			})
		}
		all.Wait()
		if n.book.reads > 10 {
			t.Errorf("%d reads for %d newcomers", n.book.reads, clients)
		}
	})
}

func TestLedgerThatAnswersAmissIsNotBelieved(t *testing.T) {
	s := snapshots{orders: short{}}
	if _, err := s.read(t.Context(), []string{"a", "b"}); err == nil {
		t.Error("one state for two orders is believed")
	}
}

func TestHungLedgerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := snapshots{orders: hung{}}
		if _, err := s.read(t.Context(), []string{"a"}); err == nil || time.Since(began) != snapshotTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

type (
	short struct{} // leaves out what it should say
	hung  struct{} // waits for its context
)

func (short) States(context.Context, []string) ([]order.State, error) {
	return []order.State{order.Unknown("a", "e1")}, nil
}

func (hung) States(ctx context.Context, _ []string) ([]order.State, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A slowLedger takes its time over a read.
type slowLedger struct {
	Orders
	takes time.Duration
}

func (s slowLedger) States(ctx context.Context, orders []string) ([]order.State, error) {
	time.Sleep(s.takes)
	return s.Orders.States(ctx, orders)
}

func TestNothingIsSaidBeforeTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, Options{Goroutines: true})
		n.Hub.snapshots.orders = slowLedger{n.Hub.snapshots.orders, 3 * time.Second}
		r := &firstHeard{recorder: &recorder{t: t}}
		c := n.open(r, "sse", Grant{Orders: []string{"a"}, Expires: time.Now().Add(20 * time.Second)}, seat{})
		if err := n.watch(t.Context(), c, []string{"a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := r.kinds(); len(got) != 2 || got[0] != snapshot || got[1] != tokenExpiring {
			t.Errorf("heard %v, want the snapshot and then that the token ends", got)
		}
		c.end(causeGone)
		<-c.gone
	})
}

// A firstHeard remembers the order of what a client hears.
type firstHeard struct {
	*recorder
	heard []kind
}

func (f *firstHeard) send(batch []outgoing) error {
	f.mu.Lock()
	for _, out := range batch {
		f.heard = append(f.heard, out.kind)
	}
	f.mu.Unlock()
	return f.recorder.send(batch)
}

func (f *firstHeard) kinds() []kind {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.heard)
}
