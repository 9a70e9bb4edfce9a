package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/paybell/paybell/order"
)

// query reads the rows of one statement. A pool notices that its server was
// restarted by the first use of a connection; where that has brought no row yet,
// the statement is tried on a new one.
func (s *Store) query(ctx context.Context, l lane, what string, scan func(pgx.Rows) error, sql string, args ...any) error {
	begun := false
	try := func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			begun = true
			return scan(rows)
		})
	}
	err := s.share(ctx, l, try)
	if stale(err) && !begun {
		err = s.share(ctx, l, try)
	}
	if err != nil {
		return fmt.Errorf("postgres: read %s: %w", what, err)
	}
	return nil
}

// States returns the states of the named orders at one moment, with the epoch of
// that moment. A server shows a transaction to others only once it is durable.
func (s *Store) States(ctx context.Context, orders []string) ([]order.State, error) {
	states := make([]order.State, len(orders))
	err := s.query(ctx, s.slow, "states", func(rows pgx.Rows) error {
		var n int
		var stored *string
		var epoch string
		if err := rows.Scan(&n, &stored, &epoch); err != nil {
			return err
		}
		s.learn(epoch)
		if stored == nil {
			states[n-1] = order.Unknown(orders[n-1], epoch)
			return nil
		}
		state, err := readState(*stored, epoch)
		states[n-1] = state
		return err
	}, selectStates, orders)
	if err != nil {
		return nil, err
	}
	return states, nil
}

// Heads returns the epoch and the last sequence number of every shard.
func (s *Store) Heads(ctx context.Context) (order.Heads, error) {
	var heads order.Heads
	err := s.query(ctx, s.quick, "heads", func(rows pgx.Rows) error { return scanHead(rows, &heads) }, selectHeads)
	if err != nil {
		return order.Heads{}, err
	}
	s.learn(heads.Epoch)
	return heads, nil
}

func scanHead(rows pgx.Rows, heads *order.Heads) error {
	var shard int
	var seq int64
	err := rows.Scan(&shard, &seq, &heads.Epoch)
	if err == nil {
		heads.Seq[shard] = seq
	}
	return err
}

// Changes returns up to limit changes of a shard with Seq above after, by Seq.
func (s *Store) Changes(ctx context.Context, shard int, after int64, limit int) ([]order.Change, error) {
	var changes []order.Change
	err := s.query(ctx, s.quick, fmt.Sprint("changes of shard ", shard), func(rows pgx.Rows) error {
		c := order.Change{Shard: shard}
		var stored, epoch string
		err := rows.Scan(&c.Seq, &stored, &epoch)
		if err == nil {
			c.State, err = readState(stored, epoch)
		}
		changes = append(changes, c)
		return err
	}, selectChanges, shard, after, limit)
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// Due returns up to limit orders that expire at or before now, the longest
// overdue first.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	var due []string
	err := s.query(ctx, s.slow, "due orders", func(rows pgx.Rows) error {
		var id string
		err := rows.Scan(&id)
		due = append(due, id)
		return err
	}, selectDue, now, limit)
	if err != nil {
		return nil, err
	}
	return due, nil
}

// Event returns the stored event of a source's id, and whether there is one.
func (s *Store) Event(ctx context.Context, source, id string) (event order.Event, found bool, err error) {
	err = s.query(ctx, s.slow, "an event", func(rows pgx.Rows) error {
		found = true
		return scanEvent(rows, &event)
	}, selectEvent, source, id)
	if err != nil {
		return order.Event{}, false, err
	}
	return event, found, nil
}

// Timeline returns what happened to an order at one moment, oldest first.
func (s *Store) Timeline(ctx context.Context, id string) (order.Timeline, error) {
	t := order.Timeline{Order: id, Callbacks: []order.TimedCallback{}, Changes: []order.TimelineChange{}, Told: []order.Told{}}
	err := s.share(ctx, s.slow, func(ctx context.Context, conn *pgxpool.Conn) error {
		options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		return pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error { return readTimeline(ctx, tx, id, &t) })
	})
	if err != nil {
		return order.Timeline{}, fmt.Errorf("postgres: read the timeline of %s: %w", id, err)
	}
	return t, nil
}

func readTimeline(ctx context.Context, tx pgx.Tx, id string, t *order.Timeline) error {
	b := &pgx.Batch{}
	b.Queue(selectTerms, id).QueryRow(func(row pgx.Row) error {
		var stored string
		if err := row.Scan(&stored); err != nil || stored == "" {
			return err
		}
		terms, err := readTerms(stored)
		t.Terms = &terms
		return err
	})
	last := int64(-1)
	b.Queue(selectHistory, id).Query(func(rows pgx.Rows) error {
		return each(rows, func() error { return addTimedCallback(rows, t, &last) })
	})
	b.Queue(selectVersions, id).Query(func(rows pgx.Rows) error {
		return each(rows, func() error {
			var c order.TimelineChange
			var stored, epoch string
			err := rows.Scan(&c.Shard, &c.Seq, &stored, &epoch)
			if err == nil {
				c.State, err = readState(stored, epoch)
			}
			t.Changes = append(t.Changes, c)
			return err
		})
	})
	b.Queue(selectTold, id).Query(func(rows pgx.Rows) error {
		return each(rows, func() error {
			to := order.Told{Order: id}
			var at pgtype.Timestamptz
			err := rows.Scan(&to.Version, &to.Transport, &to.Subject, &at, &to.Count)
			to.At = fromStamp(at)
			t.Told = append(t.Told, to)
			return err
		})
	})
	return tx.SendBatch(ctx, b).Close()
}

// addTimedCallback reads an event with the callback that told it, which is the
// one of the event before or begins a new entry.
func addTimedCallback(rows pgx.Rows, t *order.Timeline, last *int64) error {
	var callback int64
	var c order.TimedCallback
	var e order.Event
	var received pgtype.Timestamptz
	if err := scanEvent(rows, &e, &callback, &c.Source, &received, &c.Quarantine, &c.Duplicate); err != nil {
		return err
	}
	if callback != *last {
		*last, c.ReceivedAt = callback, fromStamp(received)
		t.Callbacks = append(t.Callbacks, c)
	}
	events := &t.Callbacks[len(t.Callbacks)-1].Events
	*events = append(*events, e)
	return nil
}
