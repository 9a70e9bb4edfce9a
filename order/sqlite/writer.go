package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/paybell/paybell/order"
)

// A writer is the one connection that writes, with its statements.
type writer struct {
	conn   *sql.Conn
	epoch  string
	broken error // set once the file cannot be trusted: nothing more is written
	pages  int   // written to the log since it was folded last

	begin, commit, rollback, check          *sql.Stmt
	claim, claimed                          *sql.Stmt
	last, insertCallback                    *sql.Stmt
	insertEvent, repeatEvent                *sql.Stmt
	nameFirst, owner, claimPayment, unnamed *sql.Stmt
	loadOrders, loadEvents                  *sql.Stmt
	saveTerms, saveState, heads, journal    *sql.Stmt
	tell                                    *sql.Stmt
	nextRevocation, revoke, revoked         *sql.Stmt
	forgetKeys, forgetRevocations           *sql.Stmt
}

// newWriter makes sure that conn leads to a ledger and takes it over.
func newWriter(ctx context.Context, conn *sql.Conn, opts Options) (*writer, error) {
	epoch, err := prepareFile(ctx, conn, opts)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn, epoch: epoch}
	return w, prepareAll(ctx, conn, w.queries())
}

func (w *writer) queries() map[**sql.Stmt]string {
	return map[**sql.Stmt]string{
		&w.begin:    `BEGIN IMMEDIATE`,
		&w.commit:   `COMMIT`,
		&w.rollback: `ROLLBACK`,
		&w.check:    `UPDATE meta SET value = value + 1 WHERE key = 'checks'`,

		&w.claim:   `INSERT INTO idempotency (key, fingerprint, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
		&w.claimed: `SELECT fingerprint FROM idempotency WHERE key = ?`,

		&w.last: `SELECT coalesce(max(id), 0), (SELECT coalesce(max(n), 0) FROM events) FROM callbacks`,
		&w.insertCallback: `INSERT INTO callbacks (id, source, received_at, quarantine, duplicate, body)
			VALUES (?, ?, ?, ?, ?, ?)`,
		&w.insertEvent: `INSERT INTO events (n, source, id, callback, place, order_id, payment, ref, kind, status,
			amount, currency, method, reason, action_url, at, livemode, type)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		&w.repeatEvent:  `INSERT INTO repeats (event, callback, place) SELECT n, ?, ? FROM events WHERE source = ? AND id = ?`,
		&w.nameFirst:    `INSERT INTO payments (source, payment, order_id, at, id) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		&w.owner:        `SELECT order_id, at, id FROM payments WHERE source = ? AND payment = ?`,
		&w.claimPayment: `UPDATE payments SET order_id = ?, at = ?, id = ? WHERE source = ? AND payment = ?`,
		&w.unnamed: `SELECT n FROM events INDEXED BY events_unnamed
			WHERE source = ? AND payment = ? AND order_id = '' AND payment <> ''`,

		&w.loadOrders: `SELECT n.key, o.version, o.seq, o.events, o.terms, o.due_at, c.state
			FROM json_each(?) n JOIN orders o ON o.order_id = n.value
			LEFT JOIN changes c ON c.shard = o.shard AND c.seq = o.seq`,
		&w.loadEvents: `SELECT n.key, ` + eventColumns + ` FROM json_each(?) n JOIN events e ON e.n = n.value`,

		&w.saveTerms: `INSERT INTO orders (order_id, shard, version, seq, events, terms, due_at) VALUES (?, ?, 0, 0, ?, ?, ?)
			ON CONFLICT DO UPDATE SET events = excluded.events, terms = excluded.terms, due_at = excluded.due_at
			WHERE events <> excluded.events OR terms IS NOT excluded.terms OR due_at IS NOT excluded.due_at`,
		&w.saveState: `INSERT INTO orders (order_id, shard, version, seq, events, terms, due_at) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET version = excluded.version, seq = excluded.seq, events = excluded.events,
				terms = excluded.terms, due_at = excluded.due_at
			WHERE version = excluded.version - 1`,
		&w.heads:   selectHeads,
		&w.journal: `INSERT INTO changes (shard, seq, order_id, version, previous, state) VALUES (?, ?, ?, ?, ?, ?)`,

		&w.tell: `INSERT INTO told (order_id, version, transport, subject, first_at, count) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET count = count + excluded.count, first_at = min(first_at, excluded.first_at)`,

		&w.nextRevocation: `UPDATE meta SET value = value + 1 WHERE key = 'revocations' RETURNING value`,
		&w.revoke:         `INSERT INTO revocations (seq, id, kind, value, reason, at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		&w.revoked:        `SELECT ` + revocationColumns + ` FROM revocations WHERE id = ?`,

		&w.forgetKeys: `DELETE FROM idempotency WHERE key IN (
			SELECT key FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
		&w.forgetRevocations: `DELETE FROM revocations WHERE seq IN (
			SELECT seq FROM revocations WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
	}
}

// close closes the statements first: database/sql does not know of those that
// were prepared on a single connection, and SQLite keeps the file open for them.
func (w *writer) close() error {
	var errs []error
	for stmt := range w.queries() {
		errs = append(errs, (*stmt).Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// prepareAll fills in each statement.
func prepareAll(ctx context.Context, conn interface {
	PrepareContext(context.Context, string) (*sql.Stmt, error)
}, queries map[**sql.Stmt]string) error {
	for stmt, query := range queries {
		var err error
		if *stmt, err = conn.PrepareContext(ctx, query); err != nil {
			return fmt.Errorf("prepare a statement: %w", err)
		}
	}
	return nil
}

// Update runs fn in one transaction and returns nil only when what it did is
// synced to the disk. Transactions run one after another. An error of any call
// to the Tx undoes the whole transaction, whatever fn makes of it. An empty
// transaction still writes, so that it proves that writing is possible.
func (s *Store) Update(ctx context.Context, fn func(order.Tx) error) error {
	select {
	case w, ok := <-s.writer:
		if !ok {
			return ErrClosed
		}
		defer func() { s.writer <- w }()
		err := w.update(ctx, fn)
		if w.logged() {
			select {
			case s.folder.wake <- struct{}{}:
			default: // it is at it
			}
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("sqlite: waiting for the writer: %w", context.Cause(ctx))
	}
}

func (w *writer) update(ctx context.Context, fn func(order.Tx) error) (err error) {
	if w.broken != nil {
		return w.broken
	}
	defer func() {
		err = fault(err)
		if code(err) != 0 && broken(code(err)) {
			w.broken = err
		}
	}()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sqlite: %w", context.Cause(ctx))
	}
	// A context that can end would cost a goroutine per statement, and an end
	// halfway would save nothing: transactions are short.
	ctx = context.WithoutCancel(ctx)
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return fmt.Errorf("sqlite: begin: %w", err)
	}
	committed := false
	defer func() {
		if !committed {
			w.rollback.ExecContext(ctx) // fails where SQLite has rolled back already
		}
	}()
	tx := newTx(w)
	err = fn(tx)
	if err == nil {
		err = tx.finish(ctx)
	}
	if err != nil {
		return err
	}
	if _, err := w.commit.ExecContext(ctx); err != nil {
		return fmt.Errorf("sqlite: commit: %w", err)
	}
	committed = true
	return nil
}
