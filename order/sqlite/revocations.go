package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
)

const revocationColumns = `seq, id, kind, value, reason, at, expires_at`

func scanRevocation(rows *sql.Rows, r *order.Revocation) error {
	var at, expires sql.NullInt64
	err := rows.Scan(&r.Seq, &r.ID, &r.Kind, &r.Value, &r.Reason, &at, &expires)
	r.At, r.Expires = fromMicros(at), fromMicros(expires)
	return err
}

func (t *tx) Revoke(ctx context.Context, revocations []*order.Revocation) error {
	return t.do("revoke", func() error {
		for _, r := range revocations {
			known := false
			err := each(ctx, t.revoked, []any{r.ID}, func(rows *sql.Rows) error {
				known = true
				return scanRevocation(rows, r)
			})
			if err != nil {
				return err
			}
			if known {
				continue
			}
			if err := t.nextRevocation.QueryRowContext(ctx).Scan(&r.Seq); err != nil {
				return err
			}
			if _, err := t.revoke.ExecContext(ctx, r.Seq, r.ID, r.Kind, r.Value, r.Reason, micros(r.At), micros(r.Expires)); err != nil {
				return err
			}
			t.wrote = true
		}
		return nil
	})
}

func (t *tx) Forget(ctx context.Context, now time.Time, limit int) (int, error) {
	var most int64
	err := t.do("forget what is over", func() error {
		keys, err := affected(t.forgetKeys.ExecContext(ctx, now.UnixMicro(), limit))
		if err != nil {
			return err
		}
		revocations, err := affected(t.forgetRevocations.ExecContext(ctx, now.Add(-order.KeyRetention).UnixMicro(), limit))
		most = max(keys, revocations)
		t.wrote = t.wrote || most > 0
		return err
	})
	return int(most), err
}

// Revoked returns revocations with Seq above after that are not over. There is
// one writer, so that none comes late.
func (s *Store) Revoked(ctx context.Context, after int64, now time.Time, limit int) (order.Revoked, error) {
	found := order.Revoked{Epoch: s.epoch}
	// The end first: what comes between the two is read again.
	err := s.reads.lastRevocation.QueryRowContext(ctx).Scan(&found.Head)
	if err == nil && found.Head > after {
		err = each(ctx, s.reads.revocations, []any{after, now.UnixMicro(), limit}, func(rows *sql.Rows) error {
			var r order.Revocation
			err := scanRevocation(rows, &r)
			found.Revocations = append(found.Revocations, r)
			return err
		})
	}
	if err != nil {
		return order.Revoked{}, fmt.Errorf("sqlite: read revocations: %w", fault(err))
	}
	if n := len(found.Revocations); n > 0 && n == limit {
		found.Head = found.Revocations[n-1].Seq
	}
	return found, nil
}
