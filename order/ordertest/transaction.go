package ordertest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
)

func emptyStore(t *testing.T, open Opener) {
	store, _ := open(t)
	equal(t, "states", states(t, store, "A1", "A2"), []order.State{
		order.Unknown("A1", store.Epoch()), order.Unknown("A2", store.Epoch()),
	})
	equal(t, "no states", len(states(t, store)), 0)
	equal(t, "journal", len(journal(t, store)), 0)
	equal(t, "due", len(due(t, store, noon, 10)), 0)
	got, err := json.Marshal(timeline(t, store, "A1"))
	if want := `{"order":"A1","terms":null,"callbacks":[],"changes":[],"told":[]}`; err != nil || string(got) != want {
		t.Errorf("timeline is %s, %v", got, err)
	}
	equal(t, "record", load(t, store, "A1"), &order.Record{Order: "A1", State: order.Unknown("A1", store.Epoch())})
}

func epochsDiffer(t *testing.T, open Opener) {
	one, _ := open(t)
	two, _ := open(t)
	if len(one.Epoch()) < 16 || one.Epoch() == two.Epoch() {
		t.Errorf("epochs are %q and %q", one.Epoch(), two.Epoch())
	}
}

func reopenKeepsEverything(t *testing.T, open Opener) {
	store, reopen := open(t)
	first := mustInsert(t, store, deliver(paid("e1", "A1"), paid("e2", "A2")))
	second := mustInsert(t, store, deliver(paid("e3", "A1")))
	update(t, store, func(tx order.Tx) error {
		if err := tx.Claim(t.Context(), []*order.IdempotencyKey{{Key: "k", Fingerprint: "f"}}); err != nil {
			return err
		}
		return tx.Tell(t.Context(), []order.Told{{Order: "A1", Version: 2, Transport: "sse", At: noon, Count: 3}})
	})
	epoch, before := store.Epoch(), timeline(t, store, "A1")

	store = reopen()
	equal(t, "epoch", store.Epoch(), epoch)
	equal(t, "states", states(t, store, "A1", "A2"), []order.State{second[0].State, first[1].State})
	equal(t, "timeline", timeline(t, store, "A1"), before)
	equal(t, "journal", len(journal(t, store)), 3)
	equal(t, "key", claim(t, store, order.IdempotencyKey{Key: "k", Fingerprint: "g"}), []string{"f"})

	again := deliver(paid("e1", "A1"), paid("e4", "A1"))
	third := mustInsert(t, store, again)
	equal(t, "fresh", again.Fresh, []bool{false, true})
	equal(t, "version", third[0].State.Version, int64(3))
	journal(t, store)
}

func errorUndoesEverything(t *testing.T, open Opener) {
	store, _ := open(t)
	mustInsert(t, store, deliver(paid("e1", "A1")))
	before := timeline(t, store, "A1")

	err := store.Update(t.Context(), func(tx order.Tx) error {
		key := order.IdempotencyKey{Key: "k", Fingerprint: "f"}
		if err := tx.Claim(t.Context(), []*order.IdempotencyKey{&key}); err != nil {
			return err
		}
		if err := tx.Insert(t.Context(), []*order.Delivery{deliver(paid("e2", "A1"))}); err != nil {
			return err
		}
		records, err := advance(t.Context(), tx, "A1")
		if err != nil {
			return err
		}
		if got := records[0].Change.Seq; got != 2 {
			t.Errorf("seq before the error is %d, not 2", got)
		}
		if err := tx.Tell(t.Context(), []order.Told{{Order: "A1", Version: 2, Transport: "sse", At: noon, Count: 1}}); err != nil {
			return err
		}
		return errOnPurpose
	})
	if !errors.Is(err, errOnPurpose) {
		t.Fatalf("Update returned %v", err)
	}
	equal(t, "timeline", timeline(t, store, "A1"), before)
	equal(t, "key", claim(t, store, order.IdempotencyKey{Key: "k", Fingerprint: "g"}), []string{"g"})

	again := deliver(paid("e2", "A1"))
	changes := mustInsert(t, store, again)
	equal(t, "fresh", again.Fresh, []bool{true})
	equal(t, "seq after the error", changes[0].Seq, int64(2))
	equal(t, "events", changes[0].State.Paid, int64(2))
	journal(t, store)
}

func canceledUpdateDoesNothing(t *testing.T, open Opener) {
	store, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := insert(ctx, store, deliver(paid("e1", "A1"))); !errors.Is(err, context.Canceled) {
		t.Errorf("Update returned %v", err)
	}
	if _, err := store.States(ctx, []string{"A1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("States returned %v", err)
	}
	if _, _, err := store.Event(ctx, "shop", "e1"); !errors.Is(err, context.Canceled) {
		t.Errorf("Event returned %v", err)
	}
	equal(t, "state", states(t, store, "A1")[0].Version, int64(0))
}

func uncommittedIsUnseen(t *testing.T, open Opener) {
	store, _ := open(t)
	update(t, store, func(tx order.Tx) error {
		if err := tx.Insert(t.Context(), []*order.Delivery{deliver(paid("e1", "A1"))}); err != nil {
			return err
		}
		if _, err := advance(t.Context(), tx, "A1"); err != nil {
			return err
		}
		equal(t, "version outside the transaction", states(t, store, "A1")[0].Version, int64(0))
		equal(t, "journal outside the transaction", len(journal(t, store)), 0)
		equal(t, "timeline outside the transaction", len(timeline(t, store, "A1").Callbacks), 0)
		return nil
	})
	equal(t, "version after the commit", states(t, store, "A1")[0].Version, int64(1))
}

// claim claims keys and returns the fingerprints that the store has for them.
func claim(t *testing.T, store order.Store, keys ...order.IdempotencyKey) []string {
	t.Helper()
	var got []string
	update(t, store, func(tx order.Tx) error {
		got = nil
		var pointers []*order.IdempotencyKey
		for i := range keys {
			pointers = append(pointers, &keys[i])
		}
		err := tx.Claim(t.Context(), pointers)
		for _, k := range keys {
			got = append(got, k.Fingerprint)
		}
		return err
	})
	return got
}

func claimKeepsTheFirstUse(t *testing.T, open Opener) {
	store, _ := open(t)
	equal(t, "new keys", claim(t, store,
		order.IdempotencyKey{Key: "k1", Fingerprint: "f1"},
		order.IdempotencyKey{Key: "k2", Fingerprint: "f2"},
		order.IdempotencyKey{Key: "k1", Fingerprint: "f3"},
	), []string{"f1", "f2", "f1"})
	long := strings.Repeat("ключ ", 50)
	equal(t, "known keys", claim(t, store,
		order.IdempotencyKey{Key: "k2", Fingerprint: "f4"},
		order.IdempotencyKey{Key: "k1", Fingerprint: "f1"},
		order.IdempotencyKey{Key: long, Fingerprint: "f5"},
	), []string{"f2", "f1", "f5"})
	equal(t, "long key", claim(t, store, order.IdempotencyKey{Key: long, Fingerprint: "f6"}), []string{"f5"})
}
