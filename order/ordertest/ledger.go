package ordertest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// runLedger runs a ledger until the returned function is called, or t ends.
func runLedger(t *testing.T, store order.Store, opts order.LedgerOptions) (*order.Ledger, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ledger := order.NewLedger(store, opts)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := ledger.Run(ctx); err != nil {
			t.Errorf("ledger: %v", err)
		}
	})
	stop := func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(stop)
	return ledger, stop
}

func record(t *testing.T, ledger *order.Ledger, events ...order.Event) order.Receipt {
	t.Helper()
	receipt, err := ledger.Record(t.Context(), order.Callback{Source: "shop", ReceivedAt: noon}, events)
	if err != nil {
		t.Errorf("record: %v", err)
	}
	return receipt
}

func ledgerCountsConcurrentRepeatsOnce(t *testing.T, open Opener) {
	store, _ := open(t)
	ledger, _ := runLedger(t, store, order.LedgerOptions{})
	var fresh atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() { fresh.Add(int64(record(t, ledger, paid("e1", "A1")).Fresh)) })
	}
	wg.Wait()
	equal(t, "fresh", fresh.Load(), int64(1))
	equal(t, "versions", len(journal(t, store)), 1)
	if got := states(t, store, "A1")[0]; got.Paid != 100 || got.Status != order.Paid {
		t.Errorf("state is %+v", got)
	}
}

// ledgerEndsTheSameInEveryOrder records the same facts about many orders, each
// in another order of arrival, some twice, all at once.
func ledgerEndsTheSameInEveryOrder(t *testing.T, open Opener) {
	store, _ := open(t)
	ledger, _ := runLedger(t, store, order.LedgerOptions{})
	story := func(id string) []order.Event {
		facts := []order.Event{
			{Order: id, Payment: "p", Kind: order.KindPayment, Status: order.Pending, Amount: 500, Currency: "EUR"},
			{Payment: "p", Kind: order.KindPayment, Status: order.Paid, Amount: 500, Currency: "EUR"},
			{Payment: "p", Ref: "r1", Kind: order.KindRefund, Status: order.Refunded, Amount: 100, Currency: "EUR"},
			{Payment: "p", Ref: "d1", Kind: order.KindDispute, Status: order.Disputed, Amount: 400, Currency: "EUR"},
			{Order: id, Kind: order.KindOrder, Status: order.Expired},
		}
		for i := range facts {
			e := &facts[i]
			e.Source, e.ID, e.At, e.Livemode = "shop", fmt.Sprint(id, "-", i), noon.Add(time.Duration(i)*time.Second), true
			if e.Payment != "" {
				e.Payment += id
			}
		}
		return facts
	}
	orders := []string{}
	var wg sync.WaitGroup
	permute([]int{0, 1, 2, 3, 4}, func(sequence []int) {
		id := fmt.Sprint("A", len(orders))
		orders = append(orders, id)
		facts := story(id)
		wg.Go(func() {
			for _, i := range sequence {
				record(t, ledger, facts[i])
				if i == sequence[0] {
					record(t, ledger, facts[i])
				}
			}
		})
	})
	wg.Wait()
	want := order.Fold(orders[0], order.Terms{}, story(orders[0]))
	if want.Paid != 500 || want.Refunded != 100 || !want.Disputed {
		t.Fatalf("the story ends in %+v", want)
	}
	for _, got := range states(t, store, orders...) {
		want.Order = got.Order
		if !got.SameAs(want) {
			t.Errorf("state is %+v\nwant %+v", got, want)
		}
	}
	journal(t, store)
}

// ledgerEndsTheSameWhenOrdersShareAPayment records in every order of arrival
// what four callbacks, or one, tell of a payment that two orders name.
func ledgerEndsTheSameWhenOrdersShareAPayment(t *testing.T, open Opener) {
	store, _ := open(t)
	ledger, _ := runLedger(t, store, order.LedgerOptions{})
	for what, c := range map[string]struct{ a, b time.Time }{
		"A is earlier":       {noon, noon.Add(time.Hour)},
		"B is earlier":       {noon.Add(time.Hour), noon},
		"the smaller id":     {noon, noon},
		"A without a time":   {time.Time{}, noon},
		"both without times": {},
	} {
		n := 0
		check := func(sequence []int, together bool) {
			n++
			name := fmt.Sprint(strings.ReplaceAll(what, " ", "_"), n)
			facts := sharedPayment(name, c.a, c.b)
			var events []order.Event
			for _, i := range sequence {
				events = append(events, facts[i])
				if !together {
					record(t, ledger, facts[i])
				}
			}
			record(t, ledger, events...)
			owner := "A"
			if c.b.Before(c.a) {
				owner = "B"
			}
			for i, got := range states(t, store, "A"+name, "B"+name) {
				own := []order.Event{facts[i]}
				if got.Order == owner+name {
					own = append(own, facts[2], facts[3])
				}
				if want := order.Fold(got.Order, order.Terms{}, own); !got.SameAs(want) {
					t.Errorf("%s, arriving as %v, together %t: state is %+v\nwant %+v", what, sequence, together, got, want)
				}
			}
		}
		permute([]int{0, 1, 2, 3}, func(sequence []int) {
			check(sequence, false)
			check(sequence, true)
		})
	}
	journal(t, store)
}

// sharedPayment is a payment of which two orders say that it is theirs, with a
// refund and a dispute that name neither.
func sharedPayment(name string, a, b time.Time) []order.Event {
	facts := []order.Event{
		{ID: "1", Order: "A" + name, At: a, Kind: order.KindPayment, Status: order.Paid, Amount: 500, Currency: "EUR"},
		{ID: "2", Order: "B" + name, At: b, Kind: order.KindPayment, Status: order.Paid, Amount: 500, Currency: "EUR"},
		{ID: "3", At: noon, Kind: order.KindRefund, Status: order.Refunded, Ref: "r", Amount: 200, Currency: "EUR"},
		{ID: "4", At: noon, Kind: order.KindDispute, Status: order.Disputed, Ref: "d"},
	}
	for i := range facts {
		e := &facts[i]
		e.Source, e.ID, e.Payment, e.Livemode = "shop", name+"-"+e.ID, "p"+name, true
	}
	return facts
}

// permute calls visit with every order of list.
func permute(list []int, visit func([]int)) {
	var walk func(done, rest []int)
	walk = func(done, rest []int) {
		if len(rest) == 0 {
			visit(done)
		}
		for i := range rest {
			others := append(append([]int{}, rest[:i]...), rest[i+1:]...)
			walk(append(append([]int{}, done...), rest[i]), others)
		}
	}
	walk(nil, list)
}

// ledgerSharesCommits holds the first commit until all writes are on their way.
func ledgerSharesCommits(t *testing.T, open Opener) {
	store, _ := open(t)
	const writes = 64
	gate := make(chan struct{})
	var commits, shared atomic.Int64
	ledger, _ := runLedger(t, gated{store, gate}, order.LedgerOptions{Observe: func(n int, _ time.Duration, err error) {
		if err != nil {
			t.Errorf("commit: %v", err)
		}
		commits.Add(1)
		shared.Add(int64(n))
	}})
	var begun, ended sync.WaitGroup
	begun.Add(writes)
	for i := range writes {
		ended.Go(func() {
			begun.Done()
			record(t, ledger, ofPayment(fmt.Sprint("e", i), fmt.Sprint("p", i), fmt.Sprint("A", i%8)))
		})
	}
	begun.Wait()
	close(gate)
	ended.Wait()
	if commits.Load() >= writes || shared.Load() != writes {
		t.Errorf("%d commits held %d of %d writes", commits.Load(), shared.Load(), writes)
	}
	for _, s := range states(t, store, "A0", "A7") {
		equal(t, "paid", s.Paid, int64(800))
	}
	journal(t, store)
}

// gated is a store whose updates wait for a gate.
type gated struct {
	order.Store
	gate <-chan struct{}
}

func (g gated) Update(ctx context.Context, fn func(order.Tx) error) error {
	<-g.gate
	return g.Store.Update(ctx, fn)
}

func ledgerReplayChangesNothing(t *testing.T, open Opener) {
	store, reopen := open(t)
	ledger, stop := runLedger(t, store, order.LedgerOptions{})
	replay := func() (fresh int) {
		for i := range 20 {
			fresh += record(t, ledger, ofPayment(fmt.Sprint("e", i), fmt.Sprint("p", i%5), []string{"", "A1", "A2"}[i%3])).Fresh
		}
		return fresh
	}
	equal(t, "fresh", replay(), 20)
	want := journal(t, store)
	stop()
	store = reopen()
	ledger, _ = runLedger(t, store, order.LedgerOptions{})
	equal(t, "fresh again", replay(), 0)
	equal(t, "journal", journal(t, store), want)
}

func ledgerKeepsTerms(t *testing.T, open Opener) {
	store, _ := open(t)
	ledger, _ := runLedger(t, store, order.LedgerOptions{})
	last := time.Date(9999, 12, 31, 23, 30, 0, 0, time.UTC)
	for i, terms := range []order.Terms{
		{},
		{Amount: order.MaxAmount, Currency: "EUR", Mode: order.Test, ReturnURL: "https://shop.example/?q=<a>&b", ExpiresAt: noon},
		{ExpiresAt: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)},
		{ExpiresAt: last.In(time.FixedZone("", 3600))}, // where it is the year 10000
	} {
		id := fmt.Sprint("A", i)
		for range 2 {
			state, err := ledger.Register(t.Context(), order.IdempotencyKey{}, id, terms)
			if err != nil {
				t.Fatalf("register on %+v: %v", terms, err)
			}
			equal(t, "epoch", state.Epoch, store.Epoch())
		}
		var got order.Terms
		if stored := timeline(t, store, id).Terms; stored != nil {
			got = *stored
		}
		if !got.Same(terms) {
			t.Errorf("terms are %+v\nwant %+v", got, terms)
		}
	}
}

func ledgerExpiresWhatIsDue(t *testing.T, open Opener) {
	store, _ := open(t)
	expired := make(chan order.Change, 10)
	ledger, _ := runLedger(t, store, order.LedgerOptions{Publish: func(changes []order.Change) {
		for _, c := range changes {
			if c.State.Status == order.Expired {
				expired <- c
			}
		}
	}})
	terms := order.Terms{Amount: 100, Currency: "EUR", ExpiresAt: time.Now().Add(-time.Hour).UTC()}
	for _, id := range []string{"A1", "A2"} {
		if _, err := ledger.Register(t.Context(), order.IdempotencyKey{}, id, terms); err != nil {
			t.Fatalf("register: %v", err)
		}
	}
	record(t, ledger, paid("e1", "A2"))
	equal(t, "due", due(t, store, time.Now(), 10), []string{"A1"})

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { ledger.Expire(ctx, store, slog.New(slog.DiscardHandler)) })
	equal(t, "expired", (<-expired).State.Order, "A1")
	equal(t, "due afterwards", len(due(t, store, time.Now(), 10)), 0)
	equal(t, "state of the other", states(t, store, "A2")[0].Status, order.Paid)
}
