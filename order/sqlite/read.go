package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
)

// reads are the statements of the connections that cannot write.
type reads struct {
	states, heads, changes, due     *sql.Stmt
	event                           *sql.Stmt
	terms, history, versions, tolds *sql.Stmt
	lastRevocation, revocations     *sql.Stmt
}

func (r *reads) queries() map[**sql.Stmt]string {
	return map[**sql.Stmt]string{
		&r.states: `SELECT n.key, c.state FROM json_each(?) n JOIN orders o ON o.order_id = n.value
			JOIN changes c ON c.shard = o.shard AND c.seq = o.seq`,
		&r.heads:   selectHeads,
		&r.changes: `SELECT seq, state FROM changes WHERE shard = ? AND seq > ? ORDER BY seq LIMIT ?`,
		&r.due:     `SELECT order_id FROM orders WHERE due_at <= ? ORDER BY due_at, order_id LIMIT ?`,
		&r.event: `SELECT ` + eventColumns + `, coalesce(nullif(e.order_id, ''), p.order_id, '') FROM events e
			LEFT JOIN payments p ON e.order_id = '' AND p.source = e.source AND p.payment = e.payment
			WHERE e.source = ? AND e.id = ?`,

		&r.terms: `SELECT terms FROM orders WHERE order_id = ?`,
		&r.history: `WITH list (n) AS (SELECT n.value FROM orders o JOIN json_each(o.events) n WHERE o.order_id = ?)
			SELECT c.id, c.source, c.received_at, c.quarantine, c.duplicate, ` + eventColumns + ` FROM (
				SELECT e.n, e.callback, e.place FROM list n JOIN events e USING (n)
				UNION ALL
				SELECT r.event, r.callback, r.place FROM list n JOIN repeats r ON r.event = n.n
			) t JOIN events e USING (n) JOIN callbacks c ON c.id = t.callback ORDER BY t.callback, t.place`,
		&r.versions: `WITH RECURSIVE n (shard, seq, previous, state) AS (
				SELECT c.shard, c.seq, c.previous, c.state FROM orders o JOIN changes c USING (shard, seq) WHERE o.order_id = ?
				UNION ALL
				SELECT c.shard, c.seq, c.previous, c.state FROM n JOIN changes c ON c.shard = n.shard AND c.seq = n.previous
			) SELECT shard, seq, state FROM n ORDER BY seq`,
		&r.tolds: `SELECT version, transport, subject, first_at, count FROM told WHERE order_id = ?
			ORDER BY first_at, version, transport, subject`,

		&r.lastRevocation: `SELECT value FROM meta WHERE key = 'revocations'`,
		&r.revocations: `SELECT ` + revocationColumns + ` FROM revocations
			WHERE seq > ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY seq LIMIT ?`,
	}
}

// selectHeads asks for the newest entry of each shard, and finds it at the end of
// the journal's index.
const selectHeads = `SELECT n.value, (SELECT coalesce(max(seq), 0) FROM changes c WHERE c.shard = n.value)
	FROM json_each('[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]') n`

// States returns the states of the named orders at one moment. SQLite shows a
// transaction to readers only once its commit is synced.
func (s *Store) States(ctx context.Context, orders []string) ([]order.State, error) {
	states := make([]order.State, len(orders))
	for i, id := range orders {
		states[i] = order.Unknown(id, s.epoch)
	}
	list, err := names(orders)
	if err != nil {
		return nil, err
	}
	err = each(ctx, s.reads.states, []any{list}, func(rows *sql.Rows) error {
		var i int
		var stored string
		if err := rows.Scan(&i, &stored); err != nil {
			return err
		}
		states[i], err = readState(stored, s.epoch)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: read states: %w", err)
	}
	return states, nil
}

// each calls scan for every row of a query's answer.
func each(ctx context.Context, query *sql.Stmt, args []any, scan func(*sql.Rows) error) error {
	rows, err := query.QueryContext(ctx, args...)
	if err != nil {
		return fault(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return fault(rows.Err())
}

// Heads returns the epoch and the last sequence number of every shard.
func (s *Store) Heads(ctx context.Context) (order.Heads, error) {
	seq, err := readHeads(ctx, s.reads.heads)
	if err != nil {
		return order.Heads{}, fmt.Errorf("sqlite: read heads: %w", err)
	}
	return order.Heads{Epoch: s.epoch, Seq: seq}, nil
}

func readHeads(ctx context.Context, query *sql.Stmt) (heads [order.Shards]int64, err error) {
	err = each(ctx, query, nil, func(rows *sql.Rows) error {
		var shard int
		var seq int64
		err := rows.Scan(&shard, &seq)
		heads[shard] = seq
		return err
	})
	return heads, err
}

// Changes returns up to limit changes of a shard with Seq above after, by Seq.
func (s *Store) Changes(ctx context.Context, shard int, after int64, limit int) ([]order.Change, error) {
	var changes []order.Change
	err := each(ctx, s.reads.changes, []any{shard, after, limit}, func(rows *sql.Rows) error {
		c := order.Change{Shard: shard}
		var stored string
		err := rows.Scan(&c.Seq, &stored)
		if err == nil {
			c.State, err = readState(stored, s.epoch)
		}
		changes = append(changes, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: read changes of shard %d: %w", shard, err)
	}
	return changes, nil
}

// Due returns up to limit orders that expire at or before now, the longest
// overdue first.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	var due []string
	err := each(ctx, s.reads.due, []any{now.UnixMicro(), limit}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		due = append(due, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: read due orders: %w", err)
	}
	return due, nil
}

// Event returns the stored event of a source's id, and whether there is one.
func (s *Store) Event(ctx context.Context, source, id string) (event order.Event, found bool, err error) {
	err = each(ctx, s.reads.event, []any{source, id}, func(rows *sql.Rows) error {
		found = true
		return scanEvent(rows, &event, nil, &event.Order)
	})
	if err != nil {
		return order.Event{}, false, fmt.Errorf("sqlite: read an event: %w", err)
	}
	return event, found, nil
}

// Timeline returns what happened to an order at one moment, oldest first.
func (s *Store) Timeline(ctx context.Context, id string) (order.Timeline, error) {
	t := order.Timeline{Order: id, Callbacks: []order.TimedCallback{}, Changes: []order.TimelineChange{}, Told: []order.Told{}}
	if err := s.timeline(ctx, id, &t); err != nil {
		return order.Timeline{}, fmt.Errorf("sqlite: read the timeline of %s: %w", id, err)
	}
	return t, nil
}

func (s *Store) timeline(ctx context.Context, id string, t *order.Timeline) error {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fault(err)
	}
	defer tx.Rollback()
	var terms []byte
	if err := tx.StmtContext(ctx, s.reads.terms).QueryRowContext(ctx, id).Scan(&terms); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fault(err)
	}
	if terms != nil {
		if err := json.Unmarshal(terms, &t.Terms); err != nil {
			return fmt.Errorf("%w: stored terms: %w", order.ErrBroken, err)
		}
	}
	if err := s.timedCallbacks(ctx, tx, id, t); err != nil {
		return err
	}
	err = each(ctx, tx.StmtContext(ctx, s.reads.versions), []any{id}, func(rows *sql.Rows) error {
		var c order.TimelineChange
		var stored string
		err := rows.Scan(&c.Shard, &c.Seq, &stored)
		if err == nil {
			c.State, err = readState(stored, s.epoch)
		}
		t.Changes = append(t.Changes, c)
		return err
	})
	if err != nil {
		return err
	}
	return each(ctx, tx.StmtContext(ctx, s.reads.tolds), []any{id}, func(rows *sql.Rows) error {
		to := order.Told{Order: id}
		var at sql.NullInt64
		err := rows.Scan(&to.Version, &to.Transport, &to.Subject, &at, &to.Count)
		to.At = fromMicros(at)
		t.Told = append(t.Told, to)
		return err
	})
}

// timedCallbacks reads an order's events and groups them by the callbacks that
// told them.
func (s *Store) timedCallbacks(ctx context.Context, tx *sql.Tx, id string, t *order.Timeline) error {
	last := int64(-1)
	return each(ctx, tx.StmtContext(ctx, s.reads.history), []any{id}, func(rows *sql.Rows) error {
		var callback int64
		var c order.TimedCallback
		var e order.Event
		var received sql.NullInt64
		if err := scanEvent(rows, &e, []any{&callback, &c.Source, &received, &c.Quarantine, &c.Duplicate}); err != nil {
			return err
		}
		e.Order = id
		if callback != last {
			last, c.ReceivedAt = callback, fromMicros(received)
			t.Callbacks = append(t.Callbacks, c)
		}
		events := &t.Callbacks[len(t.Callbacks)-1].Events
		*events = append(*events, e)
		return nil
	})
}
