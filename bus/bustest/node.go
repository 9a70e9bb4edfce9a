package bustest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/order"
)

// patience is how long anything may take that must happen, a failover with it. It is
// generous: a slow machine is no fault.
const patience = 40 * time.Second

// A node is a bus that runs, with all that its receiver and observer were told.
type node struct {
	Bus
	name string
	stop func()

	mu       sync.Mutex
	changed  chan struct{} // closed when something is told
	hints    [order.Shards][]order.Change
	told     []string // "gap", "suspect", "trusted"
	refused  map[bus.Refusal]int
	taken    int // hints, as the observer was told
	outcomes map[bus.Fate]int
	links    map[bus.LinkEvent]int
}

// join starts a node, which is stopped when the test ends.
func join(t *testing.T, bed Bed, name string) *node {
	t.Helper()
	n := &node{
		name: name, changed: make(chan struct{}), refused: map[bus.Refusal]int{},
		outcomes: map[bus.Fate]int{}, links: map[bus.LinkEvent]int{},
	}
	n.Bus = bed.Join(t, observer{n})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, n) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%s: Run: %v", name, err)
			}
		case <-time.After(patience):
			t.Errorf("%s: Run does not end", name)
		}
	})
	t.Cleanup(n.stop)
	return n
}

func (n *node) tell(what func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	what()
	close(n.changed)
	n.changed = make(chan struct{})
}

// until waits until a condition holds, which is called with the lock held.
func (n *node) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		n.mu.Lock()
		held, changed := holds(), n.changed
		n.mu.Unlock()
		if held {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			n.mu.Lock()
			defer n.mu.Unlock()
			t.Fatalf("%s waits in vain for %s; told %v, links %v, sent %v, refused %v", n.name, what, n.told, n.links, n.outcomes, n.refused)
		}
	}
}

// ready waits until the node hears: it was told of a gap, and is not suspect.
func (n *node) ready(t *testing.T) {
	t.Helper()
	n.until(t, "its bus to be in force", func() bool { return n.heals(0) })
}

// heals says whether since an index of what it was told the node was told of a gap
// and, at last, that it is not suspect.
func (n *node) heals(since int) bool {
	told := n.told[since:]
	suspect := slices.Contains(told, "suspect") && lastIndex(told, "suspect") > lastIndex(told, "trusted")
	return slices.Contains(told, "gap") && !suspect
}

func lastIndex(of []string, s string) int {
	for i := len(of) - 1; i >= 0; i-- {
		if of[i] == s {
			return i
		}
	}
	return -1
}

// mark is where what it was told ends now.
func (n *node) mark() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.told)
}

// has says whether a change has come.
func (n *node) has(c order.Change) bool {
	return slices.ContainsFunc(n.hints[c.Shard], func(h order.Change) bool { return h.Seq == c.Seq })
}

// Hints, Gap and Suspect make a node its own receiver.
func (n *node) Hints(changes []order.Change) {
	n.tell(func() {
		for _, c := range changes {
			n.hints[c.Shard] = append(n.hints[c.Shard], c)
		}
	})
}

func (n *node) Gap() { n.tell(func() { n.told = append(n.told, "gap") }) }

func (n *node) Suspect(suspect bool) {
	n.tell(func() { n.told = append(n.told, map[bool]string{true: "suspect", false: "trusted"}[suspect]) })
}

// An observer counts for a node.
type observer struct{ n *node }

func (o observer) Published(f bus.Fate, hints int) {
	o.n.tell(func() { o.n.outcomes[f] += hints })
}

func (o observer) Received(r bus.Refusal, _ time.Duration) {
	o.n.tell(func() {
		if r == "" {
			o.n.taken++
			return
		}
		o.n.refused[r]++
	})
}

func (o observer) Link(e bus.LinkEvent) { o.n.tell(func() { o.n.links[e]++ }) }

func (o observer) Suspect(bool) {}
