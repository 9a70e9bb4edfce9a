package hub

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// A screen is a Dispatcher that notes what it is told.
type screen struct {
	mu   sync.Mutex
	seen []string
}

func (s *screen) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, what)
}

func (s *screen) Dispatch(changes []order.Change) {
	for _, c := range changes {
		s.note(strconv.FormatInt(c.Seq, 10))
	}
}
func (s *screen) Renew(epoch string) { s.note(epoch) }
func (s *screen) Shut()              { s.note("shut") }
func (s *screen) Reopen()            { s.note("open") }

// A reel is a journal of one shard, which may fail, hang or be restored.
type reel struct {
	nobody
	mu      sync.Mutex
	epoch   string
	end     int64
	first   int64 // the oldest that is there
	broken  error
	hang    bool
	slow    time.Duration // that the heads take
	unread  error         // of changes
	heads   int
	pages   int
	notices []string
}

func (r *reel) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *reel) wait(ctx context.Context) error {
	r.mu.Lock()
	hang, broken := r.hang, r.broken
	r.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return broken
}

func (r *reel) Heads(ctx context.Context) (order.Heads, error) {
	var slow time.Duration
	r.set(func() { r.heads++; slow = r.slow })
	time.Sleep(slow)
	if err := r.wait(ctx); err != nil {
		return order.Heads{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return order.Heads{Epoch: r.epoch, Seq: [order.Shards]int64{r.end}}, nil
}

func (r *reel) Changes(ctx context.Context, shard int, after int64, limit int) (changes []order.Change, err error) {
	r.set(func() { r.pages++; err = r.unread })
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for seq := max(after+1, r.first); seq <= r.end && len(changes) < limit; seq++ {
		changes = append(changes, r.change(seq))
	}
	return changes, nil
}

func (r *reel) change(seq int64) order.Change {
	return order.Change{Seq: seq, State: order.State{Order: "o", Epoch: r.epoch, Version: seq}}
}

func (r *reel) Noticed(what string) { r.set(func() { r.notices = append(r.notices, what) }) }

// following runs a test over a follower that has begun at 10 of epoch e1.
func following(t *testing.T, test func(t *testing.T, f *Follower, r *reel, s *screen)) {
	synctest.Test(t, func(t *testing.T) {
		r, s := &reel{epoch: "e1", end: 10}, &screen{}
		f := NewFollower(r, s, FollowerOptions{Observer: r, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		ctx, cancel := context.WithCancel(context.Background())
		var ran sync.WaitGroup
		ran.Go(func() { f.Run(ctx) })
		synctest.Wait()
		s.want(t, "e1")
		test(t, f, r, s)
		cancel()
		ran.Wait()
	})
}

// want waits for no time, and compares what was told since it was last asked.
func (s *screen) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.seen, want) {
		t.Errorf("told %v, want %v", s.seen, want)
	}
	s.seen = nil
}

func (r *reel) hint(f *Follower, seqs ...int64) {
	var changes []order.Change
	for _, seq := range seqs {
		r.set(func() { r.end = max(r.end, seq); changes = append(changes, r.change(seq)) })
	}
	f.Hints(changes)
}

func TestHintsAreDispatchedInTheirTurn(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.hint(f, 11, 12)
		s.want(t, "11", "12") // at once
		r.hint(f, 11, 12, 3)
		s.want(t)
		r.hint(f, 15, 14)
		s.want(t)
		time.Sleep(10 * time.Millisecond)
		r.hint(f, 13)
		s.want(t, "13", "14", "15")
		if r.pages != 0 {
			t.Errorf("%d reads", r.pages)
		}
	})
}

func TestWhatIsMissingIsRead(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.hint(f, 13)
		time.Sleep(hintPatience - time.Millisecond)
		s.want(t)
		time.Sleep(time.Millisecond)
		s.want(t, "11", "12", "13")
		r.hint(f, 14)
		s.want(t, "14")
	})
}

func TestLongBacklogIsReadInPages(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.set(func() { r.end = 1510 })
		time.Sleep(headPeriod + headPatience)
		synctest.Wait()
		if len(s.seen) != 1500 || r.pages != 4 {
			t.Errorf("%d changes in %d pages", len(s.seen), r.pages)
		}
	})
}

func TestHintsAheadAreBounded(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.set(func() { r.hang = true })
		for seq := int64(12); seq < 2000; seq++ {
			r.hint(f, seq)
		}
		if n := len(f.shards[0].ahead); n > maxAhead {
			t.Errorf("%d hints are kept", n)
		}
		r.set(func() { r.hang = false })
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(s.seen) != 1989 || s.seen[1988] != "1999" {
			t.Errorf("%d changes", len(s.seen))
		}
	})
}

// A database that does not answer holds up no hint that is next.
func TestHungLedgerHoldsUpNoHint(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.set(func() { r.hang = true })
		time.Sleep(1500 * time.Millisecond)
		r.hint(f, 11)
		s.want(t, "11")
	})
}

// A flood of hints of another epoch, replayed by whoever, costs ten reads a second.
func TestForeignHintsCannotHammerTheLedger(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		before := r.heads
		foreign := order.Change{Seq: 11, State: order.State{Order: "o", Epoch: "e0", Version: 99}}
		for range 10_000 {
			f.Hints([]order.Change{foreign})
			time.Sleep(time.Millisecond)
		}
		s.want(t)
		if reads := r.heads - before; reads < 90 || reads > 101 {
			t.Errorf("%d reads in 10 s", reads)
		}
	})
}

func TestGapAndSuspicionAreReadAtOnce(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		time.Sleep(500 * time.Millisecond)
		r.set(func() { r.end = 12 })
		f.Gap()
		time.Sleep(headPatience)
		s.want(t, "11", "12")
		before := r.heads
		f.Suspect(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if reads := r.heads - before; reads < 39 || reads > 42 {
			t.Errorf("%d reads in 10 s of suspicion", reads)
		}
	})
}

func TestNewEpochIsAdopted(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.set(func() { r.epoch, r.end = "e2", 4 })
		r.hint(f, 5) // of which nobody here has heard
		s.want(t)
		time.Sleep(headDistance)
		s.want(t, "e2")
		r.hint(f, 6)
		s.want(t, "6")
		f.Hints([]order.Change{{Seq: 7, State: order.State{Order: "o", Epoch: "e1", Version: 7}}})
		s.want(t)
	})
}

func TestRegressionStopsEverythingUntilANewEpoch(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.set(func() { r.end = 7 })
		time.Sleep(headPeriod)
		s.want(t, "shut")
		r.hint(f, 8, 9, 10, 11, 12)
		time.Sleep(10 * time.Second)
		s.want(t)
		if f.Trouble() == "" {
			t.Error("it is ready")
		}
		r.set(func() { r.epoch = "e2" })
		time.Sleep(headPeriod)
		s.want(t, "e2", "open")
		if f.Trouble() != "" || !slices.Equal(r.notices, []string{NoticeRegression, NoticeEpoch}) {
			t.Errorf("%q, %v", f.Trouble(), r.notices)
		}
	})
}

// A ledger that cannot be read for 5 s is lost, and found without a restart.
func TestLostLedgerIsFoundAgain(t *testing.T) {
	for what, fail := range map[string]func(r *reel, failing bool){
		"refuses": func(r *reel, failing bool) {
			if r.broken = nil; failing {
				r.broken = errors.New("connection refused")
			}
		},
		"hangs": func(r *reel, failing bool) { r.hang = failing },
	} {
		t.Run(what, func(t *testing.T) {
			following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
				r.set(func() { fail(r, true) })
				time.Sleep(contactTime - 10*time.Millisecond)
				s.want(t)
				time.Sleep(300 * time.Millisecond)
				s.want(t, "shut")
				if f.Trouble() == "" {
					t.Error("it is ready")
				}
				r.set(func() { fail(r, false); r.end = 12 })
				time.Sleep(readTimeout + suspectPeriod + headPatience)
				s.want(t, "open", "11", "12")
				if f.Trouble() != "" || !slices.Equal(r.notices, []string{NoticeLost, NoticeFound}) {
					t.Errorf("%q, %v", f.Trouble(), r.notices)
				}
			})
		})
	}
}

// Where changes are gone from the journal, everything is read anew, as after a
// restart.
func TestHoleInTheJournalIsPassed(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.set(func() { r.first, r.end = 15, 20 })
		time.Sleep(headPeriod + headPatience + headDistance)
		s.want(t, "e1")
		r.hint(f, 21)
		s.want(t, "21")
	})
}

func TestLedgerThatCannotBeReadAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := &reel{epoch: "e1", end: 10, broken: errors.New("starting")}, &screen{}
		f := NewFollower(r, s, FollowerOptions{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		ctx, cancel := context.WithCancel(context.Background())
		var ran sync.WaitGroup
		ran.Go(func() { f.Run(ctx) })
		time.Sleep(time.Second)
		r.hint(f, 11)
		s.want(t)
		if f.Trouble() == "" {
			t.Error("it is ready")
		}
		r.set(func() { r.broken = nil })
		time.Sleep(suspectPeriod)
		s.want(t, "e1")
		cancel()
		ran.Wait()
	})
}

// BenchmarkFollowerHints is what a hint that is next costs on top of its dispatch.
func BenchmarkFollowerHints(b *testing.B) {
	for _, size := range []int{1, 16} {
		for _, way := range []string{"direct", "followed"} {
			b.Run(way+"/"+strconv.Itoa(size), func(b *testing.B) {
				h := New(&book{states: map[string]order.State{}}, nil, Options{Goroutines: true})
				f := NewFollower(&reel{epoch: "e1"}, h, FollowerOptions{})
				f.readHeads(b.Context())
				changes := make([]order.Change, size)
				for i := range changes {
					changes[i].State = sample()
					changes[i].State.Epoch = "e1"
				}
				seq := int64(0)
				b.ReportAllocs()
				for b.Loop() {
					for i := range changes {
						seq++
						changes[i].Seq = seq
					}
					if way == "direct" {
						h.Dispatch(changes)
					} else {
						f.Hints(changes)
					}
				}
			})
		}
	}
}
