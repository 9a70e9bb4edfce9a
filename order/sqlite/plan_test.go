package sqlite_test

import (
	"path/filepath"
	"regexp"
	"testing"
)

// SQLite keeps no statistics of a ledger, so its plans are the same however
// much is in it.
func TestNoStatementReadsAWholeTable(t *testing.T) {
	// What may be read whole: the names asked for, the 16 heads, the rows of a
	// subquery. An index used by its source alone is as good as none.
	slow := regexp.MustCompile(`SCAN [^nt]|SCAN (n|t)\w|SCAN shard_head\w|\(source=\?\)`)
	harmless := regexp.MustCompile(`SCAN shard_head$`)
	for _, plan := range open(t, filepath.Join(t.TempDir(), "paybell.db")).Plans(t) {
		if slow.MatchString(plan) && !harmless.MatchString(plan) {
			t.Error(plan)
		}
	}
}
