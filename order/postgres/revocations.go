package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/paybell/paybell/order"
)

const (
	lockRevocations    = `SELECT seq FROM revocation_head FOR UPDATE`
	revocationsByID    = `SELECT seq, id, kind, value, reason, at, expires_at FROM revocations WHERE id = ANY($1::text[])`
	moveRevocationHead = `UPDATE revocation_head SET seq = $1`
	insertRevocations  = `INSERT INTO revocations (seq, id, kind, value, reason, at, expires_at)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[])`

	// Rows that others hold are skipped: whoever waited for one here might be
	// waited for itself.
	forgetKeys = `DELETE FROM idempotency WHERE key = ANY(ARRAY(
		SELECT key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`
	forgetRevocations = `DELETE FROM revocations WHERE seq = ANY(ARRAY(
		SELECT seq FROM revocations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

	// The head and the rows are of one moment. A snapshot that has a commit has
	// those before it in the order of the head's lock.
	selectRevocations = `SELECT h.seq, ` + epochNow + `, r.seq, r.id, r.kind, r.value, r.reason, r.at, r.expires_at
		FROM revocation_head h LEFT JOIN LATERAL (
			SELECT * FROM revocations WHERE seq > $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY seq LIMIT $3
		) r ON true ORDER BY r.seq`

	beat = `WITH mine AS (
			INSERT INTO nodes (id, seen_at) VALUES ($1, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()
		), gone AS (
			DELETE FROM nodes WHERE id = ANY(ARRAY(
				SELECT id FROM nodes WHERE id <> $1 AND seen_at < clock_timestamp() - $2::interval FOR UPDATE SKIP LOCKED))
		) SELECT 1 + count(*) FROM nodes WHERE id <> $1 AND seen_at >= clock_timestamp() - $2::interval`
)

// Revoke waits for the lock of the head first: what it finds then, nobody else
// can be about to add.
func (t *tx) Revoke(_ context.Context, revocations []*order.Revocation) error {
	var ids []string
	for _, r := range revocations {
		ids = append(ids, r.ID)
	}
	known := map[string]order.Revocation{}
	var head int64
	err := t.send("revoke", func(b *pgx.Batch) {
		b.Queue(lockRevocations).QueryRow(func(row pgx.Row) error { return row.Scan(&head) })
		b.Queue(revocationsByID, ids).Query(func(rows pgx.Rows) error {
			return each(rows, func() error {
				r, err := scanRevocation(rows)
				known[r.ID] = r
				return err
			})
		})
	})
	if err != nil {
		return err
	}
	var seqs []int64
	var names, kinds, values, reasons []string
	var at, expires []pgtype.Timestamptz
	for _, r := range revocations {
		if stored, there := known[r.ID]; there {
			*r = stored
			continue
		}
		head++
		r.Seq = head
		known[r.ID] = *r
		seqs, names, kinds, values = append(seqs, r.Seq), append(names, r.ID), append(kinds, string(r.Kind)), append(values, r.Value)
		reasons, at, expires = append(reasons, r.Reason), append(at, stamp(r.At)), append(expires, stamp(r.Expires))
	}
	if len(seqs) > 0 {
		t.queued.Queue(insertRevocations, seqs, names, kinds, values, reasons, at, expires)
		t.queued.Queue(moveRevocationHead, head)
		t.wrote = true
	}
	return nil
}

// scanRevocation reads a row, after what goes into before.
func scanRevocation(rows pgx.Rows, before ...any) (order.Revocation, error) {
	var seq *int64
	var id, kind, value, reason *string
	var at, expires pgtype.Timestamptz
	if err := rows.Scan(append(before, &seq, &id, &kind, &value, &reason, &at, &expires)...); err != nil || seq == nil {
		return order.Revocation{}, err
	}
	return order.Revocation{
		Seq: *seq, ID: *id, Kind: order.RevocationKind(*kind), Value: *value, Reason: *reason,
		At: fromStamp(at), Expires: fromStamp(expires),
	}, nil
}

func (t *tx) Forget(_ context.Context, now time.Time, limit int) (int, error) {
	var most int64
	count := func(tag pgconn.CommandTag) error {
		most = max(most, tag.RowsAffected())
		return nil
	}
	err := t.send("forget what is over", func(b *pgx.Batch) {
		b.Queue(forgetKeys, now, limit).Exec(count)
		b.Queue(forgetRevocations, now.Add(-order.KeyRetention), limit).Exec(count)
	})
	t.wrote = t.wrote || most > 0
	return int(most), err
}

// Revoked returns revocations with Seq above after that are not over.
func (s *Store) Revoked(ctx context.Context, after int64, now time.Time, limit int) (order.Revoked, error) {
	var found order.Revoked
	err := s.query(ctx, s.quick, "revocations", func(rows pgx.Rows) error {
		r, err := scanRevocation(rows, &found.Head, &found.Epoch)
		if r.Seq > 0 {
			found.Revocations = append(found.Revocations, r)
		}
		return err
	}, selectRevocations, after, now, limit)
	if err != nil {
		return order.Revoked{}, err
	}
	s.learn(found.Epoch)
	if n := len(found.Revocations); n > 0 && n == limit {
		found.Head = found.Revocations[n-1].Seq
	}
	return found, nil
}

// Beat says that a node runs, and returns how many have said so within a time, by
// the database's clock.
func (s *Store) Beat(ctx context.Context, node string, within time.Duration) (nodes int, err error) {
	err = s.share(ctx, s.quick, func(ctx context.Context, conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, beat, node, within).Scan(&nodes)
	})
	if err != nil {
		return 0, fmt.Errorf("postgres: say that this node runs: %w", err)
	}
	return nodes, nil
}

// Leave says that a node runs no longer.
func (s *Store) Leave(ctx context.Context, node string) error {
	err := s.share(ctx, s.quick, func(ctx context.Context, conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, `DELETE FROM nodes WHERE id = $1`, node)
		return err
	})
	if err != nil {
		return fmt.Errorf("postgres: say that this node is gone: %w", err)
	}
	return nil
}
