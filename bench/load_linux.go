package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A load is the clients and the provider of one server, driven by one loop. All
// its methods belong to one goroutine, which newLoad ties to its thread.
//
// The loop runs only within run and what calls it. Between two runs the sockets
// are left alone; the kernel keeps what comes.
type load struct {
	server  *Server
	waits   unix.Sockaddr // where clients wait
	takes   unix.Sockaddr // where events are told
	spread  int           // over how many source addresses; 0: the system's choice
	origin  time.Time
	epoll   int
	timer   int
	armed   int64 // when the timer rings; 0: not set
	ready   []unix.EpollEvent
	buffer  []byte // what a read fills
	scratch []byte // where streams are put together
	request []byte
	say     []byte

	clients   []client
	waiting   int // clients that are up
	opening   int // clients on their way
	parallel  int // how many may be on their way at once
	joinNext  int // the next to be opened …
	joinTo    int // … before this one
	hearing   int // the client whose stream is being read
	heardAt   int64
	ends      []ending
	goodbyes  []uint32 // the waits that clients were told, in ms
	returning []comeback

	book  *book
	reach int // the first so many orders are those that events are for
	step  int // orders come in steps of this size
	last  int // the order of the last event

	provider provider
	pacers   []*pacer
	flood    int // how many events to keep on their way; 0: none
	crowd    []stranger

	progress func(string)
	told     int64 // when progress was last told
}

// An ending is a client whose connection ended without its doing.
type ending struct {
	client     int32
	status     int16 // of an answer that refused; 0: none
	code       int16 // of a WebSocket's close frame; 0: none
	retryAfter int16 // seconds; -1: not said
	told       bool  // it had heard a goodbye
	at         int64
}

// The kinds of things that the loop watches, in the low bits of their mark.
const (
	markClient = iota
	markSender
	markStranger
	markTimer
)

// A mark is what epoll keeps with a descriptor besides its index: the kind, and
// how often the place was used, so that old news of a closed descriptor is not
// taken for news of its successor.
func mark(kind int, generation uint16) int32 { return int32(kind) | int32(generation)<<8 }

// newLoad returns a load without clients for a server. orders is how many there
// may be, and events are told over at most senders connections at once.
func newLoad(server *Server, orders, addresses, senders int) (*load, error) {
	l := &load{
		spread: addresses, origin: time.Now(),
		ready: make([]unix.EpollEvent, 1024), buffer: make([]byte, 64<<10),
		clients: make([]client, orders), book: newBook(orders), parallel: 128,
	}
	for i := range l.clients {
		l.clients[i].fd = -1
	}
	l.provider = provider{most: senders, answers: map[int]int{}}
	l.setReach(orders)
	if err := l.setServer(server); err != nil {
		return nil, err
	}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("bench: epoll: %w", err)
	}
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		unix.Close(l.epoll)
		return nil, fmt.Errorf("bench: timer: %w", err)
	}
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // or a timer may ring 50 µs late; that would be charged to the server
	return l, l.watch(l.timer, 0, mark(markTimer, 0), unix.EPOLLIN)
}

// setServer says where to connect from now on. The server must speak the dialects
// of the one before.
func (l *load) setServer(server *Server) (err error) {
	l.server = server
	if l.waits, err = socketAddress(server.Address); err != nil {
		return err
	}
	l.takes, err = socketAddress(server.publish())
	return err
}

// setReach says that events are for the first so many orders.
func (l *load) setReach(orders int) { l.reach, l.step = orders, stride(orders) }

// close ends all that the load holds.
func (l *load) close() {
	for i := range l.clients {
		l.leave(i, false)
	}
	l.provider.close()
	for i := range l.crowd {
		l.crowd[i].close()
	}
	unix.Close(l.timer)
	unix.Close(l.epoll)
	runtime.UnlockOSThread()
}

func socketAddress(text string) (unix.Sockaddr, error) {
	at, err := netip.ParseAddrPort(text)
	if err != nil || !at.Addr().Is4() {
		return nil, fmt.Errorf("bench: %q is not an IPv4 address and a port", text)
	}
	return &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}, nil
}

// stride returns a step in which all of n are visited before one comes again,
// neighbours far from each other.
func stride(n int) int {
	for step := int(float64(n)*.618) | 1; ; step++ {
		a, b := n, step
		for b != 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return step
		}
	}
}

// now is the loop's clock, in ns. It is never 0.
func (l *load) now() int64 { return int64(time.Since(l.origin)) + 1 }

func (l *load) watch(fd int, index int, mark int32, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(index), Pad: mark}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &e)
}

func (l *load) rewatch(fd int, index int, mark int32, events uint32) {
	e := unix.EpollEvent{Events: events, Fd: int32(index), Pad: mark}
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &e)
}

// A pacer does something at a steady rate, whatever else happens: what is late is
// done as soon as may be, and told when it was due.
type pacer struct {
	from, until int64
	every       float64 // ns
	done        int
	do          func(due int64)
}

func (p *pacer) next() int64 { return p.from + int64(float64(p.done)*p.every) }

// pace makes the loop do something so many times a second, for d from now.
func (l *load) pace(perSecond float64, d time.Duration, do func(due int64)) {
	if perSecond <= 0 {
		return
	}
	now := l.now()
	l.pacers = append(l.pacers, &pacer{from: now, until: now + int64(d), every: 1e9 / perSecond, do: do})
}

// due does what pacers have due, and forgets those that are done. It returns
// when the next is due.
func (l *load) due(now int64) int64 {
	next := int64(math.MaxInt64)
	kept := l.pacers[:0]
	for _, p := range l.pacers {
		at := p.next()
		for ; at <= now && at < p.until; at = p.next() {
			p.done++
			p.do(at)
		}
		if at < p.until {
			kept = append(kept, p)
			next = min(next, at)
		}
	}
	l.pacers = kept
	return next
}

// run turns the loop until done says so, until d has passed, or until ctx ends,
// which is its only error. d 0: no limit. done nil: d is the only one.
func (l *load) run(ctx context.Context, d time.Duration, done func() bool) error {
	end := int64(math.MaxInt64)
	if d > 0 {
		end = l.now() + int64(d)
	}
	for {
		now := l.now()
		next := min(l.due(now), l.comeBack(now), l.dribble(now)) // what is due before the end is done before it
		if done != nil && done() || now >= end {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		l.join()
		for l.flood > l.provider.flying() && l.waiting > 0 {
			l.publishNext(l.now())
		}
		next = min(next, l.deliver(l.now()), end, now+int64(100*time.Millisecond))
		l.poll(next)
		if l.progress != nil && now-l.told > int64(time.Second) {
			l.told = now
			l.progress(l.state())
		}
	}
}

// state is a line about what goes on.
func (l *load) state() string {
	return fmt.Sprintf("%d waiting, %d events sent, %d taken, %d shown", l.waiting, l.book.published, l.book.acked, l.book.delivered+l.book.caughtUp)
}

// poll waits until something happens, at most until a time, and handles it.
func (l *load) poll(until int64) {
	timeout := -1
	if left := until - l.now(); left <= 0 {
		timeout = 0
	} else if l.armed != until {
		l.armed = until
		at := unix.NsecToTimespec(left)
		unix.TimerfdSettime(l.timer, 0, &unix.ItimerSpec{Value: at}, nil)
	}
	n, err := unix.EpollWait(l.epoll, l.ready, timeout)
	if err != nil && !errors.Is(err, unix.EINTR) {
		panic(fmt.Sprintf("bench: epoll: %v", err)) // only a mistake of ours can be the cause
	}
	for i := range max(n, 0) {
		e := &l.ready[i]
		index, generation := int(e.Fd), uint16(e.Pad>>8)
		switch e.Pad & 0xff {
		case markClient:
			l.onClient(index, generation, e.Events)
		case markSender:
			l.onSender(index, generation, e.Events)
		case markStranger:
			l.onStranger(index, e.Events)
		case markTimer:
			var rings [8]byte
			unix.Read(l.timer, rings[:])
			l.armed = 0
		}
	}
}

// dial begins a connection, from a source address of its own where these are
// spread.
func (l *load) dial(to unix.Sockaddr, source int, prepare func(fd int)) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("bench: socket: %w", err)
	}
	if prepare != nil {
		prepare(fd)
	}
	if l.spread > 0 {
		// The port is chosen with the connection: one that another connection to
		// somewhere else holds will do.
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		from := &unix.SockaddrInet4{Addr: loopback(source % l.spread)}
		if err := unix.Bind(fd, from); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("bench: bind to %v: %w", netip.AddrFrom4(from.Addr), err)
		}
	}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		unix.Close(fd)
		return -1, fmt.Errorf("bench: connect: %w", err)
	}
	return fd, nil
}

// loopback returns the nth address of 127.0.0.0/8, from 127.0.0.1.
func loopback(n int) [4]byte {
	n++
	return [4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)}
}

// broken returns the error of a connection, or nil.
func broken(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}
