package hub

import (
	"context"
	"flag"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

var worlds = flag.Uint64("worlds", 300, "how many simulated worlds the follower is put into")

// TestFollowerInTheWorstOfWorlds puts the follower and the hub into one world
// after another, and wants nothing wrong in any.
func TestFollowerInTheWorstOfWorlds(t *testing.T) {
	count := *worlds
	if testing.Short() {
		count = min(count, 50)
	}
	var visits, sights, resets atomic.Int64
	simulate(t, "", count, func(seed uint64, w *world, wrong []string) bool {
		if len(wrong) > 0 {
			t.Errorf("seed %d: %s", seed, strings.Join(wrong, "\n\t"))
		}
		visits.Add(int64(len(w.visits)))
		for _, v := range w.visits {
			sights.Add(int64(len(v.seen)))
			for _, s := range v.seen[min(1, len(v.seen)):] {
				if s.kind == snapshot {
					resets.Add(1)
				}
			}
		}
		return true
	})
	t.Logf("%d worlds with %d visits, which saw %d states and %d resets", count, visits.Load(), sights.Load(), resets.Load())
}

// simulate runs the worlds of the seeds below count, without a rule, and tells of
// each what was wrong, for as long as more are wanted.
func simulate(t *testing.T, without rule, count uint64, judged func(seed uint64, w *world, wrong []string) (more bool)) {
	var next atomic.Uint64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for seed := next.Add(1) - 1; seed < count; seed = next.Add(1) - 1 {
				synctest.Test(t, func(t *testing.T) {
					w := &world{rule: without}
					if wrong := w.run(t, seed); !judged(seed, w, wrong) {
						next.Store(count)
					}
				})
			}
		})
	}
	all.Wait()
}

// A rule is one of those that delivery rests on.
type rule string

const (
	headsAreRead      rule = "the heads are read every second"
	hintsAreInTurn    rule = "a hint is dispatched in its turn"
	hintsAreOfEpoch   rule = "a hint is of the ledger's epoch"
	gapsAreRead       rule = "a gap has the heads read"
	watchersComeFirst rule = "a watcher registers before it reads"
	versionsRise      rule = "a watcher takes only higher versions"
	fallenIsRefused   rule = "a journal that went backwards is not followed"
	waitsEnd          rule = "a hint waits 15 ms for those before it"
	epochsRenew       rule = "a new epoch has everything read anew"
	headsAreFresh     rule = "heads are compared with what was dispatched before they were read"
)

// TestEachRuleOfTheFollowerIsNeeded takes one rule away at a time. The worlds must
// show that it is missing, and in which way.
func TestEachRuleOfTheFollowerIsNeeded(t *testing.T) {
	const most, enough = 500, 3
	for without, want := range map[rule]string{
		headsAreRead: "late: ", hintsAreInTurn: "misses: ", hintsAreOfEpoch: "unsound: ", gapsAreRead: "late after a gap: ",
		watchersComeFirst: "late after a hint: ", versionsRise: "falls: ", fallenIsRefused: "unsound: ", waitsEnd: "late after a hint: ",
		epochsRenew: "misses: ", headsAreFresh: "an alarm of nothing",
	} {
		t.Run(strings.ReplaceAll(string(without), " ", "-"), func(t *testing.T) {
			var ran, caught atomic.Int64
			simulate(t, without, most, func(_ uint64, _ *world, wrong []string) bool {
				ran.Add(1)
				if i := slices.IndexFunc(wrong, func(one string) bool { return strings.Contains(one, want) }); i >= 0 {
					if caught.Add(1) == 1 {
						t.Log(wrong[i])
					}
				}
				return caught.Load() < enough
			})
			if caught.Load() < enough {
				t.Errorf("of %d worlds %d went wrong as %q", ran.Load(), caught.Load(), want)
			}
			t.Logf("without it %d of %d worlds went wrong so", caught.Load(), ran.Load())
		})
	}
}

// What follows takes rules away, by standing between the parts.

// disarm changes a node before it starts.
func (w *world) disarm(ctx context.Context, f *Follower, h *Hub) {
	switch w.rule {
	case headsAreRead:
		f.journal = &unheaded{Journal: f.journal, follower: f}
	case headsAreFresh:
		f.journal = &outdated{Journal: f.journal}
	case waitsEnd:
		f.reorder = time.Hour
	case epochsRenew:
		f.to = unrenewed{h}
	case versionsRise:
		f.to = unversioned{h}
	case fallenIsRefused:
		w.spawn(func() { override(ctx, f, h) })
	}
}

func (w *world) hint(f *Follower, changes []order.Change) {
	switch w.rule {
	case hintsAreInTurn:
		f.mu.Lock()
		for _, c := range changes {
			f.shards[c.Shard].cursor = c.Seq - 1
		}
		f.mu.Unlock()
	case hintsAreOfEpoch:
		f.mu.Lock()
		for i := range changes {
			changes[i].State.Epoch = f.epoch
		}
		f.mu.Unlock()
	}
	f.Hints(changes)
}

func (w *world) gap(f *Follower) {
	if w.rule != gapsAreRead {
		f.Gap()
	}
}

func (w *world) watch(h *Hub, c *client, id string) {
	if w.rule != watchersComeFirst {
		h.watch(c, Grant{}, []string{id})
		return
	}
	h.snapshots.ask([]string{id}, func(states []order.State, _ error) {
		watchers := h.register(c, []string{id})
		c.settle(watchers, states, c.reading(watchers))
	})
}

// An unheaded journal tells its heads once, and then that there is nothing more.
type unheaded struct {
	order.Journal
	follower *Follower
}

func (j *unheaded) Heads(ctx context.Context) (order.Heads, error) {
	heads, err := j.Journal.Heads(ctx)
	j.follower.mu.Lock()
	defer j.follower.mu.Unlock()
	for i, t := range j.follower.shards {
		if j.follower.epoch == heads.Epoch {
			heads.Seq[i] = t.cursor
		}
	}
	return heads, err
}

// An outdated journal tells its heads as they were when it was asked last.
type outdated struct {
	order.Journal
	last *order.Heads
}

func (j *outdated) Heads(ctx context.Context) (order.Heads, error) {
	heads, err := j.Journal.Heads(ctx)
	answer := j.last
	if answer == nil {
		answer = &heads
	}
	j.last = &heads
	return *answer, err
}

// An unrenewed hub goes on from a new epoch without a look at who is there.
type unrenewed struct{ *Hub }

func (h unrenewed) Renew(epoch string) { h.epoch.Store(&epoch) }

// An unversioned hub's watchers do not know what they were sent.
type unversioned struct{ *Hub }

func (h unversioned) Dispatch(changes []order.Change) {
	for _, c := range changes {
		s := h.shard(c.State.Order)
		s.mu.Lock()
		for w := s.watchers[c.State.Order]; w != nil; w = w.next {
			w.client.mu.Lock()
			if w.sent = min(w.sent, 0); w.slot != nil && w.settled {
				w.slot = nil
			}
			w.client.mu.Unlock()
		}
		s.mu.Unlock()
	}
	h.Hub.Dispatch(changes)
}

// override has a follower go on from lower heads, as somebody would who takes the
// alarm for a mistake.
func override(ctx context.Context, f *Follower, h *Hub) {
	for ctx.Err() == nil {
		pauseFor(ctx, 10*time.Millisecond)
		heads, _ := f.journal.Heads(ctx)
		f.mu.Lock()
		fallen := f.regressed && heads.Epoch == f.epoch
		if fallen {
			f.regressed = false
			for i := range f.shards {
				f.shards[i] = track{cursor: heads.Seq[i]}
			}
		}
		f.mu.Unlock()
		if fallen {
			h.Reopen()
		}
	}
}
