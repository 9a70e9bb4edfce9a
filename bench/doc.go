// Package bench measures a push gateway as its customers see it: thousands of
// clients that wait, each for its own order, and a provider whose events reach
// them.
//
// One loop does all of it: one goroutine, one epoll instance, a struct of a few
// words for each client. So what is measured is the server, and the clock that
// says when an event should have been sent is the clock that says when its
// client read it. Latency counts from the moment an event was due, not from
// when the loop got round to it: a server that stalls is charged for everything
// that had to wait (no coordinated omission).
//
// # Measuring another server
//
// A [Dialect] is all that the loop must know of a server. It says which bytes a
// client begins with, what a received message means, and which HTTP request
// tells the server of an event. What the loop does itself: TCP, the HTTP/1.1
// heads, chunked bodies, the splitting of server-sent events, WebSocket frames,
// answering pings, keep-alive connections for the events, and keeping count.
//
//	type shout struct{}
//
//	func (shout) Wire() Wire { return EventStream }
//
//	func (shout) Subscribe(b []byte, i int) []byte {
//		return fmt.Appendf(b, "GET /topics/%d HTTP/1.1\r\nHost: peer\r\n\r\n", i)
//	}
//
//	func (shout) Hear(i int, message, say []byte) (Heard, []byte) {
//		if message == nil {
//			return Heard{What: Up}, say // the head was 200: the stream is there
//		}
//		n, _ := strconv.ParseUint(string(EventField(message, "data")), 10, 32)
//		return Heard{What: Message, Order: i, Number: uint32(n)}, say
//	}
//
//	func (shout) Publish(b []byte, i int, n uint32) []byte {
//		body := strconv.Itoa(int(n))
//		return fmt.Appendf(b, "POST /topics/%d HTTP/1.1\r\nHost: peer\r\nContent-Length: %d\r\n\r\n%s", i, len(body), body)
//	}
//
// A [Subject] starts such a server and names its dialects; [Run] measures it and
// returns a [Report]. The package works on Linux only.
package bench
