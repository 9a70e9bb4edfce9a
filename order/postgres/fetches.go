package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/paybell/paybell/order"
)

const (
	listFetch = `INSERT INTO fetches (source, ref, asked, tries, since, due_at) VALUES ($1, $2, 1, 0, clock_timestamp(), 'epoch')
		ON CONFLICT (source, ref) DO UPDATE SET asked = fetches.asked + 1,
			due_at = CASE WHEN fetches.tries = 0 THEN fetches.due_at ELSE 'epoch' END`

	// Rows that another node claims at this moment are skipped.
	claimFetches = `UPDATE fetches f SET due_at = $2 FROM (
			SELECT source, ref FROM fetches WHERE due_at <= $1 ORDER BY due_at, since, source, ref LIMIT $3 FOR UPDATE SKIP LOCKED
		) due WHERE f.source = due.source AND f.ref = due.ref RETURNING f.source, f.ref, f.asked, f.tries, f.since`

	fetchAgain = `UPDATE fetches SET tries = tries + 1, due_at = CASE WHEN asked = $3::bigint THEN $4::timestamptz ELSE 'epoch'::timestamptz END WHERE source = $1 AND ref = $2`
	fetched    = `DELETE FROM fetches WHERE source = $1 AND ref = $2 AND asked = $3`
	fetchAnew  = `UPDATE fetches SET tries = 0, since = clock_timestamp(), due_at = 'epoch' WHERE source = $1 AND ref = $2`
)

// listFetches puts fresh notes on the list, due at once: in the order of their
// names, as all take them.
func (t *tx) listFetches(deliveries []*order.Delivery) {
	asked := map[name]int{}
	for _, d := range deliveries {
		for i, e := range d.Events {
			if d.Fresh[i] && e.Kind == order.KindNote && e.Status == order.ToFetch && e.Ref != "" {
				asked[name{e.Source, e.Ref}]++
			}
		}
	}
	for _, n := range slices.SortedFunc(maps.Keys(asked), name.compare) {
		for range asked[n] {
			t.queued.Queue(listFetch, n.source, n.id)
		}
	}
}

// ClaimFetches implements [order.Fetches].
func (s *Store) ClaimFetches(ctx context.Context, now, until time.Time, limit int) ([]order.Fetch, error) {
	var claimed []order.Fetch
	err := s.share(ctx, s.slow, func(ctx context.Context, conn *pgxpool.Conn) error {
		claimed = nil
		rows, err := conn.Query(ctx, claimFetches, now, until, limit)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var f order.Fetch
			err := rows.Scan(&f.Source, &f.Ref, &f.Asked, &f.Tries, &f.Since)
			f.Since = f.Since.UTC()
			claimed = append(claimed, f)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: claim fetches: %w", err)
	}
	return claimed, nil
}

// SettleFetch implements [order.Fetches].
func (s *Store) SettleFetch(ctx context.Context, f order.Fetch, again time.Time) error {
	err := s.share(ctx, s.slow, func(ctx context.Context, conn *pgxpool.Conn) error {
		batch := &pgx.Batch{} // one transaction
		if again.IsZero() {
			batch.Queue(fetched, f.Source, f.Ref, f.Asked)
			batch.Queue(fetchAnew, f.Source, f.Ref)
		} else {
			batch.Queue(fetchAgain, f.Source, f.Ref, f.Asked, again)
		}
		return conn.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("postgres: settle a fetch: %w", err)
	}
	return nil
}
