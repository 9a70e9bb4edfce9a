package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/order"
)

func TestTokenMayComeInThreeWays(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		for name, open := range map[string]func(n *node, token string) *watch{
			"sub-protocol": func(n *node, token string) *watch { return openWebSocket(n, token) },
			"header": func(n *node, token string) *watch {
				return dialWebSocket(n, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
			},
			"message": func(n *node, token string) *watch {
				w := dialWebSocket(n, &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
				w.renew(token)
				return w
			},
		} {
			t.Run(name, func(t *testing.T) {
				n := start(t, Options{Goroutines: goroutines})
				open(n, n.token("o")).want("snapshot", "o", 0)
				if w := open(n, tokenMark+"forged"); name == "header" {
					w.wantClosed(401)
				} else {
					w.wantClosed(4401)
				}
			})
		}
	})
}

func TestNoTokenInTimeIsEnded(t *testing.T) {
	for name, say := range map[string]func(w *watch){
		"silent": func(*watch) {},
		"trickling": func(w *watch) {
			writer, _ := w.socket.Writer(context.Background(), websocket.MessageText)
			io.WriteString(writer, `{"type":`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := startPipes(t, Options{})
				began := time.Now()
				w := dialWebSocket(n, &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
				say(w)
				if w.wantClosed(4408); time.Since(began) < 5*time.Second || time.Since(began) > 5*time.Second+2*wheelStep {
					t.Errorf("ended after %v", time.Since(began))
				}
			})
		})
	}
}

func TestFirstMessageMustBeAToken(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		w := dialWebSocket(n, &websocket.DialOptions{})
		w.send("hello")
		w.wantClosed(4400)
	})
}

// A socket without a token watches nothing, costs no read of the ledger and
// little memory.
func TestUnauthenticatedSocketIsSmall(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		const sockets = 200
		n := start(t, Options{Goroutines: goroutines})
		memory := func() uint64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapInuse + m.StackInuse
		}
		before := memory()
		for range sockets {
			raw(n, "")
		}
		if each := (int64(memory()) - int64(before)) / sockets; each > 64<<10 { // both ends
			t.Errorf("%d bytes each", each)
		}
		if _, watchers, _ := n.held(); watchers != 0 || n.book.reads != 0 {
			t.Errorf("%d watchers, %d reads", watchers, n.book.reads)
		}
	})
}

func TestSubprotocols(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		token := n.token("o")
		for header, status := range map[string]int{
			"":                                     101,
			"paybell.v1":                           101,
			"paybell.v1, bearer." + token:          101,
			"bearer." + token + ",paybell.v1":      101,
			"graphql-ws, paybell.v1":               101,
			"graphql-ws":                           400,
			"paybell.v2, soap":                     400,
			"PAYBELL.V1":                           400,
			"bearer." + token:                      400,
			"paybell.v1, bearer.":                  400,
			"paybell.v1, bearer.a, bearer.b":       400,
			"paybell.v1, bearer.a\r\nX: y":         101, // closed with 4401
			",":                                    400,
			"paybell.v1\r\nAuthorization: Basic x": 101, // and waits for a token
			"paybell.v1\r\nAuthorization: Bearer":  400,
			"paybell.v1, bearer.a\r\nAuthorization: Bearer " + token:  400,
			"paybell.v1\r\nAuthorization: Bearer a":                   401,
			"paybell.v1\r\nSec-WebSocket-Protocol: bearer." + token:   101,
			"a\r\nSec-WebSocket-Protocol: b":                          400,
			"paybell.v1\r\nAuthorization: Bearer " + token:            101,
			"paybell.v1\r\nAuthorization: Bearer a\r\nAuthorization:": 400,
		} {
			if header != "" {
				header = "Sec-WebSocket-Protocol: " + header + "\r\n"
			}
			s := raw(n, header)
			want := ""
			if status == 101 && header != "" {
				want = Subprotocol
			}
			if got := s.head.Header.Get("Sec-WebSocket-Protocol"); s.head.StatusCode != status || got != want {
				t.Errorf("%q: status %d and sub-protocol %q, want %d and %q", header, s.head.StatusCode, got, status, want)
			}
			s.Close()
		}
	})
}

func TestTokenInTheAddressIsNeverAccepted(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{AuthTimeout: 50 * time.Millisecond, Goroutines: goroutines})
		token := n.token("o")
		for _, name := range []string{"token", "access_token", "authorization", "bearer", "jwt"} {
			for _, path := range []string{"/v1/sse?", "/v1/orders/o?"} {
				if a := n.do(n.get(path+name+"="+token, "", nil)); a.status != 401 || a.problem != "token-missing" {
					t.Errorf("%s: %d %s", path+name, a.status, a.problem)
				}
			}
			conn, _, err := websocket.Dial(t.Context(), n.url+"/v1/ws?"+name+"="+token, &websocket.DialOptions{HTTPClient: n.client})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != 4408 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if a := n.do(n.get("/v1/sse?ticket="+token, "", nil)); a.status != 401 || a.problem != "ticket-invalid" {
			t.Errorf("a token as a ticket: %d %s", a.status, a.problem)
		}
	})
}

func TestOrigins(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Origins: []string{"https://shop.example", "https://pay.example:8443"}, Goroutines: goroutines})
		for origin, status := range map[string]int{
			"":                                       101, // no browser
			"https://shop.example":                   101,
			"HTTPS://Shop.Example":                   101,
			"https://pay.example:8443":               101,
			"null":                                   403,
			"http://shop.example":                    403,
			"https://shop.example:443":               403,
			"https://shop.example:8443":              403,
			"https://pay.example":                    403,
			"https://evilshop.example":               403,
			"https://a.shop.example":                 403,
			"https://shop.example.evil.com":          403,
			"https://shop.example@evil.com":          403,
			"https://shop.example/":                  403,
			"https://shop.exampl":                    403,
			"https://":                               403,
			"*":                                      403,
			"://":                                    403,
			"https://shop.example, https://evil.com": 403,
			"https://hub.test":                       403, // the request's own host
			"https://shop.example\r\nOrigin: https://evil.com":     403,
			"https://shop.example\r\nOrigin: https://shop.example": 403,
			"file://":                        403,
			"https://shop.example\x00":       400, // net/http
			"https://xn--shop-example-.test": 403,
		} {
			header := "Authorization: Bearer " + n.token("o") + "\r\n"
			if origin != "" {
				header += "Origin: " + origin + "\r\n"
			}
			s := raw(n, header)
			if s.head.StatusCode != status {
				t.Errorf("%q: status %d, want %d", origin, s.head.StatusCode, status)
			}
			s.Close()
		}
	})
}

// A reader that stalls is cut after the write timeout; who sits beside it gets
// everything at once.
func TestStalledReaderIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		stalled, fine := openWebSocket(n, n.token("o")), openWebSocket(n, n.token("o"))
		stalled.want("snapshot", "o", 0)
		fine.want("snapshot", "o", 0)
		began := time.Now()
		for version := int64(1); version <= 20; version++ {
			n.commit("o", order.Pending)
			fine.want("update", "o", version)
		}
		if time.Since(began) != 0 {
			t.Errorf("the other waited %v", time.Since(began))
		}
		n.eventually("the stalled one is cut", func() bool { return n.Clients() == 1 })
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("cut after %v", took)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.closed["websocket slow"] != 1 {
			t.Errorf("closed %v", n.closed)
		}
	})
}

func TestPlainRequestsAreRefused(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines})
		upgrade := func(change func(*http.Request)) *http.Request {
			r := n.get("/v1/ws", n.token("o"), http.Header{
				"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
				"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
			})
			change(r)
			return r
		}
		for name, test := range map[string]struct {
			request *http.Request
			status  int
			problem string
		}{
			"no upgrade": {n.get("/v1/ws", n.token("o"), nil), 426, "upgrade-required"},
			"method":     {upgrade(func(r *http.Request) { r.Method = http.MethodPost }), 426, "upgrade-required"},
			"version":    {upgrade(func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }), 400, "bad-request"},
			"key":        {upgrade(func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "short") }), 400, "bad-request"},
			"no token":   {upgrade(func(r *http.Request) { r.Header.Set("Authorization", "Bearer") }), 400, "bad-request"},
		} {
			t.Run(name, func(t *testing.T) {
				if a := n.do(test.request); a.status != test.status || a.problem != test.problem {
					t.Errorf("%d %s, want %d %s", a.status, a.problem, test.status, test.problem)
				}
			})
		}
	})
}

func TestWebSocketOverHTTP2IsRefused(t *testing.T) {
	n := newNode(t, Options{})
	server := httptest.NewUnstartedServer(n.routes())
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	n.client, n.url = server.Client(), server.URL
	if a := n.do(n.get("/v1/ws", n.token("o"), nil)); a.status != 426 || a.problem != "upgrade-required" {
		t.Errorf("%d %s", a.status, a.problem)
	}
}

// hiding is a middleware that forgot Unwrap.
type hiding struct{ http.ResponseWriter }

func TestWrapperThatHidesTheConnectionIsRefused(t *testing.T) {
	n := newNode(t, Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.routes().ServeHTTP(hiding{w}, r)
	}))
	defer server.Close()
	n.client, n.url = server.Client(), server.URL
	for path, status := range map[string]int{"/v1/ws": 426, "/v1/sse": 503} {
		if a := n.do(n.get(path, n.token("o"), nil)); a.status != status {
			t.Errorf("%s: %d %s", path, a.status, a.problem)
		}
	}
	for _, want := range []string{"no WebSocket on this connection", "no write deadlines on this connection"} {
		if !strings.Contains(n.logged(), want) {
			t.Errorf("nothing logged of %q", want)
		}
	}
}

// The whole way once with everything on: TLS ended by Go, and a wrapper that is
// honest about what it wraps.
func TestWebSocketThroughTLSAndAWrapper(t *testing.T) {
	n := newNode(t, Options{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.routes().ServeHTTP(honest{hiding{w}}, r)
	}))
	defer server.Close()
	n.client, n.url = server.Client(), server.URL
	w := openWebSocket(n, n.token("o"))
	w.want("snapshot", "o", 0)
	n.commit("o", order.Paid)
	w.want("update", "o", 1)
	w.leave()
}

type honest struct{ hiding }

func (h honest) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// What a golden message says must be what a browser parses.
func TestMessagesAreCompactJSON(t *testing.T) {
	s := order.Unknown("o", "e1")
	b := outgoing{kind: snapshot, message: newMessage(s, time.Time{})}.appendSocket(nil)
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil || compact.String() != string(b) {
		t.Errorf("%s: %v", b, err)
	}
}
