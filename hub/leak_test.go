package hub

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// Clients come and leave in every way there is, and nothing of them stays.
func TestNothingIsLeftOfThoseWhoLeft(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		rounds := 100
		if testing.Short() {
			rounds = 20
		}
		n := start(t, Options{Goroutines: goroutines})
		come := func(i int) {
			token := n.token("o", "p")
			for _, over := range transports {
				w := over.open(n, token, "o")
				w.want("snapshot", "o", n.book.states["o"].Version)
				switch i % 4 {
				case 0:
					w.leave()
				case 1:
					n.Disconnect("o")
				case 2:
					n.commit("o", order.Pending)
					w.leave()
				case 3:
					if over.name == transportWebSocket {
						w.send("nonsense")
						w.wantClosed(4400)
					}
				}
				w.leave()
			}
			raw(n, "").Close()
			s := rawWatch(n, "p")
			s.put(frameHeader(opText, true, 5000)[:3]) // in the middle of a header
			s.Close()
			over(n, token)
		}
		come(0) // what is made once is made
		n.wantEmpty()
		running := func() int {
			n.client.CloseIdleConnections()
			n.client.Transport.(discreet).next.(*http.Transport).CloseIdleConnections()
			return runtime.NumGoroutine()
		}
		time.Sleep(50 * time.Millisecond)
		before := running()
		for i := range rounds {
			come(i)
		}
		n.wantEmpty()
		n.eventually("its goroutines have ended", func() bool { return running() <= before })
		n.mu.Lock()
		defer n.mu.Unlock()
		closed := map[string]int{}
		for what, count := range n.closed {
			transport, _, _ := strings.Cut(what, " ")
			closed[transport] += count
		}
		for name, opened := range n.opened {
			if closed[name] != opened {
				t.Errorf("%s: %d opened, %d closed: %v", name, opened, closed[name], n.closed)
			}
		}
	})
}

// over leaves a held poll.
func over(n *node, token string) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { n.poll(ctx, token, "p", "60", `"e1.0"`); close(ended) }()
	n.eventually("the poll is held", func() bool { return n.Clients() > 0 })
	cancel()
	<-ended
}

// A client that leaves while it is being registered is not left in the index.
func TestLeavingWhileJoining(t *testing.T) {
	n := newNode(t, Options{})
	orders := make([]string, 100)
	for i := range orders {
		orders[i] = fmt.Sprint("o", i)
	}
	for range 300 {
		c := n.open(&recorder{t: t}, "test", Grant{Orders: orders, Expires: time.Now().Add(time.Hour)}, seat{})
		left := make(chan struct{})
		go func() {
			for _, watchers, _ := n.held(); watchers == 0; _, watchers, _ = n.held() {
			}
			c.end(causeGone)
			close(left)
		}()
		n.register(c, orders)
		<-left
		<-c.gone
	}
}
