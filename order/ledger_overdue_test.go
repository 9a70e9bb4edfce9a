package order_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// A storage that does not answer holds nobody for longer than a commit may take:
// neither who waits for that commit, nor who came after, nor who finds the queue
// full. When it answers again, writes go on.
func TestAStorageThatHangsHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(1)
		back := make(chan struct{})
		b.store.failWith(func(context.Context, []string) error { <-back; return nil })
		b.run(t)
		errs := make([]error, 12) // one in its commit, eight in the queue, three before it
		began := time.Now()
		for i := range errs {
			go func() { errs[i] = b.paying(t, "A")() }()
			synctest.Wait()
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for i, err := range errs {
			if !errors.Is(err, order.ErrOverdue) {
				t.Errorf("write %d ended in %v", i, err)
			}
		}
		if err := b.paying(t, "B")(); !errors.Is(err, order.ErrOverdue) || time.Since(began) > 5*time.Second {
			t.Errorf("a latecomer was told %v after %v", err, time.Since(began))
		}
		close(back)
		synctest.Wait()
		if err := b.paying(t, "C")(); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// A storage that is away and takes its time to say so is not asked again for each
// of a batch.
func TestAStorageThatIsAwayIsNotAskedForEveryWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.store.failWith(func(context.Context, []string) error { time.Sleep(3 * time.Second); return errDisk })
		writes := make([]func() error, 100)
		for i := range writes {
			writes[i] = b.paying(t, "A")
		}
		b.together(t, writes...)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(b.commits) != 2 {
			t.Errorf("%d commits were tried", len(b.commits))
		}
		b.store.failWith(nil)
		if err := b.paying(t, "B")(); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}
