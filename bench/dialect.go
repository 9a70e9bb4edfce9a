package bench

// A Dialect is how the clients of one server wait over one transport, and how
// the server is told of an event. Clients and orders have the same numbers,
// from 0: client i waits for order i and for nothing else.
//
// One goroutine calls the methods. Those that append to a slice must not keep
// it, nor the message that they are given.
type Dialect interface {
	// Wire says what follows the head of the response.
	Wire() Wire

	// Subscribe appends the HTTP/1.1 request with which client i begins to wait.
	// For [WebSocket] it is a whole handshake (RFC 6455, section 4.1), whose key
	// may be a constant: the loop does not check the answer to it.
	Subscribe(b []byte, i int) []byte

	// Hear says what a message means that client i received. The first message
	// is nil: the head of the response accepted the request, with 200 for
	// [EventStream] and 101 for [WebSocket]. Then it is the lines of one
	// server-sent event (see [EventField]), or the payload of one text or binary
	// message.
	//
	// Hear may append to say what the client sends next: the payload of one text
	// message, which the loop frames and masks. Event streams say nothing.
	Hear(i int, message, say []byte) (Heard, []byte)

	// Publish appends one HTTP/1.1 request, with Content-Length and for a
	// keep-alive connection, that tells the server of event n of order i. n
	// counts from 1 for each order. A request that gets no 2xx is asked for and
	// sent again, so the same i and n must name the same event.
	Publish(b []byte, i int, n uint32) []byte
}

// A Wire is what carries messages to a client, after the head of an HTTP/1.1
// response.
type Wire uint8

// The wires.
const (
	EventStream Wire = iota // server-sent events (WHATWG HTML, 9.2), chunked or not
	WebSocket               // RFC 6455, without extensions
)

// String returns the wire's name in keys of figures: "sse" or "websocket".
func (w Wire) String() string {
	if w == WebSocket {
		return "websocket"
	}
	return "sse"
}

// title is a wire's name for people.
func (w Wire) title() string {
	if w == WebSocket {
		return "WebSocket"
	}
	return "SSE"
}

// Heard is what a message means.
type Heard struct {
	What What

	// Order is the number of the order that a State or a Message is about; -1
	// where it is none of the dialect's. It counts as misrouted when it is not
	// the client's own.
	Order int

	// Number is the event's: n of Publish. For Up it is the last event that the
	// state which was sent first includes, 0 for none. For Goodbye it is the time
	// to wait before coming again, in milliseconds.
	Number uint32
}

// What is a kind of message.
type What uint8

// The kinds of messages.
const (
	Nothing What = iota // a heartbeat, a greeting: nothing to count
	Up                  // the subscription stands: what is published from here on will come
	State               // event Number, and with it all before it: a newer state makes up for older ones
	Message             // event Number alone
	Goodbye             // the server is about to close, and says when to come again
)

// EventField returns the value of the first field so named in the lines of a
// server-sent event, without the space that may lead it; nil when there is none.
func EventField(message []byte, name string) []byte {
	for line := range lines(message) {
		if len(line) > len(name) && line[len(name)] == ':' && string(line[:len(name)]) == name {
			value := line[len(name)+1:]
			if len(value) > 0 && value[0] == ' ' {
				value = value[1:]
			}
			return value
		}
	}
	return nil
}

// A Crowder is a [Dialect] whose clients can wait for several orders.
type Crowder interface {
	// SubscribeAll is Subscribe for the orders from up to, and not with, to.
	SubscribeAll(b []byte, from, to int) []byte
}
