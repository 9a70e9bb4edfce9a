//go:build unix

package rig

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// NewCutter returns the address of a TCP proxy before a server at host:port. What
// the server sends is passed on at once, but for a wait in the middle of each
// character that has more than one byte in UTF-8, such as a network may have. It
// ends with the test.
func NewCutter(t testing.TB, target string, wait time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer near.Close()
				far, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer far.Close()
				running.Go(func() {
					defer far.Close() // the client is gone
					io.Copy(far, near)
				})
				io.Copy(near, &cutReader{from: far, wait: wait})
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait() // for the client and the server to end their connections
	})
	return l.Addr().String()
}

// A cutReader ends reads in the middle of a character, and waits before the next.
type cutReader struct {
	from io.Reader
	wait time.Duration
	held []byte // read from it, and not yet passed on
}

func (c *cutReader) Read(p []byte) (int, error) {
	switch {
	case len(c.held) == 0:
		buffer := make([]byte, len(p))
		n, err := c.from.Read(buffer)
		if n == 0 {
			return 0, err
		}
		c.held = buffer[:n] // the next read meets the error again
	case !utf8.RuneStart(c.held[0]):
		time.Sleep(c.wait)
	}
	n := copy(p, c.held[:middle(c.held)])
	c.held = c.held[n:]
	return n, nil
}

// middle is how many bytes there are up to the middle of the first character
// that can be cut after the first byte, or all.
func middle(b []byte) int {
	for i := 1; i < len(b); i++ {
		if !utf8.RuneStart(b[i]) {
			return i
		}
	}
	return len(b)
}
