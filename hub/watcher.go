package hub

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
)

// A carrier takes messages to one client over one transport. Its methods are
// called by one goroutine at a time.
type carrier interface {
	// send writes messages, within the write timeout. After an error nothing
	// more is sent.
	send(batch []outgoing) error
	// close ends the connection and says why, as the transport can.
	close(cause cause)
}

// A client is one connection: whose it is, what it watches, and what it is still
// to be told. It is a struct that the hub writes to and no goroutine that waits;
// a goroutine runs only while something is being written.
type client struct {
	hub       *Hub
	carrier   carrier
	transport string
	gone      chan struct{} // closed when the connection has ended

	timer timer // the wheel's

	mu       sync.Mutex
	grant    Grant
	watchers []*watcher
	ending   *cause    // set once: nothing is offered any more
	left     bool      // leave has taken the watchers
	writing  bool      // a goroutine is in flush
	ping     bool      // a heartbeat is due
	expiring bool      // the token's coming end is due to be told
	warned   bool      // … and was told of this token
	quiet    time.Time // since when nothing was written
}

// A watcher is one connection looking at one order. Its fields but the first
// two are guarded by the client's mu.
type watcher struct {
	order  string
	client *client

	settled bool     // the snapshot was read; before, the slot only gathers
	sent    int64    // the version last handed to the carrier; -1: none
	slot    *message // the newest that the client has not been sent
}

// A cause says why a connection ended.
type cause struct {
	name   string // for metrics, and the reason of a goodbye
	code   int    // the WebSocket close code; 0: cut off without a word
	reason string // of the close frame
	retry  time.Duration
}

var (
	causeGone    = cause{name: "gone"}   // the client went
	causeCut     = cause{name: "cut"}    // we cut it
	causeSlow    = cause{name: "slow"}   // it did not take what was written
	causeWaited  = cause{name: "waited"} // a long poll had its answer, or waited long enough
	causeExpired = cause{name: "token_expired", code: 4401, reason: "token expired", retry: time.Second}
)

// open registers a connection, before it watches anything.
func (h *Hub) open(c carrier, transport string, grant Grant) *client {
	client := &client{
		hub: h, carrier: c, transport: transport, gone: make(chan struct{}),
		grant: grant, quiet: time.Now(),
	}
	h.mu.Lock()
	h.clients[client] = struct{}{}
	h.mu.Unlock()
	if h.draining.Load() { // Drain may have looked before we were there
		client.end(h.goodbye(0))
	}
	h.wheel.schedule(client, client.due(time.Now()))
	h.opts.Observer.Opened(transport)
	return client
}

// add makes watchers for the orders that the client does not watch yet.
func (c *client) add(orders []string) []*watcher {
	c.mu.Lock()
	defer c.mu.Unlock()
	var added []*watcher
	for _, id := range orders {
		if c.watcherLocked(id) == nil && c.ending == nil {
			w := &watcher{order: id, client: c, sent: -1}
			c.watchers, added = append(c.watchers, w), append(added, w)
		}
	}
	return added
}

func (c *client) watcherLocked(id string) *watcher {
	for _, w := range c.watchers {
		if w.order == id {
			return w
		}
	}
	return nil
}

// offer puts a newer state into the slot.
func (w *watcher) offer(m *message) {
	w.client.mu.Lock()
	defer w.client.mu.Unlock()
	if m.newerThan(w.slot) {
		w.slot = m
	}
	if w.settled {
		w.client.wakeLocked()
	}
}

// settle takes what was read as the least that the watchers are to be sent.
func (c *client) settle(watchers []*watcher, states []order.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range watchers {
		if m := newMessage(states[i], time.Time{}); m.newerThan(w.slot) {
			w.slot = m
		}
		w.settled = true
	}
	c.wakeLocked()
}

// wakeLocked sees to it that what is due gets written. This is the goroutine
// form: a goroutine for as long as there is something to write.
func (c *client) wakeLocked() {
	if !c.writing {
		c.writing = true
		go c.flush()
	}
}

// end closes the connection once what is due has been written, or at once when
// the cause has no code. Only the first cause counts.
func (c *client) end(why cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		c.ending = &why
		c.wakeLocked()
	}
}

// flush writes until nothing is due, and ends the connection when that is due.
func (c *client) flush() {
	for {
		batch, why := c.take()
		if len(batch) == 0 {
			if why != nil {
				c.leave(*why)
			}
			return
		}
		if err := c.carrier.send(batch); err != nil {
			c.fail()
			continue
		}
		c.sent(batch)
	}
}

// take empties the slots. With nothing to write and no cause to end, it also
// ends the writing.
func (c *client) take() ([]outgoing, *cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil && c.ending.code == 0 {
		return nil, c.ending
	}
	var batch []outgoing
	for _, w := range c.watchers {
		if m := w.slot; w.settled && m != nil {
			if m.version > w.sent {
				batch = append(batch, outgoing{kind: w.kind(), message: m, alone: len(c.watchers) == 1})
				w.sent = m.version
			}
			w.slot = nil
		}
	}
	if c.expiring {
		left := time.Until(c.grant.Expires).Round(time.Second)
		batch = append(batch, outgoing{kind: tokenExpiring, expiresIn: max(left, 0)})
	}
	if c.ping && len(batch) == 0 {
		batch = append(batch, outgoing{kind: ping})
	}
	c.ping, c.expiring = false, false
	if len(batch) > 0 {
		c.quiet = time.Now()
	}
	c.writing = len(batch) > 0 || c.ending != nil
	return batch, c.ending
}

func (w *watcher) kind() kind {
	if w.sent < 0 {
		return snapshot
	}
	return update
}

// fail cuts the connection off because it did not take what was written.
func (c *client) fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil || c.ending.code != 0 {
		why := causeSlow
		c.ending = &why
	}
}

// sent tells of what was written.
func (c *client) sent(batch []outgoing) {
	now := time.Now()
	for _, out := range batch {
		m := out.message
		if m == nil {
			continue
		}
		var late time.Duration
		if !m.learned.IsZero() {
			late = now.Sub(m.learned)
		}
		c.hub.opts.Observer.Sent(c.transport, late)
		if m.version > 0 {
			c.hub.opts.Told(order.Told{
				Order: m.order, Version: m.version, Transport: c.transport,
				Subject: c.subject(), At: now, Count: 1,
			})
		}
	}
}

func (c *client) subject() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.grant.Subject
}

// leave ends the connection and forgets the client.
func (c *client) leave(why cause) {
	c.mu.Lock()
	watchers := c.watchers
	c.watchers, c.left = nil, true
	c.mu.Unlock()
	for _, w := range watchers {
		c.hub.unregister(w)
	}
	c.hub.wheel.cancel(c)
	c.carrier.close(why)
	c.hub.mu.Lock()
	delete(c.hub.clients, c)
	c.hub.mu.Unlock()
	c.hub.opts.Observer.Closed(c.transport, why.name)
	close(c.gone)
}

func (c *client) hasLeft() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

// renew replaces the client's grant, and returns the orders that are new in it.
// What the new grant does not name is watched no longer.
func (c *client) renew(grant Grant) []string {
	c.mu.Lock()
	c.grant, c.warned, c.expiring = grant, false, false
	var kept, dropped []*watcher
	for _, w := range c.watchers {
		if grant.allows(w.order) {
			kept = append(kept, w)
		} else {
			dropped = append(dropped, w)
		}
	}
	c.watchers = kept
	var added []string
	for _, id := range grant.Orders {
		if c.watcherLocked(id) == nil {
			added = append(added, id)
		}
	}
	c.mu.Unlock()
	for _, w := range dropped {
		c.hub.unregister(w)
	}
	c.hub.wheel.schedule(c, c.due(time.Now()))
	return added
}

// due says when the wheel should look at the client next.
func (c *client) due(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	beat := c.hub.opts.Heartbeat
	next := c.quiet.Add(beat - rand.N(beat/4+1))
	if next.Before(now) { // a write is under way; look again
		next = now.Add(beat / 2)
	}
	for _, at := range []time.Time{c.grant.Expires.Add(-warning), c.grant.Expires} {
		if at.After(now) && at.Before(next) {
			next = at
		}
	}
	if !c.warned && !c.grant.Expires.Add(-warning).After(now) {
		next = now // joined with little time left
	}
	return next
}

// tick does what is due at now, and says when to look again.
func (c *client) tick(now time.Time) time.Time {
	c.mu.Lock()
	expired := !c.grant.Expires.After(now)
	if !c.warned && !expired && !c.grant.Expires.Add(-warning).After(now) {
		c.warned, c.expiring = true, true
		c.wakeLocked()
	}
	if now.Sub(c.quiet) >= c.hub.opts.Heartbeat*3/4 {
		c.ping = true
		c.wakeLocked()
	}
	c.mu.Unlock()
	if expired {
		c.end(causeExpired)
	}
	return c.due(now)
}
