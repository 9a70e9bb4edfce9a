package bench

import (
	"math"

	"golang.org/x/sys/unix"
)

// A stranger is a connection that follows no rules: it sends its bytes in small
// pieces or stops in the middle, or it never reads.
type stranger struct {
	fd     int
	kind   string // what it does, for the report
	bytes  []byte // still to be sent
	first  int    // how many of them go at once
	piece  int    // and how many each time after that; 0: none ever
	every  int64  // the time between two pieces, ns
	begun  bool   // it is connected
	next   int64  // when it sends the next piece
	opened int64
	ended  int64 // when the server closed it; 0: not yet
	status int   // of the answer that it read; 0: none
	deaf   bool  // it never reads
	job    *job  // the event that its bytes tell of, once they are all sent
}

// admit opens the connection of a stranger, whose bytes, pieces and habits are
// set.
func (l *load) admit(s stranger, to unix.Sockaddr, prepare func(fd int)) error {
	fd, err := l.dial(to, len(l.crowd), prepare)
	if err != nil {
		return err
	}
	if s.job != nil {
		l.provider.slow++
	}
	s.fd, s.opened = fd, l.now()
	s.next = math.MaxInt64
	l.crowd = append(l.crowd, s)
	return l.watch(fd, len(l.crowd)-1, mark(markStranger, 0), unix.EPOLLOUT)
}

func (s *stranger) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
	s.next = math.MaxInt64
}

func (l *load) onStranger(i int, events uint32) {
	s := &l.crowd[i]
	switch {
	case s.fd < 0:
	case !s.begun:
		s.begun = true
		interest := uint32(unix.EPOLLIN | unix.EPOLLRDHUP)
		if s.deaf {
			interest = unix.EPOLLRDHUP
		}
		l.rewatch(s.fd, i, mark(markStranger, 0), interest)
		l.utter(s, s.first)
		if s.piece > 0 {
			s.next = l.now() + s.every
		}
	case s.deaf:
		l.gone(s)
	default:
		l.overhear(s)
	}
}

// gone notes that the server closed a stranger's connection.
func (l *load) gone(s *stranger) {
	s.ended = l.now()
	s.close()
	if s.job != nil {
		l.provider.slow--
		l.retry(*s.job)
		s.job = nil
	}
}

// overhear reads what a stranger is told.
func (l *load) overhear(s *stranger) {
	n, err := unix.Read(s.fd, l.buffer)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil || n == 0 {
		l.gone(s)
		return
	}
	if s.status != 0 {
		return
	}
	h, body, err := readAnswer(l.buffer[:n])
	if err != nil || h.size == 0 {
		return
	}
	s.status = h.status
	if s.job != nil {
		j := *s.job
		s.job = nil
		l.provider.slow--
		l.judge(j, h, body)
		s.ended = l.now()
		s.close()
	}
}

// utter sends some of a stranger's bytes.
func (l *load) utter(s *stranger, n int) {
	n = min(n, len(s.bytes))
	if n == 0 {
		return
	}
	if _, err := unix.Write(s.fd, s.bytes[:n]); err == nil {
		s.bytes = s.bytes[n:]
	}
}

// dribble lets strangers send their next pieces, and returns when the next is
// due.
func (l *load) dribble(now int64) int64 {
	next := int64(math.MaxInt64)
	for i := range l.crowd {
		s := &l.crowd[i]
		if s.next <= now {
			l.utter(s, s.piece)
			s.next = now + s.every
			if len(s.bytes) == 0 {
				s.next = math.MaxInt64
			}
		}
		next = min(next, s.next)
	}
	return next
}
