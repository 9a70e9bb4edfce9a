package checker

import (
	"maps"
	"slices"
)

// settledStatuses are those of an order that was paid in full.
var settledStatuses = map[string]bool{"paid": true, "partially_refunded": true, "refunded": true}

// promise orders the steps that payments without money have come to: of several
// payments the most promising speaks for the order.
var promise = []string{"expired", "canceled", "failed", "created", "pending", "authorized"}

// Amount says what a set of events amounts to, by the words of docs/protocol.md
// and docs/webhooks.md. It covers what a run's load sends: named payments,
// refunds and disputes with ids, one currency per order or the one registered,
// and no two events of an order at the same time.
//
// Only what can be said without the texts of events is filled in: status, final,
// amount, currency, paid, refunded, disputed, overpaid, livemode.
func Amount(terms Terms, events []Event) State {
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, func(a, b Event) int { return int(a.At - b.At) })
	m := model{terms: terms, payments: map[string]*payment{}, refunds: map[string]*refund{}, disputes: map[string]string{}}
	m.live = len(sorted) == 0
	m.currency = terms.Currency
	for _, e := range sorted {
		m.live = m.live || !e.Test
	}
	for _, e := range sorted {
		if m.currency == "" && e.Test != m.live {
			m.currency = e.Currency
		}
	}
	for _, e := range sorted {
		m.hear(e)
	}
	return m.state()
}

// A payment is one attempt to pay, by the provider's id.
type payment struct {
	steps  []Event // oldest first
	amount int64   // the most that any step names
}

// A refund is one refund of a payment, by its id.
type refund struct {
	payment string
	amount  int64
	failed  bool // its last step says so
}

type model struct {
	terms    Terms
	currency string
	live     bool

	payments map[string]*payment
	refunds  map[string]*refund
	disputes map[string]string
	canceled bool // the merchant withdrew the whole order
	strange  bool // something came that does not fit
}

func (m *model) hear(e Event) {
	genuine := e.Test != m.live
	fits := e.Currency == "" || e.Currency == m.currency
	switch {
	case e.Kind == "order" || e.Kind == "payment":
		m.strange = m.strange || !genuine || e.Kind == "payment" && !fits
		if !genuine || !fits {
			return
		}
		if e.Kind == "order" {
			m.canceled = true
			return
		}
		p := m.payments[e.Payment]
		if p == nil {
			p = &payment{}
			m.payments[e.Payment] = p
		}
		p.steps = append(p.steps, e)
		p.amount = max(p.amount, e.Amount)
	case !genuine || !fits:
	case e.Kind == "refund":
		r := m.refunds[e.Ref]
		if r == nil {
			r = &refund{payment: e.Payment}
			m.refunds[e.Ref] = r
		}
		switch e.Status {
		case "refunded":
			r.amount, r.failed = max(r.amount, e.Amount), false
		case "failed":
			r.failed = true
		}
	case e.Kind == "dispute":
		if was := m.disputes[e.Ref]; was == "" || was == "disputed" || e.Status == "lost" {
			m.disputes[e.Ref] = e.Status // what is decided stays so, and lost outweighs won
		}
	}
}

// paid is the money that came with a payment: the highest running total. What
// was refunded had come.
func (m *model) paid(id string) (sum int64, settled bool) {
	if p := m.payments[id]; p != nil {
		for _, e := range p.steps {
			if e.Status == "paid" {
				sum, settled = max(sum, e.Amount), true
			}
		}
	}
	var back int64
	for _, r := range m.refunds {
		if r.payment == id {
			back += r.amount
		}
	}
	return max(sum, back), settled
}

func (m *model) state() State {
	s := State{Status: "created", Currency: m.currency, Livemode: m.live}
	named, settled := int64(0), false
	ids := map[string]bool{}
	for id, p := range m.payments {
		ids[id] = true
		named = max(named, p.amount)
	}
	for _, r := range m.refunds {
		ids[r.payment] = true
		if !r.failed {
			s.Refunded += r.amount
		}
	}
	for id := range ids {
		sum, yes := m.paid(id)
		s.Paid += sum
		settled = settled || yes
	}
	for _, how := range m.disputes {
		s.Disputed = s.Disputed || how != "won"
	}
	s.Amount = named
	if settled || s.Paid > 0 {
		s.Amount = s.Paid
		m.money(&s)
	} else {
		s.Status = m.waiting()
	}
	if m.terms.Currency != "" {
		s.Amount = m.terms.Amount
		s.Overpaid = s.Paid-s.Refunded > m.terms.Amount
	}
	if m.strange && !settledStatuses[s.Status] {
		s.Status = "review"
	}
	s.Final = settledStatuses[s.Status] || s.Status == "canceled" || s.Status == "expired"
	return s
}

func (m *model) money(s *State) {
	switch {
	case s.Refunded > 0 && s.Refunded >= s.Paid:
		s.Status = "refunded"
	case s.Paid < m.terms.Amount:
		s.Status = "partially_paid"
	case s.Refunded > 0:
		s.Status = "partially_refunded"
	default:
		s.Status = "paid"
	}
}

// waiting is the status of an order for which no money came.
func (m *model) waiting() string {
	best, rank, at := "created", -1, Time(0)
	for _, id := range slices.Sorted(maps.Keys(m.payments)) {
		status, when := m.payments[id].now()
		r := slices.Index(promise, status)
		if status == "requires_action" {
			r = slices.Index(promise, "pending")
		}
		if r > rank || r == rank && when > at {
			best, rank, at = status, r, when
		}
	}
	if m.canceled && best != "authorized" {
		return "canceled"
	}
	return best
}

// now is the step that a payment without money has come to: once closed it stays
// so, and one that is authorized is only undone by a failure.
func (p *payment) now() (string, Time) {
	var open, closed Event
	for _, e := range p.steps {
		switch e.Status {
		case "canceled", "expired":
			closed = e
		case "authorized", "failed":
			open = e
		default:
			if open.Status != "authorized" {
				open = e
			}
		}
	}
	if closed.Status != "" {
		return closed.Status, closed.At
	}
	return open.Status, open.At
}
