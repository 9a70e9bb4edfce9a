package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybell/paybell/internal/rig"
)

// TestANewEpochMakesNoLedger where there is none: whoever restores a backup learns
// that it is elsewhere.
func TestANewEpochMakesNoLedger(t *testing.T) {
	server := rig.StartPostgres(t)
	empty := filepath.Join(t.TempDir(), "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for l, want := range map[ledger]string{
		ledger(server.Database("wrong")): "there is no ledger at postgres://",
		ledger("sqlite:" + empty):        "not a Paybell ledger",
	} {
		if epoch, err := beginEpoch(t.Context(), l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a new epoch of %s: %q, %v", l, epoch, err)
		}
	}
	if got := server.SQL("wrong", "SELECT to_regnamespace('paybell') IS NULL"); got != "t" {
		t.Error("it made a schema")
	}
	if info, err := os.Stat(empty); err != nil || info.Size() > 0 {
		t.Errorf("the empty file has become %v, %v", info, err)
	}
}

// TestACopyThatIsInterruptedSaysSo and leaves the target empty and the file in
// service.
func TestACopyThatIsInterruptedSaysSo(t *testing.T) {
	server := rig.StartPostgres(t)
	from, to := ledger("sqlite:"+filepath.Join(t.TempDir(), "l.db")), ledger(server.Database("shop"))
	reopen := func() {
		t.Helper()
		st, err := openLedger(t.Context(), from, false)
		if err != nil {
			t.Fatal(err)
		}
		st.Close()
	}
	reopen()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := copyLedger(ctx, from, to, io.Discard, interrupting(stop)); err == nil || err.Error() != "interrupted; nothing was copied" {
		t.Errorf("the copy ended with %v", err)
	}
	reopen()
	if err := copyLedger(t.Context(), from, to, io.Discard, io.Discard); err != nil {
		t.Errorf("and then with %v", err)
	}
}

// interrupting is a ctrl-C as soon as a command says something.
type interrupting func()

func (stop interrupting) Write(p []byte) (int, error) {
	stop()
	return len(p), nil
}
