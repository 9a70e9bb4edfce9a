package hub

import (
	"errors"
	"slices"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/hub/park"
)

// A parkedSocket is the carrier of a parked WebSocket.
type parkedSocket struct {
	parked
	asked []string // the orders that the address names; none: all of the token
	heard []byte   // the beginning of a message
}

// parkSocket parks the connection of a handshake. why is what ends it at once.
func (h *Hub) parkSocket(up *upgrade, asked []string, grant Grant, one seat, why *cause) {
	s := &parkedSocket{asked: asked}
	if err := h.lot.Park(&s.conn, up.wire, s); err != nil {
		h.opts.Log.Error("park a WebSocket", "err", err)
		h.seats.leave(one)
		up.wire.Close()
		return
	}
	s.conn.Write(up.head().appendTo(nil))
	s.client = h.open(s, transportWebSocket, Grant{}, one)
	switch {
	case why != nil:
	case !grant.Expires.IsZero():
		why = s.client.admit(asked, grant)
	default:
		s.client.owe(h.opts.AuthTimeout, &causeNoToken)
	}
	if why != nil {
		s.client.end(*why)
	}
	if len(up.early) == 0 || s.Heard(up.early, nil) {
		s.listen()
	}
}

// maxFraming bounds what is kept of an unfinished message, in multiples of the
// largest: it may come in frames of nothing.
const maxFraming = 4

// Heard takes what the client sends. Control frames are answered here; a message
// holds a token, which takes a while to check and has a goroutine meanwhile.
func (s *parkedSocket) Heard(data []byte, err error) bool {
	switch {
	case err != nil:
		s.client.hungUp()
		return false
	case s.client.isEnding():
		s.heard = nil // until it ends, which is all that is still of interest
		return true
	}
	limit := s.client.hub.opts.Limits.MessageBytes
	p := sortFrames(append(s.heard, data...), limit)
	s.heard = p.rest
	if p.tooBig || len(p.rest) > maxFraming*limit {
		s.client.end(causeTooBig)
		return true
	}
	if len(p.message) > 0 || len(p.rest) == 0 {
		s.client.owesNot(&causeSlow)
	}
	s.oweRest()
	frames := slices.Concat(p.control, p.message, p.broken)
	if len(p.message) == 0 {
		s.answer(frames)
		return true
	}
	go func() {
		s.answer(frames)
		s.oweRest() // the token that was owed may have come
		s.listen()
	}()
	return false
}

// oweRest gives a client its time for the message that it has begun.
func (s *parkedSocket) oweRest() {
	if len(s.heard) > 0 {
		s.client.owe(s.client.hub.messageTime, &causeSlow)
	}
}

// answer lets the library read whole frames, and sends what it answers.
func (s *parkedSocket) answer(frames []byte) {
	if len(frames) == 0 {
		return
	}
	reply, closed, why := converse(frames, s.client.hub.opts.Limits.MessageBytes, func(kind websocket.MessageType, data []byte) *cause {
		return s.client.hear(s.asked, kind, data)
	})
	if closed { // with the last word, after which nothing is sent
		s.client.end(why.after(reply))
		return
	}
	if len(reply) > 0 && errors.Is(s.conn.Write(reply), park.ErrOverflow) {
		why = &causeSlow // it asks and asks, and does not read
	}
	if why != nil {
		s.client.end(*why)
	}
}

func (s *parkedSocket) send(batch []outgoing) error {
	return s.write(func(b []byte) []byte {
		var message []byte
		for _, out := range batch {
			message = out.appendSocket(message[:0])
			b = appendFrame(b, opText, message)
		}
		return b
	})
}

func (s *parkedSocket) close(why cause) bool {
	if why.code == 0 {
		s.conn.Close()
		return false
	}
	return s.finish(func(b []byte) []byte {
		if why.last != nil {
			return append(b, why.last...)
		}
		if why.farewell() {
			b = appendFrame(b, opText, why.appendSocket(nil))
		}
		return appendClose(b, why.code, why.reason)
	})
}
