package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/hub"
	"github.com/paybell/paybell/order"
)

func TestTokenHasSoManyConnectionsOverAllTransports(t *testing.T) {
	gw := startLimited(t, func(l *limitsConfig) { l.PerToken = len(ways) })
	token := gw.mint("A1")
	var leave []func()
	for _, w := range ways {
		leave = append(leave, gw.try(w, token, "A1", ""))
	}
	for _, w := range ways {
		gw.try(w, token, "A1", "too-many-connections-of-token")
	}
	for i, w := range ways { // each that leaves makes room for one
		leave[i]()
		gw.left(len(ways) - 1)
		again := gw.try(w, token, "A1", "")
		gw.try(w, token, "A1", "too-many-connections-of-token")
		again()
		gw.left(len(ways) - 1)
		gw.try(w, token, "A1", "")
	}
	gw.try(ways[0], gw.mint("A1"), "A1", "") // another token of the same order
	if n := gw.refusedFor("too_many_connections_of_token"); n != 2*len(ways) {
		t.Errorf("%d refusals were counted, want %d", n, 2*len(ways))
	}
}

func TestNodeHasSoManyConnections(t *testing.T) {
	gw := startLimited(t, func(l *limitsConfig) { l.Connections = len(ways) })
	var leave func()
	for _, w := range ways {
		leave = gw.try(w, gw.mint("A1"), "A1", "")
	}
	for _, w := range ways {
		gw.try(w, gw.mint("A1"), "A1", "too-many-connections")
	}
	if status := gw.paid("A1"); status/100 != 2 {
		t.Errorf("a webhook was answered %d", status)
	}
	if response, _ := gw.do("GET", "/v1/orders/A1", gw.mint("A1"), ""); response.StatusCode != http.StatusOK {
		t.Errorf("a poll that does not wait was answered %d", response.StatusCode)
	}
	leave()
	gw.left(len(ways) - 2) // the held poll has its answer
	gw.try(ways[0], gw.mint("A1"), "A1", "")
}

func TestAddressHasSoManyConnectionsThroughItsProxy(t *testing.T) {
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), func(c *config) {
		c.Limits.PerAddress = 2
		c.TrustedProxies = []string{"127.0.0.1"}
	})
	for i, w := range ways {
		one, other := fmt.Sprint("203.0.113.", 1+i), fmt.Sprint("192.0.2.", 1+i)
		first := gw.try(w, gw.mint("A1"), "A1", "", "X-Forwarded-For", one)
		gw.try(w, gw.mint("A1"), "A1", "", "X-Forwarded-For", "198.51.100.7, "+one)
		gw.try(w, gw.mint("A1"), "A1", "too-many-connections-of-address", "X-Forwarded-For", "198.51.100.8, "+one)
		gw.try(w, gw.mint("A1"), "A1", "", "X-Forwarded-For", one+", "+other)
		gw.left(3*i + 3) // who was refused counts until it has gone
		first()
		gw.left(3*i + 2)
		gw.try(w, gw.mint("A1"), "A1", "", "X-Forwarded-For", one)
	}
}

func TestNewConnectionsComeAtARate(t *testing.T) {
	gw := startLimited(t, func(l *limitsConfig) { l.Rate, l.Queue = 1, 1 })
	token := gw.mint("A1")
	gw.try(ways[0], token, "A1", "") // the burst
	results := make(chan *refused, 20)
	for range cap(results) {
		go func() {
			leave, why := ways[0].try(gw, token, "A1", http.Header{})
			if why == nil {
				t.Cleanup(leave)
			}
			results <- why
		}()
	}
	refusals := 0
	for range cap(results) {
		if why := <-results; why != nil {
			refusals++
			if why.problem != "connecting-too-fast" || why.code != http.StatusTooManyRequests || why.retry == 0 {
				t.Errorf("refused with %+v", why)
			}
		}
	}
	if refusals == 0 || refusals == cap(results) {
		t.Errorf("%d of %d were refused; one may wait for its turn", refusals, cap(results))
	}
}

func TestConnectionWatchesSoManyOrders(t *testing.T) {
	gw := startLimited(t, func(l *limitsConfig) { l.Orders = 2 })
	token := gw.mint("A1", "A2", "A3")
	for _, w := range ways {
		if w.name == "poll" {
			continue
		}
		gw.try(w, token, "A1&order=A2&order=A3", "too-many-orders")
		gw.try(w, token, "A1&order=A2", "")
	}
	// A renewal may not add more.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(gw.base, "http")+"/v1/ws", &websocket.DialOptions{
		Subprotocols: []string{hub.Subprotocol, "bearer." + gw.mint("A1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &wsClient{t, conn}
	if _, why := c.opened(); why != nil {
		t.Fatalf("refused with %+v", why)
	}
	conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"auth","token":%q}`, token))
	if _, why := c.opened(); why == nil || why.code != 4429 || why.problem != "too-many-orders" {
		t.Errorf("a renewal for three orders: %+v", why)
	}
}

func TestMessageMayBeSoLarge(t *testing.T) {
	gw := startLimited(t, func(l *limitsConfig) { l.MessageBytes = 5000 })
	for size, want := range map[int]int{4900: 4400, 5100: int(websocket.StatusMessageTooBig)} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(gw.base, "http")+"/v1/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(ctx, websocket.MessageText, []byte(strings.Repeat("x", size)))
		if _, why := (&wsClient{t, conn}).opened(); why == nil || why.code != want {
			t.Errorf("%d bytes: %+v, want %d", size, why, want)
		}
	}
}

// TestStrangersWithoutATokenLeaveSeats: a WebSocket may bring its token later, and
// few at a time may.
func TestStrangersWithoutATokenLeaveSeats(t *testing.T) {
	gw := startLimited(t, func(l *limitsConfig) { l.Connections = 8 })
	refusals := 0
	for range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		conn, response, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(gw.base, "http")+"/v1/ws", nil)
		switch {
		case err == nil:
			defer conn.CloseNow()
		case response != nil && response.StatusCode == http.StatusTooManyRequests:
			refusals++
		default:
			t.Fatal(err)
		}
	}
	if refusals != 6 {
		t.Errorf("%d of 8 strangers were refused, want all but a quarter of the seats", refusals)
	}
	for _, w := range ways[:4] {
		gw.try(w, gw.mint("A1"), "A1", "")
	}
}

func TestSeatsAreFreeAfterACrowd(t *testing.T) {
	gw := startLimited(t, func(l *limitsConfig) { l.PerToken, l.Connections = 2, 10 })
	token := gw.mint("A1")
	for range 20 {
		for _, w := range ways {
			gw.try(w, token, "A1", "")()
			gw.left(0)
		}
	}
	// And those that never became clients: forged, for another's order, silent.
	for range 20 {
		for _, w := range ways {
			if _, why := w.try(gw, gw.mint("B1"), "A1", http.Header{}); why == nil {
				t.Fatalf("%s: let in to another's order", w.name)
			}
			if w.name != "poll" {
				if _, why := w.try(gw, token+"x", "A1", http.Header{}); why == nil {
					t.Fatalf("%s: let in with a forged token", w.name)
				}
			}
		}
	}
	for i := range 10 {
		gw.try(ways[i%len(ways)], gw.mint("A1"), "A1", "")
	}
}

// TestWaitingClientsAreNotInTheReserve: whoever has a seat leaves it, by parking
// its connection or by saying so.
func TestWaitingClientsAreNotInTheReserve(t *testing.T) {
	for scheme, secure := range map[string]bool{"http://": false, "https://": true} {
		gw := startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), func(c *config) {
			c.Limits.Reserve = minReserve
			if secure {
				c.TLS = selfSigned(t)
			}
		})
		gw.base = scheme + gw.host()
		for range 8 {
			for _, w := range ways {
				gw.try(w, gw.mint("A1"), "A1", "")
			}
		}
		if n := gw.refusedFor(refusedReserve); n > 0 {
			t.Errorf("%s: %d were refused", scheme, n)
		}
	}
}

// TestCrowdOfClientsLeavesRoomForWebhooks has more clients than a process with 256
// descriptors can hold. It is the promise of the reserve.
func TestCrowdOfClientsLeavesRoomForWebhooks(t *testing.T) {
	s := serveUnder(t, "ulimit -n 256", "")
	before := s.descriptors()
	c, err := loadConfig(s.config, nil)
	if err != nil {
		t.Fatal(err)
	}
	gw := &testGateway{t: t, config: c, base: s.base, admin: s.admin}
	const clients = 300
	var in []*openWatch
	refusals := map[string]int{}
	for i := range clients {
		id := fmt.Sprint("A", i%10)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		response, err := gw.request(ctx, "/v1/sse?order="+id, gw.mint(id), http.Header{})
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK {
			refusals[refusedBy(t, response).problem]++
			continue
		}
		w := &openWatch{t: t, events: make(chan sseEvent, 10), cancel: cancel}
		go func() {
			defer response.Body.Close()
			readEvents(response.Body, func() {}, func(e sseEvent) error {
				if e.name != "" {
					w.events <- e
				}
				return nil
			})
		}()
		w.want("snapshot", 0, order.Created)
		in = append(in, w)
	}
	t.Logf("%d are in, refused: %v", len(in), refusals)
	if len(in) != 128 || refusals["too-many-connections"] != clients-128 {
		t.Errorf("%d are in, and the others refused for %v; want 128, and too-many-connections", len(in), refusals)
	}
	for i := range 10 {
		if status, err := s.pay(fmt.Sprint("A", i)); status/100 != 2 {
			t.Fatalf("webhook %d was answered %d, %v", i, status, err)
		}
	}
	for _, w := range in {
		if got := decode[order.State](t, w.next("update")); got.Status != order.Paid {
			t.Fatalf("a client saw %s", got.Status)
		}
	}
	if response, _ := gw.do("GET", s.admin+"/readyz", "", ""); response.StatusCode != http.StatusOK {
		t.Errorf("/readyz was answered %d", response.StatusCode)
	}
	for _, w := range in {
		w.cancel()
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "all descriptors are free again", func() bool { return s.descriptors() <= before+4 })
	response, err := gw.request(t.Context(), "/v1/sse?order=A1", gw.mint("A1"), http.Header{})
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("afterwards a client was answered %v, %v", response, err)
	}
	response.Body.Close()
}
