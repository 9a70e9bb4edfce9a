package park

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Lot is where connections are parked. Its methods may be called by many
// goroutines at once.
type Lot struct {
	set  *os.File // the epoll set, itself a descriptor that Go's poller waits for
	raw  syscall.RawConn
	mu   sync.RWMutex
	held []*Conn // by descriptor
	turn uint32  // counts the connections that there were
}

// New makes an empty lot. Run serves it.
func New() (*Lot, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("park: make an epoll set: %w", err)
	}
	// Non-blocking, so that Go's own poller takes it in: the wait costs no thread.
	if err := unix.SetNonblock(set, true); err != nil {
		unix.Close(set)
		return nil, fmt.Errorf("park: make an epoll set: %w", err)
	}
	l := &Lot{set: os.NewFile(uintptr(set), "epoll")}
	if l.raw, err = l.set.SyscallConn(); err != nil {
		l.set.Close()
		return nil, fmt.Errorf("park: make an epoll set: %w", err)
	}
	return l, nil
}

// Run tells owners what happens, until ctx ends. It starts no goroutine.
func (l *Lot) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { l.set.SetReadDeadline(time.Unix(1, 0)) })()
	events := make([]unix.EpollEvent, 256)
	scratch := make([]byte, 16<<10)
	for {
		n, err := l.wait(events)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("park: wait: %w", err)
		}
		for _, event := range events[:n] {
			if c := l.find(event); c != nil {
				c.serve(event.Events, scratch)
			}
		}
	}
}

// wait sleeps until something has happened.
func (l *Lot) wait(events []unix.EpollEvent) (n int, err error) {
	slept := l.raw.Read(func(set uintptr) bool {
		n, err = unix.EpollWait(int(set), events, 0)
		if errors.Is(err, unix.EINTR) {
			n, err = 0, nil
		}
		return n > 0 || err != nil
	})
	if err == nil {
		err = slept
	}
	return n, err
}

// find returns the connection that an event is about. The kernel reuses a
// descriptor's number as soon as it is closed, perhaps for a client that comes
// while events about the one before are still being worked off. So an event
// carries the turn of its connection as well, and one of another turn is nobody's.
func (l *Lot) find(event unix.EpollEvent) *Conn {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if int(event.Fd) >= len(l.held) {
		return nil
	}
	if c := l.held[event.Fd]; c != nil && c.turn == uint32(event.Pad) {
		return c
	}
	return nil
}

// Close frees what the lot itself holds. Its connections are their owners' to
// close, before or after.
func (l *Lot) Close() error { return l.set.Close() }

// A Conn is one parked connection. It is made by Park, must not be copied, and
// many goroutines may use it at once.
//
// What is written can reach no other client, though the kernel gives the number
// of a closed descriptor to the next connection: every use of the number is under
// mu, and Close, under mu too, forgets the number before it gives it back.
type Conn struct {
	lot   *Lot
	owner Owner

	mu        sync.Mutex
	rest      []byte // what the kernel did not take yet
	fd        int32  // closed: -1
	turn      uint32
	added     bool // it is in the epoll set
	listening bool
	ended     bool // the owner was told
	finishing bool // nothing follows the rest
}

const closed = -1

// Park takes a connection over from Go: it keeps the descriptor and closes conn,
// which frees what Go's poller holds of it. c is where the connection will live,
// in a struct of its owner's. The owner is told of nothing before Listen. After an
// error conn is as it was.
func (l *Lot) Park(c *Conn, conn net.Conn, owner Owner) error {
	source, ok := conn.(syscall.Conn)
	if !ok {
		return ErrUnsupported
	}
	raw, err := source.SyscallConn()
	if err != nil {
		return fmt.Errorf("park: %w", err)
	}
	fd := closed
	if controlErr := raw.Control(func(from uintptr) {
		fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0)
	}); controlErr != nil {
		err = controlErr
	}
	if err != nil {
		return fmt.Errorf("park: duplicate a descriptor: %w", err)
	}
	conn.Close()
	c.lot, c.owner, c.fd = l, owner, int32(fd)
	l.enter(c)
	return nil
}

func (l *Lot) enter(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if grow := int(c.fd) + 1 - len(l.held); grow > 0 {
		l.held = append(l.held, make([]*Conn, grow)...)
	}
	l.turn++
	c.turn = l.turn
	l.held[c.fd] = c
}

// Listen goes on hearing what the client says.
func (c *Conn) Listen() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listening = true
	return c.armLocked()
}

// armLocked asks for the next event, once: while it is being worked off there is
// no other, so that one client's events come one at a time.
func (c *Conn) armLocked() error {
	switch {
	case c.fd == closed:
		return ErrClosed
	case c.ended: // an end is an event that does not stop
		return nil
	}
	event := unix.EpollEvent{Events: unix.EPOLLONESHOT, Fd: c.fd, Pad: int32(c.turn)}
	if c.listening {
		event.Events |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if len(c.rest) > 0 {
		event.Events |= unix.EPOLLOUT
	}
	op := unix.EPOLL_CTL_MOD
	if !c.added {
		op, c.added = unix.EPOLL_CTL_ADD, true
	}
	var err error
	if control := c.lot.raw.Control(func(set uintptr) {
		err = unix.EpollCtl(int(set), op, int(c.fd), &event)
	}); control != nil {
		err = control
	}
	if err != nil {
		return fmt.Errorf("park: %w", err)
	}
	return nil
}

// serve works an event off.
func (c *Conn) serve(events uint32, scratch []byte) {
	if events&unix.EPOLLOUT != 0 {
		empty, err := c.drain()
		if err != nil {
			c.hangUp(err)
			return
		}
		if empty {
			c.owner.Drained()
		}
	}
	switch {
	case events&^unix.EPOLLOUT != 0 && c.pause():
		data, err := c.read(scratch)
		if err != nil {
			c.hangUp(err)
			return
		}
		if len(data) == 0 || c.owner.Heard(data, nil) {
			c.resume()
		}
	case events&(unix.EPOLLERR|unix.EPOLLHUP) != 0: // told of whether one listens or not
		c.hangUp(io.EOF)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listening || len(c.rest) > 0 {
		c.armLocked() // of a connection that is no good, the next write tells
	}
}

// hangUp tells the owner of the end, after which there is nothing to wait for.
func (c *Conn) hangUp(err error) {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.owner.Heard(nil, err)
}

// pause says whether the client is to be heard, and hears no more until resume.
func (c *Conn) pause() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.listening
	c.listening = false
	return was
}

func (c *Conn) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listening = true
}

func (c *Conn) read(scratch []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd == closed {
		return nil, ErrClosed
	}
	n, err := unix.Read(int(c.fd), scratch)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("park: read: %w", err)
	case n == 0:
		return nil, io.EOF
	}
	return scratch[:n], nil
}

// drain sends what is left, and says whether that was the last of it.
func (c *Conn) drain() (empty bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd == closed || len(c.rest) == 0 {
		return false, nil
	}
	n, err := c.sendLocked(c.rest)
	if err != nil {
		return false, err
	}
	if c.rest = c.rest[n:]; len(c.rest) > 0 {
		return false, nil
	}
	c.rest = nil // and its memory
	if c.finishing {
		return true, unix.Shutdown(int(c.fd), unix.SHUT_WR)
	}
	return true, nil
}

// Write sends b without waiting. After ErrFull all of b is sent or kept; after
// another error the connection is of no use any more.
func (c *Conn) Write(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fd == closed:
		return ErrClosed
	case len(c.rest)+len(b) > maxRest && len(c.rest) > 0:
		return ErrOverflow
	case len(c.rest) > 0: // it is waited for already
		c.rest = append(c.rest, b...)
		return ErrFull
	}
	n, err := c.sendLocked(b)
	if err != nil {
		return err
	}
	if n == len(b) {
		return nil
	}
	c.rest = append(c.rest, b[n:]...)
	if c.added { // else Listen waits for it too
		if err := c.armLocked(); err != nil {
			return err
		}
	}
	return ErrFull
}

// Full says whether something that was written has not gone out yet.
func (c *Conn) Full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.rest) > 0
}

// sendLocked writes what the kernel takes now.
func (c *Conn) sendLocked(b []byte) (int, error) {
	for {
		n, err := unix.SendmsgN(int(c.fd), b, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, fmt.Errorf("park: write: %w", err)
		}
		return n, nil
	}
}

// CloseWrite tells the client that nothing follows what was written. What it still
// says is heard.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fd == closed:
		return ErrClosed
	case len(c.rest) > 0:
		c.finishing = true
		return nil
	}
	return unix.Shutdown(int(c.fd), unix.SHUT_WR)
}

// Close ends the connection. What was kept is dropped. Later calls do nothing.
func (c *Conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd == closed {
		return
	}
	c.lot.mu.Lock()
	c.lot.held[c.fd] = nil
	c.lot.mu.Unlock()
	fd := int(c.fd)
	c.fd, c.rest = closed, nil
	unix.Close(fd) // which takes it out of the set, as no other descriptor shares it
}
