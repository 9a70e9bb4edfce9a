package hub

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/order"
)

// An event is one thing that a client saw, on any transport. The last is
// "closed".
type event struct {
	Type      string      `json:"type"`
	Order     order.State `json:"order"`
	ExpiresIn int         `json:"expires_in"`
	Reason    string      `json:"reason"`
	RetryMS   int64       `json:"retry_ms"`

	id   string // of a server-sent event
	code int    // of "closed": the close code, or the status of a refusal
}

// A transport opens a watch of orders; of all that the token names when there
// are none.
type transport struct {
	name string
	open func(n *node, token string, orders ...string) *watch
}

var transports = []transport{
	{transportWebSocket, openWebSocket},
	{transportSSE, openSSE},
	{transportPoll, openPoll},
}

// A watch is a client. It reads no further than its test does.
type watch struct {
	t      testing.TB
	events chan event
	stop   context.CancelFunc
	done   chan struct{}   // the reading has ended
	socket *websocket.Conn // of a WebSocket
}

func newWatch(n *node, read func(ctx context.Context, see func(event)) int) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{t: n.t, events: make(chan event), stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		see := func(e event) {
			select {
			case w.events <- e:
			case <-ctx.Done():
			}
		}
		see(event{Type: "closed", code: read(ctx, see)})
	}()
	n.t.Cleanup(w.leave)
	return w
}

// leave goes without a word.
func (w *watch) leave() {
	w.stop()
	if w.socket != nil {
		w.socket.CloseNow()
	}
	<-w.done
}

// next returns what the client sees next, besides heartbeats.
func (w *watch) next() event {
	w.t.Helper()
	for {
		late := time.After(patience)
		select {
		case e := <-w.events:
			if e.Type != "ping" {
				return e
			}
		case <-late:
			w.t.Fatal("nothing came")
		}
	}
}

// want reads a state.
func (w *watch) want(kind, id string, version int64) event {
	w.t.Helper()
	e := w.next()
	if e.Type != kind || e.Order.Order != id || e.Order.Version != version {
		w.t.Fatalf("saw %s %s.%d (code %d), want %s %s.%d",
			e.Type, e.Order.Order, e.Order.Version, e.code, kind, id, version)
	}
	return e
}

// wantClosed reads the end.
func (w *watch) wantClosed(code int) {
	w.t.Helper()
	if e := w.next(); e.Type != "closed" || e.code != code {
		w.t.Fatalf("saw %s %+v code %d, want the end with %d", e.Type, e.Order, e.code, code)
	}
}

// renew sends another token over a WebSocket.
func (w *watch) renew(token string) {
	w.t.Helper()
	w.send(`{"type":"auth","token":"` + token + `"}`)
}

func (w *watch) send(text string) {
	w.t.Helper()
	if err := w.socket.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

func addresses(orders []string) string { return url.Values{"order": orders}.Encode() }

func openWebSocket(n *node, token string, orders ...string) *watch {
	return dialWebSocket(n, &websocket.DialOptions{Subprotocols: []string{Subprotocol, bearerPrefix + token}}, orders...)
}

func dialWebSocket(n *node, opts *websocket.DialOptions, orders ...string) *watch {
	opts.HTTPClient = n.client
	conn, resp, err := websocket.Dial(context.Background(), n.url+"/v1/ws?"+addresses(orders), opts)
	if err != nil {
		return newWatch(n, func(context.Context, func(event)) int { return resp.StatusCode })
	}
	if conn.Subprotocol() == "" && len(opts.Subprotocols) > 0 {
		n.t.Error("no sub-protocol was chosen: a browser would fail")
	}
	w := newWatch(n, func(ctx context.Context, see func(event)) int {
		for {
			_, data, err := conn.Read(context.Background())
			if err != nil {
				return int(websocket.CloseStatus(err))
			}
			see(decode(n, "", data))
		}
	})
	w.socket = conn
	return w
}

// decode reads a message; kind is that of a server-sent event.
func decode(n *node, kind string, data []byte) event {
	var e event
	var err error
	if kind == string(snapshot) || kind == string(update) {
		err = json.Unmarshal(data, &e.Order)
	} else {
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		n.t.Errorf("%s: %v", data, err)
	}
	if kind != "" {
		e.Type = kind
	}
	return e
}

func openSSE(n *node, token string, orders ...string) *watch {
	return streamSSE(n, n.get("/v1/sse?"+addresses(orders), token, nil))
}

// streamSSE reads a stream that an EventSource could.
func streamSSE(n *node, r *http.Request) *watch {
	return newWatch(n, func(ctx context.Context, see func(event)) int {
		resp, err := n.client.Do(r.WithContext(ctx))
		if err != nil {
			return -1
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return resp.StatusCode
		}
		if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
			n.t.Errorf("Content-Type %q", got)
		}
		var goodbyeReason string
		readSSE(resp.Body, func(kind, id, data string) {
			switch kind {
			case "":
				see(event{Type: "ping"})
				return
			case "retry":
				return
			}
			e := decode(n, kind, []byte(data))
			e.id = id
			goodbyeReason = e.Reason
			see(e)
		})
		if goodbyeReason == "token_expired" || goodbyeReason == "token_revoked" {
			return 4401
		}
		return -1
	})
}

// readSSE parses a stream as the standard says (WHATWG HTML, 9.2.6). A comment
// is seen as an event without a name, and a lone retry as "retry".
func readSSE(body io.Reader, see func(kind, id, data string)) {
	var kind, id string
	var data []string
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if data != nil {
				see(kind, id, strings.Join(data, "\n"))
			}
			kind, id, data = "", "", nil
		case name == "":
			see("", "", "")
		case name == "event":
			kind = value
		case name == "data":
			data = append(data, value)
		case name == "id":
			id = value
		case name == "retry":
			see("retry", "", value)
		}
	}
}

// openPoll asks again and again, as client-js does.
func openPoll(n *node, token string, orders ...string) *watch {
	return newWatch(n, func(ctx context.Context, see func(event)) int {
		tag := ""
		for ctx.Err() == nil {
			a := n.poll(ctx, token, orders[0], "20", tag)
			switch a.status {
			case http.StatusOK:
				kind := update
				if tag == "" {
					kind = snapshot
				}
				tag = a.tag
				see(event{Type: string(kind), Order: a.state})
			case http.StatusNotModified:
			case http.StatusUnauthorized:
				return 4401
			default:
				return a.status
			}
		}
		return -1
	})
}

// An answer is one of a poll.
type answer struct {
	status  int
	tag     string
	retry   int // seconds
	state   order.State
	problem string // its type
}

func (n *node) poll(ctx context.Context, token, id, wait, tag string) answer {
	header := http.Header{}
	if tag != "" {
		header.Set("If-None-Match", tag)
	}
	return n.do(n.get("/v1/orders/"+id+"?wait="+wait, token, header).WithContext(ctx))
}

// get makes a request.
func (n *node) get(path, token string, header http.Header) *http.Request {
	r, err := http.NewRequest(http.MethodGet, n.url+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// do reads an answer that ends. Every error must be a problem.
func (n *node) do(r *http.Request) answer {
	resp, err := n.client.Do(r)
	if err != nil {
		return answer{status: -1}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, tag: resp.Header.Get("ETag")}
	a.retry, _ = strconv.Atoi(resp.Header.Get("Retry-After"))
	if strings.Contains(string(body), tokenMark) {
		n.t.Errorf("%s echoes the token", r.URL.Path)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		n.t.Errorf("%s: Cache-Control %q", r.URL.Path, got)
	}
	switch {
	case resp.StatusCode >= 400:
		var p struct{ Type string }
		if err := json.Unmarshal(body, &p); err != nil || resp.Header.Get("Content-Type") != "application/problem+json" {
			n.t.Errorf("%s answered %d with %q: no problem", r.URL.Path, resp.StatusCode, body)
		}
		a.problem = strings.TrimPrefix(p.Type, "urn:paybell:problem:")
	case resp.StatusCode == http.StatusOK:
		if err := json.Unmarshal(body, &a.state); err != nil {
			n.t.Errorf("%s: %v", body, err)
		}
	case resp.StatusCode == http.StatusNotModified && len(body) > 0:
		n.t.Errorf("304 with %q", body)
	}
	return a
}
