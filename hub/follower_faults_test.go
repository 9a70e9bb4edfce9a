package hub

import (
	"context"
	"slices"
	"testing"
	"time"
)

// Heads that took longer to read than they were apart were always due, and what was
// missing was never read.
func TestSlowHeadsDoNotStarveChanges(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.set(func() { r.slow = 300 * time.Millisecond })
		f.Suspect(true)
		time.Sleep(time.Second)
		r.set(func() { r.end = 12 })
		time.Sleep(time.Second)
		s.want(t, "11", "12")
	})
}

// Changes that could not be read stopped a shard for good, and nobody was told.
func TestChangesThatCannotBeReadAreGivenUpLoudly(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.set(func() { r.end, r.unread = 12, context.DeadlineExceeded })
		time.Sleep(2 * time.Second)
		s.want(t)
		time.Sleep(contactTime)
		s.want(t, "e1") // every watcher is read for anew
		r.set(func() { r.unread = nil })
		r.hint(f, 13)
		s.want(t, "13")
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.Contains(r.notices, NoticeUnread) {
			t.Errorf("the notices are %v", r.notices)
		}
	})
}

// The last try before the ledger counts as lost had what was left of the time, which
// after a pause of the process was no time at all.
func TestAPauseOfTheProcessLosesNoLedger(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		r.set(func() { r.slow = 20 * time.Millisecond })
		f.mu.Lock()
		f.contact = time.Now().Add(10*time.Millisecond - contactTime)
		f.askAt = time.Now()
		f.mu.Unlock()
		f.nudge()
		time.Sleep(2 * time.Second)
		s.want(t)
	})
}
