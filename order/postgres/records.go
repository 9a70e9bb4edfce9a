package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/paybell/paybell/order"
)

// A row is what an order's row holds, as it was loaded.
type row struct {
	version, seq int64
	state, text  string      // text is that of the terms
	terms        order.Terms // as they were read from text
	due          pgtype.Timestamptz
}

func (t *tx) Load(_ context.Context, orders []string) ([]*order.Record, error) {
	records := make(map[string]*order.Record, len(orders))
	err := t.send("load orders", func(b *pgx.Batch) {
		t.queueLocks(b, orders)
		b.Queue(loadEvents, orders).Query(func(rows pgx.Rows) error {
			return each(rows, func() error {
				var e order.Event
				err := scanEvent(rows, &e)
				if records[e.Order] == nil {
					records[e.Order] = &order.Record{}
				}
				r := records[e.Order]
				r.Events = append(r.Events, e)
				return err
			})
		})
	})
	if err != nil {
		return nil, err
	}
	list := make([]*order.Record, len(orders))
	for i, id := range orders {
		found := t.rows[id]
		r := &order.Record{Order: id, Terms: found.terms, State: order.Unknown(id, t.epoch), DueAt: fromStamp(found.due)}
		if told := records[id]; told != nil {
			r.Events = told.Events
		}
		if found.version > 0 {
			if r.State, err = readState(found.state, t.epoch); err != nil {
				t.err = err
				return nil, err
			}
		}
		list[i] = r
	}
	return list, nil
}

// queueLocks locks orders, makes rows for those that are new, and fills in
// t.rows.
func (t *tx) queueLocks(b *pgx.Batch, orders []string) {
	shards := make([]int16, len(orders))
	for i, id := range orders {
		shards[i] = int16(order.ShardOf(id))
	}
	b.Queue(insertOrders, orders, shards)
	b.Queue(lockOrders, orders).Query(func(rows pgx.Rows) error {
		return each(rows, func() (err error) {
			var id string
			var found row
			if err := rows.Scan(&id, &found.version, &found.seq, &found.state, &found.text, &found.due, &t.epoch); err != nil {
				return err
			}
			found.terms, err = readTerms(found.text)
			t.rows[id] = found
			return err
		})
	})
}

var errVersion = errors.New("another version of the order is stored")

func (t *tx) Save(_ context.Context, records []*order.Record) error {
	if err := t.lockMissing(records); err != nil {
		return err
	}
	heads, err := t.lockHeads(records)
	if err != nil {
		return err
	}
	var orders orderRows
	var changes changeRows
	for _, r := range records {
		was := t.rows[r.Order]
		now := was
		if r.Terms != was.terms {
			if now.text, err = writeTerms(r.Terms); err != nil {
				t.err = err
				return err
			}
		}
		now.due = stamp(r.DueAt)
		if r.Changed {
			shard := order.ShardOf(r.Order)
			heads[shard]++
			r.State.Epoch = t.epoch
			r.Change = order.Change{Shard: shard, Seq: heads[shard], State: r.State}
			now.version, now.seq, now.state = r.State.Version, r.Change.Seq, string(r.State.AppendJSON(nil))
			was.version = r.State.Version - 1 // as the caller has it
			changes.add(shard, now.seq, r.Order, now.version, was.seq, now.state)
		} else if now.text == was.text && now.due.Valid == was.due.Valid && micro(now.due.Time).Equal(was.due.Time) {
			continue
		}
		orders.add(r.Order, was.version, now)
	}
	t.queueSaves(heads, &orders, &changes)
	return nil
}

// lockMissing locks the orders that were not loaded.
func (t *tx) lockMissing(records []*order.Record) error {
	var missing []string
	for _, r := range records {
		if !has(t.rows, r.Order) {
			missing = append(missing, r.Order)
		}
	}
	if len(missing) == 0 {
		return t.err
	}
	return t.send("lock orders", func(b *pgx.Batch) { t.queueLocks(b, missing) })
}

// lockHeads locks the heads of the shards whose journals grow until the commit.
// Whoever begins a new epoch locks them too: the epoch that is read once they are
// locked is in force at the commit.
func (t *tx) lockHeads(records []*order.Record) (map[int]int64, error) {
	var shards []int16
	for _, r := range records {
		if r.Changed {
			shards = append(shards, int16(order.ShardOf(r.Order)))
		}
	}
	if len(shards) == 0 {
		return nil, t.err
	}
	slices.Sort(shards)
	shards = slices.Compact(shards)
	heads := make(map[int]int64, len(shards))
	err := t.send("lock shard heads", func(b *pgx.Batch) {
		b.Queue(lockHeads, shards).Query(func(rows pgx.Rows) error {
			var shard int
			var seq int64
			return each(rows, func() error {
				err := rows.Scan(&shard, &seq)
				heads[shard] = seq
				return err
			})
		})
		b.Queue(selectEpoch).QueryRow(func(row pgx.Row) error { return row.Scan(&t.epoch) })
	})
	if err == nil && len(heads) < len(shards) {
		t.err = fmt.Errorf("shard heads are missing: %d of %d are there", len(heads), len(shards))
	}
	return heads, t.err
}

func (t *tx) queueSaves(heads map[int]int64, orders *orderRows, changes *changeRows) {
	if len(heads) > 0 {
		var shards []int16
		var seqs []int64
		for shard, seq := range heads {
			shards, seqs = append(shards, int16(shard)), append(seqs, seq)
		}
		t.queued.Queue(moveHeads, shards, seqs)
		t.queued.Queue(insertChanges, changes.shards, changes.seqs, changes.orders, changes.versions, changes.previous, changes.states)
	}
	if len(orders.ids) > 0 {
		t.wrote = true
		t.queued.Queue(saveOrders, orders.ids, orders.was, orders.versions, orders.seqs, orders.states, orders.terms, orders.due).
			QueryRow(func(row pgx.Row) error {
				err := row.Scan(nil)
				if sqlState(err) == divisionByZero {
					return errVersion
				}
				return err
			})
	}
}

// orderRows and changeRows are rows as parameters for unnest.
type orderRows struct {
	ids                 []string
	was, versions, seqs []int64
	states, terms       []string
	due                 []pgtype.Timestamptz
}

func (r *orderRows) add(id string, was int64, now row) {
	r.ids, r.was, r.versions, r.seqs = append(r.ids, id), append(r.was, was), append(r.versions, now.version), append(r.seqs, now.seq)
	r.states, r.terms, r.due = append(r.states, now.state), append(r.terms, now.text), append(r.due, now.due)
}

type changeRows struct {
	shards             []int16
	seqs               []int64
	orders             []string
	versions, previous []int64
	states             []string
}

func (r *changeRows) add(shard int, seq int64, id string, version, previous int64, state string) {
	r.shards, r.seqs, r.orders = append(r.shards, int16(shard)), append(r.seqs, seq), append(r.orders, id)
	r.versions, r.previous, r.states = append(r.versions, version), append(r.previous, previous), append(r.states, state)
}
