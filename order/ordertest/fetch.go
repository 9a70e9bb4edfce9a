package ordertest

import (
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// Fetches tests a store that fulfils [order.Fetches].
func Fetches(t *testing.T, open Opener) {
	t.Run("ClaimedOnceUntilItsTime", func(t *testing.T) {
		store, jobs, _ := fetching(t, open)
		news(t, store, "n1", "tr_1")
		news(t, store, "n2", "tr_2")
		now := time.Now().Add(time.Second)
		wantFetches(t, jobs, now, "tr_1", "tr_2")
		wantFetches(t, jobs, now.Add(59*time.Second))
		wantFetches(t, jobs, now.Add(time.Minute), "tr_1", "tr_2")
	})
	t.Run("ManyNewsAreOneFetch", func(t *testing.T) {
		store, jobs, _ := fetching(t, open)
		for _, id := range []string{"n1", "n2", "n3", "n1"} { // the last one is a repetition
			news(t, store, id, "tr_1")
		}
		claimed := wantFetches(t, jobs, time.Now(), "tr_1")
		if claimed[0].Asked != 3 || claimed[0].Source != "shop" || claimed[0].Tries != 0 || time.Since(claimed[0].Since).Abs() > time.Minute {
			t.Errorf("claimed %+v", claimed[0])
		}
	})
	t.Run("Answered", func(t *testing.T) {
		store, jobs, _ := fetching(t, open)
		news(t, store, "n1", "tr_1")
		settle(t, jobs, wantFetches(t, jobs, time.Now(), "tr_1")[0], time.Time{})
		wantFetches(t, jobs, time.Now().Add(time.Hour))
		news(t, store, "n1", "tr_1") // known, and so no news
		wantFetches(t, jobs, time.Now())
		news(t, store, "n2", "tr_1")
		wantFetches(t, jobs, time.Now(), "tr_1")
	})
	t.Run("NewsDuringAFetchAsksAgain", func(t *testing.T) {
		store, jobs, _ := fetching(t, open)
		news(t, store, "n1", "tr_1")
		claimed := wantFetches(t, jobs, time.Now(), "tr_1")
		news(t, store, "n2", "tr_1") // what was fetched may be older than this
		settle(t, jobs, claimed[0], time.Time{})
		again := wantFetches(t, jobs, time.Now(), "tr_1")
		settle(t, jobs, again[0], time.Time{})
		wantFetches(t, jobs, time.Now().Add(time.Hour))
	})
	t.Run("TriedInVain", func(t *testing.T) {
		store, jobs, _ := fetching(t, open)
		news(t, store, "n1", "tr_1")
		now := time.Now()
		first := wantFetches(t, jobs, now, "tr_1")[0]
		settle(t, jobs, first, now.Add(10*time.Second))
		wantFetches(t, jobs, now.Add(9*time.Second))
		second := wantFetches(t, jobs, now.Add(10*time.Second), "tr_1")[0]
		if second.Tries != 1 || !second.Since.Equal(first.Since) {
			t.Errorf("claimed %+v after %+v", second, first)
		}
		settle(t, jobs, second, now.Add(time.Hour))
		news(t, store, "n2", "tr_1") // does not wait for that hour
		wantFetches(t, jobs, now.Add(11*time.Second), "tr_1")
	})
	t.Run("Limit", func(t *testing.T) {
		store, jobs, _ := fetching(t, open)
		for _, ref := range []string{"a", "b", "c"} {
			news(t, store, "n"+ref, ref)
		}
		seen := map[string]bool{}
		for range 3 {
			claimed, err := jobs.ClaimFetches(t.Context(), time.Now(), time.Now().Add(time.Minute), 1)
			if err != nil || len(claimed) != 1 || seen[claimed[0].Ref] {
				t.Fatalf("claimed %v, %v", claimed, err)
			}
			seen[claimed[0].Ref] = true
		}
		wantFetches(t, jobs, time.Now())
	})
	t.Run("RestartForgetsNone", func(t *testing.T) {
		store, jobs, reopen := fetching(t, open)
		news(t, store, "n1", "waits")
		news(t, store, "n2", "claimed")
		now := time.Now()
		claimed, err := jobs.ClaimFetches(t.Context(), now, now.Add(time.Minute), 1)
		if err != nil || len(claimed) != 1 {
			t.Fatalf("claimed %v, %v", claimed, err)
		}
		_, jobs = reopen()
		other := map[string]string{"waits": "claimed", "claimed": "waits"}[claimed[0].Ref]
		wantFetches(t, jobs, now, other)
		wantFetches(t, jobs, now.Add(time.Minute), "claimed", "waits")
	})
	t.Run("UndoneWithItsTransaction", func(t *testing.T) {
		store, jobs, _ := fetching(t, open)
		failure := errUndo
		if err := store.Update(t.Context(), func(tx order.Tx) error {
			if err := tx.Insert(t.Context(), []*order.Delivery{deliver(toFetch("n1", "tr_1"))}); err != nil {
				return err
			}
			return failure
		}); err == nil {
			t.Fatal("no error")
		}
		wantFetches(t, jobs, time.Now())
	})
}

type undo struct{}

func (undo) Error() string { return "undo this" }

var errUndo = undo{}

func fetching(t *testing.T, open Opener) (Store, order.Fetches, func() (Store, order.Fetches)) {
	t.Helper()
	store, reopen := open(t)
	jobs, ok := store.(order.Fetches)
	if !ok {
		t.Fatalf("%T does not fulfil order.Fetches", store)
	}
	return store, jobs, func() (Store, order.Fetches) {
		store := reopen()
		return store, store.(order.Fetches)
	}
}

func toFetch(id, ref string) order.Event {
	return order.Event{Source: "shop", ID: id, Payment: ref, Ref: ref, Kind: order.KindNote, Status: order.ToFetch}
}

func news(t *testing.T, store Store, id, ref string) {
	t.Helper()
	if _, err := insert(t.Context(), store, deliver(toFetch(id, ref))); err != nil {
		t.Fatal(err)
	}
}

func settle(t *testing.T, jobs order.Fetches, f order.Fetch, again time.Time) {
	t.Helper()
	if err := jobs.SettleFetch(t.Context(), f, again); err != nil {
		t.Fatal(err)
	}
}

// wantFetches claims for a minute what is due.
func wantFetches(t *testing.T, jobs order.Fetches, now time.Time, refs ...string) []order.Fetch {
	t.Helper()
	claimed, err := jobs.ClaimFetches(t.Context(), now, now.Add(time.Minute), 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range claimed {
		got = append(got, f.Ref)
	}
	slices.Sort(got)
	if !slices.Equal(got, refs) {
		t.Fatalf("claimed %q, want %q", got, refs)
	}
	return claimed
}
