package postgres

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/paybell/paybell/order"
)

// maxDeliveries is how many callbacks a transaction may store: their places have
// 16 bits of their ids.
const maxDeliveries = 1 << 16

var errTooMany = errors.New("too many callbacks for one transaction")

func (t *tx) Insert(_ context.Context, deliveries []*order.Delivery) error {
	if len(deliveries) > maxDeliveries {
		t.err = errTooMany
		return t.err
	}
	t.wrote = true
	if err := t.insertEvents(deliveries); err != nil {
		return err
	}
	t.listFetches(deliveries)
	owners, err := t.lockOwners(deliveries)
	if err != nil {
		return err
	}
	for _, d := range deliveries {
		for i := range d.Events {
			owners.join(d, i)
		}
	}
	owners.queue(t.queued)
	queueCallbacks(t.queued, deliveries)
	return nil
}

// insertEvents stores the events that are new, and says which they are.
func (t *tx) insertEvents(deliveries []*order.Delivery) error {
	type place struct{ callback, place int }
	first := map[name]place{}
	for c, d := range deliveries {
		d.Fresh, d.Joined = make([]bool, len(d.Events)), nil
		for i, e := range d.Events {
			if at := (name{e.Source, e.ID}); !has(first, at) {
				first[at] = place{c, i}
			}
		}
	}
	var rows eventRows
	for _, n := range slices.SortedFunc(maps.Keys(first), name.compare) {
		at := first[n]
		rows.add(at.callback, at.place, asStored(deliveries[at.callback].Events[at.place]))
	}
	return t.send("store events", func(b *pgx.Batch) {
		b.Queue(nextBatch)
		if len(first) == 0 {
			return
		}
		b.Queue(insertEvents, rows.arguments()...).Query(func(rows pgx.Rows) error {
			var c, i int
			return each(rows, func() error {
				err := rows.Scan(&c, &i)
				deliveries[c].Fresh[i] = err == nil
				return err
			})
		})
	})
}

func has[K comparable, V any](m map[K]V, key K) bool {
	_, there := m[key]
	return there
}

// eventRows are events as parameters for unnest.
type eventRows struct {
	callbacks, places                                     []int32
	sources, ids, orders, payments, refs, kinds, statuses []string
	amounts                                               []int64
	currencies, methods, reasons, urls                    []string
	at                                                    []pgtype.Timestamptz
	livemodes                                             []bool
	types                                                 []string
}

func (r *eventRows) add(callback, place int, e order.Event) {
	r.callbacks, r.places = append(r.callbacks, int32(callback)), append(r.places, int32(place))
	r.sources, r.ids = append(r.sources, e.Source), append(r.ids, e.ID)
	r.orders, r.payments, r.refs = append(r.orders, e.Order), append(r.payments, e.Payment), append(r.refs, e.Ref)
	r.kinds, r.statuses = append(r.kinds, string(e.Kind)), append(r.statuses, string(e.Status))
	r.amounts, r.currencies = append(r.amounts, e.Amount), append(r.currencies, e.Currency)
	r.methods, r.reasons, r.urls = append(r.methods, e.Method), append(r.reasons, e.Reason), append(r.urls, e.ActionURL)
	r.at, r.livemodes, r.types = append(r.at, stamp(e.At)), append(r.livemodes, e.Livemode), append(r.types, e.Type)
}

func (r *eventRows) arguments() []any {
	return []any{r.callbacks, r.places, r.sources, r.ids, r.orders, r.payments, r.refs, r.kinds, r.statuses,
		r.amounts, r.currencies, r.methods, r.reasons, r.urls, r.at, r.livemodes, r.types}
}

func queueCallbacks(b *pgx.Batch, deliveries []*order.Delivery) {
	var sources, quarantines, repeatSources, repeatIDs []string
	var received []pgtype.Timestamptz
	var duplicates []bool
	var bodies [][]byte
	var callbacks, places []int32
	for n, d := range deliveries {
		c := d.Callback
		duplicate := len(d.Events) > 0 && !slices.Contains(d.Fresh, true)
		if duplicate {
			c.Body = nil
		}
		sources, received = append(sources, clean(c.Source)), append(received, stamp(c.ReceivedAt))
		quarantines, duplicates, bodies = append(quarantines, clean(c.Quarantine)), append(duplicates, duplicate), append(bodies, c.Body)
		for i, e := range d.Events {
			if !d.Fresh[i] {
				repeatSources, repeatIDs = append(repeatSources, e.Source), append(repeatIDs, e.ID)
				callbacks, places = append(callbacks, int32(n)), append(places, int32(i))
			}
		}
	}
	b.Queue(insertCallbacks, sources, received, quarantines, duplicates, bodies)
	if len(callbacks) > 0 {
		b.Queue(insertRepeats, repeatSources, repeatIDs, callbacks, places)
	}
}

// A claim says whose a payment is, and by which event.
type claim struct {
	order string // "": nobody's
	at    time.Time
	id    string
}

// claimOf is what e says of its payment. Without a time it is of year 1.
func claimOf(e order.Event) claim {
	return claim{e.Order, time.UnixMicro(e.At.UnixMicro()).UTC(), e.ID}
}

// beats says whether c stands where d stood: the earlier of those that name an
// order.
func (c claim) beats(d claim) bool {
	return c.order != "" && (d.order == "" || c.at.Before(d.at) || c.at.Equal(d.at) && c.id < d.id)
}
