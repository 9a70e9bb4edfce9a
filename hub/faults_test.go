package hub

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Each of these is named after a fault that there was.

// seated counts what a listener is told of one connection.
type seated struct{ seats int }

func (s *seated) Seated()   { s.seats++ }
func (s *seated) Unseated() { s.seats-- }

// A newcomer whom the gate refuses gives its seat back once, whether or not its
// handshake is one.
func TestSeatRefusedAtTheGateIsLeftOnce(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := newNode(t, Options{Goroutines: goroutines, Limits: Limits{Rate: 1, Queue: 1}})
		connection := &seated{}
		n = serveTCP(t, n)
		n.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.WebSocket(w, r.WithContext(WithConnection(r.Context(), connection)))
		})
		n.gate.limiter.ReserveN(time.Now().Add(time.Hour), 1) // nobody's turn comes
		offer := []string{Subprotocol, bearerPrefix + n.token("o")}
		for range 3 {
			dialWebSocket(n, &websocket.DialOptions{Subprotocols: offer}).wantRefused(4429)
			bad := n.get("/v1/ws", "", http.Header{"Sec-Websocket-Protocol": {strings.Join(offer, ", ")}})
			if a := n.do(bad); a.status != 426 {
				t.Errorf("no handshake: %+v", a)
			}
		}
		n.wantEmpty()
		if taken := n.seats.taken(); taken != 0 || connection.seats != 0 {
			t.Errorf("%d seats are taken, and %d of the connection", taken, connection.seats)
		}
	})
}

// wantRefused reads the goodbye of a limit, and the end.
func (w *watch) wantRefused(code int) {
	w.t.Helper()
	if e := w.next(); e.Type != "goodbye" || e.RetryMS == 0 {
		w.t.Fatalf("saw %+v", e)
	}
	w.wantClosed(code)
}

// A token that is found good when its client has gone counts for nobody.
func TestTokenOfAClientThatHasGoneIsNotCounted(t *testing.T) {
	n := newStillNode(t, Options{})
	one, why := n.seats.take("", n.opts.Address(nil))
	if why != nil {
		t.Fatal(why)
	}
	c := n.open(still{}, "test", Grant{}, one)
	c.end(causeGone)
	n.wantEmpty()
	c.admit(nil, Grant{TokenID: "jti", Orders: []string{"o"}, Expires: time.Now().Add(time.Hour)})
	if n.seats.all != 0 || n.seats.unnamed != 0 || len(n.seats.tokens) != 0 {
		t.Errorf("%d seats, %d without a token, tokens %v", n.seats.all, n.seats.unnamed, n.seats.tokens)
	}
}

// The time for a message begins with its first byte, and not anew with each.
func TestDribbledMessageIsEndedInTime(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := newNode(t, Options{Goroutines: goroutines})
		n.messageTime = 300 * time.Millisecond
		s := rawWatch(serveTCP(t, n), "o")
		message := frame(opText, true, strings.Repeat("x", 5000))
		for i := 0; n.Clients() > 0; i++ {
			if i == len(message) {
				t.Fatal("a message of 5,000 bytes was waited for, one at a time")
			}
			s.Conn.Write(message[i : i+1]) // fails once it is cut
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// What is due already is due at once.
func TestWhatIsOverdueIsDueAtOnce(t *testing.T) {
	n := newStillNode(t, Options{})
	now := time.Now()
	expired := &client{hub: n.Hub, expires: now.Add(-50 * time.Millisecond).UnixNano(), warned: true}
	owing := &client{hub: n.Hub, overdue: &causeNoToken, patience: n.now() - 50*time.Millisecond}
	for what, c := range map[string]*client{"token": expired, "patience": owing} {
		if due := c.due(now); due.After(now) {
			t.Errorf("the %s ended 50 ms ago, and is looked at in %v", what, due.Sub(now))
		}
	}
}

// refilled is a carrier that is found empty, and full again of another's batch.
type refilled struct {
	still
	again func()
}

func (r *refilled) full() bool {
	r.again()
	return false
}

func TestWriterLeavesAnothersBlockade(t *testing.T) {
	n := newStillNode(t, Options{})
	carrier := &refilled{}
	c := n.open(carrier, "test", Grant{Expires: time.Now().Add(time.Hour)}, seat{})
	c.writing = true
	other := &blockade{since: n.now()}
	carrier.again = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.blocked = other
	}
	if stops := c.block(nil); !stops || c.blocked != other {
		t.Errorf("stops: %v; the other's blockade stands: %v", stops, c.blocked == other)
	}
}

// A queue that is never quite empty does not grow.
func TestQueueOfWritersKeepsNoRoomForThoseServed(t *testing.T) {
	w := &writers{busy: 1 << 20} // so that nobody else takes from it
	c := &client{}
	w.push(c)
	for range 100_000 {
		w.push(c)
		w.take(make([]*client, 1))
	}
	if len(w.queue)-w.first != 1 || cap(w.queue) > 100 {
		t.Errorf("%d wait, and there is room for %d", len(w.queue)-w.first, cap(w.queue))
	}
}
