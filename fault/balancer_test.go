//go:build linux

package fault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/fault/checker"
	"github.com/paybell/paybell/internal/rig"
)

// Balancers are started with the files that operators are given.
var balancers = map[string]func(testing.TB, ...string) *rig.Proxy{
	"nginx": func(t testing.TB, nodes ...string) *rig.Proxy {
		return rig.StartNginx(t, "../deploy/nginx.conf", nodes...)
	},
	"haproxy": func(t testing.TB, nodes ...string) *rig.Proxy {
		return rig.StartHAProxy(t, "../deploy/haproxy.cfg", nodes...)
	},
}

// A front is a load balancer with two nodes behind it. Each node has a ledger of
// its own, and is told all webhooks by hand, so that it makes no difference which
// one a request ends up at.
type front struct {
	t     *testing.T
	nodes [2]*node
	*rig.Proxy
}

func newFront(t *testing.T, balancer string, more string) *front {
	t.Helper()
	log := newRecords(t, t.TempDir())
	f := &front{t: t}
	var addresses []string
	for i := range f.nodes {
		f.nodes[i] = newNode(t, fmt.Sprintf("n%d", i+1), settings{drain: time.Second, trusted: []string{"127.0.0.1"}, more: more}, log.nodes)
		f.nodes[i].start(t)
		addresses = append(addresses, strings.TrimPrefix(f.nodes[i].public, "http://"))
	}
	f.Proxy = balancers[balancer](t, addresses...)
	return f
}

func (f *front) url() string { return "http://" + f.Address() }

// pay tells both nodes that an order is paid.
func (f *front) pay(order string, amount int64) {
	f.t.Helper()
	for _, n := range f.nodes {
		s := newSender([]target{{n.name, func() string { return n.public }}}, nil)
		e := told{fmt.Sprintf("%s-%d", order, amount), checker.Event{
			Order: order, Payment: order, Kind: "payment", Status: "paid", Amount: amount, Currency: currency, At: now(),
		}}
		if code := s.send(f.t.Context(), n.public, e, false); code != http.StatusOK {
			f.t.Fatalf("webhook to %s: %d", n.name, code)
		}
		s.client.CloseIdleConnections()
	}
}

// from is a client whose connections come from an address of this machine.
func from(t *testing.T, address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// get asks for something with a token, and header lines as name, value.
func (f *front) get(client *http.Client, path string, orders []string, header ...string) *http.Response {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	f.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url()+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	token, _ := mint(orders, 300)
	request.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { response.Body.Close() })
	return response
}

// forBoth runs a test with each balancer.
func forBoth(t *testing.T, more string, test func(*testing.T, *front)) {
	share(t)
	for name := range balancers {
		t.Run(name, func(t *testing.T) {
			share(t)
			test(t, newFront(t, name, more))
		})
	}
}

func TestBalancerCarriesEachTransport(t *testing.T) {
	forBoth(t, "", func(t *testing.T, f *front) {
		t.Run("WebSocket", f.carriesWebSocket)
		t.Run("SSE", f.carriesStream)
		t.Run("poll", f.carriesPoll)
		t.Run("tickets", f.carriesTickets)
	})
}

func (f *front) carriesWebSocket(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	token, _ := mint([]string{"W1"}, 300)
	conn, _, err := websocket.Dial(ctx, "ws://"+f.Address()+"/v1/ws", &websocket.DialOptions{Subprotocols: []string{"paybell.v1", "bearer." + token}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	want := func(typ string, version int64) {
		t.Helper()
		_, text, err := conn.Read(ctx)
		var m envelope
		if err != nil || json.Unmarshal(text, &m) != nil || m.Type != typ || m.Order.Version != version {
			t.Fatalf("got %s, %v; want %s of version %d", text, err, typ, version)
		}
	}
	want(checker.Snapshot, 0)
	f.pay("W1", 100)
	want(checker.Update, 1)
}

func (f *front) carriesStream(t *testing.T) {
	response := f.get(http.DefaultClient, "/v1/sse?order=S1", []string{"S1"})
	events := make(chan string)
	go func() {
		defer close(events)
		buffer := make([]byte, 64<<10)
		for {
			n, err := response.Body.Read(buffer)
			if n > 0 {
				events <- string(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	// The stream stays open, so what arrives was not waiting for its end.
	want := func(text string) {
		t.Helper()
		var got strings.Builder
		for deadline := time.After(20 * time.Second); !strings.Contains(got.String(), text); {
			select {
			case part, ok := <-events:
				if got.WriteString(part); !ok {
					t.Fatalf("the stream ended; got %q", got.String())
				}
			case <-deadline:
				t.Fatalf("got %q, and nothing of %q", got.String(), text)
			}
		}
	}
	want("event: snapshot")
	f.pay("S1", 100)
	want("event: update")
	f.pay("S1", 200)
	want(`"version":2`)
}

func (f *front) carriesPoll(t *testing.T) {
	first := f.get(http.DefaultClient, "/v1/orders/P1", []string{"P1"})
	var state checker.State
	if err := json.NewDecoder(first.Body).Decode(&state); err != nil || first.StatusCode != http.StatusOK {
		t.Fatalf("poll: %d, %v", first.StatusCode, err)
	}
	// The tag holds the epoch, which is each node's own here.
	tags := ""
	for _, n := range f.nodes {
		response := (&front{t: t, Proxy: f.Proxy}).direct(n, "/v1/orders/P1")
		tags += response.Header.Get("ETag") + ", "
	}
	tags = strings.TrimSuffix(tags, ", ")
	begin := time.Now()
	held := f.get(http.DefaultClient, "/v1/orders/P1?wait=2", []string{"P1"}, "If-None-Match", tags)
	if took := time.Since(begin); held.StatusCode != http.StatusNotModified || took < 2*time.Second {
		t.Errorf("a poll that has nothing to say: %d after %v", held.StatusCode, took)
	}
	answer := make(chan *http.Response, 1)
	go func() {
		answer <- f.get(http.DefaultClient, "/v1/orders/P1?wait=60", []string{"P1"}, "If-None-Match", tags)
	}()
	select {
	case early := <-answer:
		t.Fatalf("a poll with nothing to say was answered %d at once", early.StatusCode)
	case <-time.After(300 * time.Millisecond):
	}
	f.pay("P1", 100)
	if response := <-answer; response.StatusCode != http.StatusOK {
		t.Errorf("a poll that was held: %d", response.StatusCode)
	}
}

func (f *front) direct(n *node, path string) *http.Response {
	f.t.Helper()
	request, err := http.NewRequest(http.MethodGet, n.public+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	token, _ := mint([]string{"P1"}, 300)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	response.Body.Close()
	return response
}

// A ticket opens a stream at any node, so it makes no difference where one leads.
func (f *front) carriesTickets(t *testing.T) {
	for i := range 8 {
		client := from(t, fmt.Sprintf("127.0.1.%d", i+1))
		token, _ := mint([]string{"T1"}, 300)
		request, err := http.NewRequest(http.MethodPost, f.url()+"/v1/tickets", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Ticket string }
		if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		stream, err := client.Get(f.url() + "/v1/sse?ticket=" + url.QueryEscape(got.Ticket))
		if err != nil {
			t.Fatal(err)
		}
		stream.Body.Close()
		if stream.StatusCode != http.StatusOK {
			t.Errorf("ticket %d: %d", i, stream.StatusCode)
		}
	}
}

func TestBalancerTellsWhoseConnectionItIs(t *testing.T) {
	// Both nodes count; whichever a connection comes to, four of one address are
	// more than two nodes take at one each.
	forBoth(t, "limits: {per_address: 1}\n", func(t *testing.T, f *front) {
		stream := func(client *http.Client, header ...string) int {
			t.Helper()
			return f.get(client, "/v1/sse?order=A1", []string{"A1"}, header...).StatusCode
		}
		one := from(t, "127.0.0.5")
		refused := 0
		for range 4 {
			if stream(one) == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused < 2 {
			t.Fatalf("%d of 4 connections of an address were refused", refused)
		}
		for i := range 6 {
			spoofed := fmt.Sprintf("192.0.2.%d", i)
			if code := stream(one, "X-Forwarded-For", spoofed, "Forwarded", "for="+spoofed, "X-Real-IP", spoofed); code != http.StatusTooManyRequests {
				t.Errorf("a client that calls itself %s: %d", spoofed, code)
			}
		}
		if code := stream(from(t, "127.0.0.6")); code != http.StatusOK {
			t.Errorf("another address: %d", code)
		}
		// Nobody else is believed, and be it on the same machine.
		for range 4 {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.nodes[0].public+"/v1/sse?order=A1", nil)
			if err != nil {
				t.Fatal(err)
			}
			token, _ := mint([]string{"A1"}, 300)
			request.Header.Set("Authorization", "Bearer "+token)
			request.Header.Set("X-Forwarded-For", fmt.Sprint("198.51.100.", now()%200))
			response, err := from(t, "127.0.0.7").Do(request)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { response.Body.Close() })
			refused = response.StatusCode
		}
		if refused != http.StatusTooManyRequests {
			t.Errorf("an address that is no proxy is believed: %d", refused)
		}
	})
}

func TestBalancerAnswersWebhooksWhenANodeIsGone(t *testing.T) {
	forBoth(t, "", func(t *testing.T, f *front) {
		log := newRecords(t, t.TempDir())
		s := newSender([]target{{"balancer", f.url}}, log.webhooks)
		s.fair = true
		defer s.client.CloseIdleConnections()
		story := newStory(newSeed(t), 40, anHourAgo())
		gone := make(chan error, 1)
		go func() {
			time.Sleep(200 * time.Millisecond)
			err := f.nodes[0].stop()
			time.Sleep(200 * time.Millisecond)
			f.nodes[0].start(t)
			time.Sleep(2500 * time.Millisecond) // until the balancer has seen it
			f.nodes[1].kill()
			gone <- err
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n := 0
		for done := false; !done; n++ {
			select {
			case err := <-gone:
				if done = true; err != nil {
					t.Errorf("the node did not end well: %v", err)
				}
			default:
			}
			s.until(ctx, told{fmt.Sprintf("%s-%d", story.events[0].id, n), story.events[n%len(story.events)].event})
			time.Sleep(2 * time.Millisecond)
		}
		if failed := s.failed.Load(); failed > 0 || s.acked.Load() < 100 {
			t.Errorf("%d of %d webhooks were not accepted at once while one node stopped and the other died", failed, n)
		}
		if code := answered(t, f.url()+"/readyz"); code != http.StatusNotFound {
			t.Errorf("/readyz of one node is public: %d", code)
		}
	})
}

func answered(t *testing.T, address string) int {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode
}
