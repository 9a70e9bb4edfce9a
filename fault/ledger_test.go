//go:build unix

package fault_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/paybell/paybell/fault/checker"
)

const (
	shards      = 16
	selectEpoch = "SELECT value FROM meta WHERE key = 'epoch'"
)

// A reader reads a ledger past the gateway, over a connection of its own, while
// gateways write.
type reader struct {
	db      *sql.DB
	journal *record
	inbox   *record
	epoch   string

	mu       sync.Mutex // one reading at a time
	readings int
	copies   int // how often the ledger was put back from a backup
	seen     [shards]int64
	stored   map[string]bool
}

// openReader opens a ledger as configurations name it. The tables are there
// once a gateway has started.
func openReader(t testing.TB, ledger string, log *records) *reader {
	t.Helper()
	driver, source := "pgx", ledger
	if path, ok := strings.CutPrefix(ledger, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r := &reader{db: db, journal: log.journal, inbox: log.inbox, stored: map[string]bool{}}
	if err := db.QueryRow(selectEpoch).Scan(&r.epoch); err != nil {
		t.Fatalf("read the ledger's epoch: %v", err)
	}
	return r
}

// read writes down what is new in the journal, all as it is at one moment. In a
// new epoch all of it is new.
func (r *reader) read(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.readLocked(ctx)
}

func (r *reader) readLocked(ctx context.Context) error {
	var epoch string
	if err := r.db.QueryRowContext(ctx, selectEpoch).Scan(&epoch); err != nil {
		return fmt.Errorf("read the ledger's epoch: %w", err)
	}
	if epoch != r.epoch {
		r.epoch, r.seen = epoch, [shards]int64{}
	}
	rows, err := r.changes(ctx)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	r.readings++
	for _, row := range rows {
		row.Reading, row.Copy = r.readings, r.copies
		r.seen[row.Shard] = max(r.seen[row.Shard], row.Seq)
		r.journal.write(row)
	}
	return nil
}

func (r *reader) changes(ctx context.Context) ([]checker.Row, error) {
	var list [shards]string
	for shard := range list { // both engines have their own way to pass parameters
		list[shard] = fmt.Sprintf("(shard = %d AND seq > %d)", shard, r.seen[shard])
	}
	found, err := r.db.QueryContext(ctx, "SELECT shard, seq, state, ("+selectEpoch+") FROM changes WHERE "+strings.Join(list[:], " OR ")+" ORDER BY shard, seq")
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []checker.Row
	for found.Next() {
		var row checker.Row
		var state string
		var epoch string // which is the whole ledger's
		if err := found.Scan(&row.Shard, &row.Seq, &state, &epoch); err != nil {
			return nil, err
		}
		if epoch != r.epoch {
			return nil, errors.New("the epoch changes at this moment")
		}
		if err := json.Unmarshal([]byte(state), &row.State); err != nil {
			return nil, fmt.Errorf("state at shard %d, seq %d: %w", row.Shard, row.Seq, err)
		}
		row.State.Epoch = epoch
		at, err := time.Parse(time.RFC3339Nano, row.State.UpdatedAt)
		if err != nil {
			return nil, err
		}
		row.Committed = checker.Time(at.UnixMicro())
		rows = append(rows, row)
	}
	return rows, found.Err()
}

// readInbox writes down the events that are new. One that is there twice is
// written twice.
func (r *reader) readInbox(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.readInboxLocked(ctx)
}

func (r *reader) readInboxLocked(ctx context.Context) error {
	found, err := r.db.QueryContext(ctx, "SELECT source, id, order_id FROM events")
	if err != nil {
		return fmt.Errorf("read the events: %w", err)
	}
	defer found.Close()
	times := map[string]int{}
	for found.Next() {
		s := checker.Stored{Reading: r.readings, Copy: r.copies}
		if err := found.Scan(&s.Source, &s.ID, &s.Order); err != nil {
			return err
		}
		if times[s.ID]++; times[s.ID] == 1 && r.stored[s.ID] {
			continue
		}
		r.stored[s.ID] = true
		r.inbox.write(s)
	}
	return found.Err()
}

// replace has the ledger replaced by a backup, and writes down what is in that
// before anybody else may reach it: all is new. It returns how many events it lacks,
// and which reading shows what it has.
func (r *reader) replace(ctx context.Context, putBack func()) (lost, reading int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.stored)
	putBack()
	r.copies++
	r.seen, r.stored = [shards]int64{}, map[string]bool{}
	for range 20 { // connections to the server that ended show themselves by errors
		if err = errors.Join(r.readLocked(ctx), r.readInboxLocked(ctx)); err == nil {
			break
		}
	}
	return before - len(r.stored), r.readings, err
}

// follow reads the journal again and again until ctx ends. A ledger that does
// not answer is asked again.
func (r *reader) follow(ctx context.Context) {
	for ctx.Err() == nil {
		_ = r.read(ctx) // what is missing now comes with the next reading
		pause(ctx, 100*time.Millisecond)
	}
}
