package hub

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
)

// A worldLedger is a journal and its states in memory.
type worldLedger struct {
	world *world

	mu      sync.Mutex
	epoch   string
	epochs  int
	stamp   int64 // names each commit, as its amount
	log     []order.Change
	heads   [order.Shards]int64
	states  map[string]order.State
	ever    map[order.State]bool // every state that was in the ledger, without its time
	commits []commitAt
	cuts    []time.Time // when its history or its epoch changed
	fell    time.Time   // when its history was cut within its epoch
}

type commitAt struct {
	at time.Time
	order.Change
}

func newWorldLedger(w *world) *worldLedger {
	return &worldLedger{world: w, epoch: "e0", states: map[string]order.State{}, ever: map[order.State]bool{}}
}

// timeless is a state as it is compared.
func timeless(s order.State) order.State {
	return order.State{Order: s.Order, Version: s.Version, Epoch: s.Epoch, Amount: s.Amount}
}

func (l *worldLedger) stateLocked(id string) order.State {
	s, ok := l.states[id]
	if !ok {
		s = order.Unknown(id, "")
	}
	s.Epoch = l.epoch
	return s
}

// commit gives some orders a next version, in one transaction.
func (l *worldLedger) commit(ids ...string) (changes []order.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.fell.IsZero() && time.Since(l.fell) < alarmBound {
		return nil // else the heads may have risen again before anybody looks
	}
	for _, id := range ids {
		s := l.stateLocked(id)
		l.stamp++
		s.Version, s.Amount, s.UpdatedAt = s.Version+1, l.stamp, time.Now()
		shard := order.ShardOf(id)
		l.heads[shard]++
		c := order.Change{Shard: shard, Seq: l.heads[shard], State: s}
		l.states[id], l.ever[timeless(s)] = s, true
		l.log = append(l.log, c)
		l.commits = append(l.commits, commitAt{at: time.Now(), Change: c})
		changes = append(changes, c)
	}
	return changes
}

// restore cuts the history back to a share of it.
func (l *worldLedger) restore(newEpoch bool, share float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = l.log[:int(float64(len(l.log))*share)]
	l.states, l.heads = map[string]order.State{}, [order.Shards]int64{}
	l.cuts = append(l.cuts, time.Now())
	if newEpoch {
		l.epochs++
		l.epoch, l.fell = "e"+strconv.Itoa(l.epochs), time.Time{}
	} else {
		l.fell = time.Now()
	}
	for _, c := range l.log {
		l.states[c.State.Order], l.heads[c.Shard] = c.State, c.Seq
	}
	for id := range l.states {
		l.ever[timeless(l.stateLocked(id))] = true
	}
}

// lag is half of a read's time.
func (l *worldLedger) lag() { time.Sleep(l.world.span(0, 1500*time.Microsecond)) }

func (l *worldLedger) Heads(context.Context) (order.Heads, error) {
	l.lag()
	defer l.lag()
	l.mu.Lock()
	defer l.mu.Unlock()
	return order.Heads{Epoch: l.epoch, Seq: l.heads}, nil
}

func (l *worldLedger) Changes(_ context.Context, shard int, after int64, limit int) (changes []order.Change, err error) {
	l.lag()
	defer l.lag()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.log {
		if c.Shard == shard && c.Seq > after && len(changes) < limit {
			c.State.Epoch = l.epoch
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func (l *worldLedger) States(_ context.Context, ids []string) (states []order.State, err error) {
	l.lag()
	defer l.lag()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		states = append(states, l.stateLocked(id))
	}
	return states, nil
}
