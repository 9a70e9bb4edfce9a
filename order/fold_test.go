package order_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

	// unregistered is what nobody registered; live asks for 99.00 EUR.
	unregistered = order.Terms{}
	live         = order.Terms{Amount: 9900, Currency: "EUR", Mode: order.Live}
	test         = order.Terms{Amount: 9900, Currency: "EUR", Mode: order.Test}
)

// A change to an event or a state that a rule is about.
type (
	with   = func(*order.Event)
	shown  = func(*order.State)
	events = []order.Event
)

// event is live and in EUR, about payment p1, some minutes after noon. Events
// that say the same have the same id.
func event(minute int, kind order.Kind, status order.Status, amount int64, changes ...with) order.Event {
	e := order.Event{
		Source: "stripe", Payment: "p1", Kind: kind, Status: status, Amount: amount, Currency: "EUR",
		At: noon.Add(time.Duration(minute) * time.Minute), Livemode: true,
	}
	for _, change := range changes {
		change(&e)
	}
	if e.ID == "" {
		e.ID = fmt.Sprintf("%s:%s:%s:%s:%d:%d:%s", e.Payment, e.Ref, e.Kind, e.Status, minute, e.Amount, e.Currency)
	}
	return e
}

func pay(minute int, status order.Status, amount int64, changes ...with) order.Event {
	return event(minute, order.KindPayment, status, amount, changes...)
}

func refund(minute int, status order.Status, amount int64, changes ...with) order.Event {
	return event(minute, order.KindRefund, status, amount, changes...)
}

func dispute(minute int, status order.Status, changes ...with) order.Event {
	return event(minute, order.KindDispute, status, 9900, append(changes, ref("d1"))...)
}

// withdraw speaks of the whole order.
func withdraw(minute int, status order.Status, changes ...with) order.Event {
	return event(minute, order.KindOrder, status, 0, append([]with{payment(""), currency("")}, changes...)...)
}

func payment(id string) with      { return func(e *order.Event) { e.Payment = id } }
func ref(id string) with          { return func(e *order.Event) { e.Ref = id } }
func source(name string) with     { return func(e *order.Event) { e.Source = name } }
func currency(code string) with   { return func(e *order.Event) { e.Currency = code } }
func method(name string) with     { return func(e *order.Event) { e.Method = name } }
func because(reason string) with  { return func(e *order.Event) { e.Reason = reason } }
func testMode(e *order.Event)     { e.Livemode = false }
func untimed(e *order.Event)      { e.At = time.Time{} }
func reason(text string) shown    { return func(s *order.State) { s.Reason = text } }
func amount(n int64) shown        { return func(s *order.State) { s.Amount = n } }
func paidWith(name string) shown  { return func(s *order.State) { s.Method = name } }
func in(code string) shown        { return func(s *order.State) { s.Currency = code } }
func overpaid(s *order.State)     { s.Overpaid = true }
func disputed(s *order.State)     { s.Disputed = true }
func inTestMode(s *order.State)   { s.Livemode = false }
func goOn(url string) with        { return func(e *order.Event) { e.ActionURL = url } }
func goesOn(url string) shown     { return func(s *order.State) { s.ActionURL = url } }
func notFinal(s *order.State)     { s.Final = false }
func stripeAgain(e *order.Event)  { e.Source, e.ID = "stripe-eu", "again:"+string(e.Status) }
func registeredFor(n int64) terms { return terms{Amount: n, Currency: "EUR", Mode: order.Live} }

type terms = order.Terms

// final are the statuses after which a waiting customer may leave.
var final = []order.Status{order.Paid, order.PartiallyRefunded, order.Refunded, order.Canceled, order.Expired}

// state is that of order A1, which asks for 99.00 EUR.
func state(status order.Status, paid, refunded int64, changes ...shown) order.State {
	s := order.State{
		Order: "A1", Status: status, Final: slices.Contains(final, status),
		Amount: 9900, Currency: "EUR", Paid: paid, Refunded: refunded, Livemode: true,
	}
	for _, change := range changes {
		change(&s)
	}
	return s
}

// A rule is a sentence about orders and a story that shows it.
type rule struct {
	says  string
	terms order.Terms
	story events
	want  order.State
}

// TestFold tells every story in every order of arrival, with repetitions.
func TestFold(t *testing.T) {
	for _, rules := range [][]rule{paymentRules, moneyRules, reviewRules, refundRules, disputeRules, endingRules, unregisteredRules} {
		for _, r := range rules {
			t.Run(r.says, func(t *testing.T) {
				for _, e := range r.story {
					if e.Order = "A1"; e.Check() != nil {
						t.Fatalf("%s: %v", e.ID, e.Check())
					}
				}
				if got := order.Fold("A1", r.terms, r.story); got != r.want {
					t.Fatalf("got  %+v\nwant %+v", got, r.want)
				}
				permute(r.story, func(arrival events) bool {
					arrival = append(slices.Clone(arrival), arrival[:(len(arrival)+1)/2]...)
					if got := order.Fold("A1", r.terms, arrival); got != r.want {
						t.Errorf("in the order %v\ngot  %+v\nwant %+v", names(arrival), got, r.want)
						return false
					}
					return true
				})
			})
		}
	}
}

func names(list events) (ids []string) {
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return ids
}

// TestNothingHeardIsVersion0 ties Fold to Unknown: the first event that a
// client could see must be a difference to it, and a note must be none.
func TestNothingHeardIsVersion0(t *testing.T) {
	unknown := order.Unknown("A1", "epoch")
	if unknown.Version != 0 || unknown.Status != order.Created || unknown.Final {
		t.Errorf("Unknown is %+v", unknown)
	}
	note := event(1, order.KindNote, "", 100)
	for _, story := range []events{nil, {}, {note}} {
		if got := order.Fold("A1", unregistered, story); !got.SameAs(unknown) || got.Version != 0 {
			t.Errorf("after %v an unknown order is %+v", names(story), got)
		}
	}
	for _, e := range (events{pay(1, order.Pending, 9900), refund(1, order.Refunded, 1), dispute(1, order.Disputed), withdraw(1, order.Canceled)}) {
		if order.Fold("A1", unregistered, events{e}).SameAs(unknown) {
			t.Errorf("nobody would see %s", e.ID)
		}
	}
}

// TestFoldKeepsItsArguments because the ledger stores what it folded.
func TestFoldKeepsItsArguments(t *testing.T) {
	story := events{pay(3, order.Paid, 9900), pay(1, order.Pending, 9900), pay(3, order.Paid, 9900)}
	before := slices.Clone(story)
	order.Fold("A1", live, story)
	if !slices.Equal(story, before) {
		t.Errorf("Fold left %v of %v", names(story), names(before))
	}
}

func TestSettledIsPaidInFull(t *testing.T) {
	settled := []order.Status{order.Paid, order.PartiallyRefunded, order.Refunded}
	for _, status := range []order.Status{
		order.Created, order.Pending, order.RequiresAction, order.Authorized, order.PartiallyPaid, order.Paid, order.Failed,
		order.Canceled, order.Expired, order.PartiallyRefunded, order.Refunded, order.Review,
	} {
		if got := (order.State{Status: status}).Settled(); got != slices.Contains(settled, status) {
			t.Errorf("Settled is %v of %s", got, status)
		}
	}
}
