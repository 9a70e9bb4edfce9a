//go:build unix

package fault_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // with which the reader reads Postgres

	"github.com/paybell/paybell/fault/checker"
	"github.com/paybell/paybell/internal/rig"
)

// newCluster starts nodes over a Postgres of their own.
func newCluster(t *testing.T, scenario string, number int, s settings, differ ...func(int, *settings)) (*bed, *rig.Postgres) {
	t.Helper()
	postgres := rig.StartPostgres(t)
	s.ledger = postgres.Database("paybell")
	return newBed(t, scenario, number, s, differ...), postgres
}

// usual is the load of most scenarios.
func usual() load {
	return load{orders: either(5000, 130), rate: 200, crowd: either(3000, 150)}
}

func TestFaultClusterOfThree(t *testing.T) {
	onlyLong(t)
	b, _ := newCluster(t, "three nodes, no bus", 3, settings{})
	b.plan.Bounds.Bus = staleWithoutBus()
	l := usual()
	l.breaks = func(ctx context.Context) {
		b.breaks(checker.BusFault, "", func() int { <-ctx.Done(); return 1 })
	}
	b.run(l)
}

// A node that never asks where the journal ends hears nothing without a bus.
func TestFaultControlNoHeads(t *testing.T) {
	onlyLong(t)
	b, _ := newCluster(t, "no bus, and heads not read", 2, settings{weak: noHeads})
	b.run(load{orders: 30, rate: 200, crowd: 60, notice: []string{"I7"}})
}

var noHeads = []weakness{
	{"hub/follower.go", "headPeriod    = time.Second ", "headPeriod    = time.Hour "},
	{"hub/follower.go", "suspectPeriod = 250 * time.Millisecond", "suspectPeriod = time.Hour"},
}

// staleWithoutBus is how old a state may be when no hint comes. A short run
// shares its machine with others.
func staleWithoutBus() checker.Time { return either(1500*checker.Millisecond, 5*checker.Second) }

func TestFaultSameEventEverywhereAtOnce(t *testing.T) {
	share(t)
	b, _ := newCluster(t, "same event at all nodes at once", 3, settings{})
	const times = 1000
	orders := either(20, 4)
	s := newStory(b.seed, orders, anHourAgo())
	l := load{orders: orders, rate: 1000, crowd: 30, fair: true}
	l.breaks = func(ctx context.Context) {
		sender := newSender(b.each(), b.log.webhooks)
		defer sender.client.CloseIdleConnections()
		var group sync.WaitGroup
		for i := range times {
			for _, to := range sender.targets {
				group.Go(func() {
					e := s.events[0]
					a := checker.Attempt{Sent: now(), Node: to.name, ID: e.id, Event: e.event}
					a.Code = sender.send(context.WithoutCancel(ctx), to.address(), e, false)
					a.Answered = now()
					b.log.webhooks.write(a)
					if a.Code != http.StatusOK {
						b.t.Errorf("delivery %d to %s: %d", i, to.name, a.Code)
					}
				})
			}
			if i%100 == 99 {
				group.Wait()
			}
		}
		group.Wait()
	}
	b.run(l)
}

func TestFaultClusterNodeKilled(t *testing.T) {
	share(t)
	b, _ := newCluster(t, "three nodes, one killed at a time", 3, settings{})
	l := usual()
	l.orders = either(12_000, 130) // three minutes of them
	l.breaks = func(ctx context.Context) { b.killNodes(ctx, either(10*time.Second, time.Second)) }
	b.run(l)
}

func TestFaultPostgresRestarted(t *testing.T) {
	share(t)
	b, postgres := newCluster(t, "postgres restarted", 3, settings{})
	l := usual()
	l.breaks = func(ctx context.Context) {
		for i := 0; *long || i < 2; i++ {
			if pause(ctx, either(20*time.Second, 700*time.Millisecond)); ctx.Err() != nil {
				return
			}
			b.restart(postgres, i%2 == 0)
		}
	}
	b.run(l)
}

// restart ends the database, as an operator does or as a crash, and starts it
// again.
func (b *bed) restart(postgres *rig.Postgres, fast bool) {
	b.breaks(checker.LedgerFault, "", func() int {
		if !fast {
			postgres.StopImmediate()
		} else if err := postgres.StopFast(); err != nil {
			b.t.Errorf("postgres did not stop well: %v", err)
		}
		b.breaks(checker.RefusalFault, "", func() int { time.Sleep(200 * time.Millisecond); return 1 })
		postgres.Restart()
		return 1
	})
}

// A commit that is acknowledged before it is on disk is lost with a crash.
func TestFaultControlLazyCommits(t *testing.T) {
	onlyLong(t)
	b, postgres := newCluster(t, "commits that are not on disk", 2, settings{weak: []weakness{
		{"order/postgres/connect.go", "ELSE 'on' END, false)", "ELSE 'off' END, false)"},
	}})
	b.run(load{orders: 2000, rate: 200, crowd: 60, notice: []string{"I1"}, breaks: func(ctx context.Context) {
		for range 5 {
			pause(ctx, 2*time.Second)
			b.restart(postgres, false)
		}
	}})
}

// One node is cut off from the ledger, and its customers from nothing: they must
// not be left to look at what may be old.
func TestFaultNodeWithoutLedger(t *testing.T) {
	onlyLong(t)
	postgres := rig.StartPostgres(t)
	ledger := postgres.Database("paybell")
	whole, err := url.Parse(ledger)
	if err != nil {
		t.Fatal(err)
	}
	hole := rig.NewBlackHole(t, whole.Host)
	b := newBed(t, "one node without the ledger", 3, settings{ledger: ledger}, func(i int, s *settings) {
		if i == 0 {
			through := *whole
			through.Host = hole.Address()
			s.ledger = through.String()
		}
	})
	b.plan.Bounds.Bus = staleWithoutBus()
	l := usual()
	l.breaks = func(ctx context.Context) {
		pause(ctx, 3*time.Second)
		b.breaks(checker.LedgerFault, "n1", func() int {
			hole.Swallow()
			pause(ctx, 28*time.Second)
			values, err := b.nodes[0].metrics()
			if err != nil {
				b.t.Errorf("a node that has lost the ledger tells nothing of itself: %v", err)
			}
			hole.Forward()
			return int(values[`paybell_follower_notices_total{what="lost"}`])
		})
	}
	if o := b.run(l); o.figures.Effects == 0 {
		t.Error("the node noticed nothing")
	}
}
