package park

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// open makes a lot that runs until the test ends.
func open(t testing.TB) *Lot {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		l.Close()
	})
	return l
}

// A guest is an owner that remembers.
type guest struct {
	Conn
	mu      sync.Mutex
	heard   []byte
	err     error
	drained int
	deaf    bool // after it has heard something it does not listen on
}

func (g *guest) Heard(data []byte, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heard = append(g.heard, data...)
	if err != nil {
		if g.err != nil {
			panic("told of two ends")
		}
		g.err = err
	}
	return !g.deaf
}

func (g *guest) Drained() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drained++
}

// sees waits for a condition of what the guest remembers.
func (g *guest) sees(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		g.mu.Lock()
		done := holds()
		g.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// pair connects a client over the loopback, and returns it and the server's end.
func pair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn), accepted.(*net.TCPConn)
}

// visit parks a connection, and returns its client and its owner.
func visit(t testing.TB, l *Lot) (*net.TCPConn, *guest) {
	t.Helper()
	client, server := pair(t)
	g := &guest{}
	if err := l.Park(&g.Conn, server, g); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return client, g
}

func listen(t testing.TB, g *guest) {
	t.Helper()
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, client net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
		t.Fatalf("read %q (%v), want %q", got, err, want)
	}
}

func TestWhatIsSaidIsHeard(t *testing.T) {
	client, g := visit(t, open(t))
	if err := g.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	read(t, client, "hello")
	listen(t, g)
	long := bytes.Repeat([]byte("0123456789"), 10_000)
	client.Write(long)
	g.sees(t, "all that was said", func() bool { return bytes.Equal(g.heard, long) })
	client.CloseWrite()
	g.sees(t, "the end", func() bool { return errors.Is(g.err, io.EOF) })
	if err := g.Write([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	g.Close()
	read(t, client, "bye")
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestNothingIsHeardBeforeListen(t *testing.T) {
	client, g := visit(t, open(t))
	client.Write([]byte("early"))
	time.Sleep(20 * time.Millisecond)
	g.mu.Lock()
	if g.heard != nil {
		t.Errorf("heard %q", g.heard)
	}
	g.deaf = true
	g.mu.Unlock()
	listen(t, g)
	g.sees(t, "what was said first", func() bool { return string(g.heard) == "early" })
	client.Write([]byte(" and more"))
	time.Sleep(20 * time.Millisecond)
	g.sees(t, "no more", func() bool { return string(g.heard) == "early" })
	listen(t, g)
	g.sees(t, "the rest", func() bool { return string(g.heard) == "early and more" })
}

// fill writes until the kernel takes no more, and returns what was written.
func fill(t testing.TB, g *guest) []byte {
	t.Helper()
	var all []byte
	for i := 0; ; i++ {
		line := fmt.Appendf(nil, "%09d\n", i)
		all = append(all, line...)
		switch err := g.Write(line); {
		case errors.Is(err, ErrFull):
			return all
		case err != nil:
			t.Fatal(err)
		case i > 10_000_000:
			t.Fatal("never full")
		}
	}
}

func TestFullConnectionSendsTheRestInTime(t *testing.T) {
	client, g := visit(t, open(t))
	listen(t, g)
	written := fill(t, g)
	if !g.Full() {
		t.Error("not full")
	}
	if err := g.Write([]byte("last\n")); !errors.Is(err, ErrFull) {
		t.Errorf("the last: %v", err)
	}
	written = append(written, "last\n"...)
	g.sees(t, "nothing", func() bool { return g.drained == 0 })
	read(t, client, string(written))
	g.sees(t, "that it is empty", func() bool { return g.drained == 1 })
	if g.Full() {
		t.Error("still full")
	}
	client.Write([]byte("there"))
	g.sees(t, "what is said afterwards", func() bool { return string(g.heard) == "there" })
}

func TestLittleIsKeptForWhoDoesNotRead(t *testing.T) {
	_, g := visit(t, open(t))
	fill(t, g)
	kept, line := 0, make([]byte, 1000)
	for ; ; kept += len(line) {
		if err := g.Write(line); errors.Is(err, ErrOverflow) {
			break
		} else if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
	}
	if kept > maxRest {
		t.Errorf("%d bytes are kept", kept)
	}
}

// A client that resets its connection is noticed, also while nobody listens and
// something waits to be sent.
func TestHangUpIsToldOnce(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *guest){
		"listening": func(t *testing.T, g *guest) { listen(t, g) },
		"full":      func(t *testing.T, g *guest) { listen(t, g); fill(t, g) },
		"deaf": func(t *testing.T, g *guest) {
			g.deaf = true
			listen(t, g)
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, g := visit(t, open(t))
			prepare(t, g)
			if g.deaf {
				client.Write([]byte("x"))
				g.sees(t, "what it hears last", func() bool { return len(g.heard) == 1 })
				fill(t, g)
			}
			client.SetLinger(0)
			client.Close()
			g.sees(t, "the end", func() bool { return g.err != nil })
			time.Sleep(20 * time.Millisecond) // a second telling panics
		})
	}
}

func TestClosedConnectionTakesNothing(t *testing.T) {
	client, g := visit(t, open(t))
	listen(t, g)
	g.Close()
	g.Close()
	for what, err := range map[string]error{"Write": g.Write([]byte("x")), "Listen": g.Listen(), "CloseWrite": g.CloseWrite()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the client still reads")
	}
}

func TestCloseWriteLetsTheClientFinish(t *testing.T) {
	client, g := visit(t, open(t))
	listen(t, g)
	g.Write([]byte("bye"))
	if err := g.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	read(t, client, "bye")
	client.Write([]byte("and thanks"))
	g.sees(t, "the answer", func() bool { return string(g.heard) == "and thanks" })
	client.Close()
	g.sees(t, "the end", func() bool { return g.err != nil })
}

func TestWhatHasNoDescriptorIsNotParked(t *testing.T) {
	l := open(t)
	ours, theirs := net.Pipe()
	defer theirs.Close()
	g := &guest{}
	if err := l.Park(&g.Conn, ours, g); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a pipe: %v", err)
	}
	go theirs.Write([]byte("x"))
	read(t, ours, "x") // it is as it was
}

// The number of a closed descriptor goes to the next connection. An event that
// was about the one before is nobody's then.
func TestEventOfAClosedConnectionIsNobodys(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, before := visit(t, l)
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: before.fd, Pad: int32(before.turn)}
	if l.find(event) != &before.Conn {
		t.Fatal("an event finds nobody")
	}
	number := before.fd
	before.Close()
	if l.find(event) != nil {
		t.Error("an event finds who was closed")
	}
	for range 100 { // until the kernel gives the number away again
		_, after := visit(t, l)
		if after.fd != number {
			continue
		}
		if l.find(event) != nil {
			t.Error("an event about another connection finds the one with its number")
		}
		return
	}
	t.Fatal("the number was not used again")
}

// Connections come and go while writers write to all of them, old and new:
// everybody reads its own name and nothing else.
func TestNobodyReadsWhatIsWrittenToAnother(t *testing.T) {
	l := open(t)
	rounds := 1000
	if testing.Short() {
		rounds = 300
	}
	var mu sync.Mutex
	var written []*tagged // the last ones, most of them closed by now
	stop := make(chan struct{})
	var writers, visitors sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				all := slices.Clone(written)
				mu.Unlock()
				for _, g := range all {
					g.Write(g.tag)
				}
				runtime.Gosched()
			}
		})
	}
	numbers := map[int32]int{}
	for v := range 4 {
		visitors.Go(func() {
			for i := range rounds {
				client, server := pair(t)
				g := &tagged{tag: fmt.Appendf(nil, "<%d.%05d>", v, i)}
				if err := l.Park(&g.Conn, server, g); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				numbers[g.fd]++
				if written = append(written, g); len(written) > 16 {
					written = written[1:]
				}
				mu.Unlock()
				g.Listen()
				got := make([]byte, 3*len(g.tag))
				g.Write(g.tag)
				g.Write(g.tag)
				g.Write(g.tag)
				if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, bytes.Repeat(g.tag, 3)) {
					t.Errorf("%s read %q (%v)", g.tag, got, err)
				}
				g.Close()
				client.Close()
			}
		})
	}
	visitors.Wait()
	close(stop)
	writers.Wait()
	again := 0
	for _, n := range numbers {
		again += n - 1
	}
	if again < rounds {
		t.Errorf("only %d descriptors were used again", again)
	}
}

type tagged struct {
	Conn
	tag []byte
}

func (*tagged) Heard([]byte, error) bool { return true }
func (*tagged) Drained()                 {}

func TestIdleConnectionsHaveNoGoroutines(t *testing.T) {
	l := open(t)
	before := runtime.NumGoroutine()
	for range 200 {
		_, g := visit(t, l)
		listen(t, g)
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines for 200 connections", now-before)
	}
}

// BenchmarkWrite is one state to one waiting client, to the kernel and into the
// client's buffer.
func BenchmarkWrite(b *testing.B) {
	client, g := visit(b, open(b))
	client.SetDeadline(time.Time{})
	go io.Copy(io.Discard, client)
	message := bytes.Repeat([]byte("x"), 450)
	b.ReportAllocs()
	for b.Loop() {
		for g.Full() {
			runtime.Gosched()
		}
		if err := g.Write(message); err != nil && !errors.Is(err, ErrFull) {
			b.Fatal(err)
		}
	}
}
