package hub

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/paybell/paybell/internal/problem"
)

// Drain says goodbye to every client, and returns when all have gone or ctx has
// ended. Each is told to come back after its own time, spread over the window,
// so that a deploy is no storm for the node that takes over. New clients are
// refused from the first moment.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	h.draining.Store(true)
	for _, c := range h.wheel.all() {
		c.end(h.goodbye(window))
	}
	defer context.AfterFunc(ctx, func() { h.add(0) })()
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.count > 0 && ctx.Err() == nil {
		h.changed.Wait()
	}
}

// goodbye is the end of a connection in a drain. The least wait keeps a client
// from coming back to a node that is still listening.
func (h *Hub) goodbye(window time.Duration) cause {
	retry := 500*time.Millisecond + rand.N(max(window, time.Second))
	return cause{name: "drain", code: closeGoingAway, reason: "goodbye", retry: retry}
}

// shutWindow is the time over which clients of a node without a ledger come again,
// to another if they may.
const shutWindow = 5 * time.Second

// Shut says goodbye to every client because what the node could show them may be
// old: it has lost the ledger, or cannot trust it. New clients are refused until
// Reopen is called. Shut does not wait for clients to go; who has not gone in 10 s is
// cut.
func (h *Hub) Shut() {
	if !h.shut.CompareAndSwap(false, true) {
		return
	}
	clients := h.wheel.all()
	for _, c := range clients {
		c.end(withoutLedger())
	}
	time.AfterFunc(h.shutTime, func() {
		for _, c := range clients {
			c.end(causeCut)
		}
	})
}

// Reopen lets clients in again after [Hub.Shut]. A drain stays a drain.
func (h *Hub) Reopen() { h.shut.Store(false) }

// withoutLedger is the end of a connection to a node that is shut.
func withoutLedger() cause {
	why := causeNoLedger
	why.retry = 500*time.Millisecond + rand.N(shutWindow)
	answer := unavailable
	answer.RetryAfter = why.retry
	why.answer = &answer
	return why
}

// closed says why nobody is let in, or nil.
func (h *Hub) closed() *problem.Problem {
	switch {
	case h.draining.Load():
		return &draining
	case h.shut.Load():
		return withoutLedger().answer
	}
	return nil
}
