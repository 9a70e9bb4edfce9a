package bench

import (
	"errors"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// A provider sends events over keep-alive connections, one at a time on each,
// and sends again what was not taken, as payment providers do.
type provider struct {
	most    int // connections
	senders []sender
	idle    []int // senders that may be used, the last used last
	queue   []job // from head on, waiting for a sender
	head    int
	retries []job // sorted by when
	busy    int
	slow    int   // on their way over a stranger's connection
	pause   int64 // open no connections before

	giveUp  bool // send nothing again
	again   int  // sent again
	refused int  // answered with what no repetition cures
	refusal int  // the first such status
	text    string
	repeats int         // sent once more on purpose, and taken
	answers map[int]int // by status
}

// A sender is one connection of the provider.
type sender struct {
	fd         int
	generation uint16
	ready      bool // connected
	job        job  // the one on its way; order -1: none
	rest       []byte
}

// A job is an event on its way to the server.
type job struct {
	order  int
	number uint32
	tries  int
	repeat bool  // it was taken before
	at     int64 // not before
}

// flying is how many events are on their way.
func (p *provider) flying() int { return len(p.queue) - p.head + p.busy + len(p.retries) + p.slow }

func (p *provider) close() {
	for i := range p.senders {
		if p.senders[i].fd >= 0 {
			unix.Close(p.senders[i].fd)
		}
	}
}

// hangUp closes the connections of senders that have nothing to send: a provider
// that keeps them open is no waiting client.
func (l *load) hangUp() {
	for len(l.provider.idle) > 0 {
		l.fire(l.provider.idle[0])
	}
}

// publishNext makes an event of the next order, due at a time.
func (l *load) publishNext(due int64) {
	if order, ok := l.nextOrder(); ok {
		l.publish(order, due)
	}
}

// nextOrder returns the next order for which a client waits.
func (l *load) nextOrder() (int, bool) {
	for range l.reach {
		l.last = (l.last + l.step) % l.reach
		if l.clients[l.last].phase == up {
			return l.last, true
		}
	}
	return 0, false
}

// publish makes an event of an order, due at a time, and sends it off.
func (l *load) publish(order int, due int64) {
	l.send(job{order: order, number: l.book.publish(order, due)})
}

// repeat sends the last event of an order again.
func (l *load) repeat(order int) {
	if taken := l.book.accounts[order].acked; taken > 0 {
		l.send(job{order: order, number: taken, repeat: true})
	}
}

func (l *load) send(j job) {
	p := &l.provider
	p.queue = append(p.queue, j)
}

// deliver hands jobs to senders, and returns when the next retry is due.
func (l *load) deliver(now int64) int64 {
	p := &l.provider
	for len(p.retries) > 0 && p.retries[0].at <= now {
		p.queue = append(p.queue, p.retries[0])
		p.retries = p.retries[1:]
	}
	for p.head < len(p.queue) && len(p.idle) > 0 {
		j := p.queue[p.head]
		p.head++
		i := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		l.post(i, j)
	}
	if p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	}
	if waiting := len(p.queue) - p.head; waiting > 0 && now >= p.pause {
		for n := p.connecting(); n < min(waiting, 32) && l.hire(); n++ {
		}
	}
	if len(p.retries) > 0 {
		return p.retries[0].at
	}
	return math.MaxInt64
}

// connecting counts the senders that are not ready yet.
func (p *provider) connecting() int { return len(p.senders) - p.busy - len(p.idle) - p.gone() }

func (p *provider) gone() int {
	n := 0
	for i := range p.senders {
		if p.senders[i].fd < 0 {
			n++
		}
	}
	return n
}

// hire opens a connection for a sender. It reports false when there are as many
// as may be.
func (l *load) hire() bool {
	p := &l.provider
	at := -1
	for i := range p.senders {
		if p.senders[i].fd < 0 {
			at = i
		}
	}
	if at < 0 {
		if len(p.senders) >= p.most {
			return false
		}
		p.senders = append(p.senders, sender{fd: -1, job: job{order: -1}})
		at = len(p.senders) - 1
	}
	s := &p.senders[at]
	fd, err := l.dial(l.takes, at, nil)
	if err != nil {
		return false
	}
	s.fd, s.ready = fd, false
	if err := l.watch(fd, at, mark(markSender, s.generation), unix.EPOLLOUT); err != nil {
		l.fire(at)
		return false
	}
	return true
}

// fire closes a sender's connection. What was on its way is sent again.
func (l *load) fire(i int) {
	p := &l.provider
	s := &p.senders[i]
	unix.Close(s.fd)
	for n, idle := range p.idle {
		if idle == i {
			p.idle = append(p.idle[:n], p.idle[n+1:]...)
			break
		}
	}
	j := s.job
	if j.order >= 0 {
		p.busy--
	}
	*s = sender{fd: -1, generation: s.generation + 1, job: job{order: -1}}
	if j.order >= 0 {
		l.retry(j)
	}
}

// retry sends an event again, later each time.
func (l *load) retry(j job) {
	p := &l.provider
	if p.giveUp {
		return
	}
	p.again++
	j.tries++
	j.at = l.now() + int64(50*time.Millisecond)<<min(j.tries-1, 5)
	at := len(p.retries)
	for at > 0 && p.retries[at-1].at > j.at {
		at--
	}
	p.retries = append(p.retries, job{})
	copy(p.retries[at+1:], p.retries[at:])
	p.retries[at] = j
}

// post writes an event to a sender's connection.
func (l *load) post(i int, j job) {
	p := &l.provider
	s := &p.senders[i]
	s.job = j
	p.busy++
	l.request = l.server.Dialects[l.clients[j.order].dialect].Publish(l.request[:0], j.order, j.number)
	if n, err := unix.Write(s.fd, l.request); err != nil || n < len(l.request) {
		l.fire(i)
	}
}

func (l *load) onSender(i int, generation uint16, events uint32) {
	s := &l.provider.senders[i]
	switch {
	case s.fd < 0 || s.generation != generation:
	case !s.ready:
		if broken(s.fd) != nil {
			l.provider.pause = l.now() + int64(50*time.Millisecond)
			l.fire(i)
			return
		}
		s.ready = true
		l.rewatch(s.fd, i, mark(markSender, s.generation), unix.EPOLLIN)
		l.provider.idle = append(l.provider.idle, i)
		l.deliver(l.now())
	default:
		l.readAnswer(i)
	}
}

// readAnswer reads what the server says to the event on its way.
func (l *load) readAnswer(i int) {
	s := &l.provider.senders[i]
	n, err := unix.Read(s.fd, l.buffer)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return
	case err != nil || n == 0 || s.job.order < 0:
		l.fire(i)
		return
	}
	data := l.buffer[:n]
	if len(s.rest) > 0 {
		s.rest = append(s.rest, data...)
		data = s.rest
	}
	h, body, err := readAnswer(data)
	switch {
	case err != nil:
		l.fire(i)
	case h.size == 0:
		if len(s.rest) == 0 {
			s.rest = append(s.rest, data...)
		}
	default:
		s.rest = s.rest[:0]
		l.answered(i, h, body)
	}
}

// readAnswer reads a whole answer. Its head has no size while it is not all
// there.
func readAnswer(data []byte) (head, []byte, error) {
	h, err := readHead(data)
	if err != nil || h.size == 0 {
		return head{}, nil, err
	}
	body := data[h.size:]
	switch {
	case h.chunked:
		var d dechunker
		body, err = d.strip(append([]byte(nil), body...))
		if err != nil || !d.over() {
			return head{}, nil, err
		}
	case h.length > len(body):
		return head{}, nil, nil
	}
	return h, body, nil
}

// answered takes the answer to the event that a sender had on its way.
func (l *load) answered(i int, h head, body []byte) {
	p := &l.provider
	s := &p.senders[i]
	j := s.job
	s.job = job{order: -1}
	p.busy--
	l.judge(j, h, body)
	if h.closes {
		l.fire(i)
		return
	}
	p.idle = append(p.idle, i)
	if p.head < len(p.queue) {
		l.deliver(l.now())
	}
}

// judge says what an answer means for an event.
func (l *load) judge(j job, h head, body []byte) {
	p := &l.provider
	p.answers[h.status]++
	switch {
	case h.status/100 == 2 && j.repeat:
		p.repeats++
	case h.status/100 == 2:
		l.book.ack(j.order, j.number)
	case h.status >= 500 || h.status == 429 || h.status == 408:
		l.retry(j)
	default:
		if p.refused++; p.refused == 1 {
			p.refusal, p.text = h.status, string(body[:min(len(body), 300)])
		}
	}
}
