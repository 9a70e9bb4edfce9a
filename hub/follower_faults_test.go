package hub

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// A slow journal takes its time to say where it ends.
type slow struct {
	*reel
	heads time.Duration
}

func (s slow) Heads(ctx context.Context) (order.Heads, error) {
	select {
	case <-time.After(s.heads):
		return s.reel.Heads(ctx)
	case <-ctx.Done():
		return order.Heads{}, ctx.Err()
	}
}

// An illegible journal says where it ends, and not what it holds.
type illegible struct{ *reel }

func (i illegible) Changes(context.Context, int, int64, int) ([]order.Change, error) {
	i.set(func() { i.pages++ })
	return nil, context.DeadlineExceeded
}

// Heads that took longer to read than they were apart were always due, and what was
// missing was never read.
func TestSlowHeadsDoNotStarveChanges(t *testing.T) {
	following(t, func(t *testing.T, f *Follower, r *reel, s *screen) {
		f.journal = slow{r, 300 * time.Millisecond}
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
		f.journal = illegible{r}
		r.set(func() { r.end = 12 })
		time.Sleep(2 * time.Second)
		s.want(t)
		time.Sleep(contactTime)
		s.want(t, "e1") // every watcher is read for anew
		f.journal = r
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
		f.journal = slow{r, 20 * time.Millisecond}
		f.mu.Lock()
		f.contact = time.Now().Add(10*time.Millisecond - contactTime)
		f.askAt = time.Now()
		f.mu.Unlock()
		f.nudge()
		time.Sleep(2 * time.Second)
		s.want(t)
	})
}
