package hub

import (
	"fmt"
	"slices"
	"time"

	"github.com/paybell/paybell/order"
)

// What a world is judged by, besides that nothing false is shown and nothing
// missed in the end.
const (
	staleBound = 1500 * time.Millisecond // of any change, whatever the bus does
	gapBound   = 200 * time.Millisecond  // of what was committed before a gap was told
	hintBound  = 80 * time.Millisecond   // of what is not after a hint that came
	alarmBound = 1100 * time.Millisecond // until a history that was cut is noticed
)

// judge returns what was wrong. The world has come to rest.
func (w *world) judge() (wrong []string) {
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	wrong = append(wrong, w.alarms...)
	for i, v := range w.visits {
		v.mu.Lock()
		for _, err := range []error{w.sound(v), w.rises(v), w.complete(v), w.inTime(v)} {
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("visit %d of %s: %v", i, v.order, err))
			}
		}
		v.mu.Unlock()
	}
	return wrong
}

// sound checks that what was seen was in the ledger, and not seen where the ledger
// cannot be trusted.
func (w *world) sound(v *visit) error {
	l := w.ledger
	for _, s := range v.seen {
		if s.Version > 0 && !l.ever[timeless(s.State)] {
			return fmt.Errorf("unsound: %s %d was never in the ledger", s.Tag(), s.Amount)
		}
		for i, cut := range l.cuts {
			within := i+1 < len(l.cuts) && s.at.Before(l.cuts[i+1])
			if l.commitsEndAt(cut) && within && s.at.After(cut.Add(alarmBound)) {
				return fmt.Errorf("unsound: %s is shown %v after the history was cut", s.Tag(), s.at.Sub(cut))
			}
		}
	}
	return nil
}

// commitsEndAt says whether a cut was one within an epoch, which are the first of
// two.
func (l *worldLedger) commitsEndAt(cut time.Time) bool {
	return len(l.cuts) == 2 && cut.Equal(l.cuts[0])
}

// rises checks that versions rise within an epoch, that each epoch begins with one
// snapshot, and that none comes back.
func (w *world) rises(v *visit) error {
	var past []string
	for i, s := range v.seen {
		switch {
		case i == 0 || v.seen[i-1].Epoch != s.Epoch:
			if slices.Contains(past, s.Epoch) {
				return fmt.Errorf("falls: epoch %s comes back", s.Epoch)
			}
			if past = append(past, s.Epoch); s.kind != snapshot {
				return fmt.Errorf("falls: %s begins with %s", s.Epoch, s.kind)
			}
		case s.Version <= v.seen[i-1].Version:
			return fmt.Errorf("falls: %s after %s", s.Tag(), v.seen[i-1].Tag())
		case s.kind != update:
			return fmt.Errorf("falls: a second snapshot of %s", s.Epoch)
		}
	}
	return nil
}

// complete checks that whoever is there has the newest in the end, and was shown
// at first what was the newest when it came.
func (w *world) complete(v *visit) error {
	l := w.ledger
	if len(v.seen) == 0 {
		if v.ended.IsZero() {
			return fmt.Errorf("misses: nothing was shown")
		}
		return nil
	}
	if last, newest := v.seen[len(v.seen)-1], l.stateLocked(v.order); v.ended.IsZero() && timeless(last.State) != timeless(newest) {
		return fmt.Errorf("misses: the last seen is %s, the newest %s", last.Tag(), newest.Tag())
	}
	for _, c := range l.commits {
		if first := v.seen[0]; c.State.Order == v.order && c.at.Before(v.began) && c.State.Epoch == first.Epoch &&
			first.Version < c.State.Version && l.whole(c.at, first.at) {
			return fmt.Errorf("misses: first saw %s, after %s", first.Tag(), c.State.Tag())
		}
	}
	return nil
}

// whole says whether history was left alone between two times.
func (l *worldLedger) whole(from, to time.Time) bool {
	return !slices.ContainsFunc(l.cuts, func(cut time.Time) bool { return !cut.Before(from) && !cut.After(to) })
}

// inTime checks the bounds.
func (w *world) inTime(v *visit) error {
	if len(v.seen) == 0 {
		return nil
	}
	for _, c := range w.ledger.commits {
		if c.State.Order == v.order {
			if err := w.by(v, c.Change, c.at, c.at.Add(staleBound)); err != nil {
				return fmt.Errorf("late: %w", err)
			}
		}
	}
	for _, g := range w.gaps {
		for _, c := range w.ledger.commits {
			if g.node != v.node || c.State.Order != v.order || c.at.After(g.at) {
				continue
			}
			if err := w.by(v, c.Change, g.at, g.at.Add(gapBound)); err != nil {
				return fmt.Errorf("late after a gap: %w", err)
			}
		}
	}
	for _, hint := range w.hints {
		if hint.node != v.node || hint.shard != order.ShardOf(v.order) {
			continue
		}
		for _, c := range w.ledger.commits {
			if c.State.Order != v.order || c.Seq > hint.seq || c.State.Epoch != hint.epoch || c.at.After(hint.at) {
				continue
			}
			if err := w.by(v, c.Change, hint.at, hint.at.Add(hintBound)); err != nil {
				return fmt.Errorf("late after a hint: %w", err)
			}
		}
	}
	return nil
}

// by checks that who was there from one time to another has seen a change, or a
// newer state, by then. Where history was cut meanwhile, or before within the same
// epoch, there is no such bound.
func (w *world) by(v *visit, c order.Change, from, to time.Time) error {
	l := w.ledger
	if len(l.cuts) > 0 && l.commitsEndAt(l.cuts[0]) && c.State.Epoch == "e0" && c.State.UpdatedAt.After(l.cuts[0]) {
		return nil
	}
	if v.seen[0].at.After(from) || !v.ended.IsZero() && v.ended.Before(to) || time.Now().Before(to) || !w.ledger.whole(c.State.UpdatedAt, to) {
		return nil
	}
	seen := slices.ContainsFunc(v.seen, func(s sight) bool {
		return !s.at.After(to) && s.Epoch == c.State.Epoch && s.Version >= c.State.Version
	})
	if !seen {
		return fmt.Errorf("%s was not seen within %v", c.State.Tag(), to.Sub(from))
	}
	return nil
}
