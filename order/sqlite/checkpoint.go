package sqlite

import (
	"database/sql"

	driver "modernc.org/sqlite"
)

// A checkpoint copies the write-ahead log into the ledger itself, which takes
// tens of milliseconds and two syncs. On the writer's connection every webhook
// would wait for that, so that it has a connection and a goroutine of its own.

// longLog is after how many pages, 64 MB, the log is folded into the ledger.
const longLog = 16000

// A folder folds the log into the ledger.
type folder struct {
	db   *sql.DB       // of one connection
	wake chan struct{} // the log is long
	done chan struct{} // closed when it has stopped
}

// run folds the log whenever it is long, until stop is called.
func (f *folder) run(s *Store) {
	defer close(f.done)
	for range f.wake {
		f.fold(s)
	}
}

// stop ends run, and waits for it.
func (f *folder) stop() {
	close(f.wake)
	<-f.done
}

// fold copies the log beside the commits, then what these added meanwhile, which
// is less, and then the little that is left, while nobody writes: only when all
// is copied can the next commit begin the log anew.
func (f *folder) fold(s *Store) {
	for range 2 {
		f.checkpoint() // after an error the pages are not counted as copied, and are copied again below
	}
	w, ok := <-s.writer
	if !ok {
		return
	}
	defer func() { s.writer <- w }()
	if err := f.checkpoint(); code(err) != 0 && broken(code(err)) {
		w.broken = fault(err)
	}
}

// checkpoint copies as much as it can without waiting for anybody.
// https://www.sqlite.org/pragma.html#pragma_wal_checkpoint
func (f *folder) checkpoint() error {
	_, err := f.db.Exec("PRAGMA wal_checkpoint(PASSIVE)")
	return err
}

// logged says whether the log has become long, and counts anew if so.
func (w *writer) logged() bool {
	w.conn.Raw(func(conn any) error {
		pages, _, err := conn.(driver.DBStatus).Status(driver.DBStatusCacheWrite, true)
		w.pages += pages
		return err
	})
	if w.pages < longLog {
		return false
	}
	w.pages = 0
	return true
}
