package hub

import (
	"context"
	"sync"
	"time"
)

// The wheel's step and its number of slots: what is further away than a turn is
// looked at once a turn.
const (
	wheelStep  = 100 * time.Millisecond
	wheelSlots = 512
)

// A wheel calls clients when something is due, with one goroutine and no timer
// per connection. Each client hangs in at most one slot.
type wheel struct {
	mu    sync.Mutex
	slots [wheelSlots]*client // each the head of a list
	at    int                 // the slot of now
}

// A timer is a client's place in the wheel, guarded by the wheel's mu.
type timer struct {
	prev, next *client
	slot       uint16
	set, dead  bool // dead: cancelled for good
}

// schedule moves a client to the slot of its next due time. It is called by
// whoever opens or changes the client, and by the wheel itself; the time is read
// under the lock, so that the last of them goes by what the client is by then.
func (w *wheel) schedule(c *client, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(c)
	if c.timer.dead {
		return
	}
	steps := int(c.due(now).Sub(now)/wheelStep) + 1
	w.hangLocked(c, min(max(steps, 1), wheelSlots-1))
}

// hangLocked puts a client that hangs nowhere into the slot some steps ahead.
func (w *wheel) hangLocked(c *client, steps int) {
	c.timer.slot, c.timer.set = uint16((w.at+steps)%wheelSlots), true
	head := w.slots[c.timer.slot]
	c.timer.next = head
	if head != nil {
		head.timer.prev = c
	}
	w.slots[c.timer.slot] = c
}

// cancel takes a client out for good.
func (w *wheel) cancel(c *client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(c)
	c.timer.dead = true
}

func (w *wheel) removeLocked(c *client) {
	t := &c.timer
	if !t.set {
		return
	}
	if t.prev != nil {
		t.prev.timer.next = t.next
	} else {
		w.slots[t.slot] = t.next
	}
	if t.next != nil {
		t.next.timer.prev = t.prev
	}
	t.prev, t.next, t.set = nil, nil, false
}

// all returns every client: each hangs somewhere until it is forgotten.
func (w *wheel) all() []*client {
	w.mu.Lock()
	defer w.mu.Unlock()
	var clients []*client
	for _, c := range w.slots {
		for ; c != nil; c = c.timer.next {
			clients = append(clients, c)
		}
	}
	return clients
}

// run turns the wheel until ctx ends. After a stall it catches up.
func (w *wheel) run(ctx context.Context) {
	ticker := time.NewTicker(wheelStep)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			last = w.advance(last, now)
		}
	}
}

// advance turns the wheel from one time to another, and returns how far it came.
// However long that is, one whole turn looks at everybody.
func (w *wheel) advance(last, now time.Time) time.Time {
	if whole := now.Add(-wheelSlots * wheelStep); last.Before(whole) {
		last = whole
	}
	for ; now.Sub(last) >= wheelStep; last = last.Add(wheelStep) {
		w.turn(now)
	}
	return last
}

// turn goes on by one slot and calls who hangs there.
func (w *wheel) turn(now time.Time) {
	w.mu.Lock()
	w.at = (w.at + 1) % wheelSlots
	var due []*client
	for c := w.slots[w.at]; c != nil; c = w.slots[w.at] {
		due = append(due, c)
		w.removeLocked(c)
		w.hangLocked(c, wheelSlots-1) // for as long as it is being looked at
	}
	w.mu.Unlock()
	for _, c := range due {
		c.tick(now)
		w.schedule(c, now)
	}
}
