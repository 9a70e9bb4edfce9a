package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// A client is one customer that waits. It is small, because there are many.
type client struct {
	stream     stream
	fd         int32
	taken      uint32 // the last event of its order that the server had taken when the client asked
	generation uint16
	phase      phase
	dialect    uint8
	told       bool // it heard a goodbye
}

type phase uint8

const (
	away       phase = iota // not connected
	connecting              // TCP is on its way
	asking                  // the request is sent
	up                      // the subscription stands
)

// A comeback is a client that will connect again.
type comeback struct {
	client int
	at     int64
}

// populate says which dialect each client speaks.
func (l *load) populate(dialect func(i int) int) {
	for i := range l.clients {
		l.clients[i].dialect = uint8(dialect(i))
	}
}

// mixed populates with event streams for a share of the clients, evenly among
// the rest. A server that knows but one wire gets all.
func (l *load) mixed(sseShare float64) {
	index := map[Wire]int{}
	for n, d := range l.server.Dialects {
		index[d.Wire()] = n
	}
	sse, hasSSE := index[EventStream]
	socket, hasSocket := index[WebSocket]
	l.populate(func(i int) int {
		streams := math.Floor(float64(i+1)*sseShare) > math.Floor(float64(i)*sseShare)
		if hasSSE && (streams || !hasSocket) {
			return sse
		}
		return socket
	})
}

// only populates with clients of one wire.
func (l *load) only(w Wire) {
	l.populate(func(int) int {
		for n, d := range l.server.Dialects {
			if d.Wire() == w {
				return n
			}
		}
		return 0
	})
}

// connect opens clients from up to, and returns when all are up, or when none
// has come for so long. It says how long it took and how many did come.
func (l *load) connect(ctx context.Context, from, to int, patience time.Duration) (took time.Duration, came int, err error) {
	l.joinNext, l.joinTo = from, to
	began, before := l.now(), l.waiting
	lastCount, lastChange := l.waiting, began
	err = l.run(ctx, 0, func() bool {
		if l.waiting != lastCount {
			lastCount, lastChange = l.waiting, l.now()
		}
		return l.joinNext >= l.joinTo && l.opening == 0 || l.now()-lastChange > int64(patience)
	})
	l.joinTo = l.joinNext
	return time.Duration(lastChange - began), l.waiting - before, err
}

// join opens the next clients.
func (l *load) join() {
	for l.joinNext < l.joinTo && l.opening < l.parallel {
		l.open(l.joinNext)
		l.joinNext++
	}
}

// open begins the connection of client i, unless there is one.
func (l *load) open(i int) {
	c := &l.clients[i]
	if c.phase != away {
		return
	}
	fd, err := l.dial(l.waits, i, nil)
	if err == nil {
		err = l.watch(fd, i, mark(markClient, c.generation), unix.EPOLLOUT)
	}
	if err != nil {
		l.ends = append(l.ends, ending{client: int32(i), at: l.now(), retryAfter: -1})
		return
	}
	c.fd, c.told = int32(fd), false
	c.stream = stream{wire: l.server.Dialects[c.dialect].Wire()}
	c.phase = connecting
	l.opening++
}

// leave ends the connection of client i from its side; at once, as a phone that
// loses its network does not, or in the orderly way.
func (l *load) leave(i int, abruptly bool) {
	c := &l.clients[i]
	if c.phase == away {
		return
	}
	if abruptly {
		unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	unix.Close(int(c.fd))
	if c.phase == up {
		l.waiting--
	} else {
		l.opening--
	}
	c.fd, c.phase, c.stream = -1, away, stream{}
	c.generation++
}

// returnAt lets client i connect again at a time. Times must come in their order.
func (l *load) returnAt(i int, at int64) { l.returning = append(l.returning, comeback{i, at}) }

// comeBack opens the clients whose time it is, and returns when the next comes.
func (l *load) comeBack(now int64) int64 {
	for len(l.returning) > 0 {
		if l.returning[0].at > now {
			return l.returning[0].at
		}
		l.open(l.returning[0].client)
		l.returning = l.returning[1:]
	}
	return math.MaxInt64
}

// ended notes that client i was ended by the server, or by an error.
func (l *load) ended(i int, err error) {
	c := &l.clients[i]
	e := ending{client: int32(i), at: l.now(), told: c.told, retryAfter: -1}
	var no refused
	var end closed
	switch {
	case errors.As(err, &no):
		e.status, e.retryAfter = int16(no.status), int16(min(no.retryAfter, math.MaxInt16))
	case errors.As(err, &end):
		e.code = int16(end.code)
	}
	l.ends = append(l.ends, e)
	l.leave(i, false)
}

func (l *load) onClient(i int, generation uint16, events uint32) {
	c := &l.clients[i]
	switch {
	case c.phase == away || c.generation != generation:
	case c.phase == connecting:
		l.ask(i)
	default:
		l.listen(i)
	}
}

// ask sends the request once TCP stands.
func (l *load) ask(i int) {
	c := &l.clients[i]
	if err := broken(int(c.fd)); err != nil {
		l.ended(i, err)
		return
	}
	l.request = l.server.Dialects[c.dialect].Subscribe(l.request[:0], i)
	c.taken = l.book.accounts[i].acked
	if n, err := unix.Write(int(c.fd), l.request); err != nil || n < len(l.request) {
		l.ended(i, fmt.Errorf("bench: a socket took %d bytes of a request: %w", n, err))
		return
	}
	c.phase = asking
	l.rewatch(int(c.fd), i, mark(markClient, c.generation), unix.EPOLLIN)
}

// listen reads what came for client i. There is one clock reading for each read,
// after it: what waited for the loop counts as the server's.
func (l *load) listen(i int) {
	c := &l.clients[i]
	n, err := unix.Read(int(c.fd), l.buffer)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return
	case err != nil:
		l.ended(i, err)
		return
	case n == 0:
		l.ended(i, closed{})
		return
	}
	l.hearing, l.heardAt = i, l.now()
	if err := c.stream.feed(l.buffer[:n], &l.scratch, l); err != nil {
		l.ended(i, err)
	}
}

// hear is told of a message of the client that is being read.
func (l *load) hear(message []byte) {
	i := l.hearing
	c := &l.clients[i]
	var h Heard
	h, l.say = l.server.Dialects[c.dialect].Hear(i, message, l.say[:0])
	if len(l.say) > 0 {
		l.request = appendFrame(l.request[:0], opText, l.say)
		unix.Write(int(c.fd), l.request) // a socket that takes no more will not be up
	}
	switch h.What {
	case Up:
		if c.phase != up {
			c.phase = up
			l.opening--
			l.waiting++
		}
		l.book.up(i, h.Number, c.taken)
	case State, Message:
		l.book.hear(i, h, l.heardAt)
	case Goodbye:
		c.told = true
		l.goodbyes = append(l.goodbyes, h.Number)
	}
}

// pong answers a ping of the client that is being read.
func (l *load) pong(payload []byte) {
	l.request = appendFrame(l.request[:0], opPong, payload)
	unix.Write(int(l.clients[l.hearing].fd), l.request)
}
