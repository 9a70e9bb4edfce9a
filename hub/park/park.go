// Package park keeps connections that wait, at the cost of a descriptor and a
// few words each: no goroutine, no timer, no buffer.
//
// A [Lot] is one epoll set over bare descriptors. Its one goroutine sleeps until
// a client says something or, having been slow, can take more. Writing never
// waits: what the kernel does not take at once is kept and sent when it does. The
// package knows nothing of what is said over a connection, and sets no limits of
// time; both are its owner's business.
//
// It works on Linux. Elsewhere [New] returns [ErrUnsupported], and a goroutine for
// each connection has to do.
package park

import "errors"

var (
	// ErrUnsupported means that connections cannot be parked: the system has no
	// epoll, or the connection shows no descriptor of its own, as under TLS.
	ErrUnsupported = errors.New("park: connection cannot be parked")
	// ErrFull means that the kernel did not take all of a write. The rest is kept
	// and goes out by itself; [Owner.Drained] tells when.
	ErrFull = errors.New("park: connection takes no more for now")
	// ErrOverflow means that more was written to a full connection than is kept.
	ErrOverflow = errors.New("park: too much is waiting to be sent")
	// ErrClosed means that the connection was closed at this end.
	ErrClosed = errors.New("park: connection is closed")
)

// maxRest bounds what is kept of writes that the kernel did not take.
const maxRest = 64 << 10

// An Owner is told what happens on its connection. Its methods are called by the
// lot's goroutine, one at a time, and must not block. They may still be called
// once while another goroutine closes the connection.
type Owner interface {
	// Heard is called with what the client sent next, or with the error that
	// ended its side: io.EOF when it closed it. data is good during the call
	// only. Heard says whether to go on listening; if not, Listen does.
	Heard(data []byte, err error) bool
	// Drained is called when a connection that was full has taken everything.
	Drained()
}
