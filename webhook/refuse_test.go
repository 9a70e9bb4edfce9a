package webhook_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// What is refused before anybody's signature is looked at. Each genuine request
// here would be accepted without the one thing that is wrong with it.

func TestUnknownSource(t *testing.T) {
	g := start(t, webhook.Options{})
	for _, path := range []string{"/webhooks/nobody", "/webhooks/Stripe", "/webhooks/stripe%2F", "/webhooks/%2e%2e", "/webhooks/stripe%00"} {
		g.post(t, path, g.paid(t, "evt_1"), nil).want(t, http.StatusNotFound, "unknown-source")
	}
	g.wantNothingStored(t)
	g.wantOutcomes(t) // strangers choose the name, so it becomes no metric's label
}

func TestOnlyPostIsAllowed(t *testing.T) {
	g := start(t, webhook.Options{})
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions, "post"} {
		r, err := http.NewRequest(method, "http://"+g.address+"/webhooks/stripe", nil)
		if err != nil {
			t.Fatal(err)
		}
		a := g.do(t, r)
		a.want(t, http.StatusMethodNotAllowed, "method-not-allowed")
		if a.header.Get("Allow") != http.MethodPost {
			t.Errorf("%s: Allow %q", method, a.header.Get("Allow"))
		}
	}
	g.wantNothingStored(t)
}

func TestCompressedBodyIsRefused(t *testing.T) {
	g := start(t, webhook.Options{})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(g.paid(t, "evt_1").Body)
	z.Close()
	for _, coding := range []string{"gzip", "deflate", "br", "identity, gzip"} {
		r := g.paid(t, "evt_1")
		g.post(t, "/webhooks/stripe", r, map[string]string{"Content-Encoding": coding}).
			want(t, http.StatusUnsupportedMediaType, "compressed")
		r.Body = zipped.Bytes()
		g.post(t, "/webhooks/stripe", r, map[string]string{"Content-Encoding": coding}).
			want(t, http.StatusUnsupportedMediaType, "compressed")
	}
	r := g.paid(t, "evt_1")
	g.raw(t, head(r, "HTTP/1.1", "Content-Encoding: identity", "Content-Encoding: gzip", fmt.Sprint("Content-Length: ", len(r.Body)))+string(r.Body)).
		want(t, http.StatusUnsupportedMediaType, "compressed")
	g.wantNothingStored(t)
	g.post(t, "/webhooks/stripe", r, map[string]string{"Content-Encoding": "identity"}).want(t, http.StatusOK, "")
}

func TestContentTypes(t *testing.T) {
	g := start(t, webhook.Options{})
	for given, want := range map[string]int{
		"":                                  http.StatusOK,
		"application/json":                  http.StatusOK,
		"Application/JSON; charset=utf-8":   http.StatusOK,
		"application/cloudevents+json":      http.StatusOK,
		"text/plain":                        http.StatusUnsupportedMediaType,
		"multipart/form-data; boundary=x":   http.StatusUnsupportedMediaType,
		"application/x-www-form-urlencoded": http.StatusUnsupportedMediaType,
		"application/json, text/plain":      http.StatusUnsupportedMediaType,
		"json":                              http.StatusUnsupportedMediaType,
		";":                                 http.StatusUnsupportedMediaType,
	} {
		if a := g.post(t, "/webhooks/stripe", g.paid(t, "evt_1"), map[string]string{"Content-Type": given}); a.status != want {
			t.Errorf("%q: %d %s", given, a.status, a.body)
		}
	}
	r := g.paid(t, "evt_1")
	g.raw(t, head(r, "HTTP/1.1", "Content-Type: text/plain", fmt.Sprint("Content-Length: ", len(r.Body)))+string(r.Body)).
		want(t, http.StatusUnsupportedMediaType, "wrong-content-type")
}

func chunked(body []byte) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

func TestChunkedBodyIsRefused(t *testing.T) {
	g := start(t, webhook.Options{})
	r := g.paid(t, "evt_1")
	g.raw(t, head(r, "HTTP/1.1", "Transfer-Encoding: chunked")+chunked(r.Body)).want(t, http.StatusLengthRequired, "length-required")
	g.wantNothingStored(t)
}

// net/http lets chunked win and drops Content-Length; a proxy in front that
// trusts the length would see another request follow.
func TestContentLengthBesideTransferEncodingIsRefused(t *testing.T) {
	g := start(t, webhook.Options{})
	r := g.paid(t, "evt_1")
	smuggled := "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, length := range []int{len(r.Body), 5, len(chunked(r.Body))} {
		a := g.raw(t, head(r, "HTTP/1.1", "Transfer-Encoding: chunked", fmt.Sprint("Content-Length: ", length))+chunked(r.Body)+smuggled)
		a.want(t, http.StatusLengthRequired, "length-required")
		if !a.closes {
			t.Error("the connection stays open for what was smuggled")
		}
	}
	g.wantNothingStored(t)
}

func TestTwoContentLengthsAreRefused(t *testing.T) {
	g := start(t, webhook.Options{})
	r := g.paid(t, "evt_1")
	a := g.raw(t, head(r, "HTTP/1.1", fmt.Sprint("Content-Length: ", len(r.Body)), "Content-Length: 5")+string(r.Body))
	if a.status != http.StatusBadRequest {
		t.Errorf("got %d", a.status)
	}
	g.wantNothingStored(t)
}

func TestUnknownTransferEncodingIsRefused(t *testing.T) {
	g := start(t, webhook.Options{})
	r := g.paid(t, "evt_1")
	if a := g.raw(t, head(r, "HTTP/1.1", "Transfer-Encoding: gzip")+string(r.Body)); a.status != http.StatusNotImplemented {
		t.Errorf("got %d", a.status)
	}
	g.wantNothingStored(t)
}

func TestHTTP10ChunkedBodyIsNotBelieved(t *testing.T) {
	g := start(t, webhook.Options{})
	r := g.paid(t, "evt_1")
	if a := g.raw(t, head(r, "HTTP/1.0", "Transfer-Encoding: chunked")+chunked(r.Body)); a.status/100 != 4 {
		t.Errorf("got %d %s", a.status, a.body)
	}
	g.wantNothingStored(t)
	g.raw(t, head(r, "HTTP/1.0", fmt.Sprint("Content-Length: ", len(r.Body)))+string(r.Body)).want(t, http.StatusOK, "")
}

func TestMissingLengthIsAnEmptyBody(t *testing.T) {
	g := start(t, webhook.Options{})
	r := g.paid(t, "evt_1")
	g.raw(t, head(r, "HTTP/1.1", "Connection: close")+string(r.Body)).want(t, http.StatusUnauthorized, "not-verified")
	g.wantNothingStored(t)
}

func TestLargeBodyIsRefusedUnread(t *testing.T) {
	g := start(t, webhook.Options{})
	r := g.paid(t, "evt_1")
	for _, length := range []string{"1048577", "9223372036854775807"} {
		g.raw(t, head(r, "HTTP/1.1", "Content-Length: "+length)).want(t, http.StatusRequestEntityTooLarge, "too-large")
	}
	g.wantNothingStored(t)
}

func TestBodyOfOneMebibyteIsTaken(t *testing.T) {
	g := start(t, webhook.Options{}, webhook.Source{Name: "large", Provider: opener(func(r webhook.Request) ([]order.Event, error) {
		return nil, fmt.Errorf("%w: %d bytes", webhook.ErrUnverified, len(r.Body))
	})})
	a := g.post(t, "/webhooks/large", webhook.Request{Body: make([]byte, 1<<20)}, nil)
	if !strings.Contains(a.body, "1048576 bytes") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestStalledBodyTimesOut(t *testing.T) {
	g := start(t, webhook.Options{BodyTimeout: 50 * time.Millisecond})
	r := g.paid(t, "evt_1")
	length := fmt.Sprint("Content-Length: ", len(r.Body))
	g.raw(t, head(r, "HTTP/1.1", length)+string(r.Body[:len(r.Body)-1])).want(t, http.StatusRequestTimeout, "too-slow")
	g.raw(t, head(r, "HTTP/1.1", length)).want(t, http.StatusRequestTimeout, "too-slow")
	g.wantOutcomes(t, webhook.Refused, webhook.Refused)
	g.wantNothingStored(t)
}

// net/http reads what is left of a refused body before it answers, without a
// limit of its own in time.
func TestStalledBodyOfARefusedRequestTimesOut(t *testing.T) {
	g := start(t, webhook.Options{BodyTimeout: 50 * time.Millisecond})
	r := g.paid(t, "evt_1")
	g.raw(t, head(r, "HTTP/1.1", "Content-Encoding: gzip", "Content-Length: 1000")+"{").want(t, http.StatusUnsupportedMediaType, "compressed")
	g.raw(t, strings.Replace(head(r, "HTTP/1.1", "Content-Length: 1000")+"{", "/stripe", "/nobody", 1)).want(t, http.StatusNotFound, "unknown-source")
}

// The deadline of the body must not end the work that follows. Where there is no
// body, net/http waits for the client to go away from the start, and would take
// the deadline for that.
func TestSlowLedgerIsNotCutOffByTheBodysDeadline(t *testing.T) {
	g := start(t, webhook.Options{BodyTimeout: time.Second}, webhook.Source{Name: "empty", Provider: opener(func(webhook.Request) ([]order.Event, error) {
		return []order.Event{{ID: "evt_1", Kind: order.KindNote}}, nil
	})})
	g.recorder.slow = 1500 * time.Millisecond
	g.post(t, "/webhooks/stripe", g.paid(t, "evt_1"), nil).want(t, http.StatusOK, "")
	g.post(t, "/webhooks/empty", webhook.Request{}, nil).want(t, http.StatusOK, "")
	g.wantOutcomes(t, webhook.Accepted, webhook.Ignored)
}

// A stalled or broken body reaches a handler as bytes and an error. What came
// must not be hashed, even where it is all that the sender signed.
func TestBodyThatBreaksOffIsNotVerified(t *testing.T) {
	opened := 0
	g := start(t, webhook.Options{}, webhook.Source{Name: "count", Provider: opener(func(webhook.Request) ([]order.Event, error) {
		opened++
		return nil, nil
	})})
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /webhooks/count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{}")
	conn.(*net.TCPConn).CloseWrite()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	read(t, response).want(t, http.StatusBadRequest, "body-incomplete")
	g.wantOutcomes(t, webhook.Refused)
	if opened != 0 {
		t.Error("a provider saw half a body")
	}
}

func TestHeaderOfOneMegabyteIsRefused(t *testing.T) {
	g := start(t, webhook.Options{})
	a := g.raw(t, head(g.paid(t, "evt_1"), "HTTP/1.1", "X-Long: "+strings.Repeat("x", 1<<20), "Content-Length: 0"))
	if a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d", a.status)
	}
	g.wantNothingStored(t)
}

// Providers follow no redirects, so that a wrong address must not seem to work.
func TestUncleanPathIsNotAccepted(t *testing.T) {
	g := start(t, webhook.Options{})
	for _, path := range []string{"//webhooks/stripe", "/webhooks//stripe", "/x/../webhooks/stripe", "/webhooks/stripe/"} {
		if a := g.post(t, path, g.paid(t, "evt_1"), nil); a.status/100 == 2 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	g.wantNothingStored(t)
}

// Over TLS the address begins with https, and HTTP/2 streams have deadlines too.
func TestHTTP2(t *testing.T) {
	var url string
	source := webhook.Source{Name: "h2", Provider: opener(func(r webhook.Request) ([]order.Event, error) {
		url = r.URL
		return []order.Event{{ID: "evt_1", Kind: order.KindNote}}, nil
	})}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/{source}", webhook.NewHandler([]webhook.Source{source}, &recorder{}, webhook.Options{BodyTimeout: time.Second}))
	server := httptest.NewUnstartedServer(mux)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig.MinVersion = tls.VersionTLS12
	post := func(body io.Reader, length int64) *http.Response {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/webhooks/h2", body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	response := post(strings.NewReader("{}"), 2)
	if response.ProtoMajor != 2 {
		t.Fatalf("spoken: %s", response.Proto)
	}
	read(t, response).want(t, http.StatusOK, "")
	if url != server.URL+"/webhooks/h2" {
		t.Error(url)
	}
	read(t, post(io.NopCloser(strings.NewReader("{}")), -1)).want(t, http.StatusLengthRequired, "length-required")
	stalled, end := io.Pipe()
	defer end.Close()
	read(t, post(stalled, 2)).want(t, http.StatusRequestTimeout, "too-slow")
}

// A wrapper that hides deadlines would leave a body without any.
func TestConnectionWithoutDeadlinesIsAFault(t *testing.T) {
	w := httptest.NewRecorder()
	h := webhook.NewHandler(nil, &recorder{}, webhook.Options{})
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/webhooks/stripe", strings.NewReader("{}")))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d", w.Code)
	}
}
