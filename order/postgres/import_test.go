package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/postgres"
	"github.com/paybell/paybell/order/sqlite"
)

const copiedOrders = 40

// fill records all that a ledger can hold.
func fill(t *testing.T, ledger *order.Ledger) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 3))
	for i := range 300 {
		n := random.IntN(copiedOrders)
		e := event(fmt.Sprint("e", random.IntN(250)), fmt.Sprint("A", n), fmt.Sprint("p", (n+random.IntN(2))%copiedOrders))
		e.At = time.Unix(1700000000+random.Int64N(1000), 123456000).UTC()
		e.Reason = "größer \"als\" <eins>"
		switch i % 5 {
		case 0:
			e.Order = ""
		case 1:
			e.Payment, e.At = "", time.Time{}
		case 2:
			e.Kind, e.Ref, e.Status = order.KindRefund, fmt.Sprint("r", i), order.Refunded
		}
		key := order.IdempotencyKey{Key: fmt.Sprint("key\xff", i/2), Fingerprint: "f"}
		c := order.Callback{Source: "shop", ReceivedAt: time.Unix(1700000000+int64(i), 0).UTC(), Body: []byte{byte(i), 0, 0xff}}
		if i%7 == 0 {
			c.Quarantine, c.ReceivedAt = "half of it could not be read", time.Time{}
		}
		if _, err := ledger.RecordOnce(t.Context(), key, c, []order.Event{e, e}[:1+i%2]); err != nil {
			t.Fatal(err)
		}
		terms := order.Terms{Amount: 100, Currency: "EUR", ExpiresAt: time.Unix(1800000000, 1).UTC(), ReturnURL: "https://shop.example/?<a>"}
		if i%10 == 0 {
			if _, err := ledger.Register(t.Context(), order.IdempotencyKey{}, fmt.Sprint("B", i), terms); err != nil {
				t.Fatal(err)
			}
		}
		if i%20 == 0 {
			r := order.Revocation{Kind: order.RevokeSubject, Value: fmt.Sprint("u", i), Reason: "moved", Expires: time.Unix(4000000000, 0).UTC()}
			if _, err := ledger.Revoke(t.Context(), order.IdempotencyKey{}, r); err != nil {
				t.Fatal(err)
			}
		}
		told := order.Told{Order: e.Order, Version: int64(i % 3), Transport: "sse", Subject: "u1", At: time.Unix(1700000000, 0).UTC(), Count: 2}
		if err := ledger.Tell(t.Context(), []order.Told{told}); err != nil {
			t.Fatal(err)
		}
	}
}

// owe records news of what must be fetched: of what was not yet tried, was tried
// in vain, and is being asked at this moment.
func owe(t *testing.T, ledger *order.Ledger, jobs order.Fetches) {
	t.Helper()
	for _, ref := range []string{"asked", "in-vain", "new"} {
		for i := range 2 {
			record(t, ledger, order.Event{Source: "shop", ID: fmt.Sprint("news-", ref, i), Ref: ref, Kind: order.KindNote, Status: order.ToFetch})
		}
		if ref == "new" {
			return
		}
		claimed, err := jobs.ClaimFetches(t.Context(), time.Now(), time.Unix(1900000000, 0), 10)
		if err != nil || len(claimed) != 1 {
			t.Fatalf("claimed %v, %v", claimed, err)
		}
		if ref == "in-vain" {
			if err := jobs.SettleFetch(t.Context(), claimed[0], time.Unix(1950000000, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func importInto(t *testing.T, url string, source *sqlite.Store, spoil func(*order.Count) error) error {
	t.Helper()
	target, err := postgres.BeginImport(t.Context(), url)
	if err != nil {
		return err
	}
	defer target.Abort()
	count, err := source.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Export(t.Context(), func(part order.Part) error { return target.Add(t.Context(), part) }); err != nil {
		t.Fatal(err)
	}
	if err := spoil(&count); err != nil {
		return err
	}
	return target.Commit(t.Context(), source.Epoch(), count)
}

// TestACopyIsTheSameLedger to whoever reads it, and to whoever writes on.
func TestACopyIsTheSameLedger(t *testing.T) {
	source, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paybell.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	filled := run(t, source)
	fill(t, filled)
	owe(t, filled, source)
	server := rig.StartPostgres(t)
	url := server.Database("shop")

	// What fails leaves nothing behind.
	broken := errors.New("broken off")
	if err := importInto(t, url, source, func(*order.Count) error { return broken }); err != broken {
		t.Fatalf("a copy that was broken off: %v", err)
	}
	if err := importInto(t, url, source, func(c *order.Count) error { c.Told++; return nil }); err == nil {
		t.Fatal("a copy that lacks a row was taken for whole")
	}
	if err := importInto(t, url, source, func(c *order.Count) error { c.Fetches++; return nil }); err == nil {
		t.Fatal("a copy that lacks a fetch was taken for whole")
	}
	if got := server.SQL("shop", "SELECT count(*) FROM paybell.events"); got != "0" {
		t.Fatalf("a copy that failed left %s events", got)
	}

	if err := importInto(t, url, source, func(*order.Count) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := importInto(t, url, source, func(*order.Count) error { return nil }); !errors.Is(err, postgres.ErrNotEmpty) {
		t.Errorf("a second copy: %v", err)
	}
	target := open(t, url)
	compare(t, source, target)

	one, two := run(t, source), run(t, target)
	for i := range 250 { // all again, some of them new, and what gives payments other owners
		e := event(fmt.Sprint("e", i), "", "")
		f := event(fmt.Sprint("f", i), fmt.Sprint("A", i%copiedOrders), fmt.Sprint("p", (i+1)%copiedOrders))
		f.At = time.Unix(1600000000, 0).UTC()
		a, b := record(t, one, e, f), record(t, two, e, f)
		for _, r := range []order.Receipt{a, b} {
			for j := range r.Changes {
				r.Changes[j].State.UpdatedAt = time.Time{}
			}
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("the receipts are\n%+v\n%+v", a, b)
		}
	}
	fingerprint := order.IdempotencyKey{Key: "key\xff7", Fingerprint: "another"}
	if _, err := two.RecordOnce(t.Context(), fingerprint, order.Callback{Source: "shop"}, nil); !errors.Is(err, order.ErrKeyReused) {
		t.Errorf("a key that was used: %v", err)
	}
	checkJournal(t, cluster{nodes: []*postgres.Store{target}, calls: new(atomic.Int64)})
}

// compare reads all that can be read of two ledgers.
func compare(t *testing.T, a *sqlite.Store, b *postgres.Store) {
	t.Helper()
	same := func(what string, read func(s store) (any, error)) {
		t.Helper()
		one, err := read(a)
		if err != nil {
			t.Fatal(err)
		}
		two, err := read(b)
		if err != nil || !reflect.DeepEqual(one, two) {
			t.Errorf("%s:\n%+v\n%+v, %v", what, one, two, err)
		}
	}
	same("heads", func(s store) (any, error) { return s.Heads(t.Context()) })
	same("due", func(s store) (any, error) { return s.Due(t.Context(), time.Unix(2000000000, 0), 1000) })
	for _, now := range []int64{1890000000, 1900000000, 1950000000, 2000000000} { // each claims for 1000 s
		same("fetches", func(s store) (any, error) {
			claimed, err := s.ClaimFetches(t.Context(), time.Unix(now, 0), time.Unix(now+1000, 0), 1000)
			slices.SortFunc(claimed, func(a, b order.Fetch) int { return strings.Compare(a.Ref, b.Ref) })
			return claimed, err
		})
	}
	same("revocations", func(s store) (any, error) { return s.Revoked(t.Context(), 0, time.Unix(1800000000, 0), 1000) })
	for shard := range order.Shards {
		same("changes", func(s store) (any, error) { return s.Changes(t.Context(), shard, 0, 1000) })
	}
	for i := range 300 {
		for _, id := range []string{fmt.Sprint("A", i), fmt.Sprint("B", i)} {
			same("state", func(s store) (any, error) { return s.States(t.Context(), []string{id}) })
			same("timeline", func(s store) (any, error) { return s.Timeline(t.Context(), id) })
		}
		same("event", func(s store) (any, error) {
			e, _, err := s.Event(t.Context(), "shop", fmt.Sprint("e", i))
			return e, err
		})
	}
}

type store interface {
	order.Store
	order.Journal
	order.Due
	order.Revocations
	order.Fetches
}

// BenchmarkCopy moves a ledger from SQLite. An operation is one order, of which
// two webhooks told.
func BenchmarkCopy(b *testing.B) {
	source, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "paybell.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close()
	ledger := run(b, source)
	var wg sync.WaitGroup
	for w := range 128 {
		wg.Go(func() {
			for n := w; n < 2*b.N; n += 128 {
				e := event(fmt.Sprintf("evt_%020d", n), orderID(int64(n/2)), fmt.Sprintf("pi_%020d", n/2))
				e.Amount += int64(n % 2)
				ledger.Record(b.Context(), order.Callback{Source: "shop", Body: make([]byte, 2000)}, []order.Event{e})
			}
		})
	}
	wg.Wait()
	server := rig.StartPostgres(b)
	b.ResetTimer()
	target, err := postgres.BeginImport(b.Context(), server.URL("postgres"))
	if err != nil {
		b.Fatal(err)
	}
	defer target.Abort()
	count, err := source.Count(b.Context())
	if err == nil {
		err = source.Export(b.Context(), func(part order.Part) error { return target.Add(b.Context(), part) })
	}
	if err == nil {
		err = target.Commit(b.Context(), source.Epoch(), count)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(count.Total())/b.Elapsed().Seconds(), "rows/s")
}
