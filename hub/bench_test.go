package hub

import (
	"io"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// A void is a carrier that takes anything.
type void struct{}

func (void) send([]outgoing) error { return nil }
func (void) close(cause) bool      { return false }

func BenchmarkDispatch(b *testing.B) {
	for _, watchers := range []int{0, 1, 1000} {
		b.Run(strconv.Itoa(watchers), func(b *testing.B) {
			h := New(&book{states: map[string]order.State{}}, nil, Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
			clients := make([]*client, watchers)
			for i := range clients {
				clients[i] = h.open(void{}, "test", Grant{Expires: time.Now().Add(time.Hour)}, seat{})
				show(b, h, clients[i])
			}
			change := []order.Change{{State: sample()}}
			b.ReportAllocs()
			for b.Loop() {
				change[0].State.Version++
				h.Dispatch(change)
			}
			b.StopTimer()
			for _, c := range clients {
				c.end(causeGone)
				<-c.gone
			}
		})
	}
}

func BenchmarkJoinAndLeave(b *testing.B) {
	h := New(&book{states: map[string]order.State{}}, nil, Options{})
	b.ReportAllocs()
	for b.Loop() {
		c := h.open(void{}, "test", Grant{Expires: time.Now().Add(time.Hour)}, seat{})
		show(b, h, c)
		c.end(causeGone)
		<-c.gone
	}
}

// show shows an order to a client, and waits until it can.
func show(b *testing.B, h *Hub, c *client) {
	shown := make(chan error, 1)
	h.show(c, []string{"A1001"}, func(err error) { shown <- err })
	if err := <-shown; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFrame is one state put into the form of each transport.
func BenchmarkFrame(b *testing.B) {
	out := outgoing{kind: update, message: newMessage(sample(), time.Now()), alone: true}
	var buffer, message []byte
	b.Run("websocket", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			message = out.appendSocket(message[:0])
			buffer = appendFrame(buffer[:0], opText, message)
		}
	})
	b.Run("sse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buffer = out.appendEvent(buffer[:0])
		}
	})
}

// BenchmarkWheel is a second of 20,000 quiet connections: who is due for a
// heartbeat is found, and given one that costs nothing to write.
func BenchmarkWheel(b *testing.B) {
	const clients = 20_000
	h := New(&book{states: map[string]order.State{}}, nil, Options{Goroutines: true})
	all := make([]*client, clients)
	for i := range all {
		all[i] = h.open(still{}, "test", Grant{Expires: time.Now().Add(24 * time.Hour)}, seat{})
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = h.wheel.advance(now, now.Add(time.Second))
	}
	b.ReportMetric(100*float64(b.Elapsed())/float64(b.N)/float64(time.Second), "%core")
	b.StopTimer()
	for _, c := range all {
		c.end(causeGone)
	}
}

// A still is a parked carrier that takes anything.
type still struct{ void }

func (still) full() bool { return false }
