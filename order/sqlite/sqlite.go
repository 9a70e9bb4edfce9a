// Package sqlite keeps a ledger in one SQLite file, for one gateway on one
// machine. It needs no C compiler: modernc.org/sqlite is SQLite in Go.
//
// It promises that whatever Update has returned nil for survives the end of the
// process and of the machine (a write-ahead log that is synced at every commit,
// synchronous=FULL), that each transaction is seen whole or not at all, and
// that one process at a time has the ledger open. Deciding what to store is
// package order's business.
//
// The second process is kept out by a lock beside the ledger (its name with
// "-lock"), not on it, so that the sqlite3 command can still read a running
// ledger. The kernel drops the lock when the process ends, however it ends.
package sqlite

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
	driver "modernc.org/sqlite"
)

// Options tune a [Store]. The zero value is what production runs.
type Options struct {
	// Synchronous is SQLite's setting of that name. "" means FULL, the only
	// durable one; the crash test weakens it to prove that it would notice.
	Synchronous string

	// NewEpoch begins a new incarnation of the ledger. It is for the first start
	// on a backup: clients may have seen versions that it does not have, and
	// under the old epoch they would take no others for new.
	NewEpoch bool

	// AsItIs opens no ledger of an older schema, which would be brought forward
	// for good, and makes none. One that has moved can be looked at.
	AsItIs bool
}

var (
	// ErrNotLedger means that a file is something else than a Paybell ledger.
	ErrNotLedger = errors.New("sqlite: not a Paybell ledger")
	// ErrInUse means that another process has the ledger open.
	ErrInUse = errors.New("sqlite: ledger is in use by another process")
	// ErrVersion means that a ledger was made for another version of Paybell.
	ErrVersion = errors.New("sqlite: ledger of another version")
	// ErrMoved means that a ledger was copied to another place, where it goes on.
	// NewEpoch brings the file back into service.
	ErrMoved = errors.New("sqlite: ledger has moved")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("sqlite: store is closed")
)

const (
	applicationID = 0x50617942 // "PayB", in the file's header
	readers       = 4
	// busyTimeout is how long a statement waits for another program, such as
	// the sqlite3 command, to let go of the file.
	busyTimeout = time.Second
)

// A Store is an [order.Store], [order.Journal], [order.Due] and
// [order.Revocations] in a file. Many
// goroutines may use it at once.
type Store struct {
	epoch string
	lock  *sql.DB // holds the lock beside the ledger until it is closed

	write  *sql.DB      // of one connection, which is the writer's
	writer chan *writer // holds the writer while nobody uses it; closed by Close

	folder folder // of the log

	read  *sql.DB // of connections that cannot write
	reads reads

	closing sync.Once
	closed  error
}

// Open opens the ledger in the file at path, or makes one where there is no
// file. Errors wrap ErrNotLedger, ErrInUse, ErrVersion or ErrMoved where that is why.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	s, err := open(ctx, path, opts)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, opts Options) (*Store, error) {
	if opts.AsItIs {
		if err := peek(path); err != nil {
			return nil, err
		}
	}
	path, err := place(path)
	if err != nil {
		return nil, err
	}
	s := &Store{writer: make(chan *writer, 1)}
	if err := s.start(ctx, path, opts); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// place makes the file at path if there is none, readable by its owner alone
// (SQLite gives its companions the same mode), and returns its real path, so
// that every name of it leads to the same lock.
func place(path string) (string, error) {
	if err := create(path); err != nil {
		return "", err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return path, create(path + "-lock")
}

// peek refuses what is no ledger, so that nothing is made beside it. Where there
// is a lock, a ledger may be open in this process, and is left alone: see create.
func peek(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path + "-lock"); err == nil {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var header [72]byte // https://www.sqlite.org/fileformat.html, section 1.3
	_, err = io.ReadFull(f, header[:])
	if err != nil || string(header[:16]) != "SQLite format 3\x00" || binary.BigEndian.Uint32(header[68:]) != applicationID {
		return ErrNotLedger
	}
	return nil
}

// create opens no file that exists: closing it would drop the locks that
// another Store of this process has on it (POSIX, fcntl).
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (s *Store) start(ctx context.Context, path string, opts Options) (err error) {
	// Without a file for its journal, as nothing is ever written under the lock.
	if s.lock, err = pool(path+"-lock", 1, 0, "&_journal_mode=MEMORY"); err != nil {
		return err
	}
	if _, err := s.lock.ExecContext(ctx, "BEGIN EXCLUSIVE"); code(err) == sqliteBusy {
		return ErrInUse
	} else if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if s.write, err = pool(path, 1, busyTimeout, ""); err != nil {
		return err
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return fault(err)
	}
	w, err := newWriter(ctx, conn, opts)
	if err != nil {
		return errors.Join(fault(err), conn.Close())
	}
	s.epoch = w.epoch
	if s.read, err = pool(path, readers, busyTimeout, "&_query_only=1&_pragma=cache_size(-512)"); err == nil {
		err = prepareAll(ctx, s.read, s.reads.queries())
	}
	if err == nil {
		s.folder.db, err = pool(path, 1, 0, "&_synchronous="+cmp.Or(opts.Synchronous, "FULL")+"&_pragma=checkpoint_fullfsync(1)")
	}
	if err != nil {
		return errors.Join(fault(err), w.close())
	}
	s.folder.wake, s.folder.done = make(chan struct{}, 1), make(chan struct{})
	go s.folder.run(s)
	s.writer <- w
	return nil
}

// pool returns up to limit connections that stay open. The name is a URI,
// because the driver cuts any other at its first question mark.
func pool(path string, limit int, busy time.Duration, more string) (*sql.DB, error) {
	name := url.URL{Scheme: "file", Path: path}
	connector, err := driver.NewConnector(name.String() + "?_dqs=0&_busy_timeout=" + strconv.FormatInt(busy.Milliseconds(), 10) + more)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(limit)
	db.SetMaxIdleConns(limit)
	return db, nil
}

// prepareFile makes sure that the file is a ledger, brings it into service and
// returns its epoch.
func prepareFile(ctx context.Context, conn *sql.Conn, opts Options) (epoch string, err error) {
	if err := identify(ctx, conn, opts.AsItIs); err != nil {
		return "", err
	}
	if err := configure(ctx, conn, opts); err != nil {
		return "", err
	}
	if err := makeSchema(ctx, conn); err != nil {
		return "", fmt.Errorf("make a new ledger: %w", err)
	}
	var version, shards int
	var moved string
	if err := conn.QueryRowContext(ctx, `SELECT
		(SELECT value FROM meta WHERE key = 'schema'),
		(SELECT value FROM meta WHERE key = 'shards'),
		(SELECT value FROM meta WHERE key = 'epoch'),
		coalesce((SELECT value FROM meta WHERE key = 'moved'), '')`).Scan(&version, &shards, &epoch, &moved); err != nil {
		return "", fmt.Errorf("read its description: %w", err)
	}
	if moved != "" && !opts.AsItIs && !opts.NewEpoch {
		return "", fmt.Errorf("%w to %s", ErrMoved, moved)
	}
	if opts.AsItIs && version < schemaVersion {
		return "", fmt.Errorf("%w: its schema is %d, this program's is %d: bring it forward with 'paybell ledger migrate'", ErrVersion, version, schemaVersion)
	}
	if err := migrate(ctx, conn, version); err != nil {
		return "", err
	}
	if shards != order.Shards {
		return "", fmt.Errorf("%w: it has %d shards, this program %d", ErrVersion, shards, order.Shards)
	}
	if opts.NewEpoch {
		epoch = newEpoch()
		if _, err := conn.ExecContext(ctx, "UPDATE meta SET value = ? WHERE key = 'epoch'", epoch); err != nil {
			return "", fmt.Errorf("begin a new epoch: %w", err)
		}
		if _, err := conn.ExecContext(ctx, "DELETE FROM meta WHERE key = 'moved'"); err != nil {
			return "", fmt.Errorf("begin a new epoch: %w", err)
		}
	}
	// A process that was killed between writing a commit and syncing it leaves
	// one that can be read and is not on disk. A checkpoint syncs all there is.
	if _, err := conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	return epoch, nil
}

// identify reads without changing anything, as the file may be someone else's.
// One without tables is to become a ledger, unless it must be there.
func identify(ctx context.Context, conn *sql.Conn, there bool) error {
	var id int64
	var tables int
	err := conn.QueryRowContext(ctx, "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id").Scan(&id, &tables)
	switch {
	case code(err) == sqliteNotADB:
		return ErrNotLedger
	case err != nil:
		return fmt.Errorf("read its header: %w", err)
	case id != applicationID && (there || id != 0 || tables != 0):
		return ErrNotLedger
	}
	return nil
}

// configure sets what the promise of durability rests on and reads it back: a
// file system that cannot share memory, for one, silently keeps SQLite from
// using a write-ahead log.
func configure(ctx context.Context, conn *sql.Conn, opts Options) error {
	synchronous := map[string]string{"": "2", "OFF": "0", "NORMAL": "1", "FULL": "2", "EXTRA": "3"}[opts.Synchronous]
	if synchronous == "" {
		return fmt.Errorf("unknown synchronous setting %q", opts.Synchronous)
	}
	for _, p := range []struct{ name, value string }{
		{"journal_mode", "wal"},
		{"synchronous", synchronous},
		{"fullfsync", "1"}, // on macOS a plain fsync stops at the drive's cache
		{"checkpoint_fullfsync", "1"},
		{"foreign_keys", "0"},
		{"wal_autocheckpoint", "64000"},     // pages: 256 MB, if the folder does not keep up
		{"journal_size_limit", "134217728"}, // what a log keeps that grew under a long read
		{"cache_size", "-8192"},             // KiB, of which it takes twice as much
	} {
		if _, err := conn.ExecContext(ctx, "PRAGMA "+p.name+"="+p.value); err != nil {
			return fmt.Errorf("set %s: %w", p.name, err)
		}
		var got string
		if err := conn.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return fmt.Errorf("read %s: %w", p.name, err)
		}
		if got != p.value {
			return fmt.Errorf("%s is %s and does not become %s", p.name, got, p.value)
		}
	}
	return nil
}

// makeSchema fills an empty file in one transaction, so that no other
// beginning of a ledger can ever be found.
func makeSchema(ctx context.Context, conn *sql.Conn) error {
	var tables int
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil || tables > 0 {
		return err
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf(`BEGIN IMMEDIATE;
		PRAGMA application_id = %d;
		%s
		INSERT INTO meta (key, value) VALUES
			('schema', %d), ('shards', %d), ('epoch', '%s'), ('created_at', %d), ('checks', 0), ('revocations', 0);
		COMMIT`,
		applicationID, schema, schemaVersion, order.Shards, newEpoch(), time.Now().UnixMicro()))
	return err
}

func newEpoch() string {
	epoch := make([]byte, 16)
	rand.Read(epoch) // never fails
	return hex.EncodeToString(epoch)
}

// Epoch is the random id of this ledger's incarnation.
func (s *Store) Epoch() string { return s.epoch }

// Close waits for the transaction that is under way, refuses later ones and
// frees the ledger for another process.
func (s *Store) Close() error {
	s.closing.Do(func() {
		if w, ok := <-s.writer; ok {
			close(s.writer)
			s.folder.stop()
			s.closed = w.close()
		}
		s.closed = errors.Join(s.closed, s.release())
	})
	return s.closed
}

// release closes the connections: the lock last, and the writer's after the
// readers', because the last one to go folds the log into the ledger.
func (s *Store) release() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.folder.db, s.write, s.lock} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}
