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
	h.mu.Lock()
	clients := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		clients = append(clients, c)
	}
	h.mu.Unlock()
	for _, c := range clients {
		c.end(h.goodbye(window))
	}
	for _, c := range clients {
		select {
		case <-c.gone:
		case <-ctx.Done():
			return
		}
	}
}

// goodbye is the end of a connection in a drain. The least wait keeps a client
// from coming back to a node that is still listening.
func (h *Hub) goodbye(window time.Duration) cause {
	retry := 500*time.Millisecond + rand.N(max(window, time.Second))
	return cause{name: "drain", code: 1001, reason: "goodbye", retry: retry}
}
