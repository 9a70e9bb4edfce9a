package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybell/paybell/order/sqlite"
)

func TestPragmasAreInForce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	for _, when := range []string{"new", "reopened"} {
		store := open(t, path)
		store.Writing(t, func(_ func(string), read func(string) string) {
			for pragma, want := range map[string]string{
				"journal_mode": "wal", "synchronous": "2", "fullfsync": "1", "foreign_keys": "0", "busy_timeout": "1000",
				"user_version": "0", "application_id": "1348565314",
			} {
				if got := read("PRAGMA " + pragma); got != want {
					t.Errorf("%s: %s is %s, not %s", when, pragma, got, want)
				}
			}
		})
		if err := store.ReaderWrites(); err == nil {
			t.Errorf("%s: a reader can write", when)
		}
		store.Close()
	}
}

func TestSynchronousIsWeakenedOnlyByName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	store.Writing(t, func(_ func(string), read func(string) string) {
		if got := read("PRAGMA synchronous"); got != "0" {
			t.Errorf("synchronous is %s", got)
		}
	})
	store.Close()
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{Synchronous: "of"}); err == nil || !strings.Contains(err.Error(), `"of"`) {
		t.Errorf("Open returned %v", err)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	open(t, filepath.Join(dir, "paybell.db"))
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 4 {
		t.Errorf("files are %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestPathIsTakenAsItIs(t *testing.T) {
	t.Chdir(t.TempDir())
	name := "pay bell?_query_only=1#%41.db"
	store := open(t, name)
	record(t, store, "e1")
	if _, err := os.Stat(name); err != nil {
		t.Error(err)
	}
}

func TestEmptyFileBecomesALedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	record(t, open(t, path), "e1")
}

func TestSecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "paybell.db"), filepath.Join(dir, "link.db")
	store := open(t, path)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		if _, err := sqlite.Open(t.Context(), name, sqlite.Options{}); !errors.Is(err, sqlite.ErrInUse) || !strings.Contains(err.Error(), name) {
			t.Errorf("opening %s again returned %v", name, err)
		}
	}
	record(t, store, "e1") // and the first is none the worse
	store.Close()
	record(t, open(t, link), "e2")
}

func TestAnotherProcessIsRefusedUntilTheFirstIsKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	_, kill := startChild(t, path)
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("Open beside another process returned %v", err)
	}
	kill()
	open(t, path)
}

func TestRunningLedgerCanBeReadByOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	record(t, open(t, path), "e1", "e2")
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var events int
	if err := db.QueryRow("SELECT count(*) FROM events").Scan(&events); err != nil || events != 2 {
		t.Errorf("another program reads %d events, %v", events, err)
	}
}

func TestOtherFilesAreRefusedAndLeftAlone(t *testing.T) {
	foreign := func(setup string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", "file:"+path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(setup); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, write := range map[string]func(*testing.T, string){
		"text": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("listen: :8080\n", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"another program's tables": foreign("CREATE TABLE meta (key, value)"),
		"another program's mark":   foreign("PRAGMA application_id = 7; CREATE TABLE meta (key, value)"),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "other.db")
			write(t, path)
			before, _ := os.ReadFile(path)
			if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); !errors.Is(err, sqlite.ErrNotLedger) {
				t.Errorf("Open returned %v", err)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("Open changed the file")
			}
		})
	}
}

func TestImpossiblePathsAreRefused(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none", "paybell.db"), ""} {
		if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil {
			t.Errorf("%q was opened", path)
		}
	}
}

func TestOtherVersionsAreRefused(t *testing.T) {
	for change, want := range map[string]string{
		"UPDATE meta SET value = 2 WHERE key = 'schema'":  "its schema is 2, this program's is 6",
		"UPDATE meta SET value = 7 WHERE key = 'schema'":  "its schema is 7, this program's is 6",
		"UPDATE meta SET value = 64 WHERE key = 'shards'": "it has 64 shards, this program 16",
	} {
		path := filepath.Join(t.TempDir(), "paybell.db")
		store := open(t, path)
		store.Writing(t, func(exec func(string), _ func(string) string) { exec(change) })
		store.Close()
		if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); !errors.Is(err, sqlite.ErrVersion) || !strings.Contains(err.Error(), want) {
			t.Errorf("Open returned %v", err)
		}
	}
}

func TestRestoredBackupGetsANewEpoch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	store := open(t, path)
	record(t, store, "e1")
	before := store.Epoch()
	store.Close()
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{NewEpoch: true})
	if err != nil {
		t.Fatal(err)
	}
	renewed := store.Epoch()
	store.Close()
	store = open(t, path)
	states, err := store.States(t.Context(), []string{"A1", "A2"})
	if err != nil {
		t.Fatal(err)
	}
	if renewed == before || store.Epoch() != renewed || states[0].Epoch != renewed || states[1].Epoch != renewed || states[0].Version != 1 {
		t.Errorf("the epoch was %s, became %s, is %s; the states are %+v", before, renewed, store.Epoch(), states)
	}
}

// TestALedgerThatMovedIsNotServed until somebody wants it back.
func TestALedgerThatMovedIsNotServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	open := func(o sqlite.Options) (string, error) {
		t.Helper()
		store, err := sqlite.Open(t.Context(), path, o)
		if err != nil {
			return "", err
		}
		defer store.Close()
		if o.AsItIs {
			err = store.MarkMoved(t.Context(), "postgres://db:5432/paybell")
		}
		return store.Epoch(), err
	}
	before, err := open(sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a copy can be made again
		if epoch, err := open(sqlite.Options{AsItIs: true}); err != nil || epoch != before {
			t.Errorf("the epoch %s has become %s, %v", before, epoch, err)
		}
	}
	if _, err := open(sqlite.Options{}); !errors.Is(err, sqlite.ErrMoved) || !strings.Contains(err.Error(), "moved to postgres://db:5432/paybell") {
		t.Errorf("a ledger that moved: %v", err)
	}
	after, err := open(sqlite.Options{NewEpoch: true})
	if again, opened := open(sqlite.Options{}); err != nil || opened != nil || after == before || again != after {
		t.Errorf("wanted back: %v, %v, epochs %s, %s, %s", err, opened, before, after, again)
	}
}

// TestNothingIsMadeBesideAFileThatIsNoLedger by those who want to look at one.
func TestNothingIsMadeBesideAFileThatIsNoLedger(t *testing.T) {
	for what, content := range map[string]string{
		"empty": "", "text": "ledger: sqlite:paybell.db\n", "long": strings.Repeat("x", 4096), "another's": "SQLite format 3\x00" + strings.Repeat("\x00", 4080),
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Open(t.Context(), path, sqlite.Options{AsItIs: true}); !errors.Is(err, sqlite.ErrNotLedger) {
			t.Errorf("%s: %v", what, err)
		}
		if there, err := os.ReadDir(dir); err != nil || len(there) != 1 {
			t.Errorf("%s: beside it are %v, %v", what, there, err)
		}
	}
}
