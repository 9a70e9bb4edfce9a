package order

import (
	"context"
	"maps"
	"slices"
	"sort"
	"time"
)

// An entry is one write on its way into the ledger.
type entry struct {
	key      *IdempotencyKey
	delivery *Delivery // a callback, and its events as the store completed them
	events   []Event   // as they were told
	order    string    // an order to register, and on which terms
	terms    Terms
	told     []Told

	revocation *Revocation // as it was asked for
	forget     bool        // what is over

	refused   error      // why this write is refused, though the commit is well
	state     State      // of the order registered
	changes   []Change   // all that the commit changed, by order
	revoked   Revocation // as it is stored
	forgotten int
	done      chan error
}

func (e *entry) receipt() Receipt {
	var r Receipt
	var found []int
	for i, event := range e.delivery.Events {
		if at, changed := e.change(event.Order); changed {
			found = append(found, at)
		}
		if !e.delivery.Fresh[i] {
			continue
		}
		r.Fresh++
		if event.Order == "" && event.Kind == KindPayment {
			r.Orderless++
		}
	}
	slices.Sort(found)
	for _, at := range slices.Compact(found) {
		r.Changes = append(r.Changes, e.changes[at])
	}
	return r
}

// change finds an order among the changes, which are sorted by their orders.
func (e *entry) change(id string) (at int, found bool) {
	at = sort.Search(len(e.changes), func(i int) bool { return e.changes[i].State.Order >= id })
	return at, at < len(e.changes) && e.changes[at].State.Order == id
}

// A commit is one transaction for a batch of entries.
type commit struct {
	batch []*entry
	now   time.Time

	changes []Change
}

// run does the work of the transaction. It may run again for the same entries,
// so it starts by forgetting what an earlier try found.
func (c *commit) run(ctx context.Context, tx Tx) error {
	c.changes = nil
	for _, e := range c.batch {
		e.refused, e.changes, e.state, e.revoked, e.forgotten = nil, nil, State{}, Revocation{}, 0
	}
	if err := c.claim(ctx, tx); err != nil {
		return err
	}
	touched, err := c.insert(ctx, tx)
	if err != nil {
		return err
	}
	if len(touched) > 0 {
		if err := c.fold(ctx, tx, touched); err != nil {
			return err
		}
	}
	if err := c.tell(ctx, tx); err != nil {
		return err
	}
	if err := c.forget(ctx, tx); err != nil {
		return err
	}
	return c.revoke(ctx, tx)
}

// claim refuses the entries whose idempotency key was used for something else.
func (c *commit) claim(ctx context.Context, tx Tx) error {
	var claims []*entry
	var keys []*IdempotencyKey // copies: a try that fails must not change what is asked for
	for _, e := range c.batch {
		if e.key != nil {
			key := *e.key
			claims, keys = append(claims, e), append(keys, &key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if err := tx.Claim(ctx, keys); err != nil {
		return err
	}
	for i, e := range claims {
		if keys[i].Fingerprint != e.key.Fingerprint {
			e.refused = ErrKeyReused
		}
	}
	return nil
}

// insert stores callbacks and events, and returns the orders to look at.
func (c *commit) insert(ctx context.Context, tx Tx) (touched []string, err error) {
	var deliveries []*Delivery
	for _, e := range c.batch {
		switch {
		case e.refused != nil:
		case e.delivery != nil:
			e.delivery.Events = slices.Clone(e.events)
			e.delivery.Fresh = make([]bool, len(e.events))
			e.delivery.Joined = nil
			deliveries = append(deliveries, e.delivery)
		case e.order != "":
			touched = append(touched, e.order)
		}
	}
	if len(deliveries) > 0 {
		if err := tx.Insert(ctx, deliveries); err != nil {
			return nil, err
		}
	}
	for _, d := range deliveries {
		touched = append(touched, d.Joined...)
		for i, event := range d.Events {
			if d.Fresh[i] && event.Order != "" {
				touched = append(touched, event.Order)
			}
		}
	}
	slices.Sort(touched)
	return slices.Compact(touched), nil
}

// fold brings the touched orders up to date and journals those that changed.
func (c *commit) fold(ctx context.Context, tx Tx, touched []string) error {
	loaded, err := tx.Load(ctx, touched)
	if err != nil {
		return err
	}
	records := make(map[string]*Record, len(loaded))
	for _, r := range loaded {
		records[r.Order] = r
	}
	for _, e := range c.batch {
		if r := records[e.order]; r != nil && e.refused == nil {
			e.refused = r.register(e.terms)
		}
	}
	for _, r := range loaded {
		c.advance(r)
	}
	if err := tx.Save(ctx, loaded); err != nil {
		return err
	}
	c.changes = make([]Change, 0, len(loaded))
	for _, r := range loaded {
		if r.Changed {
			c.changes = append(c.changes, r.Change)
		}
	}
	for _, e := range c.batch {
		if r := records[e.order]; r != nil {
			e.state = r.State
		}
		e.changes = c.changes
	}
	return nil
}

func (r *Record) register(terms Terms) error {
	if r.Terms == (Terms{}) {
		r.Terms = terms
	}
	if !r.Terms.Same(terms) {
		return ErrTerms
	}
	return nil
}

// advance folds a record and gives it the next version when a client would see
// a difference.
func (c *commit) advance(r *Record) {
	next := Fold(r.Order, r.Terms, r.Events)
	if r.Changed = !next.SameAs(r.State); r.Changed {
		next.Version, next.UpdatedAt = r.State.Version+1, c.now.UTC().Truncate(time.Millisecond)
		r.State = next
	}
	r.DueAt = time.Time{}
	ended := slices.ContainsFunc(r.Events, func(e Event) bool { return e.Kind == KindOrder })
	if !r.State.Final && !ended {
		r.DueAt = r.Terms.ExpiresAt
	}
}

// tell adds up who was shown what, so that a burst costs one row per version.
func (c *commit) tell(ctx context.Context, tx Tx) error {
	type shown struct {
		order, transport, subject string
		version                   int64
	}
	sum := map[shown]Told{}
	for _, e := range c.batch {
		for _, t := range e.told {
			key := shown{t.Order, t.Transport, t.Subject, t.Version}
			if was, ok := sum[key]; ok {
				t.Count += was.Count
				if was.At.Before(t.At) {
					t.At = was.At
				}
			}
			sum[key] = t
		}
	}
	if len(sum) == 0 {
		return nil
	}
	return tx.Tell(ctx, slices.Collect(maps.Values(sum)))
}
