//go:build unix

package rig

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A BlackHole is a TCP proxy that can stop forwarding while the connections on
// both its sides stay open, as a network does that drops every packet.
type BlackHole struct {
	listener net.Listener
	target   string

	mu       sync.Mutex
	changed  *sync.Cond // of swallows, lost and closed
	swallows bool
	accepted int // connections so far
	lost     int // the first of them, which stay swallowed
	closed   bool
	conns    map[net.Conn]bool
	running  sync.WaitGroup
}

// NewBlackHole returns a proxy before a server at host:port, which forwards until
// it is told to Swallow. It ends with the test.
func NewBlackHole(t testing.TB, target string) *BlackHole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &BlackHole{listener: l, target: target, conns: map[net.Conn]bool{}}
	b.changed = sync.NewCond(&b.mu)
	b.running.Go(b.accept)
	t.Cleanup(b.close)
	return b
}

// Address is where the proxy listens.
func (b *BlackHole) Address() string { return b.listener.Addr().String() }

// Swallow stops forwarding, in both directions. Connections are still accepted.
func (b *BlackHole) Swallow() { b.set(true) }

// Forward goes on, with what was held back first.
func (b *BlackHole) Forward() { b.set(false) }

// Lose swallows what is sent over the connections that are open now, for good.
// New ones work.
func (b *BlackHole) Lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = b.accepted
}

// Cut closes all connections that are open now. What was held back is lost.
func (b *BlackHole) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		c.Close()
	}
}

func (b *BlackHole) set(swallows bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.swallows = swallows
	b.changed.Broadcast()
}

// wait returns once bytes of the nth connection may pass, and says whether the
// proxy is still there.
func (b *BlackHole) wait(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for (b.swallows || n <= b.lost) && !b.closed {
		b.changed.Wait()
	}
	return !b.closed
}

func (b *BlackHole) accept() {
	for n := 1; ; n++ {
		near, err := b.listener.Accept()
		if err != nil {
			return
		}
		if !b.keep(near) {
			return
		}
		b.mu.Lock()
		b.accepted = n
		b.mu.Unlock()
		b.running.Go(func() {
			defer b.drop(near)
			if !b.wait(n) {
				return
			}
			far, err := net.Dial("tcp", b.target)
			if err != nil || !b.keep(far) {
				return
			}
			defer b.drop(far)
			b.running.Go(func() { b.forward(n, near, far) })
			b.forward(n, far, near)
		})
	}
}

// forward copies until either end closes, and then closes both.
func (b *BlackHole) forward(nth int, to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !b.wait(nth) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if err == io.EOF {
				b.wait(nth) // the end of a stream is swallowed too
			}
			return
		}
	}
}

func (b *BlackHole) keep(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		c.Close()
		return false
	}
	b.conns[c] = true
	return true
}

func (b *BlackHole) drop(c net.Conn) {
	c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

func (b *BlackHole) close() {
	b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for c := range b.conns {
		c.Close()
	}
	b.changed.Broadcast()
	b.mu.Unlock()
	b.running.Wait()
}
