package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/paybell/paybell/order"
)

func (t *tx) Load(ctx context.Context, orders []string) ([]*order.Record, error) {
	records := make([]*order.Record, len(orders))
	for i, id := range orders {
		records[i] = &order.Record{Order: id, State: order.Unknown(id, t.epoch)}
	}
	err := t.do("load orders", func() error {
		if err := t.readRows(ctx, records); err != nil {
			return err
		}
		return t.readEvents(ctx, records)
	})
	return records, err
}

// readRows reads the rows of orders into their records, and keeps what those
// have no place for.
func (t *tx) readRows(ctx context.Context, records []*order.Record) error {
	orders := make([]string, len(records))
	for i, r := range records {
		orders[i] = r.Order
		t.rows[r.Order] = row{}
	}
	list, err := names(orders)
	if err != nil {
		return err
	}
	err = each(ctx, t.loadOrders, []any{list}, func(rows *sql.Rows) error {
		var i int
		var version int64
		var found row
		var events string
		var terms, state sql.NullString
		var due sql.NullInt64
		err := rows.Scan(&i, &version, &found.seq, &events, &terms, &due, &state)
		if err != nil {
			return err
		}
		if found.events, err = readNumbers(events); err != nil {
			return err
		}
		r := records[i]
		r.DueAt = fromMicros(due)
		if terms.Valid {
			if err := json.Unmarshal([]byte(terms.String), &r.Terms); err != nil {
				return fmt.Errorf("%w: stored terms: %w", order.ErrBroken, err)
			}
			found.terms, found.text = r.Terms, terms.String
		}
		t.rows[r.Order] = found
		if version > 0 {
			r.State, err = readState(state.String, t.epoch)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range orders {
		if moves := t.moves[id]; len(moves) > 0 {
			found := t.rows[id]
			found.events = moved(found.events, moves)
			t.rows[id] = found
		}
	}
	return nil
}

// moved is a list of events, by their numbers and rising, after moves.
func moved(list []int64, moves []move) []int64 {
	for _, m := range moves {
		switch i, found := slices.BinarySearch(list, m.event); {
		case m.in && !found:
			list = slices.Insert(list, i, m.event)
		case !m.in && found:
			list = slices.Delete(list, i, i+1)
		}
	}
	return list
}

// readEvents reads the events that count for records. Those that are new are
// at hand.
func (t *tx) readEvents(ctx context.Context, records []*order.Record) error {
	var wanted []int64
	var whose []*order.Record
	for _, r := range records {
		for _, n := range t.rows[r.Order].events {
			if at := n - t.first; at >= 0 && at < int64(len(t.told)) {
				e := t.told[at]
				e.Order = r.Order
				r.Events = append(r.Events, e)
				continue
			}
			wanted, whose = append(wanted, n), append(whose, r)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	found := 0
	err := each(ctx, t.loadEvents, []any{string(appendNumbers(nil, wanted))}, func(rows *sql.Rows) error {
		var i int
		var e order.Event
		if err := scanEvent(rows, &e, []any{&i}); err != nil {
			return err
		}
		e.Order = whose[i].Order
		whose[i].Events = append(whose[i].Events, e)
		found++
		return nil
	})
	if err == nil && found < len(wanted) {
		err = fmt.Errorf("%w: %d events are missing", order.ErrBroken, len(wanted)-found)
	}
	return err
}

var errVersion = errors.New("another version of the order is stored")

func (t *tx) Save(ctx context.Context, records []*order.Record) error {
	return t.do("save orders", func() error {
		if err := t.readMissing(ctx, records); err != nil {
			return err
		}
		heads, err := readHeads(ctx, t.heads)
		if err != nil {
			return err
		}
		for _, r := range records {
			shard := order.ShardOf(r.Order)
			if r.Changed {
				heads[shard]++
				r.State.Epoch = t.epoch
				r.Change = order.Change{Shard: shard, Seq: heads[shard], State: r.State}
			}
			if err := t.saveOne(ctx, shard, r); err != nil {
				return err
			}
			delete(t.moves, r.Order)
			t.wrote = true
		}
		return nil
	})
}

// readMissing reads the rows of records that were not loaded.
func (t *tx) readMissing(ctx context.Context, records []*order.Record) error {
	var missing []*order.Record
	for _, r := range records {
		if _, loaded := t.rows[r.Order]; !loaded {
			missing = append(missing, &order.Record{Order: r.Order})
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return t.readRows(ctx, missing)
}

func (t *tx) saveOne(ctx context.Context, shard int, r *order.Record) error {
	was := t.rows[r.Order]
	t.text = appendNumbers(t.text[:0], was.events)
	events := string(t.text)
	terms, err := was.storedTerms(r.Terms)
	if err != nil {
		return err
	}
	if !r.Changed {
		_, err := t.saveTerms.ExecContext(ctx, r.Order, shard, events, terms, micros(r.DueAt))
		return err
	}
	saved, err := affected(t.saveState.ExecContext(ctx, r.Order, shard, r.State.Version, r.Change.Seq, events, terms, micros(r.DueAt)))
	if err == nil && saved == 0 {
		err = errVersion
	}
	if err != nil {
		return err
	}
	t.text = r.Change.State.AppendJSON(t.text[:0])
	_, err = t.journal.ExecContext(ctx, shard, r.Change.Seq, r.Order, r.State.Version, was.seq, string(t.text))
	return err
}
