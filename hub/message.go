package hub

import (
	"strconv"
	"time"

	"github.com/paybell/paybell/order"
)

// A message is one state of an order, encoded once for all who watch it.
type message struct {
	order   string
	version int64
	era     era
	tag     string // "<epoch>.<version>"
	final   bool
	json    []byte    // the state's wire form
	learned time.Time // when the hub was told of the change; zero: it was read
}

func newMessage(s order.State, learned time.Time) *message {
	return &message{
		order: s.Order, version: s.Version, tag: s.Tag(), final: s.Final,
		json: s.AppendJSON(make([]byte, 0, 384)), learned: learned,
	}
}

// message encodes a state for the hub's watchers.
func (h *Hub) message(s order.State, learned time.Time) *message {
	m := newMessage(s, learned)
	m.era = h.eras.of(s.Epoch)
	return m
}

// newerThan says whether m, which came after old, makes it needless. nil is older
// than any. What comes last of another era is newer, because eras come in order.
func (m *message) newerThan(old *message) bool {
	return old == nil || m.era != old.era || m.version > old.version
}

// A kind is a type of message, by its name on every transport.
type kind string

const (
	snapshot      kind = "snapshot"
	update        kind = "update"
	ping          kind = "ping"
	tokenExpiring kind = "token_expiring"
	goodbye       kind = "goodbye"
)

// An outgoing is one message on its way to one client.
type outgoing struct {
	kind      kind
	message   *message      // of a snapshot or update
	alone     bool          // the client watches no other order
	expiresIn time.Duration // of token_expiring
}

// appendSocket appends the message in the form that WebSocket clients get.
func (o outgoing) appendSocket(b []byte) []byte {
	b = append(append(b, `{"type":"`...), o.kind...)
	b = append(b, '"')
	switch {
	case o.message != nil:
		b = append(append(b, `,"order":`...), o.message.json...)
	case o.kind == tokenExpiring:
		b = strconv.AppendInt(append(b, `,"expires_in":`...), int64(o.expiresIn/time.Second), 10)
	}
	return append(b, '}')
}

// appendEvent appends the message as a server-sent event (WHATWG HTML, 9.2).
// JSON has no raw line break, so data is always one line.
func (o outgoing) appendEvent(b []byte) []byte {
	if o.kind == ping {
		return append(b, ":\n\n"...)
	}
	b = append(append(append(b, "event: "...), o.kind...), '\n')
	if o.message == nil {
		b = strconv.AppendInt(append(b, `data: {"expires_in":`...), int64(o.expiresIn/time.Second), 10)
		return append(b, "}\n\n"...)
	}
	if o.alone { // on a stream of several orders one id could not name a position
		b = append(append(append(b, "id: "...), o.message.tag...), '\n')
	}
	b = append(append(b, "data: "...), o.message.json...)
	return append(b, "\n\n"...)
}

// appendSocket appends the goodbye in the form that WebSocket clients get.
func (c cause) appendSocket(b []byte) []byte {
	b = append(append(b, `{"type":"goodbye",`...), c.fields()...)
	return append(b, '}')
}

// appendEvent appends the goodbye as a server-sent event. Its retry field makes
// a plain EventSource wait as long as the others.
func (c cause) appendEvent(b []byte) []byte {
	b = strconv.AppendInt(append(b, "retry: "...), c.retry.Milliseconds(), 10)
	b = append(append(append(b, "\nevent: "...), goodbye...), "\ndata: {"...)
	return append(append(b, c.fields()...), "}\n\n"...)
}

func (c cause) fields() string {
	return `"reason":"` + c.name + `","retry_ms":` + strconv.FormatInt(c.retry.Milliseconds(), 10)
}
