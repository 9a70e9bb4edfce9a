package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/paybell/paybell/order"
)

// tries is how often a transaction is run that can be run again safely.
const tries = 3

// Update runs fn in one transaction and returns nil only when its commit is
// known to be durable. An error of any call to the Tx undoes the whole
// transaction, whatever fn makes of it. fn runs again after a deadlock, or when
// the connection was lost, only if no commit was asked for. An empty transaction
// still writes, so that it proves that writing is possible.
func (s *Store) Update(ctx context.Context, fn func(order.Tx) error) error {
	for try := 1; ; try++ {
		again, err := s.update(ctx, fn)
		if err == nil || !again || try == tries {
			return err
		}
	}
}

func (s *Store) update(ctx context.Context, fn func(order.Tx) error) (again bool, err error) {
	err = s.run(ctx, writeTime, func(ctx context.Context, conn *pgxpool.Conn) error {
		t := &tx{ctx: ctx, conn: conn.Conn(), queued: &pgx.Batch{}, rows: map[string]row{}}
		t.queued.Queue(begin)
		err := fn(t)
		if err == nil {
			err = t.commit()
		}
		if t.epoch != "" {
			s.learn(t.epoch)
		}
		if err != nil {
			again = t.safeToRunAgain()
			t.conn.Exec(ctx, "ROLLBACK") // where it fails, the pool closes the connection
		}
		t.err = errOver
		return err
	})
	if err != nil {
		err = fmt.Errorf("postgres: %w", err)
	}
	return again, err
}

var errOver = errors.New("the transaction is over")

// A tx is one transaction. What it writes and nobody waits for goes along with
// the next round trip; a round trip is a dozen statements as well as one.
type tx struct {
	ctx    context.Context // of Update, which bounds the transaction as a whole
	conn   *pgx.Conn
	queued *pgx.Batch
	err    error // the first one; nothing may follow

	wrote      bool
	committing bool           // the commit may have reached the server
	epoch      string         // as read last, "" before
	rows       map[string]row // of the orders that were loaded
}

// send sends what is queued, and what queue adds, and waits for the answers.
func (t *tx) send(what string, queue func(*pgx.Batch)) error {
	if t.err != nil {
		return t.err
	}
	batch := t.queued
	t.queued = &pgx.Batch{}
	queue(batch)
	if err := t.conn.SendBatch(t.ctx, batch).Close(); err != nil {
		t.err = fmt.Errorf("%s: %w", what, err)
	}
	return t.err
}

// ErrUnsure means that a commit may have happened or not.
var ErrUnsure = errors.New("the outcome of the commit is not known")

func (t *tx) commit() error {
	if t.err == nil && !t.wrote {
		t.queued.Queue(check)
	}
	notices := t.conn.PgConn().CustomData()
	delete(notices, warning)
	t.committing = t.err == nil
	err := t.send("commit", func(b *pgx.Batch) {
		b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
			if tag.String() != "COMMIT" {
				return fmt.Errorf("it ended as %s", tag)
			}
			return nil
		})
	})
	if text, warned := notices[warning]; warned && err == nil {
		return fmt.Errorf("%w: %v", ErrUnsure, text)
	}
	return err
}

// safeToRunAgain says whether it is certain that nothing was committed, and
// likely that another try goes better.
func (t *tx) safeToRunAgain() bool {
	if t.ctx.Err() != nil {
		return false
	}
	switch sqlState(t.err) {
	case serializationFailure, deadlockDetected:
		return true // the server says that it undid the transaction
	}
	return t.err != nil && !t.committing && t.conn.IsClosed()
}

// A name is that of an event or a payment of a source. Rows are sorted by it before
// they are locked.
type name struct{ source, id string }

func (n name) compare(m name) int {
	return cmp.Or(strings.Compare(n.source, m.source), strings.Compare(n.id, m.id))
}

func (t *tx) Claim(_ context.Context, keys []*order.IdempotencyKey) error {
	first := map[string]string{} // fingerprints
	ends := map[string]time.Time{}
	for _, k := range keys {
		if _, there := first[k.Key]; !there {
			first[k.Key], ends[k.Key] = k.Fingerprint, k.Expires
		}
	}
	var names [][]byte
	var fingerprints []string
	var expires []time.Time
	for _, key := range slices.Sorted(maps.Keys(first)) {
		names, fingerprints, expires = append(names, []byte(key)), append(fingerprints, clean(first[key])), append(expires, ends[key])
	}
	t.wrote = true
	return t.send("claim keys", func(b *pgx.Batch) {
		b.Queue(claimKeys, names, fingerprints, expires)
		b.Queue(claimedKeys, names).Query(func(rows pgx.Rows) error {
			var key []byte
			var fingerprint string
			err := each(rows, func() error {
				err := rows.Scan(&key, &fingerprint)
				first[string(key)] = fingerprint
				return err
			})
			for _, k := range keys {
				k.Fingerprint = first[k.Key]
			}
			return err
		})
	})
}

// Tell locks the rows last and sorted, as all that lasts until the commit.
func (t *tx) Tell(_ context.Context, told []order.Told) error {
	var orders, transports, subjects []string
	var versions, counts []int64
	var at []pgtype.Timestamptz
	for _, to := range told {
		orders, versions, transports = append(orders, to.Order), append(versions, to.Version), append(transports, to.Transport)
		subjects, at, counts = append(subjects, clean(to.Subject)), append(at, stamp(to.At)), append(counts, to.Count)
	}
	t.queued.Queue(tell, orders, versions, transports, subjects, at, counts)
	t.wrote = true
	return t.err
}
