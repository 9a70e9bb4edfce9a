package hub

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/order"
)

// These are the tests of time, which a bubble runs for the goroutine form, with
// real descriptors and a real clock. They say how early something may happen, and
// wait as long as it takes.

// startParked serves a hub whose clients are parked, or skips where none can be.
func startParked(t testing.TB, opts Options) *node {
	t.Helper()
	n := start(t, opts)
	if n.lot == nil {
		t.Skip("this system cannot park connections")
	}
	return n
}

var streams = transports[:2] // the transports that are parked

func TestParkedClientHasNoGoroutine(t *testing.T) {
	for _, over := range streams {
		n := startParked(t, Options{})
		w := over.open(n, n.token("o"), "o")
		w.want("snapshot", "o", 0)
		for _, ours := range []string{"hub.(*Hub).SSE", "hub.(*Hub).WebSocket", "hub.(*socket)", "hub.(*client)", "hub.(*writers)"} {
			n.eventually("no goroutine is in "+ours, func() bool {
				stacks := make([]byte, 1<<20)
				return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(ours))
			})
		}
	}
}

func TestParkedClientsHaveHeartbeats(t *testing.T) {
	for _, over := range streams {
		n := startParked(t, Options{Heartbeat: 400 * time.Millisecond})
		w := over.open(n, n.token("o"), "o")
		w.want("snapshot", "o", 0)
		last := time.Now()
		for range 3 {
			if e := <-w.events; e.Type != "ping" {
				t.Fatalf("%s: saw %+v", over.name, e)
			}
			if gap := time.Since(last); gap < 200*time.Millisecond {
				t.Errorf("%s: %v between heartbeats", over.name, gap)
			}
			last = time.Now()
		}
		n.commit("o", order.Paid)
		w.want("update", "o", 1)
	}
}

func TestTokenEndsAParkedClient(t *testing.T) {
	for _, over := range streams {
		n := startParked(t, Options{})
		began := time.Now()
		w := over.open(n, n.grant(Grant{Orders: []string{"o"}, Expires: began.Add(time.Second)}), "o")
		w.want("snapshot", "o", 0)
		if e := w.next(); e.Type != "token_expiring" {
			t.Errorf("%s: saw %+v", over.name, e)
		}
		if over.name == transportSSE {
			if e := w.next(); e.Type != "goodbye" || e.Reason != "token_expired" {
				t.Errorf("saw %+v", e)
			}
		}
		w.wantClosed(4401)
		if took := time.Since(began); took < time.Second {
			t.Errorf("%s: ended after %v", over.name, took)
		}
	}
}

func TestParkedSocketWithoutATokenIsEnded(t *testing.T) {
	n := startParked(t, Options{AuthTimeout: 200 * time.Millisecond})
	silent, trickling := raw(n, ""), raw(n, "")
	trickling.put(frameHeader(opText, true, 100))
	silent.wantClose(4408)
	trickling.wantClose(4408)
	n.wantEmpty()
}

// stall opens a client that does not read, and writes until the pipe to it is full.
func stall(n *node, over transport, id string) net.Conn {
	n.t.Helper()
	conn, err := n.dial()
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	conn.(*net.TCPConn).SetReadBuffer(32 << 10)
	request := "GET /v1/sse HTTP/1.1\r\nHost: hub.test\r\n"
	if over.name == transportWebSocket {
		request = "GET /v1/ws HTTP/1.1\r\nHost: hub.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	fmt.Fprintf(conn, "%sAuthorization: Bearer %s\r\n\r\n", request, n.token(id))
	n.eventually("it watches", func() bool { _, watchers, _ := n.held(); return watchers > 0 })
	n.eventually("it is full", func() bool {
		for range 200 {
			n.commit(id, order.Pending)
		}
		for _, c := range n.wheel.all() {
			c.mu.Lock()
			blocked := c.blocked != nil
			c.mu.Unlock()
			if blocked {
				return true
			}
		}
		return false
	})
	return conn
}

// What a parked client that does not read costs is bounded, and so is its time.
// Others are not kept waiting.
func TestStalledParkedClientIsCut(t *testing.T) {
	for _, over := range streams {
		t.Run(over.name, func(t *testing.T) {
			n := startParked(t, Options{WriteTimeout: 300 * time.Millisecond})
			conn := stall(n, over, "slow")
			w := over.open(n, n.token("fine"), "fine")
			w.want("snapshot", "fine", 0)
			n.commit("slow", order.Paid) // goes into the slot
			n.commit("fine", order.Paid)
			w.want("update", "fine", 1)
			n.eventually("the stalled one is cut", func() bool {
				n.commit("slow", order.Pending) // the kernel may have found some more room
				return n.Clients() == 1
			})
			n.mu.Lock()
			if n.closed[over.name+" slow"] != 1 {
				t.Errorf("closed %v", n.closed)
			}
			n.mu.Unlock()
			conn.Close()
		})
	}
}

// A client that was stalled and reads again in time has the newest state in the end.
func TestStalledParkedClientComesBack(t *testing.T) {
	n := startParked(t, Options{})
	conn := stall(n, streams[1], "o")
	last := n.commit("o", order.Paid).Version
	want := fmt.Sprintf(`"version":%d,`, last)
	conn.SetReadDeadline(time.Now().Add(patience))
	var seen strings.Builder
	for buffer := make([]byte, 64<<10); !strings.Contains(seen.String(), want); {
		count, err := conn.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(buffer[:count])
	}
	if states := strings.Count(seen.String(), "event: update"); int64(states) >= last {
		t.Errorf("it was sent all of %d states", states)
	}
	n.commit("o", order.Refunded)
	n.eventually("it is served as before", func() bool {
		count, _ := conn.Read(make([]byte, 1000))
		return count > 0
	})
}

// A cut does not wait for a client that takes nothing.
func TestStalledParkedClientCanBeCutAtOnce(t *testing.T) {
	n := startParked(t, Options{WriteTimeout: time.Hour})
	stall(n, streams[0], "o")
	if n.Disconnect("o") != 1 {
		t.Error("nobody was cut")
	}
	n.wantEmpty()
}

// A client that asks for pongs and does not read them is not kept any longer than
// its pipe is long.
func TestPingingClientThatDoesNotReadIsCut(t *testing.T) {
	n := startParked(t, Options{})
	s := rawWatch(n, "o")
	ping := bytes.Repeat(frame(opPing, true, strings.Repeat("x", 125)), 100)
	n.eventually("it is cut", func() bool {
		s.SetWriteDeadline(time.Now().Add(time.Second))
		s.Write(ping)
		return n.Clients() == 0
	})
}

// A ping in the middle of a message is answered before the message ends.
func TestPingAmidAMessageIsAnsweredAtOnce(t *testing.T) {
	n := startParked(t, Options{})
	s := rawWatch(n, "o")
	s.put(frame(opText, false, `{"type":`))
	s.put(frame(opPing, true, "now"))
	if op, payload := s.get(); op != opPong || payload != "now" {
		t.Errorf("saw %d %q", op, payload)
	}
	s.put(frame(opContinuation, true, `"nothing"}`))
	s.wantClose(4400)
}

// A client may send its token in one packet with its handshake.
func TestMessageRightAfterTheHandshake(t *testing.T) {
	n := startParked(t, Options{})
	conn, err := n.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(append([]byte("GET /v1/ws HTTP/1.1\r\nHost: hub.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
		frame(opText, true, `{"type":"auth","token":"`+n.token("o")+`"}`)...))
	var seen []byte
	for buffer := make([]byte, 4096); !bytes.Contains(seen, []byte(`{"type":"snapshot"`)); {
		count, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %q", err, seen)
		}
		seen = append(seen, buffer[:count]...)
	}
}

// A stream is no place to talk. Little is overlooked, as of a client that pipelines.
func TestClientThatTalksOnAStreamIsCut(t *testing.T) {
	n := startParked(t, Options{})
	conn, err := n.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/sse HTTP/1.1\r\nHost: hub.test\r\nAuthorization: Bearer %s\r\n\r\n", n.token("o"))
	conn.Write([]byte("GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n"))
	n.eventually("it watches", func() bool { _, watchers, _ := n.held(); return watchers == 1 })
	n.eventually("it is cut", func() bool {
		conn.Write(make([]byte, 1000))
		return n.Clients() == 0
	})
}

// A page may read a refusal that comes after the connection was taken over.
func TestRefusalOfATakenOverStreamKeepsItsHeaders(t *testing.T) {
	n := newNode(t, Options{})
	n.book.fail(errDisk)
	inner := n.SSE
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/sse", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://shop.example")
		inner(w, r)
	})
	n = serveTCP(t, n)
	n.server.Handler = mux
	resp, err := n.client.Do(n.get("/v1/sse", n.token("o"), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 503 || resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" ||
		resp.Header.Get("Content-Type") != "application/problem+json" || resp.Header.Get("Retry-After") == "" ||
		!bytes.Contains(body, []byte("ledger-unavailable")) {
		t.Errorf("%v %s %v %s", err, resp.Status, resp.Header, body)
	}
}

// Clients that do not go when they are told to are cut in the end.
func TestParkedClientThatLingersIsCut(t *testing.T) {
	for name, request := range map[string]string{"sse": "", "websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"} {
		n := startParked(t, Options{})
		path := map[string]string{"sse": "/v1/sse", "websocket": "/v1/ws"}[name]
		conn, err := n.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: hub.test\r\n%sAuthorization: Bearer %s\r\n\r\n", path, request, n.token("o"))
		n.eventually("it watches", func() bool { _, watchers, _ := n.held(); return watchers == 1 })
		n.Drain(context.Background(), time.Second) // nobody reads, and nobody closes
		conn.SetReadDeadline(time.Now().Add(patience))
		all, err := io.ReadAll(conn)
		if err != nil || !bytes.Contains(all, []byte("goodbye")) || !bytes.Contains(all, []byte("retry_ms")) {
			t.Errorf("%s: %v after %q", name, err, all)
		}
	}
}

// The library is given a client's frames in memory, and never waits for one.
func TestConverse(t *testing.T) {
	token := `{"type":"auth","token":"t"}`
	for name, test := range map[string]struct {
		frames  []byte
		answer  string // opcodes
		closed  bool
		heard   int
		verdict *cause
	}{
		"nothing":          {},
		"ping":             {frames: frame(opPing, true, "x"), answer: "a"},
		"pings":            {frames: bytes.Repeat(frame(opPing, true, "x"), 3), answer: "aaa"},
		"pong":             {frames: frame(opPong, true, "x")},
		"message":          {frames: frame(opText, true, token), heard: 1},
		"messages":         {frames: append(frame(opText, true, token), frame(opText, true, token)...), heard: 2},
		"fragments":        {frames: append(frame(opText, false, token[:5]), frame(opContinuation, true, token[5:])...), heard: 1},
		"close":            {frames: frame(opClose, true, "\x03\xe8"), answer: "8", closed: true, verdict: &causeGone},
		"close of nothing": {frames: frame(opClose, true, ""), answer: "8", closed: true, verdict: &causeGone},
		"unmasked":         {frames: []byte{0x81, 2, '{', '}'}, verdict: &causeProtocol},
		"half a header":    {frames: []byte{0x81}, verdict: nil},
	} {
		heard := 0
		answer, closed, why := converse(test.frames, 100, func(websocket.MessageType, []byte) *cause { heard++; return nil })
		got := ""
		for len(answer) > 0 {
			got += fmt.Sprintf("%x", answer[0]&0xF)
			answer = answer[2+int(answer[1]):]
		}
		if got != test.answer || closed != test.closed || heard != test.heard || why != test.verdict {
			t.Errorf("%s: answered %q (closed: %v), heard %d, %v", name, got, closed, heard, why)
		}
	}
}

func TestLongFrames(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 100_000} {
		b := appendFrame(nil, opText, bytes.Repeat([]byte("x"), size))
		length, head := uint64(b[1]), 2
		switch length {
		case 126:
			length, head = uint64(binary.BigEndian.Uint16(b[2:])), 4
		case 127:
			length, head = binary.BigEndian.Uint64(b[2:]), 10
		}
		if b[0] != 0x81 || length != uint64(size) || len(b) != head+size {
			t.Errorf("%d bytes: header % x and %d in all", size, b[:head], len(b))
		}
	}
}

// However a client's bytes are cut into reads, the same frames are found, and
// what is kept of an unfinished message is bounded.
func FuzzSortFrames(f *testing.F) {
	f.Add(frame(opText, true, "hello"), uint8(1))
	f.Add(append(frame(opText, false, "a"), append(frame(opPing, true, "b"), frame(opContinuation, true, "c")...)...), uint8(3))
	f.Add(append(frameHeader(opText, true, 1<<62), 1, 2, 3, 4), uint8(2))
	f.Add([]byte{0x81, 0x02, '{', '}'}, uint8(1))
	f.Add(bytes.Repeat(frame(opContinuation, false, ""), 50), uint8(7))
	const limit = 100
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		whole := sortFrames(data, limit)
		var cut parcel
		for rest := data; !cut.tooBig && cut.broken == nil; {
			n := min(int(step)+1, len(rest))
			p := sortFrames(append(cut.rest, rest[:n]...), limit)
			cut = parcel{
				append(cut.control, p.control...), append(cut.message, p.message...), p.rest, p.broken, p.tooBig,
			}
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
		if !bytes.Equal(cut.control, whole.control) || !bytes.Equal(cut.message, whole.message) ||
			cut.tooBig != whole.tooBig || (cut.broken == nil) != (whole.broken == nil) || !bytes.Equal(cut.rest, whole.rest) {
			t.Fatalf("in pieces of %d:\n%+v\nwhole:\n%+v", step+1, cut, whole)
		}
		frames := append(append(whole.control, whole.message...), whole.broken...)
		converse(frames, limit, func(kind websocket.MessageType, data []byte) *cause { return nil })
	})
}

// A client that is being told why it is sent away, and has closed its side
// meanwhile, is not waited for.
func TestClientThatHasGoneFirstDoesNotLinger(t *testing.T) {
	n := startParked(t, Options{})
	began := time.Now()
	for range 20 {
		s := rawWatch(n, "o")
		s.put(frame(opBinary, true, "x"))
		s.Conn.(*net.TCPConn).CloseWrite()
		s.wantClose(4400)
		n.wantEmpty()
		s.Close()
	}
	if took := time.Since(began); took > 15*closeTime {
		t.Errorf("20 clients took %v", took)
	}
}
