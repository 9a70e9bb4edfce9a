package hub

import (
	"time"
)

// A blockade is what a full carrier still has to send.
type blockade struct {
	batch []outgoing
	since time.Duration // in the hub's time
}

// block remembers what a full carrier has still to send. It reports false when
// the writing may go on, because the carrier is empty again by now, or is to be cut.
func (c *client) block(batch []outgoing) bool {
	c.mu.Lock()
	blocked := &blockade{batch: batch, since: c.hub.now()}
	c.blocked = blocked
	cut := c.ending != nil && c.ending.code == 0
	c.mu.Unlock()
	c.hub.wheel.schedule(c, time.Now())
	if !cut && c.carrier.(parkedCarrier).full() {
		return true
	}
	if !c.unblock(blocked) {
		return true // whoever ended it goes on
	}
	if !cut {
		c.sent(batch)
	}
	return false
}

// unblock ends a blockade, and reports whether it was still there. Whoever ends it
// goes on with the writing.
func (c *client) unblock(blocked *blockade) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if blocked == nil || c.blocked != blocked {
		return false
	}
	c.blocked = nil
	return true
}

// drained is called when a full carrier has sent everything.
func (c *client) drained() {
	c.mu.Lock()
	blocked := c.blocked
	c.mu.Unlock()
	if c.unblock(blocked) {
		c.sent(blocked.batch)
		c.hub.writers.push(c)
	}
}
