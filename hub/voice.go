package hub

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// converse lets the library read the whole frames that a parked client has sent,
// and returns what it answers. It judges the frames, unmasks them, joins fragments
// and answers pings and closes, as it does for any connection; take is given the
// messages. closed says that a close frame is in the answer.
//
// The library has its connection for as long as this takes, and no longer. It would
// hold some 4 KB for each, for a client that says something every few minutes.
func converse(frames []byte, limit int, take func(websocket.MessageType, []byte) *cause) (answer []byte, closed bool, why *cause) {
	v := &voice{frames: frames}
	conn := v.open()
	conn.SetReadLimit(int64(limit))
	defer conn.CloseNow()
	for why == nil {
		kind, reader, err := conn.Reader(context.Background())
		var data []byte
		if err == nil {
			data, err = io.ReadAll(reader)
		}
		switch {
		case errors.Is(err, errSilence):
			return v.answer, v.closed, nil
		case err != nil:
			why = readFailure(err)
		default:
			why = take(kind, data)
		}
	}
	return v.answer, v.closed, why
}

// errSilence is what a voice says when it has said everything. Between frames the
// library takes it for nothing worse than a read that failed.
var errSilence = errors.New("hub: nothing more was heard")

// A voice is a connection in memory: frames that were heard, and an answer.
type voice struct {
	frames []byte
	answer []byte
	closed bool
}

// open makes a connection of the library's over a voice. It has none to be made
// but by a handshake.
func (v *voice) open() *websocket.Conn {
	conn, err := websocket.Accept(&handshake{voice: v, header: http.Header{}}, handshakeRequest, acceptOptions)
	if err != nil {
		panic("hub: the library refuses a handshake of our own: " + err.Error()) // a test holds that it does not
	}
	return conn
}

func (v *voice) Read(b []byte) (int, error) {
	if len(v.frames) == 0 {
		return 0, errSilence
	}
	n := copy(b, v.frames)
	v.frames = v.frames[n:]
	return n, nil
}

// Write takes one frame at a time, since the library flushes each.
func (v *voice) Write(b []byte) (int, error) {
	v.closed = v.closed || b[0]&0xF == opClose
	v.answer = append(v.answer, b...)
	return len(b), nil
}

// The rest of a net.Conn has nothing to do: a voice never waits.
func (*voice) Close() error                     { return nil }
func (*voice) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*voice) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*voice) SetDeadline(time.Time) error      { return nil }
func (*voice) SetReadDeadline(time.Time) error  { return nil }
func (*voice) SetWriteDeadline(time.Time) error { return nil }

// A handshake is the ResponseWriter of one that was had before.
type handshake struct {
	voice  *voice
	header http.Header
}

func (h *handshake) Header() http.Header         { return h.header }
func (h *handshake) WriteHeader(int)             {}
func (h *handshake) Write(b []byte) (int, error) { return len(b), nil }

// Hijack makes a handshake an [http.Hijacker]. The buffers hold a frame of the
// library's, which are all control frames.
func (h *handshake) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	reader := bufio.NewReaderSize(bytes.NewReader(nil), 512)
	return h.voice, bufio.NewReadWriter(reader, bufio.NewWriterSize(h.voice, 256)), nil
}

var handshakeRequest = &http.Request{
	Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
	},
}
