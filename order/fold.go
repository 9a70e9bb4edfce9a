package order

import (
	"cmp"
	"slices"
)

// paymentRank orders the steps of one payment that carry the same time. A step
// may be told late, but never before what it follows from. A refund comes
// before its failure, because what has no rank here ranks first.
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
	sorted := canonical(events)
	f := folding{terms: terms, payments: map[string]*payment{}, disputes: map[[2]string]Status{}}
	f.currency, f.live = frame(terms, sorted)
	for _, e := range sorted {
		f.add(e)
	}
	return f.state(id)
}

// canonical sorts events by what they say and drops repetitions.
func canonical(events []Event) []*Event {
	sorted := make([]*Event, len(events))
	for i := range events {
		sorted[i] = &events[i]
	}
	slices.SortFunc(sorted, compare)
	return slices.CompactFunc(sorted, func(a, b *Event) bool { return a.Source == b.Source && a.ID == b.ID })
}

// compare is the canonical order: by the provider's time, then by how far the
// step goes, then by name.
func compare(a, b *Event) int {
	return cmp.Or(
		a.At.Compare(b.At),
		cmp.Compare(paymentRank[a.Status], paymentRank[b.Status]),
		cmp.Compare(a.Source, b.Source),
		cmp.Compare(a.ID, b.ID),
	)
}

// frame says in which currency and mode the order is. What the merchant
// registered decides; else the first money that came does, and any live event
// makes the order live.
func frame(terms Terms, events []*Event) (currency string, live bool) {
	currency, live = terms.Currency, terms.Mode != Test
	if terms.Mode == "" {
		test := false
		live = false
		for _, e := range events {
			if e.Kind != KindNote && e.Source != ExpirySource {
				live, test = live || e.Livemode, test || !e.Livemode
			}
		}
		live = live || !test
	}
	for _, says := range []func(*Event) bool{
		func(e *Event) bool { return e.Kind == KindPayment && e.Status == Paid },
		func(e *Event) bool { return e.Kind == KindPayment || e.Kind == KindRefund },
	} {
		for _, e := range events {
			if currency == "" && e.Livemode == live && says(e) {
				currency = e.Currency
			}
		}
	}
	return currency, live
}

// A payment is what the events tell of one attempt to pay.
type payment struct {
	named          bool // by the provider, so that its refunds are known to be its own
	paid, refunded total
	settled        bool   // a paid event was told, whatever its amount
	whole          bool   // … and one did not say how much: it stands for all
	open, closed   *Event // the step it has come to, and the last canceled or expired
	last           *Event // the last of its paid steps
	method         string
	amount         int64 // the most that any step named
}

// A total adds up running totals and parts, whichever are told.
type total struct {
	highest int64            // running total
	parts   map[string]int64 // by reference, also those that failed
	failed  map[string]int64 // those whose last step is a failure
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
	delete(t.failed, ref) // a refund may be made good after it failed
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

// told is the greater of the running total and the parts. No event lowers it.
func (t *total) told() int64 {
	var parts int64
	for _, amount := range t.parts {
		parts += amount
	}
	return max(t.highest, parts)
}

// sum is told without what failed: providers count a refund when it begins, and
// tell of its failure days later.
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
	withdrew *Event               // the last that spoke of the whole order
	misfit   string               // why money that came does not fit, or ""
}

// add takes in one event, in canonical order.
func (f *folding) add(e *Event) {
	genuine := e.Livemode == f.live
	fits := e.Currency == "" || e.Currency == f.currency
	switch e.Kind {
	case KindOrder:
		if genuine || e.Source == ExpirySource { // which knows no modes
			f.withdrew = e
		} else {
			f.strange()
		}
	case KindPayment:
		switch {
		case !genuine:
			f.strange()
		case !fits:
			f.misfit = max(f.misfit, "wrong_currency")
		default:
			f.payment(e).step(e)
		}
	case KindRefund:
		if genuine && fits {
			f.payment(e).refund(e)
		}
	case KindDispute:
		if genuine {
			f.dispute(e)
		}
	}
}

// strange notes an event of the other mode. Of two misfits the greater text is
// told, so that their order makes no difference.
func (f *folding) strange() {
	if f.live {
		f.misfit = max(f.misfit, "test_mode")
	} else {
		f.misfit = max(f.misfit, "live_mode")
	}
}

// payment finds the attempt that e is about. Sources may tell of the same one,
// as providers' ids are unique. A source that names no payments has one per
// order.
func (f *folding) payment(e *Event) *payment {
	key := e.Payment
	if key == "" {
		key = " " + e.Source // no id has a space
	}
	p := f.payments[key]
	if p == nil {
		p = &payment{named: e.Payment != ""}
		f.payments[key] = p
	}
	return p
}

// dispute takes in a step: what was decided stays so, and lost outweighs won.
func (f *folding) dispute(e *Event) {
	key := [2]string{e.Payment, e.Ref}
	if was := f.disputes[key]; was != Lost && (was != Won || e.Status == Lost) {
		f.disputes[key] = e.Status
	}
}

func (p *payment) step(e *Event) {
	if e.Method != "" && (!p.settled || e.Status == Paid) {
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
	case Authorized, Failed:
		p.open = e
	default: // what a payment begins with is no news of one that is authorized
		if p.open == nil || p.open.Status != Authorized {
			p.open = e
		}
	}
}

func (p *payment) refund(e *Event) {
	switch e.Status {
	case Refunded:
		p.refunded.add(e.Ref, e.Amount)
	case Failed:
		p.refunded.fail(e.Ref, e.Amount)
	}
}

// received is the money that came with the payment. What was refunded had come,
// even when nothing has told of it yet, and even when the refund then failed.
func (p *payment) received(expected int64) int64 {
	sum := p.paid.told()
	if p.named {
		sum = max(sum, p.refunded.told())
	}
	if p.whole {
		sum = max(sum, expected)
	}
	return sum
}

// now is the step that the payment without money has come to, or nil.
func (p *payment) now() *Event { return cmp.Or(p.closed, p.open) }

func (f *folding) state(id string) State {
	s := State{Order: id, Status: Created, Currency: f.currency, Livemode: f.live}
	for _, status := range f.disputes {
		s.Disputed = s.Disputed || status != Won
	}
	expected := f.terms.Amount
	var settled bool
	var named, back int64
	var last *Event
	for _, p := range f.payments {
		s.Paid += p.received(expected)
		s.Refunded += p.refunded.sum()
		back += p.refunded.told()
		named = max(named, p.amount)
		if settled = settled || p.settled; p.settled && (last == nil || compare(p.last, last) > 0) {
			last, s.Method = p.last, p.method
		}
	}
	s.Paid = max(s.Paid, back) // a refund that names no payment may be of any
	switch {
	case f.terms.Currency != "":
		s.Amount = expected
	case settled || s.Paid > 0:
		s.Amount = s.Paid
	default:
		s.Amount = named
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
// only refunds were told of so far: how much had been paid is not known.
func (f *folding) money(s *State, expected int64, settled bool) {
	s.Overpaid = f.terms.Currency != "" && s.Paid-s.Refunded > expected
	switch {
	case s.Refunded > 0 && s.Refunded >= s.Paid && (settled || s.Refunded >= expected):
		s.Status = Refunded
	case s.Paid < expected && (settled || s.Refunded == 0):
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
	var best *Event
	method := ""
	for _, p := range f.payments {
		if e := p.now(); e != nil && (best == nil || better(e, best)) {
			best, method = e, p.method
		}
	}
	if f.withdrew != nil && (best == nil || best.Status != Authorized) {
		s.Status, s.Reason = f.withdrew.Status, f.withdrew.Reason
		return
	}
	if best == nil {
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

func better(a, b *Event) bool {
	if hope[a.Status] != hope[b.Status] {
		return hope[a.Status] > hope[b.Status]
	}
	return compare(a, b) > 0
}

// Settled says whether the order was paid in full, refunded or not.
func (s State) Settled() bool {
	return s.Status == Paid || s.Status == PartiallyRefunded || s.Status == Refunded
}
