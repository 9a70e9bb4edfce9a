package hub

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// A world is a simulation for a bubble of synctest: a ledger to which several
// nodes commit, a bus that does its worst, and customers who come and go. What
// happens is drawn from a seed. Everything is noted, and judged in the end.
type world struct {
	rule   rule // that is taken away; "": none
	ledger *worldLedger
	nodes  []*worldNode
	probes bool // the bus says when it may have been deaf
	deaf   bool // the bus carries nothing at all
	fate   int  // of the ledger's history

	all sync.WaitGroup

	mu     sync.Mutex
	rand   *rand.Rand
	over   bool
	visits []*visit
	hints  []hintAt
	gaps   []gapAt
	alarms []string
}

// A hintAt is a hint that reached a node's follower, of its epoch, and a gapAt a gap that it was told of.
type hintAt struct {
	node  *Follower
	at    time.Time
	epoch string
	shard int
	seq   int64
}

type gapAt struct {
	node *Follower
	at   time.Time
}

// chance says yes with a probability, span draws a time.
func (w *world) chance(p float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rand.Float64() < p
}

func (w *world) span(least, most time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return least + time.Duration(w.rand.Int64N(int64(most-least)+1))
}

func (w *world) pick(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rand.IntN(n)
}

func (w *world) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

// worldOrders share two shards, so that their changes meet.
var worldOrders = func() (ids []string) {
	for n := 0; len(ids) < 6; n++ {
		if id := "w" + strconv.Itoa(n); order.ShardOf(id) < 2 {
			ids = append(ids, id)
		}
	}
	return ids
}()

// activity is how long a world is busy, and rest how long it may take after that
// until everybody is up to date.
const (
	activity = 3 * time.Second
	rest     = 1500 * time.Millisecond
)

// run lets a world of a seed take its course, and returns what was wrong with it.
func (w *world) run(t testing.TB, seed uint64) []string {
	w.rand = rand.New(rand.NewPCG(seed, 1))
	w.ledger = newWorldLedger(w)
	w.probes, w.deaf, w.fate = w.chance(0.8), w.chance(0.1), w.pick(10)
	for range 2 + w.pick(2) {
		w.nodes = append(w.nodes, &worldNode{world: w, publishing: make(chan struct{}, 1)})
	}
	for _, n := range w.nodes {
		n.start()
		w.spawn(n.commits)
		w.spawn(n.outages)
	}
	for range 10 {
		w.spawn(func() { w.customer(t) })
	}
	w.spawn(w.history)
	time.Sleep(activity)
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	time.Sleep(rest)
	wrong := w.judge()
	for _, n := range w.nodes {
		n.stop()
	}
	w.all.Wait()
	return wrong
}

func (w *world) spawn(what func()) { w.all.Go(what) }

// fallen is the fate of a ledger that is restored by somebody who forgets to give
// it a new epoch, and remembers later.
const fallen = 5

// history cuts the ledger's, or begins a new epoch, in some worlds.
func (w *world) history() {
	time.Sleep(w.span(activity/5, activity/3))
	switch {
	case w.fate < 2:
		w.ledger.restore(true, 1)
	case w.fate < fallen:
		w.ledger.restore(true, 0.6)
	case w.fate == fallen:
		w.ledger.restore(false, 0.3)
		time.Sleep(alarmBound + activity/6)
		w.ledger.restore(true, 1)
	}
}

// A worldNode is a node, in one life after another.
type worldNode struct {
	world *world

	publishing chan struct{} // holds one: commits of a node are published in their order

	mu       sync.Mutex
	hub      *Hub
	follower *Follower
	life     context.Context
	end      context.CancelFunc
	deaf     bool
}

func (n *worldNode) start() {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	h := New(n.world.ledger, nil, Options{Goroutines: true, Log: quiet})
	f := NewFollower(n.world.ledger, h, FollowerOptions{Log: quiet, Observer: worldObserver{world: n.world}})
	ctx, cancel := context.WithCancel(context.Background())
	n.world.disarm(ctx, f, h)
	n.mu.Lock()
	n.hub, n.follower, n.life, n.end = h, f, ctx, cancel
	n.mu.Unlock()
	n.world.spawn(func() { h.Run(ctx) })
	n.world.spawn(func() { f.Run(ctx) })
}

func (n *worldNode) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.end()
}

func (n *worldNode) now() (*Hub, *Follower, context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hub, n.follower, n.life
}

// commits takes webhooks, until the node's last day.
func (n *worldNode) commits() {
	w := n.world
	for {
		time.Sleep(w.span(0, 250*time.Millisecond))
		if w.isOver() {
			return
		}
		ids := []string{worldOrders[w.pick(len(worldOrders))]}
		if other := worldOrders[w.pick(len(worldOrders))]; other != ids[0] && w.chance(0.3) {
			ids = append(ids, other)
		}
		// A crash between commit and publish; but who starts anew cannot know that
		// history was longer once.
		if w.fate != fallen && w.chance(0.03) {
			w.ledger.commit(ids...)
			n.stop()
			time.Sleep(w.span(10*time.Millisecond, 300*time.Millisecond))
			n.start()
			continue
		}
		n.commit(ids...)
	}
}

// commit takes a webhook.
func (n *worldNode) commit(ids ...string) {
	w := n.world
	n.publishing <- struct{}{} // a mutex would hold up the bubble's clock
	changes := w.ledger.commit(ids...)
	time.Sleep(w.span(0, time.Millisecond))
	n.hear(changes)
	<-n.publishing
	for _, c := range changes {
		w.carry(c)
	}
}

// hear gives hints to the node's follower.
func (n *worldNode) hear(changes []order.Change) {
	w := n.world
	_, f, _ := n.now()
	f.mu.Lock()
	epoch := f.epoch
	f.mu.Unlock()
	w.mu.Lock()
	for _, c := range changes {
		if c.State.Epoch != epoch {
			continue // and so has the heads read, for which there is no bound but that of a change
		}
		w.hints = append(w.hints, hintAt{f, time.Now(), c.State.Epoch, c.Shard, c.Seq})
	}
	w.mu.Unlock()
	w.hint(f, changes)
}

// carry takes a change to every node: lost, repeated, late, and in any order.
func (w *world) carry(c order.Change) {
	for _, n := range w.nodes {
		copies := 1
		if w.chance(0.2) {
			copies = w.pick(3)
		}
		for range copies {
			delay := w.span(0, 5*time.Millisecond)
			if w.chance(0.2) {
				delay = w.span(0, 60*time.Millisecond)
			}
			if w.chance(0.05) {
				delay = w.span(0, activity/3)
			}
			time.AfterFunc(delay, func() {
				n.mu.Lock()
				lost := n.deaf || w.deaf
				n.mu.Unlock()
				if !lost {
					n.hear([]order.Change{c})
				}
			})
		}
	}
}

// outages make a node deaf now and then. A bus with probes may notice after a
// while, and says when it hears again.
func (n *worldNode) outages() {
	w := n.world
	for w.chance(0.8) {
		time.Sleep(w.span(0, activity/2))
		if w.isOver() {
			return
		}
		n.setDeaf(true)
		noticed := w.span(0, activity/5)
		time.Sleep(noticed)
		if w.probes && w.chance(0.5) {
			_, f, _ := n.now()
			f.Suspect(true)
		}
		time.Sleep(w.span(0, activity/4))
		n.setDeaf(false)
		if !w.probes {
			continue
		}
		_, f, _ := n.now()
		w.mu.Lock()
		w.gaps = append(w.gaps, gapAt{f, time.Now()})
		w.mu.Unlock()
		w.gap(f)
		f.Suspect(false)
	}
}

func (n *worldNode) setDeaf(deaf bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf = deaf
}

// A visit is one connection of a customer.
type visit struct {
	t     testing.TB
	world *world
	node  *Follower
	order string
	began time.Time

	mu    sync.Mutex
	seen  []sight
	ended time.Time // zero: it is there still
}

type sight struct {
	at   time.Time
	kind kind
	order.State
}

func (v *visit) send(batch []outgoing) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, out := range batch {
		if out.message == nil {
			continue
		}
		s, err := order.ReadState(string(out.message.json))
		if err != nil {
			v.t.Error(err)
		}
		v.seen = append(v.seen, sight{time.Now(), out.kind, s})
	}
	return nil
}

func (v *visit) close(cause) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ended = time.Now()
	return false
}

// customer watches an order at one node after another.
func (w *world) customer(t testing.TB) {
	id := worldOrders[w.pick(len(worldOrders))]
	for !w.isOver() {
		time.Sleep(w.span(0, 200*time.Millisecond))
		h, f, life := w.nodes[w.pick(len(w.nodes))].now()
		v := &visit{t: t, world: w, node: f, order: id, began: time.Now()}
		c := h.open(v, "test", Grant{Expires: v.began.Add(time.Hour)}, seat{})
		w.mu.Lock()
		w.visits = append(w.visits, v)
		w.mu.Unlock()
		if committer := w.nodes[w.pick(len(w.nodes))]; w.chance(0.5) { // just then
			time.AfterFunc(w.span(0, 5*time.Millisecond), func() { committer.commit(id) })
		}
		w.watch(h, c, id)
		context.AfterFunc(life, func() { c.end(causeCut) })
		leaves := w.span(50*time.Millisecond, 2*activity)
		if leaves > activity {
			leaves = time.Hour
		}
		timer := time.NewTimer(leaves)
		select {
		case <-c.gone:
		case <-timer.C:
			c.end(causeGone)
			<-c.gone
		}
		timer.Stop()
	}
}

type worldObserver struct {
	nobody
	world *world
}

func (o worldObserver) Noticed(what string) {
	w := o.world
	w.ledger.mu.Lock()
	regressed := !w.ledger.fell.IsZero()
	w.ledger.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if what == NoticeHole || what == NoticeLost || what == NoticeRegression && !regressed {
		w.alarms = append(w.alarms, fmt.Sprintf("an alarm of nothing: %s", what))
	}
}
