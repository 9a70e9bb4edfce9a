package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/hub"
)

func startLimited(t *testing.T, change func(*limitsConfig)) *testGateway {
	t.Helper()
	return startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), func(c *config) { change(&c.Limits) })
}

// mint makes a token of its own for orders.
func (gw *testGateway) mint(orders ...string) string {
	gw.t.Helper()
	minter, err := buildMinter(gw.config, nil)
	if err != nil {
		gw.t.Fatal(err)
	}
	token, _, err := minter.Mint("", orders, 0)
	if err != nil {
		gw.t.Fatal(err)
	}
	return token
}

// A way is how a client connects and waits.
type way struct {
	name string
	// try connects and waits for a first state. It returns what ends the
	// connection, or why there is none.
	try func(gw *testGateway, token, order string, headers http.Header) (leave func(), why *refused)
}

// A refused is what a client that is over a limit sees.
type refused struct {
	problem string
	code    int // 429, or 4429
	retry   time.Duration
}

var ways = []way{
	{"sse", func(gw *testGateway, token, order string, headers http.Header) (func(), *refused) {
		return gw.tryHTTP("/v1/sse?order="+order, token, headers, func(r *http.Response) bool {
			found := false
			readEvents(r.Body, func() {}, func(e sseEvent) error {
				if found = e.name == "snapshot"; found {
					return io.EOF
				}
				return nil
			})
			return found
		})
	}},
	{"poll", func(gw *testGateway, token, order string, headers http.Header) (func(), *refused) {
		headers = headers.Clone()
		headers.Set("If-None-Match", gw.tag(token, order))
		ctx, leave := context.WithCancel(gw.t.Context())
		answered := make(chan *refused, 1)
		before := gw.gateway.hub.Clients()
		go func() {
			response, err := gw.request(ctx, "/v1/orders/"+order+"?wait=60", token, headers)
			if err == nil {
				answered <- refusedBy(gw.t, response)
			}
		}()
		for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
			select {
			case why := <-answered:
				leave()
				return nil, why
			default:
			}
			if gw.gateway.hub.Clients() > before {
				return leave, nil
			}
		}
		gw.t.Error("a poll is neither held nor answered")
		return leave, nil
	}},
	{"websocket, header", func(gw *testGateway, token, order string, headers http.Header) (func(), *refused) {
		headers = headers.Clone()
		headers.Set("Authorization", "Bearer "+token)
		return gw.trySocket(order, &websocket.DialOptions{HTTPHeader: headers}, "")
	}},
	{"websocket, sub-protocol", func(gw *testGateway, token, order string, headers http.Header) (func(), *refused) {
		return gw.trySocket(order, &websocket.DialOptions{HTTPHeader: headers, Subprotocols: []string{hub.Subprotocol, "bearer." + token}}, "")
	}},
	{"websocket, message", func(gw *testGateway, token, order string, headers http.Header) (func(), *refused) {
		return gw.trySocket(order, &websocket.DialOptions{HTTPHeader: headers, Subprotocols: []string{hub.Subprotocol}}, token)
	}},
}

func (gw *testGateway) request(ctx context.Context, path, token string, headers http.Header) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", gw.base+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header = headers.Clone()
	request.Header.Set("Authorization", "Bearer "+token)
	return gw.client().Do(request)
}

// insecure is for gateways with a certificate that they signed themselves.
var insecure = &http.Client{Transport: &http.Transport{
	TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
}}

func (gw *testGateway) client() *http.Client {
	if strings.HasPrefix(gw.base, "https:") {
		return insecure
	}
	return http.DefaultClient
}

// tag is the position of an order.
func (gw *testGateway) tag(token, order string) string {
	gw.t.Helper()
	response, err := gw.request(gw.t.Context(), "/v1/orders/"+order, token, http.Header{})
	if err != nil {
		gw.t.Fatal(err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.Header.Get("ETag")
}

func (gw *testGateway) tryHTTP(path, token string, headers http.Header, open func(*http.Response) bool) (func(), *refused) {
	gw.t.Helper()
	ctx, cancel := context.WithCancel(gw.t.Context())
	response, err := gw.request(ctx, path, token, headers)
	if err != nil {
		gw.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		defer cancel()
		return nil, refusedBy(gw.t, response)
	}
	if !open(response) {
		gw.t.Error("no state came")
	}
	return cancel, nil
}

// refusedBy reads a problem; nil: it is none.
func refusedBy(t testing.TB, response *http.Response) *refused {
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode < 400 {
		return nil
	}
	var p problemAnswer
	if err := json.Unmarshal(body, &p); err != nil {
		t.Errorf("answered %d %s", response.StatusCode, body)
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	_, name, _ := strings.Cut(p.Type, "problem:")
	return &refused{problem: name, code: response.StatusCode, retry: time.Duration(seconds) * time.Second}
}

func (gw *testGateway) trySocket(order string, opts *websocket.DialOptions, token string) (func(), *refused) {
	gw.t.Helper()
	ctx, cancel := context.WithTimeout(gw.t.Context(), patience)
	defer cancel()
	opts.HTTPClient = gw.client()
	if opts.HTTPClient == insecure { // which speaks HTTP/2 where it can
		opts.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	}
	conn, response, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(gw.base, "http")+"/v1/ws?order="+order, opts)
	if err != nil {
		if response == nil {
			gw.t.Fatal(err)
		}
		return nil, refusedBy(gw.t, response)
	}
	if token != "" {
		conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"auth","token":%q}`, token)) // may be refused already
	}
	return (&wsClient{gw.t, conn}).opened()
}

// A wsClient reads a WebSocket.
type wsClient struct {
	t    testing.TB
	conn *websocket.Conn
}

// opened waits for a state, or for a goodbye and a close code.
func (c *wsClient) opened() (func(), *refused) {
	c.t.Helper()
	why := &refused{}
	for {
		ctx, cancel := context.WithTimeout(c.t.Context(), patience)
		_, data, err := c.conn.Read(ctx)
		cancel()
		if closed := (websocket.CloseError{}); errors.As(err, &closed) {
			why.code = int(closed.Code)
			return nil, why
		}
		if err != nil {
			c.t.Fatal(err)
		}
		var m struct {
			Type, Reason string
			Retry        int64 `json:"retry_ms"`
		}
		if err := json.Unmarshal(data, &m); err != nil {
			c.t.Fatal(err)
		}
		switch m.Type {
		case "snapshot":
			return func() { c.conn.CloseNow() }, nil
		case "goodbye":
			why.problem, why.retry = strings.ReplaceAll(m.Reason, "_", "-"), time.Duration(m.Retry)*time.Millisecond
		}
	}
}

// try connects, and wants to be let in, or refused for a reason.
func (gw *testGateway) try(w way, token, order, want string, headers ...string) func() {
	gw.t.Helper()
	header := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	leave, why := w.try(gw, token, order, header)
	switch {
	case want == "" && why != nil:
		gw.t.Fatalf("%s: refused: %+v", w.name, why)
	case want == "":
		gw.t.Cleanup(leave)
		return leave
	case why == nil:
		gw.t.Fatalf("%s: let in, want %s", w.name, want)
	case why.problem != want || why.code != 429 && why.code != 4429 || why.retry < time.Second || why.retry > 2*time.Minute:
		gw.t.Errorf("%s: refused with %+v, want %s and a time to come back", w.name, why, want)
	case w.name == "websocket, sub-protocol" && why.code != 4429:
		gw.t.Errorf("%s: answered %d, which a page cannot see", w.name, why.code)
	}
	return nil
}

// left waits until all clients but n have gone.
func (gw *testGateway) left(n int) {
	gw.t.Helper()
	eventually(gw.t, "the client is gone", func() bool { return gw.gateway.hub.Clients() == n })
}
