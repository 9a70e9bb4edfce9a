package hub

import (
	"context"
	"math/rand/v2"
	"time"
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
