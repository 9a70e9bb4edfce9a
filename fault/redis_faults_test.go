//go:build unix

package fault_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
	"github.com/paybell/paybell/internal/rig"
)

// A redisBed is three nodes over one ledger and one Redis, which they reach
// through a proxy that can stop forwarding.
type redisBed struct {
	*bed
	redis *rig.Redis
	hole  *rig.BlackHole
}

func newRedisBed(t *testing.T, scenario string, nodes int, s settings) *redisBed {
	t.Helper()
	b := &redisBed{redis: rig.StartRedis(t, rig.RedisOptions{})}
	b.hole = rig.NewBlackHole(t, b.redis.Address())
	s.bus = "redis://" + b.hole.Address()
	b.bed, _ = newCluster(t, scenario, nodes, s)
	b.plan.Bounds.Bus = staleWithoutBus()
	if *long {
		b.plan.Bounds.CalmP99 = 250 * checker.Millisecond
	}
	return b
}

// without notes that the bus is broken while fn runs and until nodes trust it again,
// and how far a figure of theirs rose meanwhile: that it had an effect at all.
func (b *redisBed) without(ctx context.Context, figure string, fn func()) {
	b.breaks(checker.BusFault, "", func() int {
		before := b.sum(figure)
		fn()
		// What the end of the run cut short may have had no effect.
		for deadline := time.Now().Add(20 * time.Second); b.sum(figure) == before && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				b.t.Errorf("%s did not rise: nothing was broken", figure)
				break
			}
		}
		b.untilTrusted(ctx)
		return b.sum(figure) - before
	})
}

const (
	ended       = `paybell_bus_links_total{event="ended"}`
	probeLost   = `paybell_bus_links_total{event="probe_lost"}`   // it was accepted
	probeFailed = `paybell_bus_links_total{event="probe_failed"}` // it was not
	failed      = `paybell_bus_hints_published_total{result="failed"}`
)

// redisFaults are what can become of a Redis. Each takes a few seconds.
var redisFaults = []struct {
	name  string
	every time.Duration // in the long form
	once  func(ctx context.Context, b *redisBed)
}{
	{"killed and restarted empty", 12 * time.Second, func(ctx context.Context, b *redisBed) {
		b.without(ctx, ended, func() {
			b.redis.Kill()
			pause(ctx, either(3*time.Second, 500*time.Millisecond))
			b.redis.Restart(b.t)
		})
	}},
	{"in a black hole", 5 * time.Second, func(ctx context.Context, b *redisBed) {
		b.without(ctx, probeFailed, func() {
			b.hole.Swallow()
			pause(ctx, either(8*time.Second, 2500*time.Millisecond))
			b.hole.Forward()
		})
	}},
	{"deaf on what is open", 5 * time.Second, func(ctx context.Context, b *redisBed) {
		b.without(ctx, probeLost, func() {
			b.hole.Lose()
		})
	}},
	{"cut five times a second", 0, func(ctx context.Context, b *redisBed) {
		b.without(ctx, ended, func() {
			for range either(50, 5) {
				b.redis.Do(b.t, "CLIENT", "KILL", "TYPE", "pubsub")
				pause(ctx, 200*time.Millisecond)
			}
		})
	}},
	{"stopped, not dead", 5 * time.Second, func(ctx context.Context, b *redisBed) {
		b.without(ctx, probeFailed, func() {
			b.redis.Pause()
			pause(ctx, either(8*time.Second, 2500*time.Millisecond))
			b.redis.Resume()
		})
	}},
}

// untilTrusted waits until all nodes hear hints again.
func (b *redisBed) untilTrusted(ctx context.Context) {
	for deadline := time.Now().Add(30 * time.Second); ; pause(ctx, 50*time.Millisecond) {
		if b.sum("paybell_bus_suspect") == 0 || ctx.Err() != nil {
			return
		}
		if time.Now().After(deadline) {
			b.t.Error("the nodes hear no hints 30 s after the bus was mended")
			return
		}
	}
}

func TestFaultNothingInACluster(t *testing.T) {
	onlyLong(t)
	b := newRedisBed(t, "three nodes, nothing is broken", 3, settings{})
	b.run(usual())
}

func TestFaultRedis(t *testing.T) {
	share(t)
	if !*long {
		b := newRedisBed(t, "redis: all that can become of it", 3, settings{})
		l := usual()
		l.orders = 2000 // more than there is time for
		l.breaks = func(ctx context.Context) {
			for _, f := range redisFaults {
				pause(ctx, 300*time.Millisecond)
				f.once(ctx, b)
			}
		}
		b.run(l)
		return
	}
	for _, f := range redisFaults {
		t.Run(f.name, func(t *testing.T) {
			b := newRedisBed(t, "redis "+f.name, 3, settings{})
			l := usual()
			l.breaks = func(ctx context.Context) {
				for ctx.Err() == nil {
					pause(ctx, f.every)
					f.once(ctx, b)
				}
			}
			o := b.run(l)
			if calm, broken := o.figures.AnswerCalm, o.figures.AnswerBroken; calm > 0 && broken > 2*calm+20*checker.Millisecond {
				t.Errorf("1 in 100 webhooks was answered after %d ms while the bus was away, and after %d ms otherwise", broken/checker.Millisecond, calm/checker.Millisecond)
			}
		})
	}
}

func TestFaultRedisAbsent(t *testing.T) {
	share(t)
	b, _ := newCluster(t, "redis absent from the start", 3, settings{bus: "redis://" + rig.Address(rig.FreePort(t))})
	b.plan.Bounds.Bus = staleWithoutBus()
	l := usual()
	l.breaks = func(ctx context.Context) {
		b.breaks(checker.BusFault, "", func() int { <-ctx.Done(); return b.sum(failed) })
	}
	if o := b.run(l); o.figures.Effects == 0 {
		t.Error("no hint failed: there was a bus")
	}
}

// With neither probes nor heads a node that has gone deaf stays so, and the
// scenarios above would see it.
func TestFaultControlNoProbes(t *testing.T) {
	share(t)
	b := newRedisBed(t, "deaf, and nobody asks", 2, settings{weak: append([]weakness{
		{"bus/redis/link.go", "maxSilent = 2", "maxSilent = 1 << 30"},
	}, noHeads...)})
	b.run(load{orders: 120, rate: 100, crowd: 90, notice: []string{"I7", "I9"}, breaks: func(ctx context.Context) {
		pause(ctx, time.Second)
		b.breaks(checker.BusFault, "", func() int { b.hole.Lose(); pause(ctx, 2*time.Second); return 1 })
	}})
}

func TestFaultSentinelFailover(t *testing.T) {
	onlyLong(t)
	s := rig.StartRedisSentinel(t, rig.RedisOptions{})
	b, _ := newCluster(t, "sentinel failover", 3, settings{bus: "redis+sentinel://" + s.Hosts() + "/" + rig.SentinelMaster})
	b.plan.Bounds.Bus = staleWithoutBus()
	l := usual()
	l.breaks = func(ctx context.Context) {
		for i := 0; ctx.Err() == nil; i++ {
			pause(ctx, 5*time.Second)
			b.breaks(checker.BusFault, "", func() int {
				before := b.sum(ended)
				primary := s.Primary(b.t)
				if i%2 == 0 {
					primary.Kill()
				} else {
					primary.Pause() // it is there, and says nothing
				}
				pause(ctx, 8*time.Second)
				if i%2 == 0 {
					primary.Restart(b.t)
				} else {
					primary.Resume()
				}
				s.Settle(b.t)
				(&redisBed{bed: b}).untilTrusted(ctx)
				return b.sum(ended) - before
			})
		}
	}
	if o := b.run(l); o.figures.Effects == 0 {
		t.Error("no node noticed a failover")
	}
}

func TestFaultRedisCluster(t *testing.T) {
	onlyLong(t)
	for _, how := range []string{"", "?pubsub=sharded"} {
		t.Run("cluster"+how, func(t *testing.T) {
			c := rig.StartRedisCluster(t, rig.RedisOptions{})
			b, _ := newCluster(t, "redis cluster"+how, 3, settings{bus: "redis+cluster://" + c.Hosts() + how})
			b.plan.Bounds.Bus = staleWithoutBus()
			l := usual()
			l.breaks = func(ctx context.Context) {
				for i := 0; ctx.Err() == nil; i++ {
					pause(ctx, 5*time.Second)
					channel := fmt.Sprintf("paybell:{%d}", i%shards)
					b.breaks(checker.BusFault, "", func() int {
						before := b.sum(ended)
						if i%3 == 2 {
							owner := c.Owner(b.t, channel)
							owner.Kill()
							pause(ctx, 6*time.Second)
							owner.Restart(b.t)
							c.Settle(b.t)
						} else {
							c.Move(b.t, channel)
						}
						(&redisBed{bed: b}).untilTrusted(ctx)
						return b.sum(ended) - before
					})
				}
			}
			if o := b.run(l); o.figures.Effects == 0 && how != "" {
				t.Error("no node noticed that a slot moved")
			}
		})
	}
}
