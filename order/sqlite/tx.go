package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/paybell/paybell/order"
)

// A tx is one transaction of the writer.
type tx struct {
	*writer
	wrote bool
	err   error // the first one; SQLite may have rolled back, so nothing may follow

	first int64             // the number of told[0]
	told  []order.Event     // the events that are new, in the order of their numbers, as they are stored
	moves map[string][]move // of the orders that are not saved yet
	rows  map[string]row    // of the orders that were loaded
	text  []byte            // scratch
}

// A move takes an event, by its number, into an order's list or out of it.
type move struct {
	event int64
	in    bool
}

func newTx(w *writer) *tx {
	return &tx{writer: w, moves: map[string][]move{}, rows: map[string]row{}}
}

var errOver = errors.New("sqlite: the transaction is over")

// do runs one call of the transaction.
func (t *tx) do(what string, call func() error) error {
	if t.err != nil {
		return t.err
	}
	if err := call(); err != nil {
		t.err = fmt.Errorf("sqlite: %s: %w", what, err)
	}
	return t.err
}

// finish says whether the transaction may be committed, and ends its use.
func (t *tx) finish(ctx context.Context) error {
	if orders := slices.Sorted(maps.Keys(t.moves)); len(orders) > 0 {
		records, err := t.Load(ctx, orders)
		if err == nil {
			t.Save(ctx, records) // leaves its error in t
		}
	}
	err := t.do("check", func() error {
		if t.wrote {
			return nil
		}
		_, err := t.check.ExecContext(ctx)
		return err
	})
	t.err = errOver
	return err
}

func (t *tx) Claim(ctx context.Context, keys []*order.IdempotencyKey) error {
	return t.do("claim keys", func() error {
		for _, k := range keys {
			fresh, err := affected(t.claim.ExecContext(ctx, k.Key, k.Fingerprint, k.Expires.UnixMicro()))
			if err != nil {
				return err
			}
			if fresh == 0 {
				if err := t.claimed.QueryRowContext(ctx, k.Key).Scan(&k.Fingerprint); err != nil {
					return err
				}
			}
			t.wrote = true
		}
		return nil
	})
}

func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t *tx) Tell(ctx context.Context, told []order.Told) error {
	return t.do("store who was told", func() error {
		for _, to := range told {
			if _, err := t.tell.ExecContext(ctx, to.Order, to.Version, to.Transport, to.Subject, micros(to.At), to.Count); err != nil {
				return err
			}
			t.wrote = true
		}
		return nil
	})
}
