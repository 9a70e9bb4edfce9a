package hub

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
)

// A Dispatcher is what a [Follower] feeds. *[Hub] is the one there is.
type Dispatcher interface {
	Dispatch([]order.Change) // must not block
	Renew(epoch string)      // must not block
	Shut()
	Reopen()
}

// A FollowerObserver is told how a [Follower] keeps up. Its methods are called
// often and at once, and must not block.
type FollowerObserver interface {
	// Hinted is told of hints by their outcome: one of the Hint constants.
	Hinted(outcome string, hints int)
	// Followed is told of changes that were dispatched, by the path on which they
	// came: one of the Path constants. late is how long after its commit, by the
	// clock of the node that made it, the oldest of them was; that clock counts
	// milliseconds and may be another machine's.
	Followed(path string, changes int, late time.Duration)
	// CaughtUp is told of every read of changes, by its cause, PathHint or
	// PathHeads: what showed that something was missing.
	CaughtUp(cause string, changes int)
	// Noticed is told of what is rare: one of the Notice constants.
	Noticed(what string)
}

// Outcomes of a hint.
const (
	HintNext    = "next"    // dispatched at once
	HintOld     = "old"     // dispatched before, or read
	HintAhead   = "ahead"   // waits for those before it
	HintForeign = "foreign" // of another epoch
	HintIgnored = "ignored" // while nothing is dispatched
)

// Paths of a change, and causes of a read.
const (
	PathHint    = "hint"    // a hint that came in its turn
	PathReorder = "reorder" // a hint that had to wait for those before it
	PathRead    = "read"    // read from the journal
	PathHeads   = "heads"   // where the journal ends
)

// What is rare.
const (
	NoticeGap        = "gap"        // the bus says that hints may have been lost
	NoticeEpoch      = "epoch"      // a new epoch was adopted
	NoticeHole       = "hole"       // the journal lacks changes that were to be read
	NoticeUnread     = "unread"     // changes could not be read for too long
	NoticeRegression = "regression" // the journal went backwards within its epoch
	NoticeLost       = "lost"       // the ledger could not be read for too long
	NoticeFound      = "found"      // … and can be again
)

// FollowerOptions tune a [Follower]. The zero value is what production runs.
type FollowerOptions struct {
	Observer FollowerObserver // nil: nobody observes
	Log      *slog.Logger     // nil means slog.Default
}

// How a Follower spends its time. All are fixed, because the bound on how old a
// watcher's state may be (1.5 s when only the bus fails) is made of them.
const (
	headPeriod    = time.Second            // between two reads of the heads
	suspectPeriod = 250 * time.Millisecond // … while the bus may be deaf, or after one that failed
	headDistance  = 100 * time.Millisecond // … at least, whoever asks for one
	hintPatience  = 15 * time.Millisecond  // for hints that others have overtaken
	headPatience  = 20 * time.Millisecond  // for hints of what the heads show
	readTimeout   = 2 * time.Second        // of every read
	leastTimeout  = 500 * time.Millisecond // … but of a last try before the ledger is lost
	contactTime   = 5 * time.Second        // without heads, after which the ledger is lost
)

// maxAhead bounds the hints of a shard that wait, pageSize the changes of one read,
// and bite those that are dispatched from it without letting hints in between.
const (
	maxAhead = 256
	pageSize = 500
	bite     = 64
)

// A Follower keeps a node's watchers as new as the ledger, whatever becomes of the
// hints on the bus. It knows how far it has come in each shard of the journal.
// A hint of the very next change is dispatched, an older one dropped; what is
// missing is read. Once a second it reads where the journal ends, so that nothing
// depends on a hint that may not come.
//
// Two kinds of goroutine meet here. Hints, Gap and Suspect are called by those who
// commit and by the bus's; they take the lock, dispatch and go, and never wait for
// the ledger. Run is one goroutine; it alone reads, one read at a time, each with
// a time-out and never under the lock, and it alone adopts an epoch. So a slow
// database delays what is missing, and never a hint that is next.
//
// The lock is taken before those of the hub. Under it Dispatch and Renew are
// called, so that what was dispatched before an epoch changed cannot come after.
type Follower struct {
	journal  order.Journal
	to       Dispatcher
	observer FollowerObserver
	log      *slog.Logger

	reorder, period time.Duration // hintPatience and headPeriod

	wake chan struct{} // filled when something may be due sooner

	mu        sync.Mutex
	epoch     string // "": none was adopted yet, or it must be adopted anew
	regressed bool   // the journal went backwards; nothing is dispatched in this epoch
	suspect   bool
	lost      bool
	shards    [order.Shards]track
	asked     time.Time // when the last read of the heads began
	askAt     time.Time // when the next is due
	contact   time.Time // when the last that succeeded began

	turn int // the shard that is looked at first; Run's
}

// NewFollower returns a follower of a journal that dispatches to to. Until Run
// runs nothing is dispatched.
func NewFollower(journal order.Journal, to Dispatcher, opts FollowerOptions) *Follower {
	if opts.Observer == nil {
		opts.Observer = nobody{}
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	return &Follower{
		journal: journal, to: to, observer: opts.Observer, log: opts.Log,
		reorder: hintPatience, period: headPeriod, wake: make(chan struct{}, 1),
	}
}

// Hints tells of changes that some node has committed, this one or another. They
// may be lost, repeated, and in any order; they must not be forged. Hints does not
// block, and does not keep the slice.
func (f *Follower) Hints(changes []order.Change) {
	if len(changes) == 0 {
		return
	}
	var seen tally
	f.mu.Lock()
	nudge := f.takeLocked(changes, &seen)
	f.mu.Unlock()
	if nudge {
		f.nudge()
	}
	seen.tell(f.observer)
}

// Gap says that hints may have been lost until now. It is called once new ones
// come again, because what is read before that may lack what is lost after.
func (f *Follower) Gap() {
	f.observer.Noticed(NoticeGap)
	f.mu.Lock()
	f.askLocked(time.Now())
	f.mu.Unlock()
	f.nudge()
}

// Suspect says whether the bus may be deaf: then the heads are read more often.
func (f *Follower) Suspect(suspect bool) {
	f.mu.Lock()
	turned := f.suspect != suspect
	f.suspect = suspect
	if turned && suspect {
		f.askLocked(time.Now())
	}
	f.mu.Unlock()
	f.nudge()
}

// Trouble says why this node should have no clients, or "".
func (f *Follower) Trouble() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.lost:
		return "the ledger cannot be read"
	case f.regressed:
		return "the ledger's journal went backwards within its epoch"
	case f.epoch == "":
		return "the ledger's journal was not read yet"
	}
	return ""
}

// Run follows until ctx ends. It starts no goroutine.
func (f *Follower) Run(ctx context.Context) {
	f.mu.Lock()
	f.contact = time.Now()
	f.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-f.wake:
		case <-timer.C:
		}
		f.work(ctx)
		timer.Reset(time.Until(f.due()))
	}
}

// work reads what is due: the heads first, since they show whether the ledger can
// be read at all, then pages until the heads are due again. Heads that take longer
// to read than they are apart are always due; a page comes between all the same. A
// pause of this goroutine, however long, makes the heads overdue and so has them
// read at once.
func (f *Follower) work(ctx context.Context) {
	if f.headsAreDue() {
		f.readHeads(ctx)
	}
	for ctx.Err() == nil {
		shard, due := f.nextDue()
		if !due {
			return
		}
		f.turn = (shard + 1) % order.Shards
		f.readChanges(ctx, shard)
		if f.headsAreDue() {
			return
		}
	}
}

func (f *Follower) headsAreDue() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !time.Now().Before(f.askAt)
}

// nextDue is a shard that has something to read.
func (f *Follower) nextDue() (shard int, due bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for i := range f.shards {
		if at := (f.turn + i) % order.Shards; f.shards[at].isDue(now) {
			return at, true
		}
	}
	return 0, false
}

// due says when there is work.
func (f *Follower) due() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.askAt
	for i := range f.shards {
		if t := &f.shards[i]; !t.due.IsZero() && t.due.Before(next) {
			next = t.due
		}
	}
	return next
}

func (f *Follower) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// askLocked has the heads read soon: a flood of reasons costs ten reads a second.
func (f *Follower) askLocked(now time.Time) {
	soonest := f.asked.Add(headDistance)
	if soonest.Before(now) {
		soonest = now
	}
	if soonest.Before(f.askAt) {
		f.askAt = soonest
	}
}

type nobody struct{}

func (nobody) Hinted(string, int)                  {}
func (nobody) Followed(string, int, time.Duration) {}
func (nobody) CaughtUp(string, int)                {}
func (nobody) Noticed(string)                      {}
