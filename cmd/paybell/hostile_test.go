package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// publicPaths is every address of the public listener.
var publicPaths = []string{
	"/webhooks/stripe", "/webhooks/shop", "/webhooks/nobody", "/v1/ws", "/v1/sse", "/v1/orders/A1", "/v1/tickets", "/v1/orders/A1/ack", "/paybell.js",
	"/v1/sessions", "/v1/orders/A1/events", "/v1/orders/A1/timeline", "/livez", "/readyz", "/",
}

// hostileHeads are what a stranger may put between the request line and the
// body; TOKEN is a genuine customer's token, and KEY the backend's key.
var hostileHeads = map[string]string{
	"nothing":                    "",
	"token":                      "Authorization: Bearer TOKEN\r\n",
	"token twice":                "Authorization: Bearer TOKEN\r\nAuthorization: Bearer TOKEN\r\n",
	"token of another scheme":    "Authorization: Basic TOKEN\r\n",
	"token of bad UTF-8":         "Authorization: Bearer \xff\xfe\r\n",
	"huge token":                 "Authorization: Bearer " + strings.Repeat("A.", 4000) + "\r\n",
	"huge headers":               "X: " + strings.Repeat("x", 64<<10) + "\r\n",
	"many headers":               strings.Repeat("X: y\r\n", 2000),
	"two lengths":                "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
	"negative length":            "Content-Length: -1\r\n",
	"no number as length":        "Content-Length: 0x10\r\n",
	"length above int64":         "Content-Length: 99999999999999999999\r\n",
	"length and coding":          "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunks":                     "Authorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	"broken chunks":              "Authorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
	"two codings":                "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
	"upgrade in the wrong place": "Connection: Upgrade\r\nUpgrade: websocket\r\n",
	"upgrade to HTTP/2":          "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
	"bad WebSocket key":          "Authorization: Bearer TOKEN\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
	"two WebSocket keys":         "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
	"old WebSocket":              "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
	"two tokens in WebSocket":    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: paybell.v1, bearer.TOKEN, bearer.x\r\n",
	"garbled WebSocket protocol": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ,,,;=\"\r\n",
	"foreign origin":             "Origin: https://evil.example\r\nAuthorization: Bearer TOKEN\r\n",
	"null origin":                "Origin: null\r\nAuthorization: Bearer TOKEN\r\n",
	"two origins":                "Origin: ORIGIN\r\nOrigin: https://evil.example\r\nAuthorization: Bearer TOKEN\r\n",
	"garbled origin":             "Origin: http://[::1]:namedport\r\n",
	"range":                      "Authorization: Bearer TOKEN\r\nRange: bytes=0-99999999999,5-1\r\n",
	"garbled tags":               "Authorization: Bearer TOKEN\r\nIf-None-Match: \"\", W/, \"\xff\", *x, \"" + strings.Repeat("t", 500) + "\"\r\nLast-Event-ID: \x01\xff.-1\r\n",
	"many tags":                  "Authorization: Bearer TOKEN\r\nIf-None-Match: " + strings.Repeat(`"a",`, 1500) + "\r\n",
	"expectation":                "Expect: 200-please\r\n",
	"idempotency keys":           "Authorization: Bearer KEY\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 2\r\n\r\n{}",
	"empty idempotency key":      "Authorization: Bearer KEY\r\nIdempotency-Key:\r\nContent-Length: 2\r\n\r\n{}",
	"no JSON":                    body("\x00\xff{"),
	"deep JSON":                  body(strings.Repeat("[", 20000)),
	"names twice":                body(`{"order":"A1","order":"A2"}`),
	"giant number":               body(`{"order":"A1","amount":` + strings.Repeat("9", 5000) + `,"currency":"EUR"}`),
	"giant exponent":             body(`{"order":"A1","amount":1e999999999,"currency":"EUR","status":"paid"}`),
	"lone surrogate":             body(`{"order":"\ud800"}`),
	"line folding":               "X: a\r\n b\r\n",
	"space before the colon":     "Authorization : Bearer TOKEN\r\n",
	"bare line feeds":            "X: y\nY: z\n",
	"NUL in a header":            "X: a\x00b\r\n",
	"two hosts":                  "Host: b\r\n",
	"trailing garbage":           "\r\nGARBAGE\x00\xff\r\n\r\n",
	"method override":            "X-HTTP-Method-Override: DELETE\r\nX-Forwarded-Prefix: //evil\r\nForwarded: for=\"_\r\n",
}

func body(content string) string {
	return fmt.Sprintf("Authorization: Bearer KEY\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(content), content)
}

// hostileLines are request lines of which the address is the trick.
var hostileLines = []string{
	"GET //v1//sse HTTP/1.1", "GET /v1/../v1/sse HTTP/1.1", "GET /v1/orders/%2e%2e HTTP/1.1", "GET /v1/orders/.. HTTP/1.1",
	"GET /v1/orders/%00 HTTP/1.1", "GET /v1/orders/%2F HTTP/1.1", "GET /v1/orders/%2F%2F/timeline HTTP/1.1", "GET /v1/orders/%zz HTTP/1.1",
	"GET /v1/orders/%FF%FE HTTP/1.1", "GET /v1/orders/\xff\xfe HTTP/1.1", "GET /v1/orders/" + strings.Repeat("x", 9000) + " HTTP/1.1",
	"GET /v1/orders/A1?wait=-1 HTTP/1.1", "GET /v1/orders/A1?wait=99999999999999999999 HTTP/1.1", "GET /v1/orders/A1?wait=%00;;&&=& HTTP/1.1",
	"GET /v1/sse?" + strings.Repeat("order=A1&", 1500) + " HTTP/1.1", "GET /v1/sse?" + strings.Repeat("ticket=x&", 1500) + " HTTP/1.1",
	"GET /v1/sse?order=%ff%00&order HTTP/1.1", "GET /v1/sse?token=TOKEN HTTP/1.1", "GET /v1/ws?token=TOKEN HTTP/1.1",
	"GET http://evil.example/v1/sse HTTP/1.1", "GET HTTP://:0/ HTTP/1.1", "CONNECT evil.example:443 HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1",
	"GET / HTTP/1.0", "GET /v1/ws HTTP/1.0", "POST /webhooks/stripe HTTP/1.0", "GET / HTTP/0.9", "GET /", "GET / HTTP/1.2", "get / http/1.1",
	"PRI * HTTP/2.0", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", "   ", "POST /webhooks/../v1/sessions HTTP/1.1",
	"POST /webhooks/stripe%2f..%2fshop HTTP/1.1", "POST /webhooks/" + strings.Repeat("a", 5000) + " HTTP/1.1", "POST /webhooks/ HTTP/1.1",
	"GET /debug/pprof/ HTTP/1.1", "GET /metrics HTTP/1.1", "TRACE /v1/orders/A1 HTTP/1.1", "GET /v1/orders/A1#x HTTP/1.1",
	"GET /paybell.js/.. HTTP/1.1", "GET /v1/orders/A1\r\nX: y HTTP/1.1", "M\x00THOD / HTTP/1.1", strings.Repeat("G", 10000) + " / HTTP/1.1",
}

func TestStrangersGetNoServerErrors(t *testing.T) {
	gw := startGateway(t)
	fill := strings.NewReplacer("TOKEN", gw.session("A1"), "KEY", string(gw.config.Auth.APIKeys[0]), "ORIGIN", gw.config.Origins[0])
	var requests []string
	for _, line := range hostileLines {
		requests = append(requests, line+"\r\nHost: gateway\r\n\r\n", line+"\r\nHost: gateway\r\nAuthorization: Bearer TOKEN\r\n\r\n")
	}
	for _, path := range publicPaths {
		for _, head := range hostileHeads {
			for _, method := range []string{"GET", "POST"} {
				requests = append(requests, method+" "+path+" HTTP/1.1\r\nHost: gateway\r\n"+head+"\r\n")
			}
		}
		for _, method := range []string{"HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"} {
			requests = append(requests, method+" "+path+" HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer TOKEN\r\n\r\n")
		}
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, 16)
	for _, request := range requests {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			gw.provoke(fill.Replace(request))
		})
	}
	group.Wait()
	gw.manyOfEverything()
	gw.wellAfterAll()
}

// provoke sends bytes and judges the first answer, if there is any.
func (gw *testGateway) provoke(request string) {
	wire, err := net.Dial("tcp", strings.TrimPrefix(gw.base, "http://"))
	if err != nil {
		gw.t.Error(err)
		return
	}
	defer wire.Close()
	wire.SetDeadline(time.Now().Add(patience))
	go io.WriteString(wire, request) // the answer may come before all is sent
	reader := bufio.NewReader(wire)
	shown := fmt.Sprintf("%.200q", request)
	response, err := http.ReadResponse(reader, nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		gw.t.Errorf("no answer to %s", shown)
		return
	}
	if err != nil {
		return // refused without a word, or in one of HTTP/0.9
	}
	status, kind := response.StatusCode, response.Header.Get("Content-Type")
	switch {
	case status == http.StatusNotImplemented && strings.Contains(request, "Transfer-Encoding"),
		status == http.StatusHTTPVersionNotSupported:
	case status >= 500:
		gw.t.Errorf("answered %d: %s", status, shown)
	case kind == "application/problem+json" && response.ContentLength > 0 && !strings.HasPrefix(request, "HEAD"):
		content := make([]byte, response.ContentLength)
		var p problemAnswer
		if _, err := io.ReadFull(response.Body, content); err != nil || json.Unmarshal(content, &p) != nil ||
			!strings.HasPrefix(p.Type, problem.Prefix) || p.Status != status {
			gw.t.Errorf("answered %d with %q, %v: %s", status, content, err, shown)
		}
	case status >= 400 && kind != "application/problem+json" && !response.Close && !strings.HasPrefix(request, "CONNECT"):
		// What net/http refuses by itself is plain text, and ends the connection;
		// CONNECT, which names no path, it finds nowhere.
		gw.t.Errorf("answered %d %s, which is no problem document: %s", status, kind, shown)
	}
}

// manyOfEverything asks for more than a client would.
func (gw *testGateway) manyOfEverything() {
	token := gw.session("A1")
	for range 300 {
		if response, _ := gw.do("POST", "/v1/tickets", token, ""); response.StatusCode >= 500 {
			gw.t.Fatalf("a ticket was answered %d", response.StatusCode)
		}
	}
	address, err := url.Parse(gw.base)
	if err != nil {
		gw.t.Fatal(err)
	}
	wire, err := net.Dial("tcp", address.Host)
	if err != nil {
		gw.t.Fatal(err)
	}
	defer wire.Close()
	wire.SetDeadline(time.Now().Add(patience))
	const pipelined = 100
	go io.WriteString(wire, strings.Repeat("GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n", pipelined)+"GARBAGE\r\n\r\n")
	reader := bufio.NewReader(wire)
	for i := range pipelined {
		response, err := http.ReadResponse(reader, nil)
		if err != nil || response.StatusCode != http.StatusOK {
			gw.t.Fatalf("pipelined request %d: %v, %v", i, response, err)
		}
		io.Copy(io.Discard, response.Body)
	}
	if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != http.StatusBadRequest {
		gw.t.Errorf("garbage after pipelined requests: %v, %v", response, err)
	}
}

// wellAfterAll checks that the gateway does what it is for.
func (gw *testGateway) wellAfterAll() {
	gw.t.Helper()
	w := gw.watch("well", gw.session("well"))
	w.want("snapshot", 1, order.Created)
	gw.deliver("stripe", webhook.Simulation{ID: "evt_well", Order: "well", Status: order.Paid})
	w.want("update", 2, order.Paid)
	if logs := gw.logs.String(); strings.Contains(logs, "panic") {
		gw.t.Errorf("something panicked: %.3000s", logs[strings.Index(logs, "panic"):])
	}
	if s := gw.state("A1"); s.Status != order.Created {
		gw.t.Errorf("a stranger made the order %s", s.Status)
	}
}

func TestBodyThatNeverComesHoldsNoConnection(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the limit of 10 s")
	}
	t.Parallel()
	gw := startGateway(t)
	key := string(gw.config.Auth.APIKeys[0])
	var group sync.WaitGroup
	for _, request := range []string{
		"POST /nothing HTTP/1.1\r\n", "POST /v1/sessions HTTP/1.1\r\n", "POST /v1/sessions HTTP/1.1\r\nAuthorization: Bearer " + key + "\r\n",
		"GET /livez HTTP/1.1\r\n", "POST /webhooks/stripe HTTP/1.1\r\n", "POST /webhooks/nobody HTTP/1.1\r\n", "POST /v1/tickets HTTP/1.1\r\n",
	} {
		group.Go(func() {
			wire, err := net.Dial("tcp", strings.TrimPrefix(gw.base, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer wire.Close()
			wire.SetDeadline(time.Now().Add(bodyTimeout + patience))
			io.WriteString(wire, request+"Host: gateway\r\nContent-Length: 100\r\n\r\n{")
			if _, err := io.Copy(io.Discard, wire); err != nil {
				t.Errorf("%q: the connection stayed open: %v", request, err)
			}
		})
	}
	group.Wait()
}

// A quietRecorder stands for a connection: it has deadlines, and keeps little.
type quietRecorder struct{ *httptest.ResponseRecorder }

func (quietRecorder) SetReadDeadline(time.Time) error  { return nil }
func (quietRecorder) SetWriteDeadline(time.Time) error { return nil }

// FuzzPublicRequest sends any bytes that net/http takes for a request. In the
// bytes, TOKEN is a genuine token, and KEY the backend's key.
func FuzzPublicRequest(f *testing.F) {
	for _, path := range publicPaths {
		f.Add([]byte("GET " + path + "?order=A1&ticket=x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer TOKEN\r\n\r\n"))
		f.Add([]byte("POST " + path + " HTTP/1.1\r\nHost: h\r\n" + body(`{"order":"A1","status":"paid","amount":5,"currency":"EUR"}`)))
	}
	for _, name := range sortedKeys(hostileHeads) {
		if head := hostileHeads[name]; len(head) < 1000 {
			f.Add([]byte("POST /v1/sessions HTTP/1.1\r\nHost: h\r\n" + head + "\r\n"))
		}
	}
	gw := startGateway(f)
	token, key := []byte(gw.session("A1")), []byte(gw.config.Auth.APIKeys[0])
	handler := gw.gateway.server(gw.gateway.public, answerTimeout).Handler
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("TOKEN"), token), []byte("KEY"), key)
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // streams would go on
		defer cancel()
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(quietRecorder{recorder}, request.WithContext(ctx))
		timely := ctx.Err() == nil
		if status := recorder.Code; status >= 500 && timely {
			t.Errorf("answered %d: %s", status, recorder.Body)
		}
		kind := recorder.Header().Get("Content-Type")
		named := request.RequestURI != "*" && request.Method != http.MethodConnect // others are net/http's to answer
		if recorder.Code >= 400 && kind != "application/problem+json" && named {
			t.Errorf("answered %d %s", recorder.Code, kind)
		}
	})
}
