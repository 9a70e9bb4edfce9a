package ordertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// later is when what expires at noon is over.
var later = noon.Add(time.Hour)

// revocation is of a token, for good.
func revocation(id string) order.Revocation {
	return order.Revocation{ID: id, Kind: order.RevokeToken, Value: "token of " + id, At: noon}
}

// revoke stores revocations in one transaction, and returns them as they are stored.
func revoke(t *testing.T, store Store, revocations ...order.Revocation) (stored []order.Revocation) {
	t.Helper()
	update(t, store, func(tx order.Tx) error {
		stored = slices.Clone(revocations) // a transaction may run twice
		all := make([]*order.Revocation, len(stored))
		for i := range stored {
			all[i] = &stored[i]
		}
		return tx.Revoke(t.Context(), all)
	})
	return stored
}

// revoked reads a piece of the revocations.
func revoked(t *testing.T, store Store, after int64, now time.Time, limit int) order.Revoked {
	t.Helper()
	found, err := store.Revoked(t.Context(), after, now, limit)
	if err != nil {
		t.Fatalf("revoked: %v", err)
	}
	if found.Epoch != store.Epoch() {
		t.Errorf("the revocations are of epoch %q, the ledger of %q", found.Epoch, store.Epoch())
	}
	return found
}

// forget forgets until nothing is left to forget.
func forget(t *testing.T, store Store, now time.Time, limit int) (total int) {
	t.Helper()
	for {
		n := 0
		update(t, store, func(tx order.Tx) (err error) {
			n, err = tx.Forget(t.Context(), now, limit)
			return err
		})
		if n > limit {
			t.Fatalf("%d were forgotten at once, where %d was the limit", n, limit)
		}
		total += n
		if n < limit {
			return total
		}
	}
}

func revocationsAreReadInTheirOrder(t *testing.T, open Opener) {
	store, reopen := open(t)
	none := revoked(t, store, 0, noon, 10)
	equal(t, "of an empty ledger", []int64{none.Head, int64(len(none.Revocations))}, []int64{0, 0})

	asked := []order.Revocation{
		{ID: "r1", Kind: order.RevokeToken, Value: "j-ü'\"", Reason: "phone lost\nor not", At: noon, Expires: noon.Add(time.Minute)},
		{ID: "/v1/revocations k", Kind: order.RevokeSubject, Value: "u42", At: noon, Expires: noon.Add(time.Microsecond)},
		{ID: "r3", Kind: order.RevokeOrder, Value: "A/1?x", At: noon},
		{ID: "r4", Kind: order.RevokeKey, Value: "k1", At: noon},
	}
	stored := revoke(t, store, asked...)
	for i := range asked {
		asked[i].Seq = int64(i) + 1
	}
	equal(t, "as stored", stored, asked)
	for range 2 {
		equal(t, "all", revoked(t, store, 0, noon, 10), order.Revoked{Epoch: store.Epoch(), Head: 4, Revocations: asked})
		equal(t, "those not over", revoked(t, store, 0, noon.Add(time.Microsecond), 10).Revocations,
			[]order.Revocation{asked[0], asked[2], asked[3]})
		equal(t, "the first two", revoked(t, store, 0, noon, 2), order.Revoked{Epoch: store.Epoch(), Head: 2, Revocations: asked[:2]})
		equal(t, "the last two", revoked(t, store, 2, noon, 2), order.Revoked{Epoch: store.Epoch(), Head: 4, Revocations: asked[2:]})
		equal(t, "after the last", revoked(t, store, 4, noon, 2), order.Revoked{Epoch: store.Epoch(), Head: 4})
		equal(t, "from a place that is lost", revoked(t, store, 9, noon, 2), order.Revoked{Epoch: store.Epoch(), Head: 4})
		store = reopen()
	}
}

func revokeCountsOnce(t *testing.T, open Opener) {
	store, _ := open(t)
	first := revoke(t, store, revocation("r1"))
	again := revocation("r1")
	again.At, again.Reason = later, "again"
	equal(t, "repeated", revoke(t, store, again, revocation("r2"), revocation("r2")),
		[]order.Revocation{first[0], {ID: "r2", Seq: 2, Kind: order.RevokeToken, Value: "token of r2", At: noon},
			{ID: "r2", Seq: 2, Kind: order.RevokeToken, Value: "token of r2", At: noon}})
	equal(t, "stored", len(revoked(t, store, 0, noon, 10).Revocations), 2)
}

func undoneRevocationLeavesNoHole(t *testing.T, open Opener) {
	store, _ := open(t)
	r := revocation("r1")
	err := store.Update(t.Context(), func(tx order.Tx) error {
		if err := tx.Revoke(t.Context(), []*order.Revocation{&r}); err != nil {
			return err
		}
		equal(t, "outside the transaction", len(revoked(t, store, 0, noon, 10).Revocations), 0)
		return errOnPurpose
	})
	if !errors.Is(err, errOnPurpose) {
		t.Fatalf("Update returned %v", err)
	}
	equal(t, "seq after the error", revoke(t, store, revocation("r2"))[0].Seq, int64(1))
}

// revocationsAreNeverPassedBy: a reader that goes on from where it was sees each
// revocation, however many write at once, and some of them in vain.
func revocationsAreNeverPassedBy(t *testing.T, open Opener) {
	store, _ := open(t)
	const writers, each = 8, 25
	var writing sync.WaitGroup
	var done atomic.Bool
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				r := revocation(fmt.Sprint(w, "-", i))
				err := store.Update(t.Context(), func(tx order.Tx) error {
					if err := tx.Revoke(t.Context(), []*order.Revocation{&r}); err != nil {
						return err
					}
					if i%5 == 4 {
						return errOnPurpose
					}
					return nil
				})
				if err != nil && !errors.Is(err, errOnPurpose) {
					t.Errorf("revoke: %v", err)
				}
			}
		})
	}
	go func() { writing.Wait(); done.Store(true) }()
	seen := map[string]int64{}
	after := int64(0)
	for last := false; !last; {
		last = done.Load()
		for {
			found := revoked(t, store, after, noon, 7)
			for _, r := range found.Revocations {
				seen[r.ID] = r.Seq
			}
			if after = found.Head; len(found.Revocations) < 7 {
				break
			}
		}
	}
	equal(t, "revocations seen", len(seen), writers*each*4/5)
	equal(t, "the last seq", after, int64(len(seen)))
}

func forgetForgetsWhatIsOver(t *testing.T, open Opener) {
	store, reopen := open(t)
	var keys []order.IdempotencyKey
	for i := range 25 {
		keys = append(keys, order.IdempotencyKey{Key: fmt.Sprint("old ", i), Fingerprint: "f", Expires: noon})
	}
	keys = append(keys, order.IdempotencyKey{Key: "new", Fingerprint: "f", Expires: noon.Add(time.Microsecond)})
	claim(t, store, keys...)
	brief, lasting := revocation("brief"), revocation("lasting")
	brief.Expires = noon.Add(-order.KeyRetention)
	lasting.Expires = brief.Expires.Add(time.Microsecond)
	revoke(t, store, lasting, revocation("for good"), brief)

	equal(t, "forgotten before its time", forget(t, store, noon.Add(-time.Microsecond), 10), 0)
	equal(t, "forgotten", forget(t, store, noon, 10), 25)
	equal(t, "an old key", claim(t, store, order.IdempotencyKey{Key: "old 7", Fingerprint: "g", Expires: later}), []string{"g"})
	equal(t, "a key that is not over", claim(t, store, order.IdempotencyKey{Key: "new", Fingerprint: "g", Expires: later}), []string{"f"})

	left := revoked(t, store, 0, time.Time{}, 10)
	equal(t, "revocations left", len(left.Revocations), 2)
	equal(t, "their end", left.Head, int64(3))
	store = reopen()
	equal(t, "the next seq", revoke(t, store, revocation("next"))[0].Seq, int64(4))
}

func ledgerRevokesOnce(t *testing.T, open Opener) {
	store, _ := open(t)
	ledger, _ := runLedger(t, store, order.LedgerOptions{})
	ask := func(key, fingerprint, subject string) (order.Revocation, error) {
		return ledger.Revoke(t.Context(), order.IdempotencyKey{Key: key, Fingerprint: fingerprint},
			order.Revocation{Kind: order.RevokeSubject, Value: subject, Expires: later})
	}
	first, err := ask("k1", "f1", "u1")
	if err != nil || first.Seq != 1 || first.At.IsZero() || !first.Expires.Equal(later) {
		t.Fatalf("revoked %+v, %v", first, err)
	}
	again, err := ask("k1", "f1", "u1")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "repeated", again, first)
	if _, err := ask("k1", "f2", "u2"); !errors.Is(err, order.ErrKeyReused) {
		t.Errorf("a key for another revocation: %v", err)
	}
	for range 2 { // without a key, each is one of its own
		if _, err := ask("", "", "u1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ask("", "", strings.Repeat("u", 129)); err == nil {
		t.Error("a subject of 129 bytes was revoked")
	}
	equal(t, "stored", len(revoked(t, store, 0, noon, 10).Revocations), 3)
}

// ledgerRevokesUnderAForgottenKey: a revocation may outlive the idempotency key
// under which it was asked for, and must not stand for another one then.
func ledgerRevokesUnderAForgottenKey(t *testing.T, open Opener) {
	store, _ := open(t)
	ledger, _ := runLedger(t, store, order.LedgerOptions{})
	for i, value := range []string{"k1", "k2"} {
		key := order.IdempotencyKey{Key: "again", Fingerprint: "of " + value}
		r, err := ledger.Revoke(t.Context(), key, order.Revocation{Kind: order.RevokeKey, Value: value})
		if err != nil || r.Value != value || r.Seq != int64(i+1) {
			t.Errorf("revoked %+v, %v; want %s", r, err, value)
		}
		equal(t, "keys forgotten", forget(t, store, time.Now().Add(order.KeyRetention+time.Hour), 10), 1)
	}
}

// ledgerRedeemsATicketOnce: two ledgers over one store are two nodes.
func ledgerRedeemsATicketOnce(t *testing.T, open Opener) {
	store, _ := open(t)
	var nodes []*order.Ledger
	for range 2 {
		node, _ := runLedger(t, store, order.LedgerOptions{})
		nodes = append(nodes, node)
	}
	until := time.Now().Add(time.Minute)
	for i := range 20 {
		var good atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			for _, node := range nodes {
				all.Go(func() {
					ok, err := node.Redeem(t.Context(), fmt.Sprint("t", i), until)
					if err != nil {
						t.Errorf("redeem: %v", err)
					}
					if ok {
						good.Add(1)
					}
				})
			}
		}
		if all.Wait(); good.Load() != 1 {
			t.Fatalf("a ticket was redeemed %d times", good.Load())
		}
	}
	equal(t, "uses forgotten", forget(t, store, until.Add(time.Hour), 100), 20)
}
