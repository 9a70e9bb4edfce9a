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
