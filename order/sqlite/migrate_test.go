package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
)

// write makes a file with SQL.
func write(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
}

// oldLedger makes a ledger file of an older schema.
func oldLedger(t *testing.T, schema int, more ...string) (path string) {
	t.Helper()
	dump, err := os.ReadFile(fmt.Sprintf("testdata/schema_%d.sql", schema))
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "paybell.db")
	write(t, path, append([]string{string(dump)}, more...)...)
	return path
}

// structure is what a ledger consists of, without what it holds.
func structure(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var text string
	err = db.QueryRow(`SELECT group_concat(line, char(10)) FROM (
		SELECT sql AS line FROM sqlite_schema WHERE sql IS NOT NULL
		UNION ALL SELECT 'meta ' || key FROM meta UNION ALL SELECT 'schema ' || value FROM meta WHERE key = 'schema'
		ORDER BY line)`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestOlderLedgerIsBroughtForward(t *testing.T) {
	path := oldLedger(t, 3)
	fresh := filepath.Join(t.TempDir(), "fresh.db")
	open(t, fresh)
	store := open(t, path)
	if got, want := structure(t, path), structure(t, fresh); got != want {
		t.Errorf("it consists of\n%s\na new one of\n%s", got, want)
	}

	if store.Epoch() != "353568a77866ea673eb7344ed55d9061" {
		t.Errorf("its epoch became %s", store.Epoch())
	}
	states, err := store.States(t.Context(), []string{"A1", "B2"})
	if err != nil || states[0].Version != 2 || states[0].Status != order.Paid || states[1].Version != 1 {
		t.Errorf("its states are %+v, %v", states, err)
	}
	timeline, err := store.Timeline(t.Context(), "A1")
	if err != nil || len(timeline.Callbacks) != 3 || len(timeline.Changes) != 2 || len(timeline.Told) != 1 || timeline.Terms == nil {
		t.Errorf("a timeline is %+v, %v", timeline, err)
	}
	record(t, store, "e9")

	key := order.IdempotencyKey{Key: "/v1/sessions k1", Fingerprint: "another", Expires: time.Now()}
	used := time.UnixMicro(1795624738060164)
	claim := func(forgetAt time.Time) string {
		k := key
		err := store.Update(t.Context(), func(tx order.Tx) error {
			if err := tx.Claim(t.Context(), []*order.IdempotencyKey{&k}); err != nil {
				return err
			}
			_, err := tx.Forget(t.Context(), forgetAt, 10)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return k.Fingerprint
	}
	week := used.Add(order.KeyRetention)
	if got := []string{claim(week.Add(-time.Microsecond)), claim(week), claim(week)}; strings.Join(got, " ") != "f1 f1 another" {
		t.Errorf("a key that was used for f1 stands for %v: before, at and after the end of its week", got)
	}
}

func TestLedgerThatIsBroughtForwardStaysSo(t *testing.T) {
	path := oldLedger(t, 3)
	store := open(t, path)
	r := order.Revocation{ID: "r1", Kind: order.RevokeKey, Value: "k1", At: time.UnixMicro(1).UTC()}
	err := store.Update(t.Context(), func(tx order.Tx) error { return tx.Revoke(t.Context(), []*order.Revocation{&r}) })
	if err != nil || store.Close() != nil {
		t.Fatal(err)
	}
	found, err := open(t, path).Revoked(t.Context(), 0, time.Now(), 10)
	if err != nil || len(found.Revocations) != 1 || found.Revocations[0] != r {
		t.Errorf("it has %+v, %v", found, err)
	}
}

// TestALookBringsNothingForward, nor does it make a ledger of an empty file.
func TestALookBringsNothingForward(t *testing.T) {
	path, empty := oldLedger(t, 4), filepath.Join(t.TempDir(), "empty.db")
	before := structure(t, path)
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{AsItIs: true}); !errors.Is(err, sqlite.ErrVersion) || !strings.Contains(err.Error(), "paybell ledger migrate") {
		t.Errorf("Open returned %v", err)
	}
	if after := structure(t, path); after != before {
		t.Errorf("it consists of\n%s\nand before of\n%s", after, before)
	}
	if _, err := sqlite.Open(t.Context(), empty, sqlite.Options{AsItIs: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of no file returned %v", err)
	}
	if err := os.WriteFile(empty, nil, 0o600); err != nil { // it was not made
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), empty, sqlite.Options{AsItIs: true}); !errors.Is(err, sqlite.ErrNotLedger) {
		t.Errorf("Open of an empty file returned %v", err)
	}
	open(t, path).Close()
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{AsItIs: true})
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
}

// TestFetchesOfAnOlderLedgerAreStillAsked, and one that has no list of them yet
// gets it.
func TestFetchesOfAnOlderLedgerAreStillAsked(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "fresh.db")
	open(t, fresh)
	for name, c := range map[string]struct{ before, want string }{
		"with the list":    {"", "[{mollie tr_1 1 0 2026-11-25 16:38:58.060164 +0000 UTC}]"},
		"without the list": {"DROP TABLE fetches", "[]"},
	} {
		path := oldLedger(t, 4, c.before)
		store := open(t, path)
		if got, want := structure(t, path), structure(t, fresh); got != want {
			t.Errorf("%s: it consists of\n%s\na new one of\n%s", name, got, want)
		}
		claimed, err := store.ClaimFetches(t.Context(), time.Now(), time.Now().Add(time.Minute), 10)
		if got := fmt.Sprint(claimed); err != nil || got != c.want {
			t.Errorf("%s: to be asked are %s, %v; want %s", name, got, err, c.want)
		}
	}
}

// TestFailedStepForwardLeavesTheLedgerAsItWas: here the room of a new table is
// taken.
func TestFailedStepForwardLeavesTheLedgerAsItWas(t *testing.T) {
	path := oldLedger(t, 3, "CREATE TABLE revocations (mine)")
	before := structure(t, path)
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err == nil || errors.Is(err, sqlite.ErrVersion) || !strings.Contains(err.Error(), "bring it to schema 4") {
		t.Errorf("Open returned %v", err)
	}
	if after := structure(t, path); after != before {
		t.Errorf("it consists of\n%s\nand before of\n%s", after, before)
	}
	write(t, path, "DROP TABLE revocations")
	record(t, open(t, path), "e9")
}
