package hub

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
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

// WebSocket answers GET /v1/ws. The handler returns after the handshake, so that
// net/http lets go of the request. The connection is parked, or where that is not
// possible, one goroutine stays to read.
func (h *Hub) WebSocket(w http.ResponseWriter, r *http.Request) {
	if why := h.closed(); why != nil {
		why.Write(w)
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
	one, refused := h.seat(r, grant.TokenID)
	if refused != nil && !offer.inProtocol && r.Header.Get("Origin") == "" {
		refused.Write(w)
		return
	}
	// A page cannot see the status of a refused handshake, but it can see a close
	// code.
	var why *cause
	switch {
	case refused != nil:
		over := refused.cause()
		why = &over
	case err != nil:
		why = deniedCause(err)
	}
	// Who has no seat is not parked: it stays in the listener's count of those.
	up := &upgrade{ResponseWriter: w, park: h.parks(w, r) && refused == nil}
	conn, err := websocket.Accept(up, r, acceptOptions)
	if err != nil {
		h.unseat(r, one)
		up.refuse()
		return
	}
	asked := r.URL.Query()["order"]
	if up.park {
		conn.CloseNow() // of nothing but memory
		h.parkSocket(up, asked, grant, one, why)
		return
	}
	conn.SetReadLimit(int64(h.opts.Limits.MessageBytes))
	go h.serveSocket(&socket{hub: h, conn: conn, wire: up.wire, asked: asked}, grant, one, why)
}

var acceptOptions = &websocket.AcceptOptions{
	Subprotocols:       []string{Subprotocol},
	InsecureSkipVerify: true, // the origin was checked before, port and all
	CompressionMode:    websocket.CompressionDisabled,
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

// hear takes a message of a WebSocket's client, which must be
// {"type":"auth","token":"…"}. asked are the orders that its address names; none:
// all of the token.
func (c *client) hear(asked []string, kind websocket.MessageType, data []byte) *cause {
	switch {
	case kind != websocket.MessageText:
		return &causeBadMessage
	case !utf8.Valid(data):
		return &causeNotUTF8
	}
	message, err := strictjson.ParseObject(data)
	if err != nil || message.String("type") != "auth" || message.String("token") == "" {
		return &causeBadMessage
	}
	grant, err := c.hub.authorize(message.String("token"))
	if err != nil {
		return deniedCause(err)
	}
	return c.admit(asked, grant)
}

// admit lets a client watch by its first token, or go on by another. That may be
// for other orders, but not for another person.
func (c *client) admit(asked []string, grant Grant) *cause {
	orders, ok := grant.choose(asked)
	switch {
	case !c.mayBe(grant.Subject):
		return &causeOtherOwner
	case !ok:
		return &causeNotYours
	}
	refused := c.sit(grant.TokenID)
	if refused == nil {
		refused = c.hub.opts.Limits.allowOrders(len(orders))
	}
	if refused != nil {
		c.hub.refused(refused)
		why := refused.cause()
		return &why
	}
	grant.Orders = orders
	c.hub.watch(c, grant, c.renew(grant))
	return nil
}

// sit counts the token of a client that came without.
func (c *client) sit(token string) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, why := c.hub.seats.name(c.seat, token)
	c.seat = one
	return why
}

func deniedCause(err error) *cause {
	switch {
	case errors.Is(err, ErrExpired):
		return &causeExpired
	case errors.Is(err, ErrRevoked):
		return &causeRevoked
	}
	return &causeDenied
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
