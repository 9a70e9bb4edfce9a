package sqlite

import (
	"errors"
	"fmt"

	"github.com/paybell/paybell/order"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

const (
	sqliteBusy   = lib.SQLITE_BUSY
	sqliteNotADB = lib.SQLITE_NOTADB
)

// code is SQLite's result code of an error, and 0 for any other error.
// https://www.sqlite.org/rescode.html
func code(err error) int {
	if e := (*driver.Error)(nil); errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// fault marks the errors after which the file can no longer be trusted. A full
// disk or a busy file is not one: it passes, and so does a write that was
// refused, because SQLite knows that it did not happen.
func fault(err error) error {
	if err == nil || !broken(code(err)) || errors.Is(err, order.ErrBroken) {
		return err
	}
	return fmt.Errorf("%w: %w", order.ErrBroken, err)
}

func broken(code int) bool {
	switch code {
	case lib.SQLITE_IOERR_FSYNC, lib.SQLITE_IOERR_DIR_FSYNC, lib.SQLITE_IOERR_READ, lib.SQLITE_IOERR_SHORT_READ,
		lib.SQLITE_IOERR_CORRUPTFS, lib.SQLITE_IOERR_DATA, lib.SQLITE_IOERR_IN_PAGE:
		return true
	}
	switch code & 0xff {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return true
	}
	return false
}
