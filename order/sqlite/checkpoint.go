package sqlite

import (
	"context"
	"database/sql"

	driver "modernc.org/sqlite"
)

// A checkpoint copies the write-ahead log into the ledger itself, which takes
// tens of milliseconds and two syncs. On the writer's connection every webhook
// would wait for that, so that it has a connection and a goroutine of its own.

const (
	// longLog is after how many pages, 16 MB, the log is folded into the ledger.
	longLog = 4000
	// shortLog is how many pages may be left to be folded while nobody writes.
	shortLog = 200
)

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

// fold copies most of the log beside the commits. What these add meanwhile is
// ever less; the rest is copied while nobody writes, because only then the next
// commit can begin the log anew.
func (f *folder) fold(s *Store) {
	ctx := context.Background()
	for left := longLog; ; {
		now, err := f.checkpoint(ctx)
		if err != nil || now <= shortLog || now >= left {
			break // an error comes again below
		}
		left = now
	}
	w, ok := <-s.writer
	if !ok {
		return
	}
	defer func() { s.writer <- w }()
	if _, err := f.checkpoint(ctx); code(err) != 0 && broken(code(err)) {
		w.broken = fault(err)
	}
}

// checkpoint copies as much as it can without waiting for anybody, and returns
// how many pages of the log are left.
// https://www.sqlite.org/pragma.html#pragma_wal_checkpoint
func (f *folder) checkpoint(ctx context.Context) (left int, err error) {
	var busy, pages, copied int
	err = f.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &copied)
	return pages - copied, err
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
