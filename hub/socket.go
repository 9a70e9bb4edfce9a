package hub

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/coder/websocket"
)

// A socket is the carrier of a WebSocket that cannot be parked. One goroutine
// reads it.
type socket struct {
	hub    *Hub
	client *client
	conn   *websocket.Conn
	wire   net.Conn // under conn. A deadline on it costs less than a context, and ends what conn waits for without one
	asked  []string // the orders that the address names; none: all of the token
	buffer []byte
}

// serveSocket reads until the connection ends. why is what ends it at once.
func (h *Hub) serveSocket(s *socket, grant Grant, one seat, why *cause) {
	s.client = h.open(s, transportWebSocket, Grant{}, one)
	switch {
	case why != nil:
	case grant.Expires.IsZero():
		s.client.owe(h.opts.AuthTimeout, &causeNoToken)
	default:
		why = s.client.admit(s.asked, grant)
	}
	for why == nil {
		why = s.read()
	}
	s.client.end(*why)
}

// read takes one message.
func (s *socket) read() *cause {
	kind, reader, err := s.conn.Reader(context.Background())
	if err != nil {
		return readFailure(err)
	}
	s.client.owe(s.hub.messageTime, &causeSlow)
	data, err := io.ReadAll(reader)
	s.client.owesNot(&causeSlow)
	if err != nil {
		return readFailure(err)
	}
	return s.client.hear(s.asked, kind, data)
}

// send has one deadline for the whole batch. It is cleared afterwards, because
// the library answers pings on the same connection.
func (s *socket) send(batch []outgoing) error {
	s.wire.SetWriteDeadline(time.Now().Add(s.hub.opts.WriteTimeout))
	for _, out := range batch {
		s.buffer = out.appendSocket(s.buffer[:0])
		if err := s.write(s.buffer); err != nil {
			return err
		}
	}
	return s.wire.SetWriteDeadline(time.Time{})
}

func (s *socket) write(message []byte) error {
	return s.conn.Write(context.Background(), websocket.MessageText, message)
}

// close says goodbye where the client is to come again, and ends with the
// closing handshake. The deadline bounds it: in the middle of a message, the
// library waits for the message's end without one.
func (s *socket) close(why cause) bool {
	if why.code == 0 {
		s.conn.CloseNow()
		return false
	}
	s.wire.SetDeadline(time.Now().Add(s.hub.opts.WriteTimeout))
	if why.farewell() {
		s.write(why.appendSocket(nil)) // the client may be gone, and that is all right
	}
	s.conn.Close(websocket.StatusCode(why.code), why.reason)
	return false
}
