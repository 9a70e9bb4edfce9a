package hub

import (
	"runtime"
	"sync"
)

// writers write to parked clients, a few for all of them. Since a write to a
// parked client never waits, more than there are processors would gain nothing.
// They run for as long as there is something to write.
type writers struct {
	mu    sync.Mutex
	queue []*client // each at most once: only who is not writing is pushed
	first int       // the queue begins here
	busy  int
}

// hand is how many clients a writer takes from the queue at once.
const hand = 16

func (w *writers) push(c *client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, c)
	if w.busy < runtime.GOMAXPROCS(0) {
		w.busy++
		go w.run()
	}
}

func (w *writers) run() {
	var clients [hand]*client
	for {
		n := w.take(clients[:])
		if n == 0 {
			return
		}
		for _, c := range clients[:n] {
			c.flush()
		}
	}
}

// take moves clients from the queue. When there are none, a writer is one less.
func (w *writers) take(clients []*client) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := copy(clients, w.queue[w.first:])
	clear(w.queue[w.first : w.first+n])
	w.first += n
	switch waiting := len(w.queue) - w.first; {
	case waiting == 0 && cap(w.queue) > 1024: // after a storm
		w.queue, w.first = nil, 0
	case w.first > waiting:
		copy(w.queue, w.queue[w.first:])
		clear(w.queue[waiting:])
		w.queue, w.first = w.queue[:waiting], 0
	}
	if n == 0 {
		w.busy--
	}
	return n
}
