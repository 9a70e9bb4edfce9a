package hub

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/internal/bearer"
	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/internal/strictjson"
)

// Subprotocol is the WebSocket sub-protocol that clients offer and get.
const Subprotocol = "paybell.v1"

// bearerPrefix begins the sub-protocol in which a browser, which can set no
// headers, offers its token. It is never echoed.
const bearerPrefix = "bearer."

// maxClientMessage bounds what a client may send at once: a token and a little.
const maxClientMessage = 8 << 10

var (
	causeBadMessage = cause{name: "bad_message", code: 4400, reason: "bad message"}
	causeNotUTF8    = cause{name: "bad_message", code: int(websocket.StatusInvalidFramePayloadData), reason: "text is not UTF-8"}
	causeProtocol   = cause{name: "bad_message", code: int(websocket.StatusProtocolError), reason: "protocol error"}
	causeDenied     = cause{name: "token_invalid", code: 4401, reason: "token not valid"}
	causeNotYours   = cause{name: "not_your_order", code: 4403, reason: "not your order"}
	causeOtherOwner = cause{name: "not_your_order", code: 4403, reason: "token of another subject"}
	causeNoToken    = cause{name: "no_token", code: 4408, reason: "no token in time"}
	causeNoLedger   = cause{name: "ledger_unavailable", code: int(websocket.StatusTryAgainLater), reason: "ledger unavailable"}
)

// WebSocket answers GET /v1/ws. The handler returns after the handshake, so that
// net/http lets go of the request; one goroutine stays to read.
func (h *Hub) WebSocket(w http.ResponseWriter, r *http.Request) {
	if h.draining.Load() {
		draining.Write(w)
		return
	}
	if !h.originAllowed(r) {
		h.opts.Log.Info("WebSocket refused: its page's origin is not configured", "origin", clip(r.Header.Get("Origin")))
		originRefused.Write(w)
		return
	}
	offer, wrong := readOffer(r.Header)
	if wrong != nil {
		wrong.Write(w)
		return
	}
	var grant Grant
	var err error
	if offer.token != "" {
		grant, err = h.authorize(offer.token)
	}
	if err != nil && !offer.inProtocol {
		denied(err).Write(w)
		return
	}
	if !canUpgrade(w) {
		if r.ProtoMajor == 1 {
			h.opts.Log.Error("no WebSocket on this connection: a wrapper of its ResponseWriter has no Unwrap")
		}
		upgradeRequired.Write(w)
		return
	}
	up := &upgrade{ResponseWriter: w}
	conn, acceptErr := websocket.Accept(up, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: true, // the origin was checked above, port and all
		CompressionMode:    websocket.CompressionDisabled,
	})
	if acceptErr != nil {
		up.refuse()
		return
	}
	conn.SetReadLimit(maxClientMessage)
	s := &socket{hub: h, conn: conn, wire: up.wire, asked: r.URL.Query()["order"]}
	if err != nil {
		// A page cannot see the status of a refused handshake, but it can see a
		// close code.
		go s.close(deniedCause(err))
		return
	}
	go s.serve(grant, offer.token != "")
}

// An offer is what a client brings to the handshake.
type offer struct {
	token      string // empty: it will come as the first message
	inProtocol bool   // the token came as a sub-protocol
}

func readOffer(header http.Header) (offer, *problem.Problem) {
	token, err := bearer.Token(header)
	if errors.Is(err, bearer.ErrMalformed) {
		return offer{}, &tokenForm
	}
	o, found := offer{token: token}, err == nil
	var offered, ours bool
	for _, value := range header.Values("Sec-WebSocket-Protocol") {
		for protocol := range strings.SplitSeq(value, ",") {
			protocol = strings.TrimSpace(protocol)
			offered = true
			ours = ours || protocol == Subprotocol
			token, ok := strings.CutPrefix(protocol, bearerPrefix)
			if !ok {
				continue
			}
			if found || token == "" {
				return offer{}, &tokenTwice
			}
			o, found = offer{token: token, inProtocol: true}, true
		}
	}
	if offered && !ours {
		return offer{}, &protocolName
	}
	return o, nil
}

// A socket is the carrier of one WebSocket.
type socket struct {
	hub   *Hub
	conn  *websocket.Conn
	wire  net.Conn // under conn. A deadline on it costs less than a context, and ends what conn waits for without one
	asked []string // the orders that the address names; none: all of the token

	client *client // nil before the token has come
	buffer []byte
}

// serve reads until the connection ends.
func (s *socket) serve(grant Grant, authorized bool) {
	if !authorized {
		var ok bool
		if grant, ok = s.firstToken(); !ok {
			return
		}
	}
	orders, ok := grant.choose(s.asked)
	if !ok {
		s.close(causeNotYours)
		return
	}
	s.client = s.hub.open(s, transportWebSocket, grant)
	why := s.watch(orders)
	for why == nil {
		var token string
		if token, why = s.readToken(); why == nil {
			why = s.renew(token)
		}
	}
	s.client.end(*why)
}

func (s *socket) watch(orders []string) *cause {
	if err := s.hub.watch(context.Background(), s.client, orders); err != nil {
		s.hub.opts.Log.Warn("read the ledger for a newcomer", "err", err)
		return &causeNoLedger
	}
	return nil
}

// firstToken waits for the message that says who is there.
func (s *socket) firstToken() (Grant, bool) {
	late := time.AfterFunc(s.hub.opts.AuthTimeout, func() { s.close(causeNoToken) })
	token, why := s.readToken()
	if !late.Stop() {
		return Grant{}, false
	}
	if why != nil {
		s.close(*why)
		return Grant{}, false
	}
	grant, err := s.hub.authorize(token)
	if err != nil {
		s.close(deniedCause(err))
		return Grant{}, false
	}
	return grant, true
}

// renew takes a new token on an open connection. It may be for other orders,
// but not for another person.
func (s *socket) renew(token string) *cause {
	grant, err := s.hub.authorize(token)
	if err != nil {
		why := deniedCause(err)
		return &why
	}
	if grant.Subject != s.client.subject() {
		return &causeOtherOwner
	}
	orders, ok := grant.choose(s.asked)
	if !ok {
		return &causeNotYours
	}
	grant.Orders = orders
	return s.watch(s.client.renew(grant))
}

// readToken reads one message, which must be {"type":"auth","token":"…"}.
func (s *socket) readToken() (string, *cause) {
	kind, reader, err := s.conn.Reader(context.Background())
	if err != nil {
		return "", readFailure(err)
	}
	late := time.AfterFunc(s.hub.messageTime, func() { s.wire.Close() })
	data, err := io.ReadAll(reader)
	switch {
	case !late.Stop():
		return "", &causeSlow
	case err != nil:
		return "", readFailure(err)
	case kind != websocket.MessageText:
		return "", &causeBadMessage
	case !utf8.Valid(data):
		return "", &causeNotUTF8
	}
	message, err := strictjson.ParseObject(data)
	if err != nil || message.String("type") != "auth" || message.String("token") == "" {
		return "", &causeBadMessage
	}
	return message.String("token"), nil
}

// readFailure tells a client that went from one that broke the protocol in a
// way to which the library does not answer.
func readFailure(err error) *cause {
	var network net.Error
	if websocket.CloseStatus(err) != -1 || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &network) {
		return &causeGone
	}
	return &causeProtocol
}

func deniedCause(err error) cause {
	if errors.Is(err, ErrExpired) {
		return causeExpired
	}
	return causeDenied
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
func (s *socket) close(why cause) {
	if why.code == 0 {
		s.conn.CloseNow()
		return
	}
	s.wire.SetDeadline(time.Now().Add(s.hub.opts.WriteTimeout))
	if why.code == 1001 {
		s.write(why.appendSocket(nil)) // the client may be gone, and that is all right
	}
	s.conn.Close(websocket.StatusCode(why.code), why.reason)
}
