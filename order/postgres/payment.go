package postgres

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/paybell/paybell/order"
)

// A payment is what a transaction knows of a payment that it has locked.
type payment struct {
	claim   claim // as it stands after the events so far
	stored  claim
	known   bool // an event has named it, before this transaction or in it
	added   bool // by this transaction, with the claim that stands in the end
	unnamed bool // an event of it has named no order
	fresh   bool // such a one is new
}

// owners are the payments that the events of a transaction name.
type owners map[name]*payment

// lockOwners adds the payments that are new, and locks those that are known.
func (t *tx) lockOwners(deliveries []*order.Delivery) (owners, error) {
	final := map[name]claim{} // of the payments of fresh events, from these alone
	o := owners{}
	for _, d := range deliveries {
		for i, e := range d.Events {
			at := name{e.Source, e.Payment}
			if e.Payment == "" || !d.Fresh[i] && e.Order != "" {
				continue
			}
			o[at] = &payment{}
			if was, there := final[at]; d.Fresh[i] && (!there || claimOf(e).beats(was)) {
				final[at] = claimOf(e)
			}
		}
	}
	if len(o) == 0 {
		return o, nil
	}
	var rows paymentRows
	for _, n := range slices.SortedFunc(maps.Keys(final), name.compare) {
		rows.add(n, final[n])
	}
	sources, payments := columns(slices.SortedFunc(maps.Keys(o), name.compare))
	err := t.send("lock payments", func(b *pgx.Batch) {
		if len(final) > 0 {
			b.Queue(insertPayments, rows.arguments()...).Query(func(rows pgx.Rows) error {
				return eachName(rows, func(n name) { o[n].added = true })
			})
		}
		b.Queue(lockPayments, sources, payments).Query(func(rows pgx.Rows) error {
			return each(rows, func() error {
				var n name
				var c claim
				err := rows.Scan(&n.source, &n.id, &c.order, &c.at, &c.id)
				if p := o[n]; err == nil && !p.added {
					p.claim, p.stored, p.known = c, c, true
				}
				return err
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return o, t.findUnnamed(o, final)
}

// findUnnamed asks of the payments that get another owner whether there are
// events that go along.
func (t *tx) findUnnamed(o owners, final map[name]claim) error {
	var moving []name
	for n, p := range o {
		if c := final[n]; p.known && c.beats(p.claim) && c.order != p.claim.order {
			moving = append(moving, n)
		}
	}
	if len(moving) == 0 {
		return nil
	}
	sources, payments := columns(moving)
	return t.send("find events without an order", func(b *pgx.Batch) {
		b.Queue(unnamedBefore, sources, payments).Query(func(rows pgx.Rows) error {
			return eachName(rows, func(n name) { o[n].unnamed = true })
		})
	})
}

func eachName(rows pgx.Rows, use func(name)) error {
	return each(rows, func() error {
		var n name
		err := rows.Scan(&n.source, &n.id)
		if err == nil {
			use(n)
		}
		return err
	})
}

func columns(names []name) (sources, ids []string) {
	for _, n := range names {
		sources, ids = append(sources, n.source), append(ids, n.id)
	}
	return sources, ids
}

// join gives a payment to the order that event i of a delivery names, if no event
// named one before it, by the provider's time and not by arrival. The payment's
// events that named none go along; they are all at one order, or at none yet. If
// the event names none either, it goes to the payment's order.
func (o owners) join(d *order.Delivery, i int) {
	e := &d.Events[i]
	if e.Payment == "" {
		return
	}
	p := o[name{e.Source, e.Payment}]
	if !d.Fresh[i] {
		if e.Order == "" {
			e.Order = p.claim.order
		}
		return
	}
	c := claimOf(*e)
	former := p.claim.order
	switch {
	case e.Order == "":
		p.unnamed, p.fresh = true, true
		if !p.known {
			p.claim = c
		}
		e.Order = former
	case c.beats(p.claim):
		p.claim = c
		if former != c.order && p.unnamed {
			d.Joined = appendNew(d.Joined, c.order)
			if former != "" {
				d.Joined = appendNew(d.Joined, former)
			}
		}
	}
	p.known = true
}

func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// queue writes what the joins have come to.
func (o owners) queue(b *pgx.Batch) {
	var claims, moves paymentRows
	for n, p := range o {
		if !p.added && p.claim != p.stored {
			claims.add(n, p.claim)
		}
		if p.claim.order != "" && p.unnamed && (p.fresh || p.claim.order != p.stored.order) {
			moves.add(n, p.claim)
		}
	}
	if len(claims.sources) > 0 {
		b.Queue(claimPayments, claims.arguments()...)
	}
	if len(moves.sources) > 0 {
		b.Queue(moveUnnamed, moves.arguments()[:3]...)
	}
}

// paymentRows are claims as parameters for unnest.
type paymentRows struct {
	sources, payments, orders []string
	at                        []pgtype.Timestamptz
	ids                       []string
}

func (r *paymentRows) add(n name, c claim) {
	r.sources, r.payments, r.orders = append(r.sources, n.source), append(r.payments, n.id), append(r.orders, c.order)
	r.at, r.ids = append(r.at, pgtype.Timestamptz{Time: c.at, Valid: true}), append(r.ids, c.id)
}

func (r *paymentRows) arguments() []any { return []any{r.sources, r.payments, r.orders, r.at, r.ids} }
