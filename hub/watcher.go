package hub

import (
	"time"

	"github.com/paybell/paybell/order"
)

// A watcher is one connection looking at one order.
type watcher struct {
	order  string
	client *client

	next    *watcher // of the same order; the index's
	sibling *watcher // of the same client; the rest is the client's too

	slot    *message // the newest that the client has not been sent
	sent    int64    // the version last handed to the carrier; -1: none of this era
	read    uint32   // the number of the read that is under way, or was the last
	era     era      // of what was read
	settled bool     // nothing is being read; until then, the slot only gathers
}

// watch shows orders to a client by a grant, or ends it when the ledger cannot be
// read, or the grant was revoked meanwhile. It does not wait for the ledger.
func (h *Hub) watch(c *client, grant Grant, orders []string) {
	h.show(c, orders, func(err error) {
		if err != nil && c.end(causeNoLedger) {
			h.opts.Log.Warn("read the ledger for a newcomer", "err", err)
		}
	})
	if h.opts.Revoked(grant) { // perhaps while Revoke could not find it yet
		c.revoke(0)
	}
}

// show shows orders to a client: register first, then read, then send the newer
// of what was read and what came meanwhile. A change is either committed before
// the read, and so in it, or after, and then its dispatch finds the watcher
// registered. Read first, and a change between the two is missed.
func (h *Hub) show(c *client, orders []string, done func(error)) {
	watchers := h.register(c, orders)
	if len(watchers) == 0 {
		done(nil)
		return
	}
	h.read(c, watchers, done)
}

// read reads the ledger for watchers that are registered. Of several reads for
// one watcher the last to begin counts, whichever ends last: a read from before
// the ledger was restored must not undo one from after.
func (h *Hub) read(c *client, watchers []*watcher, done func(error)) {
	number := c.reading(watchers)
	names := make([]string, len(watchers))
	for i, w := range watchers {
		names[i] = w.order
	}
	h.snapshots.ask(names, func(states []order.State, err error) {
		if err == nil {
			c.settle(watchers, states, number)
		}
		done(err)
	})
}

// reading has watchers gather what comes while a read is under way for them, and
// returns its number. They must be in the index before.
func (c *client) reading(watchers []*watcher) uint32 {
	number := c.hub.reads.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range watchers {
		w.read, w.settled = number, false
	}
	return number
}

// settle takes what was read as the least that the watchers are to be sent, unless
// a later read is under way.
func (c *client) settle(watchers []*watcher, states []order.State, number uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range watchers {
		if w.read == number {
			w.settleLocked(c.hub.message(states[i], time.Time{}))
		}
	}
	c.wakeLocked()
}

// settleLocked sends the newer of what was read and what was gathered, if it is
// news for the client. What was gathered of another era than what was read is not
// in the ledger any more, or is read again when the hub is told of its era.
func (w *watcher) settleLocked(m *message) {
	if gathered := w.slot; gathered != nil && gathered.era == m.era && !m.newerThan(gathered) {
		m = gathered
	}
	if m.era != w.era {
		w.era, w.sent = m.era, -1
	}
	w.slot, w.settled = nil, true
	if m.version > w.sent {
		w.slot = m
	}
}

// register adds watchers that gather what comes, but do not send yet.
func (h *Hub) register(c *client, orders []string) []*watcher {
	watchers := c.add(orders)
	for _, w := range watchers {
		s := h.shard(w.order)
		s.mu.Lock()
		w.next = s.watchers[w.order]
		s.watchers[w.order] = w
		s.mu.Unlock()
	}
	if c.hasLeft() { // perhaps before these were in the index
		for _, w := range watchers {
			h.unregister(w)
		}
	}
	return watchers
}

func (h *Hub) unregister(w *watcher) {
	s := h.shard(w.order)
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.watchers[w.order]
	if first == w {
		if w.next == nil {
			delete(s.watchers, w.order)
		} else {
			s.watchers[w.order] = w.next
		}
		return
	}
	for ; first != nil; first = first.next {
		if first.next == w {
			first.next = w.next
			return
		}
	}
}

// offer puts a newer state into the slot. Which era a watcher is in is decided by
// what is read, never by what is offered.
func (w *watcher) offer(m *message) {
	w.client.mu.Lock()
	defer w.client.mu.Unlock()
	stale := w.settled && (m.era != w.era || m.version <= w.sent)
	if stale || !m.newerThan(w.slot) || w.client.ending != nil {
		return
	}
	w.slot = m
	if w.settled {
		w.client.wakeLocked()
	}
}

func (w *watcher) kind() kind {
	if w.sent < 0 {
		return snapshot
	}
	return update
}
