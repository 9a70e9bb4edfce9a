package sqlite

import (
	"context"
	"time"

	"github.com/paybell/paybell/order"
)

// listFetch puts a fresh note on the list, due at once.
func (t *tx) listFetch(ctx context.Context, e *order.Event) error {
	if e.Kind != order.KindNote || e.Status != order.ToFetch || e.Ref == "" {
		return nil
	}
	now := time.Now().UnixMicro()
	_, err := t.conn.ExecContext(ctx, `INSERT INTO fetches (source, ref, asked, tries, since, due_at) VALUES (?, ?, 1, 0, ?, 0)
		ON CONFLICT DO UPDATE SET asked = asked + 1, due_at = CASE WHEN tries = 0 THEN due_at ELSE 0 END`, e.Source, e.Ref, now)
	return err
}

// ClaimFetches implements [order.Fetches].
func (s *Store) ClaimFetches(ctx context.Context, now, until time.Time, limit int) ([]order.Fetch, error) {
	if due, err := s.fetchesDue(ctx, now); err != nil || !due {
		return nil, err
	}
	var claimed []order.Fetch
	err := s.inTx(ctx, "claim fetches", func(ctx context.Context, t *tx) error {
		claimed = nil
		rows, err := t.conn.QueryContext(ctx, `UPDATE fetches SET due_at = ? WHERE (source, ref) IN
			(SELECT source, ref FROM fetches WHERE due_at <= ? ORDER BY due_at, since, source, ref LIMIT ?)
			RETURNING source, ref, asked, tries, since`, until.UnixMicro(), now.UnixMicro(), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var f order.Fetch
			var since int64
			if err := rows.Scan(&f.Source, &f.Ref, &f.Asked, &f.Tries, &since); err != nil {
				return err
			}
			f.Since = time.UnixMicro(since).UTC()
			claimed = append(claimed, f)
		}
		return rows.Err()
	})
	return claimed, err
}

// fetchesDue asks a reader, so that nothing is written as long as nothing is due.
func (s *Store) fetchesDue(ctx context.Context, now time.Time) (due bool, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM fetches WHERE due_at <= ?)`, now.UnixMicro()).Scan(&due)
	return due, fault(err)
}

// SettleFetch implements [order.Fetches].
func (s *Store) SettleFetch(ctx context.Context, f order.Fetch, again time.Time) error {
	return s.inTx(ctx, "settle a fetch", func(ctx context.Context, t *tx) error {
		if !again.IsZero() {
			_, err := t.conn.ExecContext(ctx, `UPDATE fetches SET tries = tries + 1, due_at = CASE WHEN asked = ? THEN ? ELSE 0 END
				WHERE source = ? AND ref = ?`, f.Asked, again.UnixMicro(), f.Source, f.Ref)
			return err
		}
		_, err := t.conn.ExecContext(ctx, `DELETE FROM fetches WHERE source = ? AND ref = ? AND asked = ?`, f.Source, f.Ref, f.Asked)
		if err == nil {
			_, err = t.conn.ExecContext(ctx, `UPDATE fetches SET tries = 0, since = ?, due_at = 0 WHERE source = ? AND ref = ?`,
				time.Now().UnixMicro(), f.Source, f.Ref)
		}
		return err
	})
}

// inTx runs do in a transaction of the writer, as durable as any.
func (s *Store) inTx(ctx context.Context, what string, do func(context.Context, *tx) error) error {
	return s.Update(ctx, func(begun order.Tx) error {
		t := begun.(*tx) // which Update made
		t.wrote = true
		return t.do(what, func() error { return do(context.WithoutCancel(ctx), t) })
	})
}
