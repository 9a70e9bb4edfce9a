package hub

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// SSE answers GET /v1/sse: a stream of server-sent events with the states of
// the orders asked for, until the token ends. It returns when the connection is
// parked, or else when the client has gone. Last-Event-ID needs no reading:
// whatever a client has seen, it gets the state as it is now first.
func (h *Hub) SSE(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	grant, pass, ok := h.admitStream(w, r, query["ticket"])
	if !ok {
		return
	}
	asked := query["order"]
	orders, ok := h.choose(w, grant, asked)
	if !ok {
		return
	}
	if len(asked) == 0 && len(orders) > 1 {
		orderMissing.Write(w)
		return
	}
	one, ok := h.sit(w, r, grant.TokenID, len(orders))
	if !ok {
		return
	}
	if pass != nil && !h.redeem(w, r, pass) {
		h.unseat(r, one)
		return
	}
	if h.parks(w, r) {
		h.parkStream(w, r, grant, orders, one)
		return
	}
	defer connectionOf(r).Unseated()
	streamHeader(w.Header())
	stream := &eventStream{w: w, controller: http.NewResponseController(w), timeout: h.opts.WriteTimeout}
	if err := stream.controller.SetWriteDeadline(time.Time{}); err != nil {
		// Some wrapper hides the connection. Without deadlines one client that
		// stops reading could hold its goroutine for ever.
		h.opts.Log.Error("no write deadlines on this connection", "err", err)
		h.seats.leave(one)
		unavailable.Write(w)
		return
	}
	c := h.open(stream, transportSSE, grant, one)
	h.watch(c, grant, orders)
	select {
	case <-r.Context().Done():
		c.end(causeGone)
	case <-c.gone:
	}
	<-c.gone
}

// admitStream is admit for clients that may come with a ticket, which is still to
// be redeemed then.
func (h *Hub) admitStream(w http.ResponseWriter, r *http.Request, sealed []string) (Grant, *ticket, bool) {
	if len(sealed) == 0 {
		grant, ok := h.admit(w, r)
		return grant, nil, ok
	}
	if why := h.closed(); why != nil {
		why.Write(w)
		return Grant{}, nil, false
	}
	now := time.Now()
	pass, ok := h.tickets.open(sealedTicket, sealed[0], now)
	if !ok || len(sealed) > 1 || !pass.grant().Expires.After(now) {
		ticketInvalid.Write(w)
		return Grant{}, nil, false
	}
	grant := pass.grant()
	if h.opts.Revoked(grant) {
		tokenRevoked.Write(w)
		return Grant{}, nil, false
	}
	return grant, pass, true
}

// An eventStream is the carrier of one SSE response.
type eventStream struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	timeout    time.Duration
	begun      bool
	buffer     []byte
}

func (s *eventStream) send(batch []outgoing) error {
	s.buffer = s.buffer[:0]
	s.begin()
	for _, out := range batch {
		s.buffer = out.appendEvent(s.buffer)
	}
	return s.write()
}

// begin writes the head of the response.
func (s *eventStream) begin() {
	if s.begun {
		return
	}
	s.begun = true
	s.w.WriteHeader(http.StatusOK)
	s.buffer = appendRetry(s.buffer)
}

// streamHeader says what a stream is.
func streamHeader(header http.Header) {
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no") // nginx
	header.Set("X-Content-Type-Options", "nosniff")
}

// appendRetry appends a retry field of its own for each client, so that native
// ones that lose the stream at the same moment come back at different ones.
func appendRetry(b []byte) []byte {
	retry := time.Second + rand.N(2*time.Second)
	return fmt.Appendf(b, "retry: %d\n\n", retry.Milliseconds())
}

// write sends the buffer within the write timeout. The deadline is cleared
// afterwards, because on HTTP/2 one that passes without a write in flight
// resets the stream.
func (s *eventStream) write() error {
	if err := s.controller.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	if _, err := s.w.Write(s.buffer); err != nil {
		return err
	}
	if err := s.controller.Flush(); err != nil {
		return err
	}
	return s.controller.SetWriteDeadline(time.Time{})
}

func (s *eventStream) close(why cause) bool {
	switch {
	case why.code == 0:
		return false
	case !s.begun && why.answer != nil:
		s.begun = true
		why.answer.Write(s.w)
		return false
	}
	s.buffer = s.buffer[:0]
	s.begin()
	s.buffer = why.appendEvent(s.buffer)
	s.write() // the client may be gone by now, and that is all right
	return false
}
