package doctor

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// subprotocol is the one that a gateway speaks.
const subprotocol = "paybell.v1"

// handshake opens WebSockets without a token, each for a moment, and looks at what
// becomes of their handshakes.
func (e *exam) handshake(ctx context.Context) {
	e.o.Tell("WebSocket handshakes")
	a, err := e.tryUpgrade(ctx, "")
	switch {
	case err != nil:
		e.find(socketRefused, "the handshake got no answer: %s", clean(err.Error()))
	case a.name == "upgrade-required" || a.name == "bad-request":
		e.find(upgradeStripped, "the handshake reaches the gateway as an ordinary request: %s", a.what())
	case a.status != http.StatusSwitchingProtocols:
		e.find(socketRefused, "the handshake is answered %s", a.what())
	case a.header.Get("Sec-WebSocket-Protocol") != subprotocol:
		e.find(protocolStripped, "the handshake's answer names the sub-protocol %q, not %s", clean(a.header.Get("Sec-WebSocket-Protocol")), subprotocol)
	default:
		e.handed = true
	}
	if !e.handed {
		return
	}
	if a, err = e.tryUpgrade(ctx, "https://paybell-doctor.invalid"); err == nil && a.status == http.StatusSwitchingProtocols {
		e.find(originStripped, "a WebSocket of a page of https://paybell-doctor.invalid is let in")
	}
	if e.o.Origin == "" {
		return
	}
	if a, err = e.tryUpgrade(ctx, e.o.Origin); err == nil && a.name == "origin-refused" {
		e.find(originRefused, "a WebSocket of a page of %s is answered %s", e.o.Origin, a.what())
	}
}

// tryUpgrade opens a WebSocket and closes it again.
func (e *exam) tryUpgrade(ctx context.Context, origin string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a, conn, err := e.upgrade(ctx, origin, "")
	if conn != nil {
		conn.Close()
	}
	return a, err
}

// upgrade begins a WebSocket as a page does, with the token, if it has one, as a
// second sub-protocol (RFC 6455, section 4.1). conn is nil where it was refused.
func (e *exam) upgrade(ctx context.Context, origin, token string) (answer, io.ReadWriteCloser, error) {
	r, err := e.request(ctx, http.MethodGet, "/v1/ws", nil)
	if err != nil {
		return answer{}, nil, err
	}
	nonce := make([]byte, 16)
	rand.Read(nonce)
	key := base64.StdEncoding.EncodeToString(nonce)
	offered := subprotocol
	if token != "" {
		offered += ", bearer." + token
	}
	r.Header["Sec-WebSocket-Key"], r.Header["Sec-WebSocket-Version"] = []string{key}, []string{"13"}
	r.Header["Sec-WebSocket-Protocol"] = []string{offered}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	a := answer{sent: time.Now()}
	response, err := e.one.Do(r)
	if err != nil {
		return a, nil, err
	}
	a.status, a.header, a.took = response.StatusCode, response.Header, time.Since(a.sent)
	if conn, ok := response.Body.(io.ReadWriteCloser); ok && a.status == http.StatusSwitchingProtocols {
		sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		if got := a.header.Get("Sec-WebSocket-Accept"); got != base64.StdEncoding.EncodeToString(sum[:]) {
			conn.Close()
			return a, nil, fmt.Errorf("its Sec-WebSocket-Accept is %q, which answers another handshake", clean(got))
		}
		return a, conn, nil
	}
	defer response.Body.Close()
	a.body, _ = io.ReadAll(io.LimitReader(response.Body, maxBody)) // told for what it is worth
	a.name, a.detail = problemIn(a.body)
	return a, nil, nil
}

// readSocket reads what a gateway sends (RFC 6455, section 5.2), until it ends. A
// closing frame ends it without an error.
func readSocket(conn io.Reader, l *line) error {
	in := bufio.NewReader(conn)
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(in, head); err != nil {
			return err
		}
		length := uint64(head[1])
		if extended := map[uint64]int{126: 2, 127: 8}[length]; extended > 0 {
			long := make([]byte, 8)
			if _, err := io.ReadFull(in, long[8-extended:]); err != nil {
				return err
			}
			length = binary.BigEndian.Uint64(long)
		}
		if head[1]&0x80 != 0 || length > maxBody {
			return fmt.Errorf("a frame of %d bytes that no gateway sends", length)
		}
		data := make([]byte, length)
		if _, err := io.ReadFull(in, data); err != nil {
			return err
		}
		switch opcode := head[0] & 0x0f; {
		case opcode == 8 && length >= 2:
			l.close(int(binary.BigEndian.Uint16(data)), string(data[2:]))
			return nil
		case opcode == 8:
			return nil
		case opcode == 1:
			var m struct{ Type, Reason string }
			json.Unmarshal(data, &m) // what is not understood is still heard
			l.hear(m.Type, m.Reason)
		}
	}
}

// readStream reads server-sent events (WHATWG HTML, 9.2.6), until they end.
func readStream(body io.Reader, l *line) error {
	lines := bufio.NewScanner(body)
	event := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			if lines.Text() != "" {
				l.hear("ping", "")
			}
		case "event":
			event = value
		case "data":
			var m struct{ Reason string }
			json.Unmarshal([]byte(value), &m)
			l.hear(event, m.Reason)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.EOF
}
