package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/paybell/paybell/order/sqlite"
)

// TestTheLogIsFoldedBesideTheCommits writes three logs' worth and finds it in the
// ledger itself, and the log begun anew instead of growing.
func TestTheLogIsFoldedBesideTheCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	store := open(t, path)
	size := func(name string) int64 {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	const round = sqlite.LongLog * 4096 * 9 / 8 // the pages hold more than the bodies
	body := make([]byte, round/100)
	written := int64(0)
	for n := range 3 {
		for i := range 100 {
			if _, err := insert(t.Context(), store, body, fmt.Sprint("e", n, "-", i)); err != nil {
				t.Fatal(err)
			}
		}
		written += round
		for size(path) < written-round { // the last of it may still be in the log
			time.Sleep(time.Millisecond)
		}
	}
	if log := size(path + "-wal"); log > 2*round {
		t.Errorf("of %d MB written, the log holds %d", written>>20, log>>20)
	}
}
