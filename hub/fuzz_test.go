package hub

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// A sink is a ResponseWriter of a client that leaves once it has read
// something.
type sink struct {
	*httptest.ResponseRecorder
	leave context.CancelFunc
}

func (s sink) SetWriteDeadline(time.Time) error { return nil }

func (s sink) FlushError() error {
	s.leave()
	return nil
}

// fuzzed is a hub with one token, "t", for the orders a and b.
func fuzzed(f *testing.F) *node {
	n := newNode(f, Options{})
	n.grants["t"] = Grant{Orders: []string{"a", "b"}, Expires: time.Now().Add(24 * time.Hour)}
	n.commit("a", order.Pending)
	f.Cleanup(func() { n.t = f }) // while fuzzing it is the one input's
	return n
}

// request makes one that net/http could have read.
func request(path, query string, header map[string]string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.URL.RawQuery = query
	for name, value := range header {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return r
}

func FuzzSSERequest(f *testing.F) {
	f.Add("order=a", "Bearer t", "e1.1")
	f.Add("order=a&order=b&order=a", "Bearer t", "")
	f.Add("ticket=x&order=a", "", "\r\ndata: x")
	f.Add("order=%ff&%&;=", "bearer t", "\x00")
	n := fuzzed(f)
	f.Fuzz(func(t *testing.T, query, authorization, last string) {
		n.t = t
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		w := sink{httptest.NewRecorder(), cancel}
		n.SSE(w, request("/v1/sse", query, map[string]string{"Authorization": authorization, "Last-Event-ID": last}).WithContext(ctx))
		if w.Code >= 500 {
			t.Fatalf("%d", w.Code)
		}
		if n.Clients() != 0 {
			t.Fatal("a client is left")
		}
		if w.Code != http.StatusOK {
			return
		}
		readSSE(w.Body, func(kind, id, data string) {
			switch kind {
			case "snapshot":
				if e := decode(n, kind, []byte(data)); e.Order.Order != "a" && e.Order.Order != "b" {
					t.Errorf("saw %+v", e.Order)
				}
			case "retry":
			default:
				t.Errorf("saw %q %q %q", kind, id, data)
			}
		})
	})
}

func FuzzPollHeaders(f *testing.F) {
	f.Add("a", "wait=1", "Bearer t", `"e1.1"`)
	f.Add("b", "", "Bearer t", `W/"e1.0", *`)
	f.Add("c", "wait=-1&wait=1", "Bearer t t", `"`)
	f.Add("a", "wait=60", "Bearer t", `"e1.1","`)
	n := fuzzed(f)
	f.Fuzz(func(t *testing.T, id, query, authorization, tags string) {
		n.t = t
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		defer cancel()
		w := httptest.NewRecorder()
		r := request("/v1/orders/x", query, map[string]string{"Authorization": authorization, "If-None-Match": tags})
		r.SetPathValue("order", id)
		n.Poll(w, r.WithContext(ctx))
		if w.Code >= 500 && ctx.Err() == nil || n.Clients() != 0 {
			t.Fatalf("%d, and %d clients are left", w.Code, n.Clients())
		}
		if w.Code == http.StatusOK {
			if e := decode(n, "snapshot", w.Body.Bytes()); e.Order.Order != id || id != "a" && id != "b" {
				t.Errorf("saw %+v of %q", e.Order, id)
			}
		}
	})
}

func FuzzWebSocketMessages(f *testing.F) {
	f.Add([]byte(`{"type":"auth","token":"t"}`), true)
	f.Add([]byte(`{"type":"auth","token":"t","token":"t"}`), true)
	f.Add([]byte("\xff"), true)
	f.Add(frame(opText, true, `{"type":"auth","token":"t"}`), false)
	f.Add(append(frame(opPing, true, "x"), frame(opClose, true, "\x03\xe8")...), false)
	f.Add(append(frameHeader(opText, true, 1<<62), 1, 2, 3, 4, 'x'), false)
	f.Add([]byte{0x81, 0x02, '{', '}'}, false)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false)
	n := serveTCP(f, fuzzed(f))
	f.Fuzz(func(t *testing.T, data []byte, text bool) {
		n.t = t
		s := raw(n, "Authorization: Bearer t\r\n")
		defer s.Close()
		s.SetDeadline(time.Now().Add(10 * time.Second))
		if text {
			data = frame(opText, true, string(data))
		}
		s.Write(data) // it may be cut off meanwhile
		s.Write(frame(opPing, true, "served?"))
		if !text { // what was sent may have no end
			s.Conn.(interface{ CloseWrite() error }).CloseWrite()
		}
		for {
			op, payload, err := s.read()
			if err != nil && !text || op == opClose || op == opPong && payload == "served?" {
				break
			}
			if err != nil {
				t.Fatalf("neither served nor told why: %v", err)
			}
		}
		s.Close()
		n.wantEmpty()
	})
}

// The address of a WebSocket is read before anything is proved.
func FuzzOffer(f *testing.F) {
	f.Add("paybell.v1, bearer.t", "", "https://shop.example")
	f.Add("bearer.,,", "Bearer t", "null")
	n := fuzzed(f)
	f.Fuzz(func(t *testing.T, protocols, authorization, origin string) {
		header := http.Header{"Sec-Websocket-Protocol": {protocols}, "Authorization": {authorization}, "Origin": {origin}}
		if authorization == "" {
			header.Del("Authorization")
		}
		offer, wrong := readOffer(header)
		if wrong == nil && offer.inProtocol && !strings.Contains(protocols, bearerPrefix+offer.token) {
			t.Errorf("%q became %+v", protocols, offer)
		}
		if n.originAllowed(&http.Request{Header: header, URL: &url.URL{}}) {
			t.Errorf("%q is allowed, and nothing is configured", origin)
		}
		w := httptest.NewRecorder()
		r := request("/v1/ws", "", map[string]string{"Sec-WebSocket-Protocol": protocols, "Authorization": authorization})
		n.WebSocket(w, r)
		if body, _ := io.ReadAll(w.Body); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%d %s", w.Code, body)
		}
	})
}
