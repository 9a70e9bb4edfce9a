package hub

import (
	"math/rand/v2"
	"time"
)

// What follows is a client's time, which the wheel keeps: heartbeats, the end of
// its token, and how long it may owe something.

// owe gives a client a time for what it is to do, unless it owes something
// already: to show a token, to finish a message, to go.
func (c *client) owe(within time.Duration, why *cause) {
	c.mu.Lock()
	first := c.overdue == nil
	if first {
		c.overdue, c.patience = why, c.hub.now()+within
	}
	c.mu.Unlock()
	if first {
		c.hub.wheel.schedule(c, time.Now())
	}
}

// owesNot takes back what was owed.
func (c *client) owesNot(why *cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.overdue == why {
		c.overdue = nil
	}
}

// due says when the wheel should look at the client next.
func (c *client) due(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	beat := c.hub.opts.Heartbeat
	next := c.hub.born.Add(c.quiet + beat - rand.N(beat/4+1))
	if next.Before(now) { // a write is under way; look again
		next = now.Add(beat / 2)
	}
	sooner := func(at time.Time) {
		if at.Before(next) {
			next = at // perhaps past already, and then at once
		}
	}
	if c.overdue != nil {
		sooner(c.hub.born.Add(c.patience))
	}
	if c.blocked != nil {
		sooner(c.hub.born.Add(c.blocked.since + c.hub.opts.WriteTimeout))
	}
	if c.expires == 0 {
		return next
	}
	ends := time.Unix(0, c.expires)
	if !c.warned {
		sooner(ends.Add(-warning))
	}
	sooner(ends)
	return next
}

// tick does what is due at now.
func (c *client) tick(now time.Time) {
	c.mu.Lock()
	at := now.Sub(c.hub.born)
	overdue := c.overdue != nil && at >= c.patience
	if c.left && overdue {
		c.mu.Unlock()
		c.cut()
		return
	}
	defer c.mu.Unlock()
	ends := time.Unix(0, c.expires)
	switch {
	case c.left:
		return
	case c.blocked != nil && at >= c.blocked.since+c.hub.opts.WriteTimeout:
		c.endLocked(causeSlow)
		return
	case overdue:
		c.endLocked(*c.overdue)
		return
	case c.expires != 0 && !ends.After(now):
		c.endLocked(causeExpired)
		return
	}
	if c.expires != 0 && !c.warned && !ends.Add(-warning).After(now) {
		c.warned, c.expiring = true, true
		c.wakeLocked()
	}
	if at-c.quiet >= c.hub.opts.Heartbeat*3/4 {
		c.ping = true
		c.wakeLocked()
	}
}
