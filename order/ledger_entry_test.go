package order_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

func TestRefusingAWriteFailsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		register := func(key order.IdempotencyKey, id string, terms order.Terms) func() error {
			return func() error { _, err := b.Register(t.Context(), key, id, terms); return err }
		}
		record := func(key order.IdempotencyKey, id string) func() error {
			return func() error {
				_, err := b.RecordOnce(t.Context(), key, order.Callback{Source: "stripe"}, events{paidInFull(id)})
				return err
			}
		}
		none := order.IdempotencyKey{}
		first, other := order.IdempotencyKey{Key: "k", Fingerprint: "1"}, order.IdempotencyKey{Key: "k", Fingerprint: "2"}
		wantErrors(t, b.together(t,
			register(none, "A", live), register(none, "A", test), register(none, "A", live),
			record(first, "B"), record(other, "C"), record(first, "B"), register(other, "D", live),
			b.paying(t, "E"),
		), nil, order.ErrTerms, nil, nil, order.ErrKeyReused, nil, order.ErrKeyReused, nil)
		b.want(t, []string{"8 writes"}, []string{"A v1 created", "B v1 paid", "E v1 paid"})
		if b.store.kept.events["stripe C"] || b.store.kept.orders["D"].Terms != (order.Terms{}) {
			t.Error("a request that reused a key was stored")
		}
		if terms := b.store.kept.orders["A"].Terms; !terms.Same(live) {
			t.Errorf("the terms are %+v, want the first", terms)
		}
	})
}

// TestAKeyIsClaimedAnewWhenACommitIsTriedAgain: what a failed try learned of
// the keys must not stay, or a use of a key would be taken for the one that was
// rolled back.
func TestAKeyIsClaimedAnewWhenACommitIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.store.failWith(failing("A"))
		use := func(fingerprint, id string) func() error {
			return func() error {
				_, err := b.RecordOnce(t.Context(), order.IdempotencyKey{Key: "k", Fingerprint: fingerprint}, order.Callback{}, events{paidInFull(id)})
				return err
			}
		}
		wantErrors(t, b.together(t, use("1", "A"), use("2", "B")), errDisk, nil)
		b.want(t, nil, []string{"B v1 paid"})
		wantErrors(t, []error{use("2", "B")(), use("1", "C")()}, nil, order.ErrKeyReused) // what was stored is B's
	})
}

func TestRegisterReturnsTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.run(t)
		time.Sleep(time.Second + 2345678*time.Nanosecond)
		now := time.Now().UTC().Truncate(time.Millisecond)
		for range 2 { // again on the same terms changes nothing
			s, err := b.Register(t.Context(), order.IdempotencyKey{}, "A1", live)
			if want := state(order.Created, 0, 0); err != nil || !s.SameAs(want) || s.Tag() != "epoch.1" || s.UpdatedAt != now {
				t.Errorf("registered %+v, %v", s, err)
			}
		}
		if _, err := b.Register(t.Context(), order.IdempotencyKey{}, "A1", test); !errors.Is(err, order.ErrTerms) {
			t.Errorf("on other terms: %v", err)
		}
		b.want(t, nil, []string{"A1 v1 created"})
		states, err := b.States(t.Context(), []string{"A1", "B"})
		if err != nil || len(states) != 2 || states[0].Version != 1 || !states[1].SameAs(order.Unknown("B", "")) {
			t.Errorf("states are %+v, %v", states, err)
		}
	})
}

// TestEventsBeforeRegistrationCount: a webhook may be faster than the merchant.
func TestEventsBeforeRegistrationCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.run(t)
		if err := b.paying(t, "A1")(); err != nil {
			t.Fatal(err)
		}
		more := live
		more.Amount = 10000
		s, err := b.Register(t.Context(), order.IdempotencyKey{}, "A1", more)
		if err != nil || s.Status != order.PartiallyPaid || s.Paid != 9900 || s.Version != 2 {
			t.Errorf("registered %+v, %v", s, err)
		}
	})
}

func TestReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		var receipts [3]order.Receipt
		record := func(i int, story ...order.Event) func() error {
			return func() (err error) {
				receipts[i], err = b.Record(t.Context(), order.Callback{Source: "stripe"}, story)
				return err
			}
		}
		b.together(t, record(0, paidInFull("A"), paidInFull("B")), record(1, paidInFull("B"), paidInFull("C")), record(2))
		for i, want := range []struct {
			fresh  int
			orders []string
		}{{2, []string{"A", "B"}}, {1, []string{"B", "C"}}, {0, nil}} {
			var orders []string
			for _, c := range receipts[i].Changes {
				orders = append(orders, c.State.Order)
			}
			if receipts[i].Fresh != want.fresh || !slices.Equal(orders, want.orders) {
				t.Errorf("receipt %d: %d fresh of %v, want %d of %v", i, receipts[i].Fresh, orders, want.fresh, want.orders)
			}
		}
		again, err := b.Record(t.Context(), order.Callback{Source: "stripe"}, events{paidInFull("A")})
		if err != nil || again.Fresh != 0 || len(again.Changes) != 0 {
			t.Errorf("told again: %+v, %v", again, err)
		}
	})
}

func TestWhatIsMalformedDoesNotReachTheStore(t *testing.T) {
	b := newBench(0) // that does not run: a write that got in would wait
	bad := paidInFull("A")
	bad.Amount = -1
	if _, err := b.Record(t.Context(), order.Callback{}, events{paidInFull("B"), bad}); err == nil || !strings.Contains(err.Error(), "amount") {
		t.Errorf("an event with a negative amount: %v", err)
	}
	if _, err := b.Register(t.Context(), order.IdempotencyKey{}, "A 1", live); err == nil || !strings.Contains(err.Error(), "order id") {
		t.Errorf("an order with a space: %v", err)
	}
	late := live
	late.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := b.Register(t.Context(), order.IdempotencyKey{}, "A", late); err == nil || !strings.Contains(err.Error(), "expiry") {
		t.Errorf("terms until the year 10000: %v", err)
	}
}

func TestTellAddsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		row := func(version, count int64, minute int) order.Told {
			return order.Told{Order: "A", Version: version, Transport: "sse", Subject: "u1", At: noon.Add(time.Duration(minute) * time.Minute), Count: count}
		}
		tell := func(rows ...order.Told) func() error { return func() error { return b.Tell(t.Context(), rows) } }
		wantErrors(t, b.together(t, tell(row(1, 1, 5), row(1, 2, 3)), tell(row(1, 4, 9), row(2, 1, 1)), tell()), nil, nil, nil)
		got := slices.SortedFunc(slices.Values(b.store.kept.told), func(a, b order.Told) int { return int(a.Version - b.Version) })
		if want := []order.Told{row(1, 7, 3), row(2, 1, 1)}; !slices.Equal(got, want) {
			t.Errorf("told %+v\nwant %+v", got, want)
		}
	})
}

func TestCheckSaysWhetherCommitsArePossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.run(t)
		if err := b.Check(t.Context()); err != nil {
			t.Errorf("Check: %v", err)
		}
		b.store.failWith(func(context.Context, []string) error { return errDisk })
		if err := b.Check(t.Context()); !errors.Is(err, errDisk) {
			t.Errorf("Check on a full disk: %v", err)
		}
		if _, err := b.Timeline(t.Context(), "A"); err == nil {
			t.Error("the store's error is lost")
		}
		if _, _, err := b.Event(t.Context(), "stripe", "A"); err == nil {
			t.Error("the store's error is lost")
		}
	})
}

// A due that fails at first.
type due struct {
	*memory
	fails int
	asked int
}

func (d *due) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	if d.asked++; d.asked <= d.fails {
		return nil, errDisk
	}
	return d.memory.Due(ctx, now, limit)
}

func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.run(t)
		asks := live
		asks.ExpiresAt = time.Now().Add(5 * time.Minute)
		for _, id := range []string{"paid", "waiting", "withdrawn", "failed", "partial"} {
			if _, err := b.Register(t.Context(), order.IdempotencyKey{}, id, asks); err != nil {
				t.Fatal(err)
			}
		}
		failed := pay(1, order.Failed, 9900, func(e *order.Event) { e.Order = "failed" })
		canceled := withdraw(1, order.Canceled, func(e *order.Event) { e.Order = "withdrawn" })
		partial := pay(1, order.Paid, 4000, func(e *order.Event) { e.Order = "partial" })
		if _, err := b.Record(t.Context(), order.Callback{}, events{paidInFull("paid"), failed, canceled, partial}); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- b.Expire(ctx, &due{memory: b.store, fails: 2}, slog.New(slog.NewTextHandler(&said, nil)))
		}()
		statuses := func(want ...order.Status) {
			t.Helper()
			synctest.Wait()
			states, _ := b.States(t.Context(), []string{"paid", "waiting", "withdrawn", "failed", "partial"})
			for i := range states {
				if states[i].Status != want[i] {
					t.Errorf("%s is %s, want %s", states[i].Order, states[i].Status, want[i])
				}
			}
		}
		time.Sleep(5*time.Minute - time.Millisecond)
		statuses(order.Paid, order.Created, order.Canceled, order.Failed, order.PartiallyPaid)
		b.store.failWith(failing("expired:waiting"))
		time.Sleep(2 * time.Second)
		statuses(order.Paid, order.Created, order.Canceled, order.Expired, order.PartiallyPaid)
		b.store.failWith(nil)
		time.Sleep(2 * time.Second)
		statuses(order.Paid, order.Expired, order.Canceled, order.Expired, order.PartiallyPaid)
		if err := b.paying(t, "waiting")(); err != nil {
			t.Fatal(err)
		}
		commits := len(b.commits)
		time.Sleep(time.Minute)
		statuses(order.Paid, order.Paid, order.Canceled, order.Expired, order.PartiallyPaid)
		if b.store.kept.events["paybell expired:paid"] || b.store.kept.events["paybell expired:withdrawn"] {
			t.Error("an order expired that had ended")
		}
		if len(b.commits) != commits {
			t.Errorf("%d commits to expire what has ended", len(b.commits)-commits)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Expire ended with %v", err)
		}
		if n := strings.Count(said.String(), "orders do not expire"); n != 2 || strings.Count(said.String(), "look for") != 1 {
			t.Errorf("the log says\n%s", said.String())
		}
	})
}

// TestAStorageThatIsAwayIsNotLoggedEverySecond by those who look for expired orders.
func TestAStorageThatIsAwayIsNotLoggedEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.run(t)
		var said strings.Builder
		ctx, stop := context.WithTimeout(t.Context(), 89*time.Second)
		defer stop()
		if err := b.Expire(ctx, &due{memory: b.store, fails: 1000}, slog.New(slog.NewTextHandler(&said, nil))); err != nil {
			t.Error(err)
		}
		if n := strings.Count(said.String(), "\n"); n != 3 {
			t.Errorf("in 89 s the log says\n%s", said.String())
		}
	})
}

func TestOrdersDueAtOnceExpireAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.run(t)
		asks := live
		asks.ExpiresAt = time.Now().Add(5 * time.Minute)
		var ids []string
		for i := range 1000 {
			ids = append(ids, fmt.Sprint("A", i))
			if _, err := b.Register(t.Context(), order.IdempotencyKey{}, ids[i], asks); err != nil {
				t.Fatal(err)
			}
		}
		commits := len(b.commits)
		go b.Expire(t.Context(), b.store, slog.New(slog.DiscardHandler))
		time.Sleep(5*time.Minute + time.Millisecond) // one tick after the time
		synctest.Wait()
		states, _ := b.States(t.Context(), ids)
		for _, s := range states {
			if s.Status != order.Expired || s.Reason != "time_ran_out" {
				t.Errorf("%s is %s", s.Order, s.Status)
			}
		}
		if commits = len(b.commits) - commits; commits != 10 {
			t.Errorf("%d commits for 1000 orders, want 10", commits)
		}
	})
}

// A stubborn due names the same orders for ever.
type stubborn struct{ asked int }

func (d *stubborn) Due(_ context.Context, _ time.Time, limit int) (ids []string, err error) {
	if d.asked++; d.asked > 1000 {
		return nil, errDisk
	}
	for i := range limit {
		ids = append(ids, fmt.Sprint("A", i))
	}
	return ids, nil
}

func TestExpireRestsWhenItGetsNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(0)
		b.run(t)
		due := &stubborn{}
		go b.Expire(t.Context(), due, slog.New(slog.DiscardHandler))
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if due.asked != 11 { // the first batch was news, so that one more was asked for
			t.Errorf("asked %d times in 10 s, want 11", due.asked)
		}
	})
}

// TestNoStepOfATransactionFailsInSilence runs with the options of production.
func TestNoStepOfATransactionFailsInSilence(t *testing.T) {
	for _, step := range []string{"Claim", "Insert", "Load", "Save", "Tell", "Revoke", "none"} {
		synctest.Test(t, func(t *testing.T) {
			store := brittle{newMemory(), step}
			l := order.NewLedger(store, order.LedgerOptions{})
			go l.Run(t.Context())
			_, recorded := l.RecordOnce(t.Context(), order.IdempotencyKey{Key: "k", Fingerprint: "1"}, order.Callback{}, events{paidInFull("A")})
			told := l.Tell(t.Context(), []order.Told{{Order: "A", Version: 1, Count: 1}})
			_, revoked := l.Revoke(t.Context(), order.IdempotencyKey{}, order.Revocation{Kind: order.RevokeKey, Value: "k1"})
			for write, err := range map[string]error{"RecordOnce": recorded, "Tell": told, "Revoke": revoked} {
				concerned := step == write || write == "RecordOnce" && !slices.Contains([]string{"Tell", "Revoke", "none"}, step)
				if concerned != errors.Is(err, errDisk) || !concerned && err != nil {
					t.Errorf("%s with a failing %s: %v", write, step, err)
				}
			}
			if states, _ := l.States(t.Context(), []string{"A"}); (states[0].Version == 0) != (recorded != nil) {
				t.Errorf("with a failing %s the state is %+v", step, states[0])
			}
		})
	}
}

// TestAClaimThatFailedIsForgotten: what it found is not what is asked for, or a
// ticket would open twice, and a key would pass for another request.
func TestAClaimThatFailedIsForgotten(t *testing.T) {
	l := order.NewLedger(lostClaim{newMemory()}, order.LedgerOptions{})
	go l.Run(t.Context())
	until := time.Now().Add(time.Hour)
	for i, want := range []bool{true, false, false} {
		if ok, err := l.Redeem(t.Context(), "T", until); ok != want || err != nil {
			t.Errorf("try %d to redeem a ticket: %t, %v", i, ok, err)
		}
	}
	for fingerprint, want := range []error{nil, order.ErrKeyReused} {
		key := order.IdempotencyKey{Key: "k", Fingerprint: strconv.Itoa(fingerprint)}
		if _, err := l.Register(t.Context(), key, "A", order.Terms{}); !errors.Is(err, want) {
			t.Errorf("a key for request %d: %v", fingerprint, err)
		}
	}
}
