package order

import (
	"cmp"
	"slices"
)

// paymentRank orders the steps of one payment that carry the same time. A step
// may be told late, but never before what it follows from.
var paymentRank = map[Status]int{
	Created: 0, Pending: 1, RequiresAction: 2, Authorized: 3, Failed: 4, Expired: 5, Canceled: 6, Paid: 7,
}

// Fold returns the state that a set of events amounts to, given what the
// merchant registered. The order of the events and their repetition make no
// difference, and Fold reads no clock and no storage, so that a test can replay
// any run of deliveries. Version, Epoch and UpdatedAt are left to the ledger.
//
// Money rules over everything else: what was paid is taken back by refunds
// alone. Without money, the most promising payment speaks for the order. Money
// of another currency or mode than the order's never counts; it calls for a
// review where the order is not settled without it.
func Fold(id string, terms Terms, events []Event) State {
	events = canonical(events)
	f := folding{terms: terms, payments: map[string]*payment{}, disputes: map[[2]string]Status{}}
	f.currency, f.live = frame(terms, events)
	for _, e := range events {
		f.add(e)
	}
	return f.state(id)
}

// canonical sorts events by what they say and drops repetitions.
func canonical(events []Event) []Event {
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, compare)
	return slices.CompactFunc(sorted, func(a, b Event) bool { return a.Source == b.Source && a.ID == b.ID })
}

// compare is the canonical order: by the provider's time, then by how far the
// step goes, then by name.
func compare(a, b Event) int {
	return cmp.Or(
		a.At.Compare(b.At),
		cmp.Compare(paymentRank[a.Status], paymentRank[b.Status]),
		cmp.Compare(a.Source, b.Source),
		cmp.Compare(a.ID, b.ID),
	)
}

// frame says in which currency and mode the order is. What the merchant
// registered decides; else the first money that came does, and any live step of
// a payment makes the order live.
func frame(terms Terms, events []Event) (currency string, live bool) {
	currency, live = terms.Currency, terms.Mode != Test
	if terms.Mode == "" {
		test := false
		live = false
		for _, e := range events {
			if e.Kind != KindOrder && e.Kind != KindNote {
				live, test = live || e.Livemode, test || !e.Livemode
			}
		}
		live = live || !test
	}
	for _, money := range []bool{true, false} {
		for _, e := range events {
			if currency == "" && e.Livemode == live && (!money || e.Kind == KindPayment && e.Status == Paid) {
				currency = e.Currency
			}
		}
	}
	return currency, live
}

// A payment is what the events tell of one attempt to pay.
type payment struct {
	paid, refunded total
	settled        bool  // a paid event was told, whatever its amount
	whole          bool  // … and one did not say how much: it stands for all
	open, closed   Event // the last step, and the last canceled or expired
	last           Event // the last of its paid steps
	method         string
	amount         int64 // the most that any step named
}

// A total adds up running totals and parts, whichever are told.
type total struct {
	highest int64            // running total
	parts   map[string]int64 // by reference
	failed  map[string]int64
}

func (t *total) add(ref string, amount int64) {
	if ref == "" {
		t.highest = max(t.highest, amount)
		return
	}
	if t.parts == nil {
		t.parts = map[string]int64{}
	}
	t.parts[ref] = max(t.parts[ref], amount)
}

func (t *total) fail(ref string, amount int64) {
	if ref == "" {
		return // which part failed is not known, so none can be taken out
	}
	if t.failed == nil {
		t.failed = map[string]int64{}
	}
	t.failed[ref] = max(t.failed[ref], amount)
}

// sum is the greater of the running total and the parts, without what failed:
// providers count a refund when it begins, and tell of its failure days later.
func (t *total) sum() int64 {
	var parts, failed int64
	for ref, amount := range t.parts {
		if _, ok := t.failed[ref]; !ok {
			parts += amount
		}
	}
	for ref, amount := range t.failed {
		failed += max(amount, t.parts[ref])
	}
	return max(t.highest-failed, parts)
}

type folding struct {
	terms    Terms
	currency string
	live     bool

	payments map[string]*payment
	disputes map[[2]string]Status // by payment and reference
	withdrew Event                // the last that spoke of the whole order
	misfit   string               // why money that came does not fit, or ""
}

// add takes in one event, in canonical order.
func (f *folding) add(e Event) {
	switch e.Kind {
	case KindOrder:
		f.withdrew = e
		return
	case KindDispute:
		f.dispute(e)
		return
	case KindNote:
		return
	}
	if e.Livemode != f.live {
		f.misfits(e, "test_mode")
		return
	}
	if e.Currency != "" && e.Currency != f.currency {
		f.misfits(e, "wrong_currency")
		return
	}
	p := f.payment(e)
	if e.Kind == KindRefund {
		p.refund(e)
		return
	}
	p.step(e)
}

func (f *folding) misfits(e Event, why string) {
	if e.Kind == KindPayment {
		f.misfit = max(f.misfit, why) // either order of two misfits says the same
	}
}

// payment finds the attempt that e is about. A source that names no payments
// has one per order.
func (f *folding) payment(e Event) *payment {
	key := e.Payment
	if key == "" {
		key = " " + e.Source // no id has a space
	}
	p := f.payments[key]
	if p == nil {
		p = &payment{}
		f.payments[key] = p
	}
	return p
}

func (f *folding) dispute(e Event) {
	key := [2]string{e.Payment, e.Ref}
	switch was := f.disputes[key]; {
	case was == Lost || e.Status == Disputed && was == Won:
	case e.Livemode == f.live:
		f.disputes[key] = e.Status
	}
}

func (p *payment) step(e Event) {
	if e.Method != "" {
		p.method = e.Method
	}
	p.amount = max(p.amount, e.Amount)
	switch e.Status {
	case Paid:
		p.settled, p.last = true, e
		p.whole = p.whole || e.Currency == ""
		p.paid.add(e.Ref, e.Amount)
	case Canceled, Expired:
		p.closed = e
	default:
		p.open = e
	}
}

func (p *payment) refund(e Event) {
	switch e.Status {
	case Refunded:
		p.refunded.add(e.Ref, e.Amount)
	case Failed:
		p.refunded.fail(e.Ref, e.Amount)
	}
}

// received is the money that came with the payment. What was refunded had come,
// even when nothing has told of it yet.
func (p *payment) received(expected int64) int64 {
	sum := max(p.paid.sum(), p.refunded.sum())
	if p.whole && p.paid.sum() == 0 {
		sum = max(sum, expected)
	}
	return sum
}

// now is the step that the payment without money has come to.
func (p *payment) now() Event {
	if p.closed.Status != "" {
		return p.closed
	}
	return p.open
}

func (f *folding) state(id string) State {
	s := State{Order: id, Status: Created, Currency: f.currency, Livemode: f.live}
	for _, status := range f.disputes {
		s.Disputed = s.Disputed || status != Won
	}
	var settled bool
	var named int64
	var last Event
	for _, p := range f.payments {
		s.Paid += p.received(f.terms.Amount)
		s.Refunded += p.refunded.sum()
		named = max(named, p.amount)
		if settled = settled || p.settled; p.settled && (last.ID == "" || compare(p.last, last) > 0) {
			last, s.Method = p.last, p.method
		}
	}
	expected := f.terms.Amount
	if s.Amount = expected; f.terms.Currency == "" {
		s.Amount = max(s.Paid, 0)
		if !settled && s.Paid == 0 {
			s.Amount = named
		}
	}
	if settled || s.Paid > 0 {
		f.money(&s, expected, settled)
	} else {
		f.waiting(&s)
	}
	if f.misfit != "" && !s.Settled() {
		s.Status, s.Reason, s.ActionURL = Review, f.misfit, ""
	}
	s.Final = s.Settled() || s.Status == Canceled || s.Status == Expired
	return s
}

// money says how an order stands for which money came. Not settled means that
// only a refund was told of so far: how much had been paid is not known.
func (f *folding) money(s *State, expected int64, settled bool) {
	s.Overpaid = f.terms.Currency != "" && s.Paid-s.Refunded > expected
	switch {
	case s.Refunded > 0 && s.Refunded >= s.Paid && (settled || s.Refunded >= expected):
		s.Status = Refunded
	case s.Paid < expected && settled:
		s.Status = PartiallyPaid
	case s.Refunded > 0:
		s.Status = PartiallyRefunded
	default:
		s.Status = Paid
	}
}

// waiting says how an order stands for which no money came: by its most
// promising payment, unless the whole order ended before one was authorized.
func (f *folding) waiting(s *State) {
	best, method := Event{}, ""
	for _, p := range f.payments {
		if e := p.now(); e.Status != "" && (best.Status == "" || better(e, best)) {
			best, method = e, p.method
		}
	}
	if f.withdrew.Status != "" && best.Status != Authorized {
		s.Status, s.Reason = f.withdrew.Status, f.withdrew.Reason
		return
	}
	if best.Status == "" {
		return
	}
	s.Status, s.Method, s.Reason = best.Status, method, best.Reason
	if s.Status == RequiresAction {
		s.ActionURL = best.ActionURL
	}
}

// hope orders the payments of an order: one that failed says nothing of one
// that may still succeed.
var hope = map[Status]int{Expired: 1, Canceled: 2, Failed: 3, Created: 4, Pending: 5, RequiresAction: 5, Authorized: 6}

func better(a, b Event) bool {
	if hope[a.Status] != hope[b.Status] {
		return hope[a.Status] > hope[b.Status]
	}
	return compare(a, b) > 0
}

// Settled says whether the order was paid in full, refunded or not.
func (s State) Settled() bool {
	return s.Status == Paid || s.Status == PartiallyRefunded || s.Status == Refunded
}
