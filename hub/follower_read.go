package hub

import (
	"context"
	"slices"
	"time"

	"github.com/paybell/paybell/order"
)

// readHeads reads where the journal ends, and compares that with how far the
// follower had come before it asked: hints that come meanwhile may well go further.
func (f *Follower) readHeads(ctx context.Context) {
	f.mu.Lock()
	began := time.Now()
	var before [order.Shards]int64
	for i := range f.shards {
		before[i] = f.shards[i].cursor
	}
	period := f.period
	if f.suspect {
		period = min(period, suspectPeriod)
	}
	f.asked, f.askAt = began, began.Add(period)
	limit := readTimeout
	if left := f.contact.Add(contactTime).Sub(began); !f.lost && left > 0 {
		limit = min(limit, max(left, leastTimeout))
	}
	f.mu.Unlock()

	read, cancel := context.WithTimeout(ctx, limit)
	heads, err := f.journal.Heads(read)
	cancel()
	switch {
	case err == nil:
		f.reached(began, heads, before)
	case ctx.Err() == nil:
		f.missed(err)
	}
}

// missed notes that the heads could not be read. For too long, and the node has
// lost the ledger: what its clients see may be old, so they are sent elsewhere.
func (f *Follower) missed(err error) {
	now := time.Now()
	f.mu.Lock()
	f.askAt = now.Add(suspectPeriod)
	lost := !f.lost && now.Sub(f.contact) >= contactTime
	f.lost = f.lost || lost
	f.mu.Unlock()
	if lost {
		f.log.Error("the ledger cannot be read; clients are sent away until it can", "for", contactTime, "err", err)
		f.observer.Noticed(NoticeLost)
		f.to.Shut()
	}
}

// reached notes where the journal ended some time after began.
func (f *Follower) reached(began time.Time, heads order.Heads, before [order.Shards]int64) {
	f.mu.Lock()
	found := f.lost
	f.lost, f.contact = false, began
	was, regressed := f.epoch, f.regressed
	switch {
	case heads.Epoch != f.epoch:
		f.adoptLocked(heads)
	case f.regressed: // until the epoch changes
	case behind(heads, before):
		f.regressed = true
	default:
		f.compareLocked(heads)
	}
	open := !f.regressed
	alarm, adopted := f.regressed && !regressed, f.epoch != was
	f.mu.Unlock()

	if found {
		f.log.Info("the ledger can be read again")
		f.observer.Noticed(NoticeFound)
	}
	if adopted && was != "" {
		f.log.Warn("the ledger has another epoch; every client is shown its state anew", "was", was, "is", heads.Epoch)
		f.observer.Noticed(NoticeEpoch)
	}
	if alarm {
		f.log.Error("the ledger's journal went backwards without a new epoch: give the restored ledger one; until then this node serves no clients",
			"epoch", heads.Epoch, "heads", heads.Seq, "seen", before)
		f.observer.Noticed(NoticeRegression)
		f.to.Shut()
	}
	if open && (found || regressed) {
		f.to.Reopen()
	}
}

// behind says whether the journal ends before what was dispatched already.
func behind(heads order.Heads, before [order.Shards]int64) bool {
	for shard, seq := range heads.Seq {
		if seq < before[shard] {
			return true
		}
	}
	return false
}

// adoptLocked goes on from the heads of another epoch, or of the first. What came
// before needs no dispatch: a watcher that is there already is read for anew, after
// now, by Renew; one that is not there yet reads later than that by itself.
func (f *Follower) adoptLocked(heads order.Heads) {
	for i := range f.shards {
		f.shards[i] = track{cursor: heads.Seq[i]}
	}
	f.epoch, f.regressed = heads.Epoch, false
	f.to.Renew(heads.Epoch)
}

// compareLocked notes what the journal has and the follower has not. Its hints may
// be on their way.
func (f *Follower) compareLocked(heads order.Heads) {
	until := time.Now().Add(headPatience)
	for i, seq := range heads.Seq {
		f.shards[i].misses(seq, until, PathHeads)
	}
}

// readChanges reads a page of what a shard's watchers are missing.
func (f *Follower) readChanges(ctx context.Context, shard int) {
	t := &f.shards[shard]
	f.mu.Lock()
	after, known, newest, cause, epoch := t.cursor, t.known, t.newest(), t.cause, f.epoch
	f.mu.Unlock()

	read, cancel := context.WithTimeout(ctx, readTimeout)
	changes, err := f.journal.Changes(read, shard, after, pageSize)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		f.observer.CaughtUp(cause, len(changes))
	}
	whole := err == nil
	for page := range slices.Chunk(changes, bite) {
		if whole = whole && f.dispatchRead(t, page); !whole {
			break
		}
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	switch {
	case err != nil:
		f.unreadLocked(t, shard, now, err)
	case f.epoch != epoch: // a hole, after which the heads are adopted
	case !whole:
		t.due = now.Add(suspectPeriod)
	case len(changes) == pageSize:
		t.due = now
	default:
		t.settle(known, newest, now.Add(f.reorder))
	}
}

// unreadLocked notes that changes could not be read, and tries again soon. What
// cannot be read for too long is given up: as after a restart, the heads are
// adopted and what watchers are missing is read by order.
func (f *Follower) unreadLocked(t *track, shard int, now time.Time, err error) {
	t.due = now.Add(suspectPeriod)
	if t.failing.IsZero() {
		t.failing = now
		f.log.Warn("changes in the journal cannot be read; trying again", "shard", shard, "after", t.cursor, "err", err)
	}
	if now.Sub(t.failing) < contactTime {
		return
	}
	f.log.Error("changes in the journal cannot be read; every client's state is read anew", "shard", shard, "after", t.cursor, "err", err)
	f.observer.Noticed(NoticeUnread)
	t.failing, f.epoch = time.Time{}, ""
	f.askLocked(now)
}

// settle ends a read of all there was. What was put aside before it and is not in
// it, is not in the journal.
func (t *track) settle(known, newest int64, until time.Time) {
	t.failing = time.Time{}
	t.forget(max(newest, t.cursor))
	if t.known == known { // nothing was heard of meanwhile
		t.known = t.cursor
	}
	t.due = time.Time{}
	t.misses(t.known, until, PathHint)
}

// dispatchRead dispatches changes that were read, and reports whether they were what
// they should be. Hints may have been faster.
func (f *Follower) dispatchRead(t *track, changes []order.Change) bool {
	var seen tally
	f.mu.Lock()
	now := time.Now()
	run := changes[:0]
	sound := true
	for _, c := range changes {
		switch {
		case c.State.Epoch != f.epoch: // the ledger was restored meanwhile
			f.askLocked(now)
			sound = false
		case c.Seq > t.cursor+1:
			f.holeLocked(c, t.cursor, now)
			sound = false
		case c.Seq == t.cursor+1:
			t.advance()
			run = append(run, c)
		}
		if !sound {
			break
		}
	}
	if len(run) > 0 {
		f.to.Dispatch(run)
	}
	if sound {
		f.drainLocked(t, now, &seen)
	}
	f.mu.Unlock()
	if len(run) > 0 {
		f.observer.Followed(PathRead, len(run), now.Sub(run[0].State.UpdatedAt))
	}
	seen.tell(f.observer)
	return sound
}

// holeLocked gives up to follow a journal of which a part is gone. As after a
// restart, the heads are adopted and everything is read anew.
func (f *Follower) holeLocked(c order.Change, cursor int64, now time.Time) {
	f.log.Warn("the journal lacks changes; every client's state is read anew", "shard", c.Shard, "after", cursor, "next", c.Seq)
	f.observer.Noticed(NoticeHole)
	f.epoch = ""
	f.askLocked(now)
}
