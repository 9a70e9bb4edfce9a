package hub

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
)

// The transports, as metrics and timelines name them.
const (
	transportWebSocket = "websocket"
	transportSSE       = "sse"
	transportPoll      = "poll"
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
	causeSlow    = cause{name: "slow"}   // it did not take, or finish, a message in time
	causeWaited  = cause{name: "waited"} // a long poll had its answer, or waited long enough
	causeExpired = cause{name: "token_expired", code: 4401, reason: "token expired", retry: time.Second}
)

// open registers a connection, before it watches anything.
func (h *Hub) open(c carrier, transport string, grant Grant) *client {
	client := &client{
		hub: h, carrier: c, transport: transport, gone: make(chan struct{}),
		grant: grant, quiet: time.Now(),
	}
	h.opts.Observer.Opened(transport)
	h.mu.Lock()
	h.clients[client] = struct{}{}
	h.mu.Unlock()
	h.wheel.schedule(client, time.Now())
	if h.draining.Load() { // Drain may have looked before we were there
		client.end(h.goodbye(0))
	}
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
	if m.version <= w.sent || !m.newerThan(w.slot) || w.client.ending != nil {
		return
	}
	w.slot = m
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
	c.endLocked(why)
}

func (c *client) endLocked(why cause) {
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
		began := time.Now()
		if err := c.carrier.send(batch); err != nil {
			c.fail(time.Since(began))
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
			batch = append(batch, outgoing{kind: w.kind(), message: m, alone: len(c.watchers) == 1})
			w.sent, w.slot = m.version, nil
		}
	}
	if !slices.ContainsFunc(c.watchers, func(w *watcher) bool { return w.sent >= 0 }) {
		c.writing = c.ending != nil // the first thing that a client hears is a state
		return nil, c.ending
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
func (c *client) fail(took time.Duration) {
	why := causeGone
	if took >= c.hub.opts.WriteTimeout {
		why = causeSlow
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil || c.ending.code != 0 {
		c.ending = &why
	}
}

// sent tells of what was written. A held poll is told of with its answer.
func (c *client) sent(batch []outgoing) {
	if c.transport == transportPoll {
		return
	}
	for _, out := range batch {
		if out.message != nil {
			c.hub.told(c.transport, c.subject(), out.message)
		}
	}
}

// told tells that a state was written to a client.
func (h *Hub) told(transport, subject string, m *message) {
	now := time.Now()
	var late time.Duration
	if !m.learned.IsZero() {
		late = now.Sub(m.learned)
	}
	h.opts.Observer.Sent(transport, late)
	if m.version > 0 {
		h.opts.Told(order.Told{
			Order: m.order, Version: m.version, Transport: transport, Subject: subject, At: now, Count: 1,
		})
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
	c.hub.wheel.schedule(c, time.Now())
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

// tick does what is due at now.
func (c *client) tick(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.grant.Expires.After(now) {
		c.endLocked(causeExpired)
		return
	}
	if !c.warned && !c.grant.Expires.Add(-warning).After(now) {
		c.warned, c.expiring = true, true
		c.wakeLocked()
	}
	if now.Sub(c.quiet) >= c.hub.opts.Heartbeat*3/4 {
		c.ping = true
		c.wakeLocked()
	}
}
