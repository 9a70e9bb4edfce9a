package doctor

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A line is one connection that is held open, and what was heard on it.
type line struct {
	name   string
	opened time.Time
	first  chan struct{} // closed with the first state
	done   chan struct{} // closed when the connection has ended

	mu      sync.Mutex
	refused *answer     // instead of a stream
	head    http.Header // of an answer; nil: it has not come
	state   time.Time
	last    time.Time // when anything was heard
	beats   int
	longest time.Duration // between two things heard
	bye     string        // why the gateway ended it, in its words
	code    int           // the close code of a WebSocket
	ended   time.Time
	err     error // with which it ended
}

// hold runs read in a goroutine, which must end soon after what it reads from.
func hold(name string, read func(*line) error) *line {
	l := &line{name: name, opened: time.Now(), first: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		err := read(l)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended, l.err = time.Now(), err
	}()
	return l
}

// hear takes a message by its type.
func (l *line) hear(kind, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.last.IsZero() {
		l.longest = max(l.longest, now.Sub(l.last))
	}
	l.last = now
	switch kind {
	case "snapshot", "update":
		if l.state.IsZero() {
			l.state = now
			close(l.first)
		}
	case "ping":
		l.beats++
	case "goodbye":
		l.bye = clean(reason)
	}
}

// answer takes the head of an answer.
func (l *line) answer(head http.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = head
}

// refuse takes an answer that came instead of a stream.
func (l *line) refuse(a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = &a
}

// close takes a closing frame.
func (l *line) close(code int, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.code = code
	if l.bye == "" {
		l.bye = clean(fmt.Sprintf("close code %d %s", code, reason))
	}
}

// over says whether the connection has ended.
func (l *line) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// begun waits for the first state, and says whether it came.
func (l *line) begun() bool {
	select {
	case <-l.first:
		return true
	case <-l.done:
	case <-time.After(patience):
	}
	select {
	case <-l.first:
		return true
	default:
		return false
	}
}
