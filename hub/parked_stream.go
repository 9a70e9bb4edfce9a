package hub

import (
	"net/http"
)

// A parkedStream is the carrier of a parked SSE response.
type parkedStream struct {
	parked
	head  *response // goes out with what comes first; nil once it was sent
	noise int       // bytes that the client has sent after its request
}

// maxNoise bounds what a client may say on a stream, where it has nothing to say.
const maxNoise = 16 << 10

// parkStream takes the connection of an SSE request over and parks it.
func (h *Hub) parkStream(w http.ResponseWriter, r *http.Request, grant Grant, orders []string, one seat) {
	streamHeader(w.Header())
	w.Header().Set("Connection", "close") // which ends the response (RFC 9112, section 6.3)
	s := &parkedStream{head: &response{header: w.Header(), status: http.StatusOK, body: appendRetry(nil)}}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		h.opts.Log.Error("take over a connection for a stream", "err", err)
		h.unseat(r, one)
		unavailable.Write(w)
		return
	}
	if err := h.lot.Park(&s.conn, conn, s); err != nil {
		h.opts.Log.Error("park a stream", "err", err)
		h.unseat(r, one)
		conn.Close()
		return
	}
	s.client = h.open(s, transportSSE, grant, one)
	h.watch(s.client, grant, orders)
	s.listen()
}

// Heard notices the end. A client that pipelines, or just talks, is not listened
// to: HTTP has no answer before the end of the stream.
func (s *parkedStream) Heard(data []byte, err error) bool {
	if err != nil {
		s.client.hungUp()
		return false
	}
	if s.noise += len(data); s.noise > maxNoise {
		s.client.end(causeNoise)
	}
	return true
}

func (s *parkedStream) send(batch []outgoing) error {
	return s.write(func(b []byte) []byte {
		b = s.begin(b)
		for _, out := range batch {
			b = out.appendEvent(b)
		}
		return b
	})
}

func (s *parkedStream) begin(b []byte) []byte {
	if s.head != nil {
		b = s.head.appendTo(b)
		s.head = nil
	}
	return b
}

func (s *parkedStream) close(why cause) bool {
	switch {
	case why.code == 0:
		s.conn.Close()
		return false
	case s.head != nil && why.answer != nil:
		s.head.body = nil
		why.answer.Write(s.head)
		return s.finish(s.begin)
	}
	return s.finish(func(b []byte) []byte { return why.appendEvent(s.begin(b)) })
}
