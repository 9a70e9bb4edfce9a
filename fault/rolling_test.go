//go:build linux

package fault_test

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
)

func TestFaultRollingRestart(t *testing.T) {
	share(t)
	for name, start := range balancers {
		t.Run(name, func(t *testing.T) {
			if name != "nginx" { // which does not ask whether a node is ready
				onlyLong(t)
			}
			share(t)
			drain := either(4*time.Second, time.Second)
			b, _ := newCluster(t, "rolling restart behind "+name, 3, settings{drain: drain, trusted: []string{"127.0.0.1"}})
			var addresses []string
			for _, n := range b.nodes {
				addresses = append(addresses, strings.TrimPrefix(n.public, "http://"))
			}
			proxy := start(t, addresses...)
			balancer := []target{{name, func() string { return "http://" + proxy.Address() }}}
			b.plan.Bounds.Bus = staleWithoutBus()

			l := load{webhooks: balancer, clients: balancer, orders: either(12_000, 1500), rate: either(100, 60), crowd: either(1000, 300)}
			l.leave = func() { proxy.Stop(syscall.SIGTERM) } // it keeps connections to the nodes for a while
			l.breaks = func(ctx context.Context) {
				for range either(10, 1) {
					for _, n := range b.nodes {
						b.breaks(checker.NodeFault, n.name, func() int {
							if err := n.stop(); err != nil {
								t.Errorf("%s did not end well: %v", n.name, err)
							}
							n.start(t)
							return 1
						})
						pause(ctx, 1500*time.Millisecond) // until the balancer has seen it
					}
				}
				if ctx.Err() != nil {
					t.Error("all webhooks were told before all rounds were over")
				}
			}
			o := b.run(l)
			if failed := o.sender.failed.Load(); failed > 0 {
				t.Errorf("%d webhooks were not accepted at once", failed)
			}
			spread(t, o.run, drain)
		})
	}
}

// spread checks that those who are sent away by a stopping node come back over
// most of the time that it has, and not as a crowd.
func spread(t *testing.T, run *checker.Run, window time.Duration) {
	t.Helper()
	type connection struct {
		client string
		conn   int
	}
	sent := map[connection]checker.Time{}
	var waits []checker.Time
	for _, c := range run.Clients {
		if c.What == checker.Told && c.Reason == "drain" {
			sent[connection{c.Client, c.Conn}] = c.At
		}
		if at, ok := sent[connection{c.Client, c.Conn - 1}]; ok && (c.What == checker.Opened || c.What == checker.Refused) {
			waits = append(waits, c.At-at)
			delete(sent, connection{c.Client, c.Conn - 1})
		}
	}
	if len(waits) < 50 {
		t.Errorf("only %d clients were sent away and came back", len(waits))
		return
	}
	slices.Sort(waits)
	first, last := waits[len(waits)/50], waits[len(waits)-1-len(waits)/50]
	share := float64(last-first) / float64(window.Microseconds())
	t.Logf("%d clients were sent away and came back over %.0f %% of the window", len(waits), 100*share)
	if share < 0.8 {
		t.Errorf("they came back over %.0f %% of the window, from %d to %d ms after they were told", 100*share, first/checker.Millisecond, last/checker.Millisecond)
	}
}
