package hub

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// frame is a whole frame, masked as a client must.
func frame(op byte, final bool, payload string) []byte {
	mask := [4]byte{1, 2, 3, 4}
	b := append(frameHeader(op, final, uint64(len(payload))), mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

// frameHeader announces a masked payload, but for the mask.
func frameHeader(op byte, final bool, length uint64) []byte {
	if final {
		op |= 0x80
	}
	switch {
	case length < 126:
		return []byte{op, 0x80 | byte(length)}
	case length < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{op, 0x80 | 126}, uint16(length))
	}
	return binary.BigEndian.AppendUint64([]byte{op, 0x80 | 127}, length)
}

// A rawSocket is a WebSocket client that can send anything.
type rawSocket struct {
	t testing.TB
	net.Conn
	reader *bufio.Reader
	head   *http.Response
}

// raw shakes hands and stops there.
func raw(n *node, header string) *rawSocket {
	n.t.Helper()
	conn, err := n.dial()
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	s := &rawSocket{t: n.t, Conn: conn, reader: bufio.NewReader(conn)}
	s.put([]byte("GET /v1/ws HTTP/1.1\r\nHost: hub.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + header + "\r\n"))
	if s.head, err = http.ReadResponse(s.reader, nil); err != nil {
		n.t.Fatal(err)
	}
	if strings.Contains(fmt.Sprint(s.head.Header), tokenMark) {
		n.t.Error("the handshake echoes the token")
	}
	return s
}

// rawWatch watches an order and has read its snapshot.
func rawWatch(n *node, id string) *rawSocket {
	n.t.Helper()
	s := raw(n, "Authorization: Bearer "+n.token(id)+"\r\n")
	if s.head.StatusCode != http.StatusSwitchingProtocols {
		n.t.Fatalf("handshake: %s", s.head.Status)
	}
	if op, payload := s.get(); op != opText || !strings.HasPrefix(payload, `{"type":"snapshot"`) {
		n.t.Fatalf("saw %d %s", op, payload)
	}
	return s
}

func (s *rawSocket) put(b []byte) {
	s.t.Helper()
	if _, err := s.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// read returns the next frame.
func (s *rawSocket) read() (op byte, payload string, err error) {
	var head [2]byte
	if _, err = io.ReadFull(s.reader, head[:]); err != nil {
		return 0, "", err
	}
	length := int(head[1])
	if length == 126 {
		var long [2]byte
		if _, err = io.ReadFull(s.reader, long[:]); err != nil {
			return 0, "", err
		}
		length = int(binary.BigEndian.Uint16(long[:]))
	}
	b := make([]byte, length)
	_, err = io.ReadFull(s.reader, b)
	return head[0] & 0xf, string(b), err
}

func (s *rawSocket) get() (op byte, payload string) {
	s.t.Helper()
	op, payload, err := s.read()
	if err != nil {
		s.t.Fatal(err)
	}
	return op, payload
}

// wantClose reads until the close frame.
func (s *rawSocket) wantClose(code int) {
	s.t.Helper()
	for {
		op, payload := s.get()
		if op != opClose {
			continue
		}
		if got := int(binary.BigEndian.Uint16([]byte(payload))); got != code {
			s.t.Fatalf("closed with %d %q, want %d", got, payload[2:], code)
		}
		return
	}
}

func TestBrokenFramesAreRefused(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		big := strings.Repeat("x", DefaultLimits().MessageBytes+1)
		for name, test := range map[string]struct {
			sent []byte
			code int
		}{
			"unmasked":                 {[]byte{0x81, 2, '{', '}'}, 1002},
			"reserved bit":             {[]byte{0xC1, 0x80, 0, 0, 0, 0}, 1002},
			"unknown opcode":           {frame(3, true, ""), 1002},
			"unknown control":          {frame(11, true, ""), 1002},
			"long control":             {frame(opPing, true, strings.Repeat("x", 126)), 1002},
			"fragmented control":       {frame(opPing, false, "x"), 1002},
			"continuation of nothing":  {frame(opContinuation, true, "x"), 1002},
			"message inside a message": {append(frame(opText, false, "{"), frame(opText, true, "}")...), 1002},
			"negative length":          {append(frameHeader(opText, true, 1<<63), 0, 0, 0, 0), 1002},
			"close code of one byte":   {frame(opClose, true, "x"), 1002},
			"close code nobody may":    {frame(opClose, true, "\x03\xed"), 1002},
			"invalid UTF-8":            {frame(opText, true, "{\"type\":\"\xff\"}"), 1007},
			"UTF-8 cut off":            {frame(opText, true, "\xe2\x82"), 1007},
			"binary":                   {frame(opBinary, true, `{"type":"auth","token":"x"}`), 4400},
			"oversize":                 {frame(opText, true, big), 1009},
			"oversize in fragments":    {append(frame(opText, false, big[:5000]), frame(opContinuation, true, big[:5000])...), 1009},
			"no JSON":                  {frame(opText, true, "hello"), 4400},
			"empty":                    {frame(opText, true, ""), 4400},
			"no object":                {frame(opText, true, `["auth"]`), 4400},
			"unknown type":             {frame(opText, true, `{"type":"subscribe","token":"x"}`), 4400},
			"no token":                 {frame(opText, true, `{"type":"auth"}`), 4400},
			"token is no string":       {frame(opText, true, `{"type":"auth","token":7}`), 4400},
			"name twice":               {frame(opText, true, `{"type":"auth","token":"a","token":"b"}`), 4400},
			"forged token":             {frame(opText, true, `{"type":"auth","token":"`+tokenMark+`"}`), 4401},
		} {
			t.Run(name, func(t *testing.T) {
				n := start(t, Options{Goroutines: goroutines})
				s := rawWatch(n, "o")
				s.put(test.sent)
				s.wantClose(test.code)
				s.Close()
				n.wantEmpty()
			})
		}
	})
}

// A header may announce 2^62 bytes. They take no memory before they come, and
// their time is that of any message.
func TestHugeAnnouncedMessageIsEndedInTime(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		const sockets = 20
		n := newNode(t, Options{WriteTimeout: 200 * time.Millisecond, Goroutines: goroutines})
		n.messageTime = 100 * time.Millisecond
		n = serveTCP(t, n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var all []*rawSocket
		for range sockets {
			s := rawWatch(n, "o")
			s.put(append(frameHeader(opText, true, 1<<62), 0, 0, 0, 0, 'x'))
			all = append(all, s)
		}
		runtime.ReadMemStats(&after)
		if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > sockets<<20 {
			t.Errorf("%d bytes allocated for %d sockets", grown, sockets)
		}
		n.wantEmpty() // the clients keep their ends open
		for _, s := range all {
			s.Close()
		}
	})
}

// The library's closing handshake would read the rest of such a message.
func TestHugeMessageThatStopsHalfwayIsEndedInTime(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{WriteTimeout: 200 * time.Millisecond, Goroutines: goroutines})
		s := rawWatch(n, "o")
		s.put(append(frameHeader(opText, true, 1<<62), 0, 0, 0, 0))
		s.put(make([]byte, DefaultLimits().MessageBytes+1))
		s.wantClose(1009)
		n.wantEmpty() // the client keeps its end open, and says nothing
	})
}

func TestSilentPeerOfAClosingHandshakeIsEndedInTime(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{WriteTimeout: 200 * time.Millisecond, Goroutines: goroutines})
		s := rawWatch(n, "o")
		s.put(frame(opText, true, "nonsense"))
		s.wantClose(4400)
		n.wantEmpty()
	})
}

func TestFragmentedAndPingingClientsAreServed(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		s := rawWatch(n, "o")
		message := `{"type":"auth","token":"` + n.token("o", "p") + `","unknown":{}}`
		s.put(frame(opText, false, message[:10]))
		s.put(frame(opPing, true, "between"))
		s.put(frame(opContinuation, false, ""))
		for i := 10; i < len(message); i++ {
			s.put(frame(opContinuation, i == len(message)-1, message[i:i+1]))
		}
		pong, snapshots := 0, 0
		for range 2 {
			switch op, payload := s.get(); {
			case op == opPong && payload == "between":
				pong++
			case op == opText && strings.Contains(payload, `"order":"p"`):
				snapshots++
			default:
				t.Errorf("saw %d %q", op, payload)
			}
		}
		if pong != 1 || snapshots != 1 {
			t.Errorf("%d pongs and %d snapshots", pong, snapshots)
		}
		for range 100 {
			s.put(frame(opPing, true, "again"))
			n.commit("o", order.Pending)
			for pong := false; !pong; {
				op, payload := s.get()
				pong = op == opPong && payload == "again"
			}
		}
		s.put(frame(opPong, true, "unasked"))
		s.put(frame(opClose, true, "\x03\xe8bye"))
		s.wantClose(1000)
	})
}

// A client that never closes its side must see every byte before the end.
func TestNoGarbageFollowsTheCloseFrame(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{WriteTimeout: 200 * time.Millisecond, Goroutines: goroutines})
		s := rawWatch(n, "o")
		s.put(frame(opBinary, true, "x"))
		s.wantClose(4400)
		n.commit("o", order.Paid)
		if rest, _ := io.ReadAll(s.reader); len(bytes.TrimSpace(rest)) > 0 {
			t.Errorf("%q followed", rest)
		}
	})
}

// The deadline of the last message must not fail the next pong.
func TestQuietSocketAnswersPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{WriteTimeout: time.Second})
		s := rawWatch(n, "o")
		for range 3 {
			time.Sleep(3 * time.Second)
			s.put(frame(opPing, true, "there?"))
			if op, payload := s.get(); op != opPong || payload != "there?" {
				t.Fatalf("saw %d %q", op, payload)
			}
		}
		s.Close()
	})
}
