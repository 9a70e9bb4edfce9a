// Package bustest is the suite that every bus passes: what is promised of one, seen
// by nodes that are joined by it, also while it breaks.
package bustest

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/order"
)

// A Bus is what is tested.
type Bus interface {
	Publish([]order.Change)
	Run(context.Context, bus.Receiver) error
}

// Secret is what the nodes of every bed share.
const Secret = "a secret that all nodes of a cluster share"

// A Bed is a bus with all that is around it.
type Bed struct {
	// Join returns the bus of one more node. It has not run.
	Join func(*testing.T, bus.Observer) Bus
	// Forge puts a message on a shard's channel, as a stranger can. nil: none can.
	Forge func(t *testing.T, shard int, message string)
	// Connections is how many there are to servers. nil: there are no servers.
	Connections func(testing.TB) int
	// Away has no server be there until it is mended. nil: there are no servers.
	Away   func(*testing.T) (mend func())
	Faults []Fault
}

// A Fault is something that befalls a bus and passes.
type Fault struct {
	Name string
	// Strike begins it. The nodes must notice it before it is mended.
	Strike func(*testing.T) (mend func())
	// Unnoticed says that the bus may also go on as if nothing had happened.
	Unnoticed bool
}

// Run runs the suite on a bed.
func Run(t *testing.T, bed Bed) {
	t.Run("what is published reaches every node in order", func(t *testing.T) { reachesEveryNode(t, bed) })
	t.Run("what is not proved changes nothing", func(t *testing.T) { forgedChangesNothing(t, bed) })
	t.Run("a node that leaves leaves nothing behind", func(t *testing.T) { leavesNothing(t, bed) })
	t.Run("a node starts without a server", func(t *testing.T) { startsWithoutServer(t, bed) })
	for _, f := range bed.Faults {
		t.Run(f.Name, func(t *testing.T) { survives(t, bed, f) })
	}
}

// changes returns n changes that follow each other in the journals.
func changes(n int) []order.Change {
	var seqs [order.Shards]int64
	all := make([]order.Change, n)
	for i := range all {
		id := fmt.Sprintf("A%d", i%97)
		shard := order.ShardOf(id)
		seqs[shard]++
		all[i] = order.Change{Shard: shard, Seq: seqs[shard], State: order.State{
			Order: id, Version: int64(i/97 + 1), Epoch: "5f0c2b7f0a5d4f3f9a6c1d2e3f405162", Status: order.Paid, Final: true,
			Amount: 9900, Currency: "CNY", Paid: 9900, Method: "alipay", Livemode: true,
			UpdatedAt: time.Date(2026, 11, 23, 8, 0, 0, i%1000*1e6, time.UTC),
		}}
	}
	return all
}

func reachesEveryNode(t *testing.T, bed Bed) {
	nodes := []*node{join(t, bed, "first"), join(t, bed, "second"), join(t, bed, "third")}
	for _, n := range nodes {
		n.ready(t)
	}
	all := changes(2000)
	var want [order.Shards][]order.Change
	for _, c := range all {
		want[c.Shard] = append(want[c.Shard], c)
	}
	for rest := all; len(rest) > 0; {
		batch := rest[:min(len(rest), 1+len(rest)%50)]
		rest = rest[len(batch):]
		nodes[0].Publish(batch)
	}
	for _, n := range nodes {
		n.until(t, "all that was published", func() bool {
			count := 0
			for _, hints := range n.hints {
				count += len(hints)
			}
			return count >= len(all)
		})
		n.mu.Lock()
		if !reflect.DeepEqual(n.hints, want) {
			t.Errorf("%s: what came is not what was published, in its order, once", n.name)
		}
		n.mu.Unlock()
	}
}

func forgedChangesNothing(t *testing.T, bed Bed) {
	if bed.Forge == nil {
		t.Skip("nobody else can publish")
	}
	n, other := join(t, bed, "victim"), join(t, bed, "honest")
	n.ready(t)
	other.ready(t)
	c := changes(1)[0]
	encode := func(secret string, c order.Change) string {
		k, err := bus.NewKey(secret)
		if err != nil {
			t.Fatal(err)
		}
		wire, err := k.Encode(bus.Hint{Change: c, Sent: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return string(wire)
	}
	genuine := encode(Secret, c)
	forged := map[bus.Refusal]string{
		bus.Forged:    encode("another", c),
		bus.Truncated: genuine[:40],
		bus.Version:   "2" + genuine[1:],
		bus.Oversize:  strings.Repeat("x", bus.MaxHint+1),
	}
	for _, message := range forged {
		bed.Forge(t, c.Shard, message)
	}
	bed.Forge(t, (c.Shard+1)%order.Shards, genuine)
	forged[bus.Misplaced] = ""
	for want := range forged {
		n.until(t, "a refusal as "+string(want), func() bool { return n.refused[want] == 1 })
	}
	other.Publish([]order.Change{c})
	n.until(t, "a genuine hint", func() bool { return n.has(c) && n.taken == 1 })
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.hints[c.Shard]) != 1 || len(n.refused) != len(forged) {
		t.Errorf("hints %v, refused %v", n.hints[c.Shard], n.refused)
	}
}

func leavesNothing(t *testing.T, bed Bed) {
	connections := func() int {
		if bed.Connections == nil {
			return 0
		}
		return bed.Connections(t)
	}
	goroutines, before := runtime.NumGoroutine(), connections()
	nodes := []*node{join(t, bed, "first"), join(t, bed, "second")}
	for _, n := range nodes {
		n.ready(t)
		n.Publish(changes(100))
	}
	for _, n := range nodes {
		n.stop()
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		g, c := runtime.NumGoroutine(), connections()
		if g <= goroutines && c <= before {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("goroutines %d, were %d; connections %d, were %d\n%s", g, goroutines, c, before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func startsWithoutServer(t *testing.T, bed Bed) {
	if bed.Away == nil {
		t.Skip("there is none")
	}
	mend := bed.Away(t)
	nodes := []*node{join(t, bed, "first"), join(t, bed, "second")}
	for _, n := range nodes {
		n.until(t, "word that its bus is suspect", func() bool { return len(n.told) > 0 && n.told[0] == "suspect" })
	}
	publishesAtOnce(t, nodes[0])
	mend()
	for _, n := range nodes {
		n.ready(t)
	}
	flows(t, nodes)
}

// survives has a fault befall two nodes, and sees that they notice, that meanwhile
// nobody who publishes waits, and that hints come again.
func survives(t *testing.T, bed Bed, f Fault) {
	nodes := []*node{join(t, bed, "first"), join(t, bed, "second")}
	var marks []int
	for _, n := range nodes {
		n.ready(t)
		marks = append(marks, n.mark())
	}
	flows(t, nodes)
	mend := f.Strike(t)
	if !f.Unnoticed {
		for i, n := range nodes {
			n.until(t, "word that its bus is suspect", func() bool { return lastIndex(n.told[marks[i]:], "suspect") >= 0 })
		}
	}
	publishesAtOnce(t, nodes[0])
	if mend != nil {
		mend()
	}
	for i, n := range nodes {
		n.until(t, "its bus to be in force again", func() bool { return f.Unnoticed && len(n.told) == marks[i] || n.heals(marks[i]) })
	}
	flows(t, nodes)
}

// publishesAtOnce has a node publish more than it can be rid of. Had it to wait for
// a server that does not answer, each call would take a good part of a second.
func publishesAtOnce(t *testing.T, n *node) {
	t.Helper()
	many := changes(10_000)
	began := time.Now()
	for i := range many {
		n.Publish(many[i : i+1])
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("to publish took %v for each", took/time.Duration(len(many)))
	}
}

// flows sees that what one node publishes reaches the other, both ways and on each
// channel. What is published at a bad moment may be lost, so it tries until it does.
func flows(t *testing.T, nodes []*node) {
	t.Helper()
	seq := time.Now().UnixNano() // no other test's
	for _, c := range changes(97)[:40] {
		for i, from := range nodes {
			to := nodes[1-i]
			deadline := time.Now().Add(patience)
			for arrived := false; !arrived; {
				seq++
				c.Seq = seq
				from.Publish([]order.Change{c})
				for wait := time.Now().Add(200 * time.Millisecond); !arrived && time.Now().Before(wait); {
					to.mu.Lock()
					arrived = to.has(c)
					changed := to.changed
					to.mu.Unlock()
					if !arrived {
						select {
						case <-changed:
						case <-time.After(10 * time.Millisecond):
						}
					}
				}
				if time.Now().After(deadline) {
					t.Fatalf("nothing of shard %d comes from %s to %s", c.Shard, from.name, to.name)
				}
			}
		}
	}
}
