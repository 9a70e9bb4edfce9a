package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paybell/paybell/order"
)

// A tx is one transaction of the writer.
type tx struct {
	*writer
	wrote bool
	err   error // the first one; SQLite may have rolled back, so nothing may follow
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
		now := time.Now().UnixMicro()
		for _, k := range keys {
			fresh, err := affected(t.claim.ExecContext(ctx, k.Key, k.Fingerprint, now))
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

func (t *tx) Insert(ctx context.Context, deliveries []*order.Delivery) error {
	return t.do("insert callbacks", func() error {
		var id int64
		if err := t.lastCallback.QueryRowContext(ctx).Scan(&id); err != nil {
			return err
		}
		for _, d := range deliveries {
			id++
			if err := t.insert(ctx, id, d); err != nil {
				return err
			}
			t.wrote = true
		}
		return nil
	})
}

func (t *tx) insert(ctx context.Context, id int64, d *order.Delivery) error {
	d.Fresh, d.Joined = make([]bool, len(d.Events)), nil
	for i := range d.Events {
		if err := t.insertOne(ctx, id, d, i); err != nil {
			return err
		}
	}
	c := d.Callback
	duplicate := len(d.Events) > 0 && !slices.Contains(d.Fresh, true)
	if duplicate {
		c.Body = nil
	}
	_, err := t.insertCallback.ExecContext(ctx, id, c.Source, micros(c.ReceivedAt), c.Quarantine, duplicate, c.Body)
	return err
}

// insertOne stores event i of a delivery, joined with its order as far as the
// two are known by now.
func (t *tx) insertOne(ctx context.Context, callback int64, d *order.Delivery, i int) error {
	e := &d.Events[i]
	named := e.Order != ""
	if !named && e.Payment != "" {
		err := t.owner.QueryRowContext(ctx, e.Source, e.Payment).Scan(&e.Order)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	fresh, err := affected(t.insertEvent.ExecContext(ctx, e.Source, e.ID, callback, i, e.Order, named, e.Payment, e.Ref,
		string(e.Kind), string(e.Status), e.Amount, e.Currency, e.Method, e.Reason, e.ActionURL, micros(e.At), e.Livemode, e.Type))
	if err != nil {
		return err
	}
	if fresh == 0 {
		_, err := t.repeatEvent.ExecContext(ctx, e.Source, e.ID, callback, i)
		return err
	}
	d.Fresh[i] = true
	if !named || e.Payment == "" {
		return nil
	}
	return t.join(ctx, d, e)
}

// join gives a payment to the order that e names, if no event named one before
// e, by the provider's time and not by arrival. The payment's events that named
// none go along; they are all at one order, or at none yet.
func (t *tx) join(ctx context.Context, d *order.Delivery, e *order.Event) error {
	claimed, err := affected(t.claimPayment.ExecContext(ctx, e.Source, e.Payment, e.Order, e.At.UnixMicro(), e.ID))
	if err != nil || claimed == 0 {
		return err
	}
	var former string
	err = t.unnamed.QueryRowContext(ctx, e.Source, e.Payment).Scan(&former)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && former == e.Order:
		return nil
	case err != nil:
		return err
	}
	for _, id := range []string{e.Order, former} {
		if id != "" && !slices.Contains(d.Joined, id) {
			d.Joined = append(d.Joined, id)
		}
	}
	_, err = t.adopt.ExecContext(ctx, e.Source, e.Payment, e.Order)
	return err
}

func (t *tx) Load(ctx context.Context, orders []string) ([]*order.Record, error) {
	records := make([]*order.Record, len(orders))
	for i, id := range orders {
		records[i] = &order.Record{Order: id, State: order.Unknown(id, t.epoch)}
	}
	err := t.do("load orders", func() error {
		list, err := names(orders)
		if err != nil {
			return err
		}
		if err := t.loadOrders(ctx, list, records); err != nil {
			return err
		}
		rows, err := t.loadEvents.QueryContext(ctx, list)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var i int
			var e order.Event
			if err := scanEvent(rows, &e, &i); err != nil {
				return err
			}
			records[i].Events = append(records[i].Events, e)
		}
		return rows.Err()
	})
	return records, err
}

func (t *tx) loadOrders(ctx context.Context, list string, records []*order.Record) error {
	rows, err := t.load.QueryContext(ctx, list)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var i int
		var version int64
		var terms, state sql.RawBytes
		var due sql.NullInt64
		if err := rows.Scan(&i, &version, &terms, &state, &due); err != nil {
			return err
		}
		r := records[i]
		r.DueAt = fromMicros(due)
		if terms != nil {
			if err := json.Unmarshal(terms, &r.Terms); err != nil {
				return fmt.Errorf("%w: stored terms: %w", order.ErrBroken, err)
			}
		}
		if version > 0 {
			if r.State, err = readState(state, t.epoch); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

func (t *tx) Save(ctx context.Context, records []*order.Record) error {
	return t.do("save orders", func() error {
		seq, err := t.advanceShards(ctx, records)
		if err != nil {
			return err
		}
		for _, r := range records {
			shard := order.ShardOf(r.Order)
			if r.Changed {
				seq[shard]++
				r.Change = order.Change{Shard: shard, Seq: seq[shard], State: r.State}
			}
			if err := t.saveOne(ctx, shard, r); err != nil {
				return err
			}
			t.wrote = true
		}
		return nil
	})
}

// advanceShards moves the heads of the shards by as many changes as come, and
// returns where they were.
func (t *tx) advanceShards(ctx context.Context, records []*order.Record) (heads [order.Shards]int64, err error) {
	var changes [order.Shards]int64
	for _, r := range records {
		if r.Changed {
			changes[order.ShardOf(r.Order)]++
		}
	}
	for shard, n := range changes {
		if n == 0 {
			continue
		}
		if err := t.advance.QueryRowContext(ctx, shard, n).Scan(&heads[shard]); err != nil {
			return heads, err
		}
		heads[shard] -= n
	}
	return heads, nil
}

func (t *tx) saveOne(ctx context.Context, shard int, r *order.Record) error {
	var terms any
	if r.Terms != (order.Terms{}) {
		b, err := json.Marshal(r.Terms)
		if err != nil {
			return err
		}
		terms = string(b)
	}
	if !r.Changed {
		_, err := t.saveTerms.ExecContext(ctx, r.Order, shard, terms, micros(r.DueAt))
		return err
	}
	r.Change.State.Epoch = t.epoch
	state := string(r.Change.State.AppendJSON(nil))
	if _, err := t.saveState.ExecContext(ctx, r.Order, shard, r.State.Version, terms, micros(r.DueAt),
		state, micros(r.State.UpdatedAt)); err != nil {
		return err
	}
	_, err := t.journal.ExecContext(ctx, shard, r.Change.Seq, r.Order, r.State.Version, state)
	return err
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
