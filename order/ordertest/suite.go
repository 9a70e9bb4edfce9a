// Package ordertest is the suite that every store of a ledger passes: one test
// for each sentence that package order says of its stores, and some that run
// through a [order.Ledger].
package ordertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// A Store is all that a store offers.
type Store interface {
	order.Store
	order.Journal
	order.Due
	order.Revocations
}

// An Opener makes an empty store that lives as long as t. Its second result
// closes the store and opens it anew, as a restarted gateway does.
type Opener func(t *testing.T) (store Store, reopen func() Store)

// Suite runs every test of the suite on stores of its own.
func Suite(t *testing.T, open Opener) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Opener)
	}{
		{"EmptyStore", emptyStore},
		{"EpochsDiffer", epochsDiffer},
		{"ReopenKeepsEverything", reopenKeepsEverything},
		{"ErrorUndoesEverything", errorUndoesEverything},
		{"CanceledUpdateDoesNothing", canceledUpdateDoesNothing},
		{"UncommittedIsUnseen", uncommittedIsUnseen},
		{"ClaimKeepsTheFirstUse", claimKeepsTheFirstUse},

		{"RepeatedEventIsNotFresh", repeatedEventIsNotFresh},
		{"ConcurrentRepeatsAreFreshOnce", concurrentRepeatsAreFreshOnce},
		{"PaymentIsJoinedWithItsOrder", paymentIsJoinedWithItsOrder},
		{"PaymentBelongsToItsEarliestClaim", paymentBelongsToItsEarliestClaim},
		{"PaymentIsJoinedInsideOneInsert", paymentIsJoinedInsideOneInsert},

		{"LoadIsLossless", loadIsLossless},
		{"SaveWithoutChange", saveWithoutChange},
		{"SaveOfAnotherVersionIsUndone", saveOfAnotherVersionIsUndone},
		{"DueOrders", dueOrders},
		{"EventIsFoundByItsName", eventIsFoundByItsName},
		{"StrangeIDs", strangeIDs},

		{"StatesFollowTheNames", statesFollowTheNames},
		{"StatesAreOfOneMoment", statesAreOfOneMoment},
		{"ChangesHaveLimits", changesHaveLimits},
		{"JournalIsGaplessUnderConcurrency", journalIsGaplessUnderConcurrency},

		{"TimelineTellsEverything", timelineTellsEverything},
		{"TimelineShowsDuplicates", timelineShowsDuplicates},
		{"TimelineOfOneOrderOnly", timelineOfOneOrderOnly},
		{"QuarantinedCallbacks", quarantinedCallbacks},
		{"TellAddsUp", tellAddsUp},

		{"RevocationsAreReadInTheirOrder", revocationsAreReadInTheirOrder},
		{"RevokeCountsOnce", revokeCountsOnce},
		{"UndoneRevocationLeavesNoHole", undoneRevocationLeavesNoHole},
		{"RevocationsAreNeverPassedBy", revocationsAreNeverPassedBy},
		{"ForgetForgetsWhatIsOver", forgetForgetsWhatIsOver},

		{"LedgerCountsConcurrentRepeatsOnce", ledgerCountsConcurrentRepeatsOnce},
		{"LedgerEndsTheSameInEveryOrder", ledgerEndsTheSameInEveryOrder},
		{"LedgerEndsTheSameWhenOrdersShareAPayment", ledgerEndsTheSameWhenOrdersShareAPayment},
		{"LedgerSharesCommits", ledgerSharesCommits},
		{"LedgerReplayChangesNothing", ledgerReplayChangesNothing},
		{"LedgerKeepsTerms", ledgerKeepsTerms},
		{"LedgerExpiresWhatIsDue", ledgerExpiresWhatIsDue},
		{"LedgerRevokesOnce", ledgerRevokesOnce},
		{"LedgerRevokesUnderAForgottenKey", ledgerRevokesUnderAForgottenKey},
		{"LedgerRedeemsATicketOnce", ledgerRedeemsATicketOnce},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

// noon is a time with all the precision that stores keep.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

// paid is an event that says that an order got money.
func paid(id, orderID string) order.Event {
	return order.Event{
		Source: "shop", ID: id, Order: orderID, Kind: order.KindPayment, Status: order.Paid,
		Amount: 100, Currency: "EUR", At: noon, Livemode: true,
	}
}

// deliver is a callback of the source "shop" that tells events.
func deliver(events ...order.Event) *order.Delivery {
	return &order.Delivery{
		Callback: order.Callback{Source: "shop", ReceivedAt: noon, Body: []byte("body")},
		Events:   events,
	}
}

// insert stores deliveries and gives each order that they touch a new version,
// in which the amount paid is the number of its events.
func insert(ctx context.Context, store order.Store, deliveries ...*order.Delivery) (changes []order.Change, err error) {
	err = store.Update(ctx, func(tx order.Tx) error {
		changes = nil
		if err := tx.Insert(ctx, deliveries); err != nil {
			return err
		}
		var orders []string
		for _, d := range deliveries {
			orders = append(orders, d.Joined...)
			for i, e := range d.Events {
				if d.Fresh[i] && e.Order != "" {
					orders = append(orders, e.Order)
				}
			}
		}
		slices.Sort(orders)
		records, err := advance(ctx, tx, slices.Compact(orders)...)
		for _, r := range records {
			changes = append(changes, r.Change)
		}
		return err
	})
	return changes, err
}

// advance gives the named orders a new version.
func advance(ctx context.Context, tx order.Tx, orders ...string) ([]*order.Record, error) {
	records, err := tx.Load(ctx, orders)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		r.State.Version++
		r.State.Status = order.Paid
		r.State.Paid = int64(len(r.Events))
		r.State.UpdatedAt = noon.Truncate(time.Millisecond)
		r.Changed = true
	}
	return records, tx.Save(ctx, records)
}

// mustInsert is insert where nothing may go wrong.
func mustInsert(t *testing.T, store order.Store, deliveries ...*order.Delivery) []order.Change {
	t.Helper()
	changes, err := insert(t.Context(), store, deliveries...)
	if err != nil {
		t.Fatalf("insert: %v", err)
	}
	return changes
}

// load reads one record as a transaction sees it.
func load(t *testing.T, store order.Store, id string) *order.Record {
	t.Helper()
	var record *order.Record
	update(t, store, func(tx order.Tx) error {
		records, err := tx.Load(t.Context(), []string{id})
		if err == nil && len(records) != 1 {
			err = fmt.Errorf("%d records loaded for one name", len(records))
		}
		if err == nil {
			record = records[0]
		}
		return err
	})
	return record
}

func update(t *testing.T, store order.Store, fn func(order.Tx) error) {
	t.Helper()
	if err := store.Update(t.Context(), fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func states(t *testing.T, store order.Store, orders ...string) []order.State {
	t.Helper()
	got, err := store.States(t.Context(), orders)
	if err != nil {
		t.Fatalf("states: %v", err)
	}
	if len(got) != len(orders) {
		t.Fatalf("%d states for %d names", len(got), len(orders))
	}
	return got
}

func timeline(t *testing.T, store order.Store, id string) order.Timeline {
	t.Helper()
	got, err := store.Timeline(t.Context(), id)
	if err != nil {
		t.Fatalf("timeline: %v", err)
	}
	return got
}

// journal reads every change there is and checks that it is whole: each shard
// counts from 1 to its head, and each order's versions count from 1.
func journal(t *testing.T, store Store) []order.Change {
	t.Helper()
	heads, err := store.Heads(t.Context())
	if err != nil {
		t.Fatalf("heads: %v", err)
	}
	var all []order.Change
	versions := map[string]int64{}
	for shard, head := range heads.Seq {
		changes, err := store.Changes(t.Context(), shard, 0, int(head)+10)
		if err != nil {
			t.Fatalf("changes: %v", err)
		}
		if int64(len(changes)) != head {
			t.Fatalf("shard %d has %d changes and its head at %d", shard, len(changes), head)
		}
		for i, c := range changes {
			versions[c.State.Order]++
			if c.Shard != shard || c.Seq != int64(i)+1 || order.ShardOf(c.State.Order) != shard {
				t.Fatalf("shard %d has at %d a change of %s with shard %d, seq %d", shard, i+1, c.State.Order, c.Shard, c.Seq)
			}
			if c.State.Version != versions[c.State.Order] {
				t.Fatalf("version %d of %s comes where %d is due", c.State.Version, c.State.Order, versions[c.State.Order])
			}
		}
		all = append(all, changes...)
	}
	return all
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

var errOnPurpose = errors.New("on purpose")
