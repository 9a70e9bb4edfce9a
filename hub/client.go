package hub

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/paybell/paybell/hub/park"
	"github.com/paybell/paybell/order"
)

// The transports, as metrics and timelines name them.
const (
	transportWebSocket = "websocket"
	transportSSE       = "sse"
	transportPoll      = "poll"
)

// A carrier takes messages to one client over one transport. Its methods are
// called by one goroutine at a time, but for a close without a code of one that
// lingers, or is parked.
type carrier interface {
	// send writes messages, within the write timeout. After an error nothing
	// more is sent. A parked carrier does not wait, and returns park.ErrFull when
	// the rest will go out by itself; then the client is told with drained.
	send(batch []outgoing) error
	// close ends the connection and says why, as the transport can. It reports
	// whether the connection lingers until the client has gone too; then a close
	// without a code cuts it.
	close(why cause) (lingers bool)
}

// A client is one connection: whose it is, what it watches, and what it is still
// to be told. It is a struct that the hub writes to and nothing that waits. There
// is one for every customer, so its fields are few and small.
type client struct {
	hub       *Hub
	carrier   carrier
	transport string
	gone      chan struct{} // closed when the connection has ended; nil: nobody waits for that
	seat      seat          // the zero seat: it has none, and is being refused one
	timer     timer         // the wheel's

	mu       sync.Mutex
	subject  string
	origin   origin
	expires  int64         // when the token ends, in Unix nanoseconds; 0: there was none yet
	watchers *watcher      // in the order in which they came
	ending   *cause        // set once: nothing is offered any more
	blocked  *blockade     // the carrier is full
	overdue  *cause        // why it ends when patience is at an end; nil: it owes nothing
	patience time.Duration // in the hub's time
	quiet    time.Duration // since when nothing was written, in the hub's time

	parked    bool
	writing   bool // somebody is in flush, or will be, or the carrier is full
	ping      bool // a heartbeat is due
	expiring  bool // the token's coming end is due to be told
	warned    bool // … and was told of this token
	silent    bool // the client has closed its side: nothing more will be heard
	left      bool // leave has taken the watchers
	lingers   bool // … and the carrier has said the last word
	forgotten bool
}

// open registers a connection, before it watches anything. A grant without an
// end is none yet.
func (h *Hub) open(c carrier, transport string, grant Grant, one seat) *client {
	client := &client{hub: h, carrier: c, transport: transport, seat: one, quiet: h.now()}
	if _, client.parked = c.(parkedCarrier); !client.parked {
		client.gone = make(chan struct{})
	}
	client.grantLocked(grant)
	h.opts.Observer.Opened(transport)
	h.add(1)
	h.wheel.schedule(client, time.Now())
	switch { // Drain or Shut may have looked before we were there
	case h.draining.Load():
		client.end(h.goodbye(0))
	case h.shut.Load():
		client.end(withoutLedger())
	}
	return client
}

func (c *client) grantLocked(grant Grant) {
	c.subject = strings.Clone(grant.Subject) // not the token that it is a part of
	c.origin = originOf(grant)
	c.expires = 0
	if !grant.Expires.IsZero() {
		c.expires = grant.Expires.UnixNano()
	}
}

// add makes watchers for the orders that the client does not watch yet.
func (c *client) add(orders []string) []*watcher {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil {
		return nil
	}
	var added []*watcher
	for _, id := range orders {
		place := &c.watchers
		for *place != nil && (*place).order != id {
			place = &(*place).sibling
		}
		if *place == nil {
			*place = &watcher{order: strings.Clone(id), client: c, sent: -1}
			added = append(added, *place)
		}
	}
	return added
}

// wakeLocked sees to it that what is due gets written: by the writers, or where
// a write may wait by a goroutine for as long as there is something to write.
func (c *client) wakeLocked() {
	if !c.writing {
		c.writing = true
		c.resumeLocked()
	}
}

func (c *client) resumeLocked() {
	if c.parked {
		c.hub.writers.push(c)
	} else {
		go c.flush()
	}
}

// end closes the connection once what is due has been written, or at once when
// the cause has no code. Only the first cause counts; end says whether it was.
func (c *client) end(why cause) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endLocked(why)
}

func (c *client) endLocked(why cause) bool {
	if c.ending != nil && (c.ending.code == 0 || why.code != 0 || c.blocked == nil) {
		return false
	}
	first := c.ending == nil
	c.ending = &why
	if c.blocked != nil && why.code == 0 { // what it is full of is lost
		c.blocked = nil
		c.resumeLocked()
	} else {
		c.wakeLocked()
	}
	return first
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
		switch err := c.carrier.send(batch); {
		case err == nil:
			c.sent(batch)
		case !errors.Is(err, park.ErrFull):
			c.fail(err, time.Since(began))
		case c.block(batch):
			return
		}
	}
}

// take empties the slots. With nothing to write and no cause to end, it also
// ends the writing.
func (c *client) take() ([]outgoing, *cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil && (c.ending.code == 0 || c.ending.mute) {
		return nil, c.ending
	}
	var batch []outgoing
	greeted := false
	for w := c.watchers; w != nil; w = w.sibling {
		if m := w.slot; w.settled && m != nil {
			batch = append(batch, outgoing{kind: w.kind(), message: m, alone: c.watchers.sibling == nil})
			w.sent, w.slot = m.version, nil
		}
		greeted = greeted || w.sent >= 0
	}
	if !greeted {
		c.writing = c.ending != nil // the first thing that a client hears is a state
		return nil, c.ending
	}
	if c.expiring {
		left := time.Until(time.Unix(0, c.expires)).Round(time.Second)
		batch = append(batch, outgoing{kind: tokenExpiring, expiresIn: max(left, 0)})
	}
	if c.ping && len(batch) == 0 {
		batch = append(batch, outgoing{kind: ping})
	}
	c.ping, c.expiring = false, false
	if len(batch) > 0 {
		c.quiet = c.hub.now()
	}
	c.writing = len(batch) > 0 || c.ending != nil
	return batch, c.ending
}

// fail cuts the connection off because it did not take what was written.
func (c *client) fail(err error, took time.Duration) {
	why := causeGone
	if took >= c.hub.opts.WriteTimeout || errors.Is(err, park.ErrOverflow) {
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
			c.hub.told(c.transport, c.owner(), out.message)
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

// mayBe says whether a token of a subject is for whom the client is already.
func (c *client) mayBe(subject string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expires == 0 || c.subject == subject
}

func (c *client) owner() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subject
}

// leave ends the connection, and forgets the client unless it lingers.
func (c *client) leave(why cause) {
	c.mu.Lock()
	first := c.watchers
	c.watchers, c.left, c.overdue = nil, true, nil
	c.mu.Unlock()
	for w := first; w != nil; w = w.sibling {
		c.hub.unregister(w)
	}
	switch lingers := c.carrier.close(why); {
	case !lingers:
		c.forget()
	case c.linger(): // it has gone first
		c.cut()
	default:
		c.owe(closeTime, &causeCut)
	}
}

// linger begins to wait for the client to go, and says whether it has gone.
func (c *client) linger() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lingers = true
	return c.silent
}

// closeTime is how long a client may take to go once it was told to.
const closeTime = 5 * time.Second

// hungUp is called when the client has closed its side, or its connection broke.
func (c *client) hungUp() {
	c.mu.Lock()
	c.silent = true
	left, lingers := c.left, c.lingers
	c.mu.Unlock()
	switch {
	case lingers:
		c.cut()
	case !left: // else it is just being told, and leave sees that it has gone
		c.end(causeGone)
	}
}

// cut ends a connection that lingers.
func (c *client) cut() {
	c.carrier.close(causeCut)
	c.forget()
}

// forget takes the client out of everything.
func (c *client) forget() {
	c.mu.Lock()
	again, why, one := c.forgotten, c.ending.name, c.seat
	c.forgotten, c.seat = true, seat{}
	c.mu.Unlock()
	if again {
		return
	}
	c.hub.wheel.cancel(c)
	c.hub.seats.leave(one)
	c.hub.opts.Observer.Closed(c.transport, why)
	c.hub.add(-1)
	if c.gone != nil {
		close(c.gone)
	}
}

func (c *client) isEnding() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending != nil
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
	c.grantLocked(grant)
	c.warned, c.expiring = false, false
	if c.overdue == &causeNoToken {
		c.overdue = nil
	}
	var dropped []*watcher
	watched := map[string]bool{}
	for place := &c.watchers; *place != nil; {
		w := *place
		if watched[w.order] = grant.allows(w.order); watched[w.order] {
			place = &w.sibling
		} else {
			*place = w.sibling
			dropped = append(dropped, w)
		}
	}
	var added []string
	for _, id := range grant.Orders {
		if !watched[id] {
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
