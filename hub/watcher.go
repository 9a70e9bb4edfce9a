package hub

import (
	"github.com/paybell/paybell/order"
)

// A watcher is one connection looking at one order.
type watcher struct {
	order  string
	client *client

	next    *watcher // of the same order; the index's
	sibling *watcher // of the same client; the rest is the client's too

	slot    *message // the newest that the client has not been sent
	sent    int64    // the version last handed to the carrier; -1: none
	settled bool     // the snapshot was read; before, the slot only gathers
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
	names := make([]string, len(watchers))
	for i, w := range watchers {
		names[i] = w.order
	}
	h.snapshots.ask(names, func(states []order.State, err error) {
		if err == nil {
			c.settle(watchers, states)
		}
		done(err)
	})
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

// offer puts a newer state into the slot.
func (w *watcher) offer(m *message) {
	w.client.mu.Lock()
	defer w.client.mu.Unlock()
	if m.version <= w.sent || !m.newerThan(w.slot) || w.client.ending != nil {
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
