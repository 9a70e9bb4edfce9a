package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/stripe"
)

const secret = "whsec_Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0Gs"

// A recorder keeps what a ledger would, and fails when it is told to.
type recorder struct {
	mu        sync.Mutex
	callbacks []order.Callback
	events    []order.Event
	known     map[string]bool
	failure   error
	slow      time.Duration
}

func (r *recorder) Record(ctx context.Context, c order.Callback, events []order.Event) (order.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-time.After(r.slow):
	case <-ctx.Done():
		return order.Receipt{}, context.Cause(ctx)
	}
	if r.failure != nil {
		return order.Receipt{}, r.failure
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	var receipt order.Receipt
	for _, e := range events {
		if key := e.Source + " " + e.ID; !r.known[key] {
			r.known[key] = true
			receipt.Fresh++
			r.events = append(r.events, e)
		}
	}
	r.callbacks = append(r.callbacks, c)
	return receipt, nil
}

// A gateway is a webhook handler behind a real server.
type gateway struct {
	*recorder
	address  string
	log      *syncBuffer
	provider *stripe.Provider

	mu       sync.Mutex
	outcomes []webhook.Outcome
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func start(t *testing.T, opts webhook.Options, more ...webhook.Source) *gateway {
	t.Helper()
	p, err := stripe.New(stripe.Options{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{recorder: &recorder{}, log: &syncBuffer{}, provider: p}
	opts.Log = slog.New(slog.NewJSONHandler(g.log, nil))
	opts.Observe = func(source string, o webhook.Outcome, took time.Duration) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.outcomes = append(g.outcomes, o)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/{source}", webhook.NewHandler(append(more, webhook.Source{Name: "stripe", Provider: p}), g, opts))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(slog.NewTextHandler(g.log, nil), slog.LevelError)}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	g.address = listener.Addr().String()
	return g
}

// wantOutcomes waits for the requests that were observed, since an answer is
// read before the handler has returned.
func (g *gateway) wantOutcomes(t *testing.T, want ...webhook.Outcome) {
	t.Helper()
	var got []webhook.Outcome
	for range 500 {
		g.mu.Lock()
		got = append(got[:0], g.outcomes...)
		g.mu.Unlock()
		if len(got) >= len(want) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("outcomes %v, want %v", got, want)
	}
}

func (g *gateway) wantNothingStored(t *testing.T) {
	t.Helper()
	g.recorder.mu.Lock()
	defer g.recorder.mu.Unlock()
	if len(g.callbacks) > 0 {
		t.Errorf("stored %+v", g.callbacks)
	}
}

// paid is a genuine request about an order.
func (g *gateway) paid(t *testing.T, id string) webhook.Request {
	t.Helper()
	r, err := g.provider.Simulate(webhook.Simulation{
		ID: id, Order: "A1001", Payment: "pi_1", Status: order.Paid, Amount: 9900, Currency: "CNY", At: time.Now(), Live: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type answer struct {
	status int
	header http.Header
	body   string
	name   string // of the problem
	closes bool   // the connection
}

// post sends a request to a path, with headers changed.
func (g *gateway) post(t *testing.T, path string, r webhook.Request, header map[string]string) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+g.address+path, bytes.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = r.Header.Clone()
	for name, value := range header {
		if request.Header.Set(name, value); value == "" {
			request.Header.Del(name)
		}
	}
	return g.do(t, request)
}

func (g *gateway) do(t *testing.T, r *http.Request) answer {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: time.Minute}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func read(t *testing.T, response *http.Response) answer {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, body: string(body), closes: response.Close}
	var p struct{ Type string }
	if json.Unmarshal(body, &p) == nil {
		a.name = strings.TrimPrefix(p.Type, "urn:paybell:problem:")
	}
	return a
}

// raw sends bytes as they are and returns the answer. The sending side stays
// open until then.
func (g *gateway) raw(t *testing.T, text string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	go io.WriteString(conn, text) // the server may close before it has read all
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

// head is a request line and the headers of a genuine request.
func head(r webhook.Request, proto string, headers ...string) string {
	text := "POST /webhooks/stripe " + proto + "\r\nHost: pay.example.com\r\nContent-Type: application/json\r\n" +
		"Stripe-Signature: " + r.Header.Get("Stripe-Signature") + "\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	return text + "\r\n"
}

func (a answer) want(t *testing.T, status int, name string) {
	t.Helper()
	if a.status != status || a.name != name {
		t.Errorf("got %d %q %s, want %d %q", a.status, a.name, a.body, status, name)
	}
	if a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("CORS headers on a webhook")
	}
	if a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("no X-Content-Type-Options")
	}
}

func TestGenuineWebhookIsRecordedBeforeItIsAnswered(t *testing.T) {
	g := start(t, webhook.Options{})
	a := g.post(t, "/webhooks/stripe", g.paid(t, "evt_1"), map[string]string{"Origin": "https://evil.example"})
	a.want(t, http.StatusOK, "")
	if a.body != "{\"received\":true}\n" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v", a)
	}
	g.post(t, "/webhooks/stripe", g.paid(t, "evt_1"), nil).want(t, http.StatusOK, "")
	g.wantOutcomes(t, webhook.Accepted, webhook.Duplicate)
	if len(g.events) != 1 || g.events[0].Source != "stripe" || g.events[0].Order != "A1001" || g.callbacks[0].Source != "stripe" ||
		g.callbacks[0].ReceivedAt.Location() != time.UTC {
		t.Errorf("%+v, %+v", g.events, g.callbacks)
	}
	if log := g.log.String(); !strings.Contains(log, `"outcome":"accepted","events":1`) || strings.Contains(log, "A1001") {
		t.Error(log)
	}
}

func TestMeaninglessEventIsKeptAndAnswered(t *testing.T) {
	g := start(t, webhook.Options{}, webhook.Source{Name: "other", Provider: opener(func(webhook.Request) ([]order.Event, error) {
		return []order.Event{{ID: "evt_1", Kind: order.KindNote}}, nil
	})})
	g.post(t, "/webhooks/other", webhook.Request{Body: []byte("{}")}, nil).want(t, http.StatusOK, "")
	g.wantOutcomes(t, webhook.Ignored)
	if len(g.events) != 1 {
		t.Errorf("%+v", g.events)
	}
}

func TestUnverifiedIsRefusedAndNotStored(t *testing.T) {
	g := start(t, webhook.Options{})
	r := g.paid(t, "evt_1")
	r.Body = bytes.Replace(r.Body, []byte("A1001"), []byte("canary"), 1)
	a := g.post(t, "/webhooks/stripe", r, nil)
	a.want(t, http.StatusUnauthorized, "not-verified")
	if a.header.Get("WWW-Authenticate") != "Signature" {
		t.Errorf("challenge %q", a.header.Get("WWW-Authenticate"))
	}
	g.wantOutcomes(t, webhook.Unverified)
	g.wantNothingStored(t)
	for _, text := range []string{a.body, g.log.String()} {
		for _, hidden := range []string{secret, "canary", strings.Split(r.Header.Get("Stripe-Signature"), "v1=")[1]} {
			if strings.Contains(text, hidden) {
				t.Errorf("%q in %s", hidden, text)
			}
		}
	}
}

func TestUnreadableIsQuarantinedAndNotRetriedForEver(t *testing.T) {
	g := start(t, webhook.Options{}, webhook.Source{Name: "other", Provider: opener(func(r webhook.Request) ([]order.Event, error) {
		return nil, fmt.Errorf("%w: two readers differ", webhook.ErrUnreadable)
	})})
	g.post(t, "/webhooks/other", webhook.Request{Body: []byte(`{"note":"canary"}`)}, nil).want(t, http.StatusOK, "")
	g.wantOutcomes(t, webhook.Quarantined)
	if c := g.callbacks[0]; c.Quarantine != "webhook: verified but unreadable: two readers differ" || string(c.Body) != `{"note":"canary"}` {
		t.Errorf("%+v", c)
	}
	if log := g.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, "two readers differ") {
		t.Error(log)
	}
}

func TestEventThatTheLedgerWouldRefuseQuarantinesItsCallback(t *testing.T) {
	g := start(t, webhook.Options{}, webhook.Source{Name: "other", Provider: opener(func(webhook.Request) ([]order.Event, error) {
		return []order.Event{{ID: "evt_1", Kind: order.KindNote}, {ID: "evt_2", Kind: "strange"}}, nil
	})})
	g.post(t, "/webhooks/other", webhook.Request{Body: []byte("{}")}, nil).want(t, http.StatusOK, "")
	g.wantOutcomes(t, webhook.Quarantined)
	if len(g.events) != 0 || len(g.callbacks) != 1 || !strings.Contains(g.callbacks[0].Quarantine, "strange") {
		t.Errorf("%+v, %+v", g.events, g.callbacks)
	}
}

func TestLedgerThatCannotCommitIsNever2xx(t *testing.T) {
	g := start(t, webhook.Options{})
	g.failure = errors.New("disk full")
	a := g.post(t, "/webhooks/stripe", g.paid(t, "evt_1"), nil)
	a.want(t, http.StatusServiceUnavailable, "ledger-unavailable")
	if a.header.Get("Retry-After") == "" || strings.Contains(a.body, "disk full") {
		t.Errorf("%+v", a)
	}
	g.failure = nil
	g.post(t, "/webhooks/stripe", g.paid(t, "evt_1"), nil).want(t, http.StatusOK, "")
	g.wantOutcomes(t, webhook.Unavailable, webhook.Accepted)
}

// An opener is a provider that is one function, for what the real ones do not
// do on demand.
type opener func(webhook.Request) ([]order.Event, error)

func (o opener) Open(r webhook.Request) ([]order.Event, error) { return o(r) }

func TestPanicInAProviderStoresNothingAndStopsNothing(t *testing.T) {
	g := start(t, webhook.Options{}, webhook.Source{Name: "broken", Provider: opener(func(r webhook.Request) ([]order.Event, error) {
		panic("canary " + string(r.Body))
	})})
	g.post(t, "/webhooks/broken", webhook.Request{Body: []byte("{}")}, nil).want(t, http.StatusUnauthorized, "not-verified")
	g.wantOutcomes(t, webhook.Unverified)
	g.wantNothingStored(t)
	if log := g.log.String(); !strings.Contains(log, "provider panicked") || !strings.Contains(log, "handler_test.go") || strings.Contains(log, "canary") {
		t.Error(log)
	}
	g.post(t, "/webhooks/stripe", g.paid(t, "evt_1"), nil).want(t, http.StatusOK, "")
}

// An error outside the contract, or one that claims both, proves nobody.
func TestErrorThatProvesNobodyIsUnverified(t *testing.T) {
	for name, failure := range map[string]error{
		"plain": errors.New("plain"), "both": fmt.Errorf("%w: %w", webhook.ErrUnreadable, webhook.ErrUnverified),
	} {
		g := start(t, webhook.Options{}, webhook.Source{Name: name, Provider: opener(func(webhook.Request) ([]order.Event, error) { return nil, failure })})
		g.post(t, "/webhooks/"+name, webhook.Request{Body: []byte("{}")}, nil).want(t, http.StatusUnauthorized, "not-verified")
		g.wantNothingStored(t)
	}
}

// An answering provider wants another answer than the rest.
type answering struct{ opener }

func (answering) Answer(webhook.Request) (int, string, []byte) {
	return http.StatusAccepted, "text/plain", []byte("success")
}

func (answering) MediaTypes() []string { return []string{"application/x-www-form-urlencoded"} }

func TestProvidersOwnAnswerAndMediaType(t *testing.T) {
	g := start(t, webhook.Options{}, webhook.Source{Name: "form", Provider: answering{func(webhook.Request) ([]order.Event, error) {
		return nil, webhook.ErrUnreadable
	}}})
	form := webhook.Request{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}, Body: []byte("a=1")}
	a := g.post(t, "/webhooks/form", form, nil)
	a.want(t, http.StatusAccepted, "")
	if a.body != "success" || a.header.Get("Content-Type") != "text/plain" {
		t.Errorf("%+v", a)
	}
	g.post(t, "/webhooks/form", form, map[string]string{"Content-Type": "application/json"}).
		want(t, http.StatusUnsupportedMediaType, "wrong-content-type")
}

func TestProviderSeesTheAddressAsItWasCalled(t *testing.T) {
	var urls []string
	source := webhook.Source{Name: "url", Provider: opener(func(r webhook.Request) ([]order.Event, error) {
		urls = append(urls, r.URL)
		return nil, webhook.ErrUnverified
	})}
	g := start(t, webhook.Options{}, source)
	g.post(t, "/webhooks/url?a=%2F&b", webhook.Request{}, nil)
	start(t, webhook.Options{BaseURL: "https://pay.example.com"}, source).post(t, "/webhooks/url?a=%2F&b", webhook.Request{}, nil)
	if want := []string{"http://" + g.address + "/webhooks/url?a=%2F&b", "https://pay.example.com/webhooks/url?a=%2F&b"}; fmt.Sprint(urls) != fmt.Sprint(want) {
		t.Errorf("%v", urls)
	}
}

func TestCardNumberIsMaskedInWhatIsStored(t *testing.T) {
	var seen string
	g := start(t, webhook.Options{}, webhook.Source{Name: "card", Provider: opener(func(r webhook.Request) ([]order.Event, error) {
		seen = string(r.Body)
		return []order.Event{{ID: "evt_1", Kind: order.KindNote}}, nil
	})})
	const body = `{"pan":"4242424242424242"}`
	g.post(t, "/webhooks/card", webhook.Request{Body: []byte(body)}, nil).want(t, http.StatusOK, "")
	if seen != body || string(g.callbacks[0].Body) != `{"pan":"424242******4242"}` {
		t.Errorf("the provider saw %s, stored is %s", seen, g.callbacks[0].Body)
	}
}
