package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
	lib "modernc.org/sqlite/lib"
)

// insert stores events of the order A1, and gives A1 a new version.
func insert(ctx context.Context, store *sqlite.Store, body []byte, ids ...string) (fresh []bool, err error) {
	err = store.Update(ctx, func(tx order.Tx) error {
		d := &order.Delivery{Callback: order.Callback{Source: "shop", Body: body}}
		for _, id := range ids {
			d.Events = append(d.Events, order.Event{Source: "shop", ID: id, Order: "A1", Kind: order.KindNote})
		}
		if err := tx.Insert(ctx, []*order.Delivery{d}); err != nil {
			return err
		}
		fresh = d.Fresh
		records, err := tx.Load(ctx, []string{"A1"})
		if err != nil {
			return err
		}
		records[0].State.Version++
		records[0].Changed = true
		return tx.Save(ctx, records)
	})
	return fresh, err
}

func record(t *testing.T, store *sqlite.Store, ids ...string) (fresh []bool) {
	t.Helper()
	fresh, err := insert(t.Context(), store, nil, ids...)
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	var acknowledged []string
	for range 3 {
		lines, kill := startChild(t, path)
		for n := 0; lines.Scan(); n++ {
			acknowledged = append(acknowledged, lines.Text())
			if n == 100 {
				kill() // and read on what was still in the pipe
			}
		}
	}
	store := open(t, path)
	known := map[string]bool{}
	for i := range 7 {
		timeline, err := store.Timeline(t.Context(), fmt.Sprint("A", i))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range timeline.Callbacks {
			for _, e := range c.Events {
				known[e.ID] = true
			}
		}
	}
	for _, id := range acknowledged {
		if !known[id] {
			t.Errorf("event %s was acknowledged and is lost", id)
		}
	}
	if len(acknowledged) < 300 {
		t.Errorf("only %d events were acknowledged", len(acknowledged))
	}
	store.Writing(t, func(_ func(string), read func(string) string) {
		if got := read("PRAGMA integrity_check"); got != "ok" {
			t.Errorf("integrity check says %s", got)
		}
	})
}

func TestFullLedgerRecovers(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "paybell.db"))
	record(t, store, "e1")
	limit := func(pages string) {
		store.Writing(t, func(_ func(string), read func(string) string) { read("PRAGMA max_page_count = " + pages) })
	}
	limit("1") // SQLite takes the present size for it
	full := func() { refusesFull(t, store, "e2") }
	full()
	full()
	limit("1000000")
	if fresh := record(t, store, "e1", "e2"); !slices.Equal(fresh, []bool{false, true}) {
		t.Errorf("after the disk was full, fresh is %v", fresh)
	}
}

// refusesFull checks that a large callback is refused, that the error is an
// ordinary one, and that reading goes on.
func refusesFull(t *testing.T, store *sqlite.Store, id string) {
	t.Helper()
	_, err := insert(t.Context(), store, make([]byte, 1<<20), id)
	if err == nil || errors.Is(err, order.ErrBroken) {
		t.Errorf("a full disk is %v", err)
	}
	if states, err := store.States(t.Context(), []string{"A1"}); err != nil || states[0].Version != 1 {
		t.Errorf("on a full disk the state is %v, %v", states, err)
	}
}

func TestDamagedPagesBreakTheLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	store := open(t, path)
	ids := make([]string, 3000)
	for i := range ids {
		ids[i] = fmt.Sprint("e", i)
	}
	record(t, store, ids...)
	store.Close()

	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, _ := file.Stat()
	const spared = 20 * 4096 // the pages at which the tables begin
	if _, err := file.WriteAt(make([]byte, info.Size()-spared), spared); err != nil {
		t.Fatal(err)
	}
	store = open(t, path)
	if _, err := store.Timeline(t.Context(), "A1"); !errors.Is(err, order.ErrBroken) {
		t.Errorf("reading damaged pages is %v", err)
	}
	for _, id := range []string{"e1", "e2"} { // and the second is refused without a try
		if _, err := insert(t.Context(), store, nil, id); !errors.Is(err, order.ErrBroken) {
			t.Errorf("writing to damaged pages is %v", err)
		}
	}
	if err := store.Update(t.Context(), func(order.Tx) error { panic("not reached") }); !errors.Is(err, order.ErrBroken) {
		t.Errorf("writing after damage is %v", err)
	}
}

func TestUnreadableRowsBreakTheLedger(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "paybell.db"))
	record(t, store, "e1")
	store.Writing(t, func(exec func(string), _ func(string) string) {
		exec("UPDATE orders SET terms = '{'")
		exec("UPDATE changes SET state = '{'")
	})
	_, err := store.States(t.Context(), []string{"A1"})
	_, err2 := store.Changes(t.Context(), order.ShardOf("A1"), 0, 1)
	_, err3 := store.Timeline(t.Context(), "A1")
	_, err4 := insert(t.Context(), store, nil, "e2")
	store.Writing(t, func(exec func(string), _ func(string) string) { exec("UPDATE orders SET terms = NULL") })
	_, err5 := store.Timeline(t.Context(), "A1")
	for _, err := range []error{err, err2, err3, err4, err5} {
		if !errors.Is(err, order.ErrBroken) {
			t.Errorf("an unreadable row is %v", err)
		}
	}
}

func TestAnOrderWhoseEventsAreGoneBreaksTheLedger(t *testing.T) {
	for _, list := range []string{"[1,9]", "[1,x]", "[1", "1]", "", `["1"]`} {
		store := open(t, filepath.Join(t.TempDir(), "paybell.db"))
		record(t, store, "e1")
		store.Writing(t, func(exec func(string), _ func(string) string) {
			exec("UPDATE orders SET events = '" + list + "'")
		})
		if _, err := insert(t.Context(), store, nil, "e2"); !errors.Is(err, order.ErrBroken) {
			t.Errorf("with the events %s, writing is %v", list, err)
		}
	}
}

func TestResultCodesThatBreak(t *testing.T) {
	for code, want := range map[int]bool{
		lib.SQLITE_IOERR_FSYNC: true, lib.SQLITE_IOERR_DIR_FSYNC: true, lib.SQLITE_IOERR_SHORT_READ: true, lib.SQLITE_IOERR_READ: true,
		lib.SQLITE_CORRUPT: true, lib.SQLITE_CORRUPT_INDEX: true, lib.SQLITE_NOTADB: true, lib.SQLITE_IOERR_IN_PAGE: true,
		lib.SQLITE_FULL: false, lib.SQLITE_BUSY: false, lib.SQLITE_BUSY_SNAPSHOT: false, lib.SQLITE_IOERR_WRITE: false,
		lib.SQLITE_INTERRUPT: false, lib.SQLITE_CONSTRAINT_UNIQUE: false, lib.SQLITE_IOERR_SHMSIZE: false, 0: false,
	} {
		if got := sqlite.Broken(code); got != want {
			t.Errorf("code %d breaks the ledger: %v", code, got)
		}
	}
}

func TestIgnoredErrorStillUndoesTheTransaction(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "paybell.db"))
	record(t, store, "e1")
	var kept order.Tx
	err := store.Update(t.Context(), func(tx order.Tx) error {
		kept = tx
		r := &order.Record{Order: "A1", Changed: true}
		r.State.Version = 1 // A1 has a version 1
		first := tx.Save(t.Context(), []*order.Record{r})
		r.State.Version = 2
		if second := tx.Save(t.Context(), []*order.Record{r}); first == nil || !errors.Is(second, first) {
			t.Errorf("the second error is %v, the first %v", second, first)
		}
		return nil
	})
	if err == nil {
		t.Error("Update hid the error")
	}
	if states, err := store.States(t.Context(), []string{"A1"}); err != nil || states[0].Version != 1 {
		t.Errorf("the state is %v, %v", states, err)
	}
	if err := kept.Tell(t.Context(), []order.Told{{Order: "A1"}}); err == nil {
		t.Error("a transaction that is over was used")
	}
}

func TestPanicUndoesTheTransaction(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "paybell.db"))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		store.Update(t.Context(), func(tx order.Tx) error {
			if err := tx.Insert(t.Context(), []*order.Delivery{{Events: []order.Event{{Source: "shop", ID: "e1"}}}}); err != nil {
				t.Error(err)
			}
			panic("on purpose")
		})
	}()
	if fresh := record(t, store, "e1"); !fresh[0] {
		t.Error("a transaction that panicked was committed")
	}
}

func TestWaitingForTheWriterEnds(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "paybell.db"))
	err := store.Update(t.Context(), func(order.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := insert(ctx, store, nil, "e1"); !errors.Is(err, context.Canceled) {
			t.Errorf("a second Update returned %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "paybell.db"))
	inside, closed := make(chan struct{}), make(chan error)
	go func() {
		<-inside
		closed <- store.Close()
	}()
	err := store.Update(t.Context(), func(tx order.Tx) error {
		close(inside) // Close waits for this transaction
		return tx.Tell(t.Context(), []order.Told{{Order: "A1", Count: 1}})
	})
	if err != nil {
		t.Errorf("a transaction met by Close ended with %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := store.Update(t.Context(), func(order.Tx) error { return nil }); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("Update returned %v", err)
	}
	_, err = store.States(t.Context(), []string{"A1"})
	_, err2 := store.Timeline(t.Context(), "A1")
	_, err3 := store.Heads(t.Context())
	_, err4 := store.Due(t.Context(), order.State{}.UpdatedAt, 1)
	_, err5 := store.Changes(t.Context(), 0, 0, 1)
	for _, err := range []error{err, err2, err3, err4, err5} {
		if err == nil {
			t.Error("a closed store was read")
		}
	}
}
