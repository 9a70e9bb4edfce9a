package order_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/paybell/paybell/order"
)

// TestAWrongFoldIsCaught gives the checks of the property test folds that are
// wrong in one way each: a check that lets all of them pass would be none.
func TestAWrongFoldIsCaught(t *testing.T) {
	type check = func(tale, folder) error
	matchesOracle := func(h tale, fold folder) error { return h.matchesOracle(h.parts(fold)) }
	keepsPaid := func(h tale, fold folder) error { return h.keepsPaid(h.parts(fold)) }
	everyOrder := func(h tale, fold folder) error { return h.everyOrder(fold, fold("A1", h.terms, h.story)) }
	for _, wrong := range []struct {
		name string
		fold folder
		by   []check
	}{
		{"the last arrival wins", lastArrivalWins, []check{everyOrder}},
		{"arrival decides between equal times", arrivalDecides, []check{everyOrder}},
		{"a repetition counts again", repetitionCounts, []check{everyOrder}},
		{"a late failure takes back paid", overrule(order.KindPayment, order.Failed), []check{matchesOracle, keepsPaid}},
		{"a late expiry takes back paid", overrule(order.KindOrder, order.Expired), []check{matchesOracle, keepsPaid}},
		{"a dispute takes back paid", overrule(order.KindDispute, order.Disputed), []check{matchesOracle, keepsPaid}},
		{"strange money takes back paid", strangeMoneyRules, []check{matchesOracle, keepsPaid}},
		{"any currency counts", seen(func(e *order.Event, _ order.Terms) {
			if e.Currency != "" {
				e.Currency = "EUR"
			}
		}), []check{matchesOracle}},
		{"test money counts", seen(func(e *order.Event, terms order.Terms) { e.Livemode = terms.Mode != order.Test }), []check{matchesOracle}},
		{"running totals add up", seen(func(e *order.Event, _ order.Terms) {
			if e.Ref == "" && e.Kind == order.KindRefund {
				e.Ref = e.Source + e.ID
			}
		}), []check{matchesOracle}},
		{"refunds are one", seen(func(e *order.Event, _ order.Terms) {
			if e.Kind == order.KindRefund {
				e.Ref = "r"
			}
		}), []check{matchesOracle}},
		{"payments are one", seen(func(e *order.Event, _ order.Terms) { e.Payment = "p1" }), []check{matchesOracle}},
		{"failed refunds count", seen(func(e *order.Event, _ order.Terms) {
			if e.Kind == order.KindRefund && e.Status == order.Failed {
				e.Kind = order.KindNote
			}
		}), []check{matchesOracle}},
		{"authorized falls back to pending", authorizedFallsBack, []check{matchesOracle}},
		{"too little is paid", tooLittleIsPaid, []check{matchesOracle}},
	} {
		for _, check := range wrong.by {
			t.Run(wrong.name, func(t *testing.T) {
				t.Parallel()
				for i := range uint64(3000) {
					if err := check(history(i), wrong.fold); err != nil {
						t.Logf("caught by history %d: %v", i, err)
						return
					}
				}
				t.Error("was not caught")
			})
		}
	}
}

// seen is Fold of a history in which each event is taken for another.
func seen(change func(*order.Event, order.Terms)) folder {
	return func(id string, terms order.Terms, story []order.Event) order.State {
		story = slices.Clone(story)
		for i := range story {
			change(&story[i], terms)
		}
		return order.Fold(id, terms, story)
	}
}

// overrule is Fold where events of one kind and status are the last word.
func overrule(kind order.Kind, status order.Status) folder {
	return func(id string, terms order.Terms, story []order.Event) order.State {
		s := order.Fold(id, terms, story)
		if s.Settled() && slices.ContainsFunc(story, func(e order.Event) bool { return e.Kind == kind && e.Status == status }) {
			s.Status = order.Failed
		}
		return s
	}
}

// authorizedFallsBack is Fold where the last step of a payment is the one it has
// come to, as if it had not been authorized before.
func authorizedFallsBack(id string, terms order.Terms, story []order.Event) order.State {
	return order.Fold(id, terms, slices.DeleteFunc(slices.Clone(story), func(e order.Event) bool {
		return e.Status == order.Authorized && slices.ContainsFunc(story, func(later order.Event) bool {
			return later.Status == order.Pending && isStep(later) && about(e.Payment, e.Source)(later) && earlier(e, later) < 0
		})
	}))
}

func lastArrivalWins(id string, terms order.Terms, story []order.Event) order.State {
	s := order.Fold(id, terms, story)
	if len(story) > 0 && story[len(story)-1].Kind == order.KindPayment {
		s.Status = story[len(story)-1].Status
	}
	return s
}

func arrivalDecides(id string, terms order.Terms, story []order.Event) order.State {
	story = slices.Clone(story)
	for i := range story {
		story[i].ID = fmt.Sprintf("%03d", i)
	}
	return order.Fold(id, terms, story)
}

func repetitionCounts(id string, terms order.Terms, story []order.Event) order.State {
	story = slices.Clone(story)
	for i := range story {
		again := func(e order.Event) bool { return e.Source == story[i].Source && e.ID == story[i].ID }
		if slices.ContainsFunc(story[:i], again) {
			story[i].ID = fmt.Sprint(story[i].ID, "again", i)
			story[i].Ref = story[i].ID
		}
	}
	return order.Fold(id, terms, story)
}

func strangeMoneyRules(id string, terms order.Terms, story []order.Event) order.State {
	s := order.Fold(id, terms, story)
	if slices.ContainsFunc(story, func(e order.Event) bool { return e.Currency != "" && e.Currency != s.Currency && isPaid(e) }) {
		s.Status = order.Review
	}
	return s
}

func tooLittleIsPaid(id string, terms order.Terms, story []order.Event) order.State {
	s := order.Fold(id, terms, story)
	if s.Status == order.PartiallyPaid {
		s.Status, s.Final = order.Paid, true
	}
	return s
}
