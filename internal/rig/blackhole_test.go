//go:build unix

package rig_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
)

// echo is a server that says back what it hears.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func TestABlackHoleHoldsBackWhatItSwallows(t *testing.T) {
	hole := rig.NewBlackHole(t, echo(t))
	dial := func() net.Conn {
		c, err := net.Dial("tcp", hole.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	say := func(c net.Conn) {
		t.Helper()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	hears := func(c net.Conn, within time.Duration) error {
		c.SetReadDeadline(time.Now().Add(within))
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	c := dial()
	say(c)
	if err := hears(c, time.Minute); err != nil {
		t.Fatalf("a proxy that forwards: %v", err)
	}
	hole.Swallow()
	say(c)
	if err := hears(c, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a proxy that swallows: %v", err)
	}
	hole.Forward()
	if err := hears(c, time.Minute); err != nil {
		t.Errorf("what was held back: %v", err)
	}
	hole.Lose()
	say(c)
	if err := hears(c, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a lost connection: %v", err)
	}
	fresh := dial()
	say(fresh)
	if err := hears(fresh, time.Minute); err != nil {
		t.Errorf("one opened after those that were lost: %v", err)
	}
}

func TestABlackHoleLosesWhatItHeldBackWhenItIsCut(t *testing.T) {
	hole := rig.NewBlackHole(t, echo(t))
	ask := func() (answer byte, err error) {
		c, err := net.Dial("tcp", hole.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		one := make([]byte, 1)
		_, err = io.ReadFull(c, one)
		return one[0], err
	}
	hole.Swallow()
	answers := make(chan error)
	go func() {
		_, err := ask()
		answers <- err
	}()
	for over := false; !over; { // until the proxy has it
		hole.Cut()
		select {
		case err := <-answers:
			if over = true; err == nil {
				t.Error("a connection that was cut is answered")
			}
		case <-time.After(10 * time.Millisecond):
		}
	}
	hole.Forward()
	if answer, err := ask(); err != nil || answer != 'x' {
		t.Errorf("a new connection hears %q, %v", answer, err)
	}
}
