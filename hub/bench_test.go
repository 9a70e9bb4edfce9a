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
func (void) close(cause)           {}

func BenchmarkDispatch(b *testing.B) {
	for _, watchers := range []int{0, 1, 1000} {
		b.Run(strconv.Itoa(watchers), func(b *testing.B) {
			h := New(&book{states: map[string]order.State{}}, nil, Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
			clients := make([]*client, watchers)
			for i := range clients {
				clients[i] = h.open(void{}, "test", Grant{Expires: time.Now().Add(time.Hour)})
				if err := h.watch(b.Context(), clients[i], []string{"A1001"}); err != nil {
					b.Fatal(err)
				}
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
		c := h.open(void{}, "test", Grant{Expires: time.Now().Add(time.Hour)})
		if err := h.watch(b.Context(), c, []string{"A1001"}); err != nil {
			b.Fatal(err)
		}
		c.end(causeGone)
		<-c.gone
	}
}
