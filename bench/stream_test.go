package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// An ear notes what it is told.
type ear struct{ heard []string }

func (e *ear) hear(message []byte) {
	if message == nil {
		e.heard = append(e.heard, "head")
		return
	}
	e.heard = append(e.heard, string(message))
}

func (e *ear) pong(payload []byte) { e.heard = append(e.heard, "ping "+string(payload)) }

// feedIn feeds content in pieces of a size each.
func feedIn(t *testing.T, wire Wire, content []byte, size int) ([]string, error) {
	t.Helper()
	s := stream{wire: wire}
	var scratch []byte
	var e ear
	for piece := range slices.Chunk(content, size) {
		if err := s.feed(bytes.Clone(piece), &scratch, &e); err != nil {
			return e.heard, err
		}
	}
	if len(s.rest) > 0 {
		t.Errorf("in pieces of %d: %q is left over", size, s.rest)
	}
	return e.heard, nil
}

// chunked is content in chunks of a size each, with all that RFC 9112 allows
// around them.
func chunked(content string, size int) string {
	var b strings.Builder
	for piece := range slices.Chunk([]byte(content), size) {
		fmt.Fprintf(&b, "%X;a=b\r\n%s\r\n", len(piece), piece)
	}
	return b.String()
}

const twoEvents = ":\n\nretry: 1500\n\nevent: snapshot\nid: e.1\ndata: {\"paid\":1}\n\nevent: update\r\ndata: {\"paid\":2}\r\n\r\n"

func TestEventsAreFoundHoweverTheyAreCut(t *testing.T) {
	want := []string{
		"head", ":\n", "retry: 1500\n",
		"event: snapshot\nid: e.1\ndata: {\"paid\":1}\n", "event: update\r\ndata: {\"paid\":2}\r\n",
	}
	plain := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + twoEvents
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
	streams := map[string]string{"plain": plain}
	for _, size := range []int{1, 3, 17, 4096} {
		streams[fmt.Sprintf("in chunks of %d", size)] = head + chunked(twoEvents, size)
	}
	for name, content := range streams {
		for size := 1; size <= len(content); size++ {
			heard, err := feedIn(t, EventStream, []byte(content), size)
			if err != nil || !slices.Equal(heard, want) {
				t.Fatalf("%s, read %d bytes at a time: %q, %v", name, size, heard, err)
			}
		}
	}
}

func TestTheLastChunkEndsAStream(t *testing.T) {
	content := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(twoEvents, 20) + "0\r\nTrailer: x\r\n\r\n"
	for size := 1; size <= len(content); size++ {
		heard, err := feedIn(t, EventStream, []byte(content), size)
		if !errors.As(err, new(closed)) || len(heard) != 5 {
			t.Fatalf("read %d bytes at a time: %q, %v", size, heard, err)
		}
	}
}

// serverFrame is a frame as servers send it.
func serverFrame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

func TestFramesAreFoundHoweverTheyAreCut(t *testing.T) {
	long, longer := strings.Repeat("l", 300), strings.Repeat("L", 70_000)
	content := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
	for _, part := range [][]byte{
		serverFrame(0x81, `{"type":"snapshot"}`), serverFrame(0x89, "are you there"), serverFrame(0x81, ""),
		serverFrame(0x82, long), serverFrame(0x8a, "pong"),
	} {
		content = append(content, part...)
	}
	want := []string{"head", `{"type":"snapshot"}`, "ping are you there", "", long}
	check := func(size int) {
		t.Helper()
		heard, err := feedIn(t, WebSocket, content, size)
		if err != nil || !slices.Equal(heard, want) {
			t.Fatalf("read %d bytes at a time: %.200q, %v", size, heard, err)
		}
	}
	for size := 1; size <= len(content); size++ {
		check(size)
	}
	content = append(content, serverFrame(0x81, longer)...)
	want = append(want, longer)
	for _, size := range []int{1000, 4096, 65_536, len(content)} {
		check(size)
	}
}

func TestStreamsEndAndBreak(t *testing.T) {
	const upgraded = "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	for _, c := range []struct {
		name    string
		wire    Wire
		content string
		want    error
	}{
		{"a close frame", WebSocket, upgraded + string(serverFrame(0x88, "\x11\x31expired")), closed{4401}},
		{"a close frame without a code", WebSocket, upgraded + string(serverFrame(0x88, "")), closed{}},
		{"a masked frame", WebSocket, upgraded + "\x81\x81", errStream},
		{"a fragment", WebSocket, upgraded + string(serverFrame(0x01, "half")), errStream},
		{"a compressed frame", WebSocket, upgraded + string(serverFrame(0xc1, "x")), errStream},
		{"a frame without end", WebSocket, upgraded + "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", errStream},
		{"a refusal", EventStream, "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\nContent-Length: 2\r\n\r\nno", refused{503, 7}},
		{"a handshake that was not taken", WebSocket, "HTTP/1.1 200 OK\r\n\r\n", refused{200, -1}},
		{"another protocol", EventStream, "SSH-2.0-OpenSSH_9.6\r\n\r\n", errHead},
		{"no size of a chunk", EventStream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n", errChunk},
	} {
		if _, err := feedIn(t, c.wire, []byte(c.content), len(c.content)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestClientFramesAreMasked(t *testing.T) {
	for _, size := range []int{0, 5, 125, 126, 65_535, 65_536} {
		payload := bytes.Repeat([]byte("p"), size)
		b := appendFrame(nil, opText, payload)
		if b[0] != 0x81 || b[1]&0x80 == 0 {
			t.Fatalf("%d bytes: first bytes %x", size, b[:2])
		}
		mask, masked := b[len(b)-size-4:len(b)-size], b[len(b)-size:]
		for i := range masked {
			masked[i] ^= mask[i%4]
		}
		if !bytes.Equal(masked, payload) {
			t.Errorf("%d bytes: the payload is not what was masked", size)
		}
	}
}

func TestFieldsOfAnEvent(t *testing.T) {
	event := []byte("event: update\r\nid:7\ndata:  two\ndata\n")
	for name, want := range map[string]string{"event": "update", "id": "7", "data": " two"} {
		if got := EventField(event, name); string(got) != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := EventField(event, "retry"); got != nil {
		t.Errorf("retry is %q", got)
	}
}
