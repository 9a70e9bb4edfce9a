package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/paybell/paybell/order"
)

func (t *tx) Insert(ctx context.Context, deliveries []*order.Delivery) error {
	return t.do("insert callbacks", func() error {
		var id, n int64
		if err := t.last.QueryRowContext(ctx).Scan(&id, &n); err != nil {
			return err
		}
		t.first = n + 1
		t.told = make([]order.Event, 0, len(deliveries)) // most tell one
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

// insertOne stores event i of a delivery, and takes it into the list of its
// order as far as that is known by now.
func (t *tx) insertOne(ctx context.Context, callback int64, d *order.Delivery, i int) error {
	e := &d.Events[i]
	n := t.first + int64(len(t.told))
	fresh, err := affected(t.insertEvent.ExecContext(ctx, n, e.Source, e.ID, callback, i, e.Order, e.Payment, e.Ref,
		string(e.Kind), string(e.Status), e.Amount, e.Currency, e.Method, e.Reason, e.ActionURL, micros(e.At), e.Livemode, e.Type))
	if err != nil {
		return err
	}
	if fresh == 0 {
		if e.Order == "" && e.Payment != "" {
			owner, err := t.claimOn(ctx, e)
			if err != nil {
				return err
			}
			e.Order = owner.order
		}
		_, err := t.repeatEvent.ExecContext(ctx, callback, i, e.Source, e.ID)
		return err
	}
	d.Fresh[i] = true
	if err := t.listFetch(ctx, e); err != nil {
		return err
	}
	t.told = append(t.told, asStored(*e))
	if e.Payment != "" {
		if err := t.join(ctx, d, e); err != nil {
			return err
		}
	}
	if e.Order != "" {
		t.moves[e.Order] = append(t.moves[e.Order], move{n, true})
	}
	return nil
}

// asStored is what reading an event back would find.
func asStored(e order.Event) order.Event {
	if !e.At.IsZero() {
		e.At = time.UnixMicro(e.At.UnixMicro()).UTC()
	}
	return e
}

// join gives a payment to the order that e names, if no event named one before
// e, by the provider's time and not by arrival. The payment's events that named
// none go along; they are all at one order, or at none yet. If e names none
// either, it goes to the payment's order.
func (t *tx) join(ctx context.Context, d *order.Delivery, e *order.Event) error {
	first, err := affected(t.nameFirst.ExecContext(ctx, e.Source, e.Payment, e.Order, e.At.UnixMicro(), e.ID))
	if err != nil || first > 0 {
		return err
	}
	was, err := t.claimOn(ctx, e)
	if err != nil {
		return err
	}
	if e.Order == "" {
		e.Order = was.order
		return nil
	}
	now := claim{e.Order, e.At.UnixMicro(), e.ID}
	if was.order != "" && !now.before(was) {
		return nil
	}
	if _, err := t.claimPayment.ExecContext(ctx, now.order, now.at, now.id, e.Source, e.Payment); err != nil || was.order == now.order {
		return err
	}
	return t.moveUnnamed(ctx, d, e, was.order)
}

// A claim says whose a payment is, and by which event.
type claim struct {
	order string // "": nobody's
	at    int64  // in microseconds
	id    string
}

func (c claim) before(d claim) bool { return c.at < d.at || c.at == d.at && c.id < d.id }

// claimOn returns the claim that stands on the payment of e.
func (t *tx) claimOn(ctx context.Context, e *order.Event) (c claim, err error) {
	err = t.owner.QueryRowContext(ctx, e.Source, e.Payment).Scan(&c.order, &c.at, &c.id)
	if errors.Is(err, sql.ErrNoRows) {
		return claim{}, nil
	}
	return c, err
}

// moveUnnamed moves those events of a payment that named no order to the one
// that e names.
func (t *tx) moveUnnamed(ctx context.Context, d *order.Delivery, e *order.Event, former string) error {
	return each(ctx, t.unnamed, []any{e.Source, e.Payment}, func(rows *sql.Rows) error {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return err
		}
		for _, id := range []string{e.Order, former} {
			if id == "" {
				continue
			}
			t.moves[id] = append(t.moves[id], move{n, id == e.Order})
			if !slices.Contains(d.Joined, id) {
				d.Joined = append(d.Joined, id)
			}
		}
		return nil
	})
}
