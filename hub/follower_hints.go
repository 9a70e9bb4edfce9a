package hub

import (
	"time"

	"github.com/paybell/paybell/order"
)

// A track is how far a follower has come in one shard of the journal.
type track struct {
	cursor int64                  // everything up to it was dispatched, or is older than every watcher
	known  int64                  // the highest that the journal is known to hold, if above cursor
	ahead  map[int64]order.Change // hints above cursor+1; nil: none
	due    time.Time              // when to read what is missing; zero: nothing is
	cause  string                 // … and what showed it

	failing time.Time // since when what is missing cannot be read; zero: it can
}

func (t *track) isDue(now time.Time) bool { return !t.due.IsZero() && !now.Before(t.due) }

// misses says that the journal goes as far as seq, and gives hints until a time to
// come before it is read.
func (t *track) misses(seq int64, until time.Time, cause string) {
	t.known = max(t.known, seq)
	if t.known > t.cursor && (t.due.IsZero() || until.Before(t.due)) {
		t.due, t.cause = until, cause
	}
}

// keep puts a hint aside until those before it have come.
func (t *track) keep(c order.Change, now time.Time, patience time.Duration) {
	if len(t.ahead) >= maxAhead {
		patience = 0
	} else {
		if t.ahead == nil {
			t.ahead = map[int64]order.Change{}
		}
		t.ahead[c.Seq] = c
	}
	t.misses(c.Seq, now.Add(patience), PathHint)
}

// advance moves the cursor to the next change, which is being dispatched.
func (t *track) advance() {
	t.cursor++
	if t.cursor >= t.known {
		t.due = time.Time{}
	}
}

// follows takes the hint out of those put aside that is next by now.
func (t *track) follows() (order.Change, bool) {
	if len(t.ahead) == 0 {
		return order.Change{}, false
	}
	c, ok := t.ahead[t.cursor+1]
	if ok {
		delete(t.ahead, c.Seq)
	}
	return c, ok
}

// forget drops the hints put aside that are not above seq.
func (t *track) forget(seq int64) {
	for at := range t.ahead {
		if at <= seq {
			delete(t.ahead, at)
		}
	}
}

// newest is the highest hint put aside; 0: there is none.
func (t *track) newest() (seq int64) {
	for at := range t.ahead {
		seq = max(seq, at)
	}
	return seq
}

// A tally is what a batch of hints came to, to be told once the lock is free.
type tally struct {
	next, old, ahead, foreign, ignored int
	reordered                          int // dispatched after those that came in their turn
	late, reorderedLate                time.Duration
}

func (s *tally) tell(o FollowerObserver) {
	for _, one := range [...]struct {
		outcome string
		hints   int
	}{{HintNext, s.next}, {HintOld, s.old}, {HintAhead, s.ahead}, {HintForeign, s.foreign}, {HintIgnored, s.ignored}} {
		if one.hints > 0 {
			o.Hinted(one.outcome, one.hints)
		}
	}
	if s.next > 0 {
		o.Followed(PathHint, s.next, s.late)
	}
	if s.reordered > 0 {
		o.Followed(PathReorder, s.reordered, s.reorderedLate)
	}
}

// takeLocked dispatches the hints that are next, in the longest runs there are,
// and reports whether Run has something to do.
func (f *Follower) takeLocked(changes []order.Change, seen *tally) (nudge bool) {
	now := time.Now()
	first := 0 // of the run that has gathered
	for i := range changes {
		c := &changes[i]
		switch t, outcome := f.judgeLocked(c); outcome {
		case HintNext:
			if seen.next++; seen.next == 1 {
				seen.late = now.Sub(c.State.UpdatedAt)
			}
			if t.advance(); len(t.ahead) > 0 {
				f.to.Dispatch(changes[first : i+1])
				first = i + 1
				f.drainLocked(t, now, seen)
			}
			continue
		case HintOld:
			seen.old++
		case HintAhead:
			seen.ahead++
			t.keep(*c, now, f.reorder)
			nudge = true
		case HintForeign:
			seen.foreign++
			f.askLocked(now)
			nudge = true
		case HintIgnored:
			seen.ignored++
		}
		if first < i {
			f.to.Dispatch(changes[first:i])
		}
		first = i + 1
	}
	if first < len(changes) {
		f.to.Dispatch(changes[first:])
	}
	return nudge
}

// judgeLocked says what a hint is. One of another epoch may be of a ledger that was
// restored, or of one that is gone: its numbers mean nothing here.
func (f *Follower) judgeLocked(c *order.Change) (*track, string) {
	switch {
	case f.epoch == "" || c.State.Epoch != f.epoch || uint(c.Shard) >= order.Shards:
		return nil, HintForeign
	case f.regressed:
		return nil, HintIgnored
	}
	t := &f.shards[c.Shard]
	switch {
	case c.Seq <= t.cursor:
		return t, HintOld
	case c.Seq == t.cursor+1:
		return t, HintNext
	}
	return t, HintAhead
}

// drainLocked dispatches what was put aside and is next by now.
func (f *Follower) drainLocked(t *track, now time.Time, seen *tally) {
	var run [bite]order.Change
	for {
		n := 0
		for n < len(run) {
			c, ok := t.follows()
			if !ok {
				break
			}
			t.advance()
			run[n] = c
			n++
		}
		if n == 0 {
			return
		}
		if seen.reordered == 0 {
			seen.reorderedLate = now.Sub(run[0].State.UpdatedAt)
		}
		seen.reordered += n
		f.to.Dispatch(run[:n])
	}
}
