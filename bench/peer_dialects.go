package bench

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// PeerDialects returns how clients wait at a peer, one dialect for each of its
// wires, or nil where there is no such peer. The names are those of
// bench/peers/README.md. The secret is the one that the peer checks tokens with.
func PeerDialects(peer string, secret []byte) []Dialect {
	key := tokenKey{secret: secret, expires: time.Now().Add(time.Hour).Unix()}
	switch peer {
	case "nchan":
		return []Dialect{nchan{wire: EventStream}, nchan{wire: WebSocket}}
	case "nchan-auth":
		return []Dialect{nchan{wire: EventStream, key: &key}, nchan{wire: WebSocket, key: &key}}
	case "centrifuge":
		return []Dialect{centrifuge{wire: EventStream, key: key}, centrifuge{wire: WebSocket, key: key}}
	case "mercure":
		return []Dialect{mercure{key: key, publisher: string(key.append(nil, `{"exp":%d,"mercure":{"publish":["*"]}}`, key.expires))}}
	}
	return nil
}

// nchan is the dialect of nchan behind the locations of bench/peers/nchan.conf. An
// order is a channel, named in the query.
type nchan struct {
	wire Wire
	key  *tokenKey // of the tokens that are sent; nil: none are asked for
}

func (d nchan) Wire() Wire { return d.wire }

func (d nchan) Subscribe(b []byte, i int) []byte {
	if d.wire == WebSocket {
		b = appendOrder(append(b, "GET /websocket?channel="...), i)
		b = append(b, " HTTP/1.1\r\nHost: peer\r\n"+handshake...)
	} else {
		b = appendOrder(append(b, "GET /sse?channel="...), i)
		b = append(b, " HTTP/1.1\r\nHost: peer\r\nAccept: text/event-stream\r\n"...)
	}
	if d.key != nil {
		b = append(b, "Authorization: Bearer "...)
		b = append(d.key.append(b, channelClaims, d.key.expires, i), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func (d nchan) Hear(_ int, message, say []byte) (Heard, []byte) {
	if message == nil {
		return Heard{What: Up}, say
	}
	return hearState(message), say
}

func (d nchan) Publish(b []byte, i int, n uint32) []byte {
	b = appendOrder(append(b, "POST /publish?channel="...), i)
	return appendBody(append(b, " HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\n"...), i, n)
}

// centrifuge is the dialect of the library's own handlers: a connect command with
// a token, whose channels the server then subscribes the client to.
type centrifuge struct {
	wire Wire
	key  tokenKey
}

func (d centrifuge) Wire() Wire { return d.wire }

func (d centrifuge) Subscribe(b []byte, i int) []byte {
	if d.wire == WebSocket {
		return append(b, "GET /connection/websocket HTTP/1.1\r\nHost: peer\r\n"+handshake+"\r\n"...)
	}
	b = append(b, "GET /connection/sse?cf_connect="...)
	b = append(b, url.QueryEscape(string(d.connect(nil, i)))...)
	return append(b, " HTTP/1.1\r\nHost: peer\r\nAccept: text/event-stream\r\n\r\n"...)
}

// connect appends client i's connect command.
func (d centrifuge) connect(b []byte, i int) []byte {
	b = append(b, `{"id":1,"connect":{"token":"`...)
	return append(d.key.append(b, channelClaims, d.key.expires, i), `"}}`...)
}

func (d centrifuge) Hear(i int, message, say []byte) (Heard, []byte) {
	switch {
	case message == nil && d.wire == WebSocket:
		return Heard{}, d.connect(say, i)
	case message == nil:
		return Heard{}, say
	case bytes.Contains(message, []byte(`{"id":1,"connect":{`)):
		return Heard{What: Up}, say
	}
	return hearState(message), say // a ping is an empty object
}

func (d centrifuge) Publish(b []byte, i int, n uint32) []byte {
	b = appendOrder(append(b, "POST /publish?channel="...), i)
	return appendBody(append(b, " HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\n"...), i, n)
}

// mercure is the dialect of a mercure hub with private updates: a client gets
// those whose topic it asks for and its token names.
type mercure struct {
	key       tokenKey
	publisher string // token
}

func (d mercure) Wire() Wire { return EventStream }

func (d mercure) Subscribe(b []byte, i int) []byte {
	b = appendOrder(append(b, "GET /.well-known/mercure?topic="...), i)
	b = append(b, " HTTP/1.1\r\nHost: peer\r\nAccept: text/event-stream\r\nAuthorization: Bearer "...)
	b = d.key.append(b, `{"exp":%d,"mercure":{"subscribe":["bench-%d"]}}`, d.key.expires, i)
	return append(b, "\r\n\r\n"...)
}

func (d mercure) Hear(_ int, message, say []byte) (Heard, []byte) {
	if message == nil {
		return Heard{What: Up}, say
	}
	return hearState(message), say
}

func (d mercure) Publish(b []byte, i int, n uint32) []byte {
	form := appendOrder([]byte("private=on&topic="), i)
	form = append(form, "&data="...)
	form = append(form, url.QueryEscape(string(appendState(nil, i, n)))...)
	b = append(b, "POST /.well-known/mercure HTTP/1.1\r\nHost: peer\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer "...)
	b = append(b, d.publisher...)
	b = append(b, "\r\nContent-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(form)), 10), "\r\n\r\n"...)
	return append(b, form...)
}

// handshake is the part of a WebSocket's opening that is always the same, with
// the key of RFC 6455, section 1.3.
const handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// A peer's event is an order's state in the form in which Paybell's clients get
// it, so that every server carries the same load. Its version is the event's
// number.
const (
	orderPrefix   = "bench-"
	beforeOrder   = `{"order":"`
	beforeVersion = `","version":`
	afterVersion  = `,"epoch":"5f0c6d1a9be84f27","status":"paid","final":true,"amount":9900,"currency":"CNY","paid":9900,"refunded":0,` +
		`"disputed":false,"overpaid":false,"method":"alipay","reason":null,"action_url":null,"livemode":true,"updated_at":"2026-11-23T08:00:00.123Z"}`
)

func appendOrder(b []byte, i int) []byte {
	return strconv.AppendInt(append(b, orderPrefix...), int64(i), 10)
}

func appendState(b []byte, i int, n uint32) []byte {
	b = appendOrder(append(b, beforeOrder...), i)
	b = strconv.AppendUint(append(b, beforeVersion...), uint64(n), 10)
	return append(b, afterVersion...)
}

// appendBody appends the last header field, the empty line and the state.
func appendBody(b []byte, i int, n uint32) []byte {
	state := appendState(nil, i, n)
	b = append(b, "Content-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(state)), 10), "\r\n\r\n"...)
	return append(b, state...)
}

// hearState finds a state in a message, and says what it is. A message without
// one is nothing.
func hearState(message []byte) Heard {
	_, rest, found := bytes.Cut(message, []byte(beforeOrder))
	if !found {
		return Heard{}
	}
	order, rest, _ := bytes.Cut(rest, []byte(beforeVersion))
	version, _, _ := bytes.Cut(rest, []byte{','})
	h := Heard{What: Message, Order: -1}
	if digits, ok := bytes.CutPrefix(order, []byte(orderPrefix)); ok {
		h.Order = number(digits)
	}
	h.Number = uint32(max(number(version), 0))
	return h
}

// channelClaims is what a client's token says at nchan-auth and centrifuge.
const channelClaims = `{"exp":%d,"channels":["bench-%d"]}`

// A tokenKey signs tokens (JWT, HS256).
type tokenKey struct {
	secret  []byte
	expires int64 // of every token, in seconds since 1970
}

// append appends a token whose claims are formatted as by fmt.
func (k tokenKey) append(b []byte, claims string, values ...any) []byte {
	start := len(b)
	b = append(b, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."...)
	b = base64.RawURLEncoding.AppendEncode(b, fmt.Appendf(nil, claims, values...))
	mac := hmac.New(sha256.New, k.secret)
	mac.Write(b[start:])
	return base64.RawURLEncoding.AppendEncode(append(b, '.'), mac.Sum(nil))
}
