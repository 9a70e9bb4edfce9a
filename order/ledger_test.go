package order_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// A bench is a ledger over a store that fails on demand, and what it told.
type bench struct {
	*order.Ledger
	store     *memory
	commits   []string // as observed: "3 writes" or "3 writes failed"
	published []string // as "A1 v2 paid"
	ended     chan error
}

// newBench is for use inside a synctest bubble. The ledger does not run yet.
func newBench(batch int) *bench {
	b := &bench{store: newMemory(), ended: make(chan error, 1)}
	b.Ledger = order.NewLedger(b.store, order.LedgerOptions{
		Batch: batch,
		Observe: func(writes int, took time.Duration, err error) {
			text := fmt.Sprint(writes, " writes")
			if err != nil {
				text += " failed"
			}
			b.commits = append(b.commits, text)
		},
		Publish: func(changes []order.Change) {
			b.store.mu.Lock()
			defer b.store.mu.Unlock()
			for _, c := range changes {
				if b.store.inside || b.store.kept.heads[c.Shard] < c.Seq {
					b.published = append(b.published, "before the commit:")
				}
				b.published = append(b.published, fmt.Sprintf("%s v%d %s", c.State.Order, c.State.Version, c.State.Status))
			}
		},
	})
	return b
}

func (b *bench) run(t *testing.T) { go func() { b.ended <- b.Run(t.Context()) }() }

// together makes the writes gather in the queue, in this order, before the
// ledger runs, and returns how each ended.
func (b *bench) together(t *testing.T, writes ...func() error) []error {
	errs := make([]error, len(writes))
	for i, write := range writes {
		errs[i] = errors.New("waits for ever")
		go func() { errs[i] = write() }()
		synctest.Wait()
	}
	b.run(t)
	synctest.Wait()
	return errs
}

// paying records a payment in full, with the order's name as the event's id.
func (b *bench) paying(t *testing.T, id string) func() error {
	return func() error {
		_, err := b.Record(t.Context(), order.Callback{Source: "stripe"}, events{paidInFull(id)})
		return err
	}
}

func paidInFull(id string) order.Event {
	return pay(1, order.Paid, 9900, payment("pi_"+id), func(e *order.Event) { e.ID, e.Order = id, id })
}

func (b *bench) want(t *testing.T, commits, published []string) {
	t.Helper()
	if commits != nil && !slices.Equal(b.commits, commits) {
		t.Errorf("commits were %q\nwant         %q", b.commits, commits)
	}
	if !slices.Equal(b.published, published) {
		t.Errorf("published %q\nwant      %q", b.published, published)
	}
}

func wantErrors(t *testing.T, got []error, want ...error) {
	t.Helper()
	for i := range want {
		if !errors.Is(got[i], want[i]) {
			t.Errorf("write %d ended in %v, want %v", i, got[i], want[i])
		}
	}
}

var errDisk = errors.New("disk says no")

// failing fails the commits that write any of these.
func failing(poison ...string) func(context.Context, []string) error {
	return func(_ context.Context, writes []string) error {
		for _, write := range writes {
			if slices.Contains(poison, write) {
				return errDisk
			}
		}
		return nil
	}
}

func TestWritesThatGatherShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		wantErrors(t, b.together(t, b.paying(t, "A"), b.paying(t, "B"), b.paying(t, "A"), b.paying(t, "C")), nil, nil, nil, nil)
		b.want(t, []string{"4 writes"}, []string{"A v1 paid", "B v1 paid", "C v1 paid"})
	})
}

func TestNoCommitIsLargerThanTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(2)
		b.together(t, b.paying(t, "A"), b.paying(t, "B"), b.paying(t, "C"), b.paying(t, "D"), b.paying(t, "E"))
		b.want(t, []string{"2 writes", "2 writes", "1 writes"}, []string{"A v1 paid", "B v1 paid", "C v1 paid", "D v1 paid", "E v1 paid"})
	})
}

func TestAWriteCannotFailTheOthersOfItsCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.store.failWith(failing("B"))
		wantErrors(t, b.together(t, b.paying(t, "A"), b.paying(t, "B"), b.paying(t, "C")), nil, errDisk, nil)
		b.want(t, []string{"3 writes failed", "1 writes", "1 writes failed", "1 writes"}, []string{"A v1 paid", "C v1 paid"})
		b.store.failWith(nil)
		if err := b.paying(t, "B")(); err != nil {
			t.Errorf("trying again: %v", err)
		}
		b.want(t, nil, []string{"A v1 paid", "C v1 paid", "B v1 paid"})
	})
}

// TestAFailedCommitLeavesNothingBehind in the events either: which order a
// payment belongs to was known only to the transaction that was rolled back.
func TestAFailedCommitLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.store.failWith(failing("A"))
		homeless := events{refund(2, order.Refunded, 900, payment("pi_A"))}
		errs := b.together(t, b.paying(t, "A"), func() error {
			_, err := b.Record(t.Context(), order.Callback{Source: "stripe"}, homeless)
			return err
		})
		wantErrors(t, errs, errDisk, nil)
		b.want(t, nil, nil)
		if homeless[0].Order != "" {
			t.Errorf("the caller's event now belongs to %q", homeless[0].Order)
		}
	})
}

// TestATransactionMayRunTwice as Postgres asks for after a deadlock: what the
// first run found is neither published nor answered.
func TestATransactionMayRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.store.twice = true
		wantErrors(t, b.together(t, b.paying(t, "A"), b.paying(t, "B"), b.paying(t, "A")), nil, nil, nil)
		b.want(t, []string{"3 writes"}, []string{"A v1 paid", "B v1 paid"})
	})
}

func TestBrokenStorageEndsTheLedger(t *testing.T) {
	for what, c := range map[string]struct {
		fail    func(context.Context, []string) error
		want    []error
		commits []string // after the failure, none
	}{
		"in a shared commit": {
			func(context.Context, []string) error { return fmt.Errorf("fsync: %w", order.ErrBroken) },
			[]error{order.ErrBroken, order.ErrBroken, order.ErrBroken},
			[]string{"3 writes failed"},
		},
		"while each write is tried alone": {
			func(_ context.Context, writes []string) error {
				switch {
				case len(writes) > 2:
					return errDisk
				case slices.Contains(writes, "B"):
					return fmt.Errorf("fsync: %w", order.ErrBroken)
				}
				return nil
			},
			[]error{nil, order.ErrBroken, order.ErrBroken},
			[]string{"3 writes failed", "1 writes", "1 writes failed"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(0)
				b.store.failWith(c.fail)
				wantErrors(t, b.together(t, b.paying(t, "A"), b.paying(t, "B"), b.paying(t, "C")), c.want...)
				if !slices.Equal(b.commits, c.commits) {
					t.Errorf("commits were %q, want %q", b.commits, c.commits)
				}
				if err := <-b.ended; !errors.Is(err, order.ErrBroken) {
					t.Errorf("Run ended with %v", err)
				}
				if err := b.paying(t, "D")(); !errors.Is(err, order.ErrClosed) {
					t.Errorf("a write after the end: %v", err)
				}
			})
		})
	}
}

// TestStorageOutOfReachFailsAllAtOnce rather than each write after the other, and
// ends no ledger.
func TestStorageOutOfReachFailsAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		away := fmt.Errorf("connect: %w", order.ErrUnavailable)
		b.store.failWith(func(context.Context, []string) error { return away })
		wantErrors(t, b.together(t, b.paying(t, "A"), b.paying(t, "B"), b.paying(t, "C")), away, away, away)
		b.store.failWith(nil)
		if err := b.paying(t, "A")(); err != nil {
			t.Errorf("with the storage back: %v", err)
		}
		if want := []string{"3 writes failed", "1 writes"}; !slices.Equal(b.commits, want) {
			t.Errorf("commits were %q, want %q", b.commits, want)
		}
	})
}

func TestAWriteThatWaitsInVainIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(1)
		gone := errors.New("the provider hung up")
		ctx, hangUp := context.WithCancelCause(t.Context())
		errs := make([]error, 9) // eight fit the queue of a batch of one
		for i := range errs {
			go func() { errs[i] = b.Check(ctx) }()
			synctest.Wait()
		}
		hangUp(gone)
		synctest.Wait()
		places := map[string]int{}
		for _, err := range errs {
			if !errors.Is(err, gone) {
				t.Errorf("the write ended in %v", err)
			}
			text, _, _ := strings.Cut(err.Error(), ": the provider")
			places[text]++
		}
		if places["order: waiting for the ledger"] != 1 || places["order: waiting for the commit"] != 8 {
			t.Errorf("the writes waited at %v", places)
		}
		b.run(t)
		synctest.Wait()
		if len(b.commits) != 8 {
			t.Errorf("%d commits of what was in the queue, want 8", len(b.commits))
		}
	})
}

func TestALedgerThatEndedIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		ctx, stop := context.WithCancel(t.Context())
		b.store.failWith(func(commit context.Context, _ []string) error { // while a commit is under way
			stop()
			return commit.Err()
		})
		committed := make(chan error, 1)
		go func() { committed <- b.paying(t, "A")() }()
		synctest.Wait()
		if err := b.Run(ctx); err != nil {
			t.Errorf("Run ended with %v", err)
		}
		if err := <-committed; err != nil {
			t.Errorf("the commit under way was cut: %v", err)
		}
		b.want(t, []string{"1 writes"}, []string{"A v1 paid"})
		for range 20 { // whether it finds room in the queue or sees the end first
			if err := b.paying(t, "B")(); !errors.Is(err, order.ErrClosed) {
				t.Errorf("a write after the end: %v", err)
			}
		}
	})
}

func TestAWriteThatIsInTheQueueAtTheEndIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(1)
		ctx, stop := context.WithCancel(t.Context())
		b.store.failWith(func(context.Context, []string) error { stop(); return errDisk })
		errs := make([]error, 2)
		for i := range errs {
			go func() { errs[i] = b.paying(t, "A")() }()
			synctest.Wait()
		}
		go func() { b.ended <- b.Run(ctx) }()
		synctest.Wait()
		// Run may still choose the queue when both are ready, but says one of two.
		if !errors.Is(errs[0], errDisk) || !errors.Is(errs[1], order.ErrClosed) && !errors.Is(errs[1], errDisk) {
			t.Errorf("the writes ended in %v", errs)
		}
		b.want(t, nil, nil)
	})
}
