package hub

import (
	"bufio"
	"net"
	"net/http"

	"github.com/paybell/paybell/internal/problem"
)

// An upgrade is the ResponseWriter of a WebSocket handshake. It keeps the
// connection that is taken over, because deadlines are set on it or it is parked,
// and holds back the handshake's own error texts, so that refuse answers like the
// rest.
type upgrade struct {
	http.ResponseWriter
	park   bool // the library is not given the connection
	wire   net.Conn
	early  []byte // what the client sent right after its handshake, when parked
	status int    // with which the handshake was refused
}

func (u *upgrade) WriteHeader(status int) {
	if u.status = status; status == http.StatusSwitchingProtocols && !u.park {
		u.ResponseWriter.WriteHeader(status)
	}
}

func (u *upgrade) Write(b []byte) (int, error) { return len(b), nil }

// Hijack makes an upgrade a [http.Hijacker].
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	wire, buffers, err := http.NewResponseController(u.ResponseWriter).Hijack()
	u.wire = wire
	if err != nil || !u.park {
		return wire, buffers, err
	}
	u.early, _ = buffers.Reader.Peek(buffers.Reader.Buffered())
	return (&handshake{voice: &voice{}}).Hijack()
}

// head is the answer of a handshake that has not been sent.
func (u *upgrade) head() *response { return &response{header: u.Header(), status: u.status} }

// refuse answers a handshake that failed.
func (u *upgrade) refuse() {
	why := badRequest("This is not a WebSocket handshake of version 13 (RFC 6455, section 4.1).")
	if u.status == http.StatusUpgradeRequired || u.status == http.StatusMethodNotAllowed {
		why = upgradeRequired
	}
	why.Write(u.ResponseWriter)
}

var upgradeRequired = problem.Problem{
	Status: http.StatusUpgradeRequired, Name: "upgrade-required", Title: "WebSocket only",
	Detail: "This address speaks WebSocket over HTTP/1.1. Over HTTP/2, use GET /v1/sse.",
}

// canUpgrade says whether the connection under w can be taken over. Over HTTP/2,
// or where a wrapper hides it, it cannot.
func canUpgrade(w http.ResponseWriter) bool {
	for {
		switch wrapper := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = wrapper.Unwrap()
		default:
			return false
		}
	}
}
