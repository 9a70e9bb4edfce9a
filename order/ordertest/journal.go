package ordertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

func saveWithoutChange(t *testing.T, open Opener) {
	store, _ := open(t)
	save := func(id string, set func(*order.Record)) {
		update(t, store, func(tx order.Tx) error {
			records, err := tx.Load(t.Context(), []string{id})
			if err != nil {
				return err
			}
			set(records[0])
			return tx.Save(t.Context(), records)
		})
	}
	terms := order.Terms{Amount: 1, Currency: "EUR", ExpiresAt: noon}
	save("A1", func(r *order.Record) { r.Terms, r.DueAt = terms, noon })
	equal(t, "state before the first change", states(t, store, "A1")[0], order.Unknown("A1", store.Epoch()))
	equal(t, "record before the first change", load(t, store, "A1"),
		&order.Record{Order: "A1", Terms: terms, DueAt: noon, State: order.Unknown("A1", store.Epoch())})

	changes := mustInsert(t, store, deliver(paid("e1", "A1")))
	save("A1", func(r *order.Record) { r.Terms, r.DueAt = order.Terms{}, time.Time{} })
	equal(t, "state", states(t, store, "A1")[0], changes[0].State)
	equal(t, "journal", len(journal(t, store)), 1)
	got := load(t, store, "A1")
	equal(t, "terms and due time", []any{got.Terms, got.DueAt}, []any{order.Terms{}, time.Time{}})
}

// saveOfAnotherVersionIsUndone: a version follows the one that is stored, or the
// whole transaction is none.
func saveOfAnotherVersionIsUndone(t *testing.T, open Opener) {
	store, _ := open(t)
	want := mustInsert(t, store, deliver(paid("e1", "A1")), deliver(paid("e2", "A2")))
	err := store.Update(t.Context(), func(tx order.Tx) error {
		records, err := tx.Load(t.Context(), []string{"A1", "A2"})
		if err != nil {
			return err
		}
		for i, r := range records {
			r.Changed, r.State.Version = true, r.State.Version+1+int64(i)
		}
		return tx.Save(t.Context(), records)
	})
	if err == nil {
		t.Error("a version that follows none was saved")
	}
	equal(t, "states", states(t, store, "A1", "A2"), []order.State{want[0].State, want[1].State})
	equal(t, "journal", len(journal(t, store)), 2)
}

func due(t *testing.T, store order.Due, now time.Time, limit int) []string {
	t.Helper()
	got, err := store.Due(t.Context(), now, limit)
	if err != nil {
		t.Fatalf("due: %v", err)
	}
	return got
}

func dueOrders(t *testing.T, open Opener) {
	store, _ := open(t)
	setDue := func(at map[string]time.Time) {
		update(t, store, func(tx order.Tx) error {
			records, err := tx.Load(t.Context(), []string{"A1", "A2", "A3", "A4"})
			if err != nil {
				return err
			}
			for _, r := range records {
				r.DueAt = at[r.Order]
			}
			return tx.Save(t.Context(), records)
		})
	}
	setDue(map[string]time.Time{"A1": noon.Add(time.Second), "A2": noon, "A3": noon.Add(-time.Hour)})
	equal(t, "before any", len(due(t, store, noon.Add(-2*time.Hour), 10)), 0)
	equal(t, "at noon", due(t, store, noon, 10), []string{"A3", "A2"})
	equal(t, "the first", due(t, store, noon.Add(time.Hour), 1), []string{"A3"})
	equal(t, "all", due(t, store, noon.Add(time.Hour), 10), []string{"A3", "A2", "A1"})

	setDue(map[string]time.Time{"A2": noon})
	equal(t, "after some were saved without a due time", due(t, store, noon.Add(time.Hour), 10), []string{"A2"})
}

func statesFollowTheNames(t *testing.T, open Opener) {
	store, _ := open(t)
	changes := mustInsert(t, store, deliver(paid("e1", "A1"), paid("e2", "A2")))
	equal(t, "states", states(t, store, "A2", "none", "A1", "A2"), []order.State{
		changes[1].State, order.Unknown("none", store.Epoch()), changes[0].State, changes[1].State,
	})
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprint("B", i)
	}
	many[4321] = "A1"
	for i, s := range states(t, store, many...) {
		if s.Order != many[i] || (s.Version == 1) != (i == 4321) {
			t.Fatalf("state %d is %+v", i, s)
		}
	}
}

// statesAreOfOneMoment moves two orders in step and never finds them apart.
func statesAreOfOneMoment(t *testing.T, open Opener) {
	store, _ := open(t)
	const rounds = 100
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range rounds {
			if _, err := insert(t.Context(), store, deliver(paid(fmt.Sprint("a", i), "A1"), paid(fmt.Sprint("b", i), "A2"))); err != nil {
				t.Errorf("insert: %v", err)
				return
			}
		}
	})
	defer wg.Wait()
	for last := int64(0); last < rounds && !t.Failed(); {
		got := states(t, store, "A1", "A2")
		if got[0].Version != got[1].Version || got[0].Version < last {
			t.Errorf("versions are %d and %d after %d", got[0].Version, got[1].Version, last)
		}
		last = got[0].Version
	}
}

func changesHaveLimits(t *testing.T, open Opener) {
	store, _ := open(t)
	var want []order.Change
	for i := range 7 {
		want = append(want, mustInsert(t, store, deliver(paid(fmt.Sprint("e", i), "A1")))...)
	}
	shard := order.ShardOf("A1")
	for _, test := range []struct {
		shard int
		after int64
		limit int
		want  []order.Change
	}{
		{shard, 0, 100, want},
		{shard, 0, 3, want[:3]},
		{shard, 3, 3, want[3:6]},
		{shard, 6, 3, want[6:]},
		{shard, 7, 3, nil},
		{shard, 100, 3, nil},
		{(shard + 1) % order.Shards, 0, 3, nil},
	} {
		got, err := store.Changes(t.Context(), test.shard, test.after, test.limit)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("Changes(%d, %d, %d) = %+v, %v\nwant %+v", test.shard, test.after, test.limit, got, err, test.want)
		}
	}
	heads, err := store.Heads(t.Context())
	wantHeads := order.Heads{Epoch: store.Epoch()}
	wantHeads.Seq[shard] = 7
	if err != nil || heads != wantHeads {
		t.Errorf("Heads = %v, %v", heads, err)
	}
}

// journalIsGaplessUnderConcurrency lets writers commit and roll back at random
// while readers follow the journal: what a reader has seen is a prefix of the
// journal for ever, and it sees every change without looking back.
func journalIsGaplessUnderConcurrency(t *testing.T, open Opener) {
	store, _ := open(t)
	const writers, rounds, followers = 6, 40, 2
	var committed sync.Map // "order version" to Change
	var total int
	var mu sync.Mutex
	written := make(chan struct{})

	var following sync.WaitGroup
	for range followers {
		following.Go(func() {
			var cursor [order.Shards]int64
			seen := 0
			for last := false; ; {
				select {
				case <-written:
					last = true
				default:
				}
				seen += follow(t, store, &cursor, &committed)
				if last {
					break
				}
			}
			if seen != total {
				t.Errorf("a follower saw %d of %d changes", seen, total)
			}
		})
	}

	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for i := range rounds {
				orders := []string{fmt.Sprint("A", random.IntN(8)), fmt.Sprint("B", random.IntN(8))}
				err := store.Update(t.Context(), func(tx order.Tx) error {
					event := paid(fmt.Sprintf("e%d-%d", w, i), orders[0])
					if err := tx.Insert(t.Context(), []*order.Delivery{deliver(event)}); err != nil {
						return err
					}
					records, err := advance(t.Context(), tx, orders...)
					if err == nil && random.IntN(5) == 0 {
						return errOnPurpose
					}
					for _, r := range records {
						committed.Store(fmt.Sprint(r.Order, r.State.Version, r.Change.Shard, r.Change.Seq), r.Change)
					}
					return err
				})
				switch {
				case err == nil:
					mu.Lock()
					total += len(orders)
					mu.Unlock()
				case !errors.Is(err, errOnPurpose):
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	writing.Wait()
	close(written)
	following.Wait()
	equal(t, "changes", len(journal(t, store)), total)
}

// follow reads what is new and checks that it goes on where the cursor stands
// and is what its writer was told.
func follow(t *testing.T, store Store, cursor *[order.Shards]int64, committed *sync.Map) (seen int) {
	heads, err := store.Heads(t.Context())
	if err != nil {
		t.Errorf("heads: %v", err)
	}
	for shard := range cursor {
		for cursor[shard] < heads.Seq[shard] && !t.Failed() {
			changes, err := store.Changes(t.Context(), shard, cursor[shard], 5)
			if err != nil || len(changes) == 0 {
				t.Errorf("shard %d has its head at %d and after %d only %v, %v", shard, heads.Seq[shard], cursor[shard], changes, err)
			}
			for _, c := range changes {
				cursor[shard]++
				if c.Seq != cursor[shard] {
					t.Errorf("shard %d goes on with seq %d where %d is due", shard, c.Seq, cursor[shard])
				}
				if want, ok := committed.Load(fmt.Sprint(c.State.Order, c.State.Version, shard, c.Seq)); !ok || want != c {
					t.Errorf("the journal has %+v where its writer has %+v", c, want)
				}
				seen++
			}
		}
	}
	return seen
}
