package hub

import (
	"errors"
	"net/http"
	"sync"

	"github.com/paybell/paybell/hub/park"
)

// A parkedCarrier is one whose send does not wait.
type parkedCarrier interface {
	carrier
	full() bool // something that was sent has not gone out yet
}

// parks says whether the connection of a request can be parked: HTTP/1.1 without
// TLS of our own, on a system that can. Any other has goroutines.
func (h *Hub) parks(w http.ResponseWriter, r *http.Request) bool {
	return h.lot != nil && r.ProtoMajor == 1 && r.TLS == nil && canUpgrade(w)
}

// A parked is what all parked carriers have in common.
type parked struct {
	conn   park.Conn
	client *client
}

// Drained makes carriers park.Owners, with a Heard of their own.
func (p *parked) Drained() { p.client.drained() }

func (p *parked) full() bool { return p.conn.Full() }

// buffers are what parked carriers encode in. One that waits holds none.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// write encodes and sends.
func (p *parked) write(encode func(b []byte) []byte) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	b := encode((*buffer)[:0])
	if cap(b) <= 16<<10 {
		*buffer = b
	}
	return p.conn.Write(b)
}

// finish says the last words. The client is given time to read them and to go
// first: if it is just saying something, a connection that is closed at once is
// reset, and the words are lost.
func (p *parked) finish(encode func(b []byte) []byte) (lingers bool) {
	err := p.write(encode)
	if (err == nil || errors.Is(err, park.ErrFull)) && p.conn.CloseWrite() == nil {
		return true
	}
	p.conn.Close()
	return false
}

// listen goes on hearing the client.
func (p *parked) listen() {
	if p.conn.Listen() != nil {
		p.client.hungUp()
	}
}
