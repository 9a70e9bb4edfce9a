package checker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
	"github.com/paybell/paybell/order"
)

func TestTheModelKnowsTheRules(t *testing.T) {
	step := func(payment string, ms checker.Time, status string, amount int64) checker.Event {
		return checker.Event{Order: "A", Payment: payment, Kind: "payment", Status: status, Amount: amount, Currency: "EUR", At: ms}
	}
	refund := func(ref string, ms checker.Time, status string, amount int64) checker.Event {
		return checker.Event{Order: "A", Payment: "p1", Ref: ref, Kind: "refund", Status: status, Amount: amount, Currency: "EUR", At: ms}
	}
	dispute := func(ms checker.Time, status string) checker.Event {
		return checker.Event{Order: "A", Payment: "p1", Ref: "d1", Kind: "dispute", Status: status, At: ms}
	}
	withdrawn := checker.Event{Order: "A", Kind: "order", Status: "canceled", At: 3}
	dollars, play := step("p2", 5, "paid", 100), step("p2", 5, "paid", 100)
	dollars.Currency, play.Test = "USD", true

	for _, c := range []struct {
		name           string
		events         []checker.Event
		status         string
		paid, refunded int64
		more           func(checker.State) bool
	}{
		{"nothing", nil, "created", 0, 0, nil},
		{"a late pending", []checker.Event{step("p1", 2, "paid", 100), step("p1", 1, "pending", 100)}, "paid", 100, 0, nil},
		{"a late failure of another attempt", []checker.Event{step("p1", 1, "paid", 100), step("p2", 2, "failed", 100)}, "paid", 100, 0, nil},
		{"a second attempt", []checker.Event{step("p1", 1, "failed", 100), step("p2", 2, "pending", 100)}, "pending", 0, 0, nil},
		{"authorized and withdrawn", []checker.Event{step("p1", 1, "authorized", 100), withdrawn}, "authorized", 0, 0, nil},
		{"withdrawn", []checker.Event{step("p1", 1, "pending", 100), withdrawn}, "canceled", 0, 0, func(s checker.State) bool { return s.Final }},
		{"too little", []checker.Event{step("p1", 1, "paid", 60)}, "partially_paid", 60, 0, func(s checker.State) bool { return !s.Final && s.Amount == 100 }},
		{"in two parts", []checker.Event{step("p1", 1, "paid", 60), step("p2", 2, "paid", 60)}, "paid", 120, 0, func(s checker.State) bool { return s.Overpaid }},
		{"two refunds", []checker.Event{step("p1", 1, "paid", 100), refund("r1", 2, "refunded", 30), refund("r2", 3, "refunded", 70)}, "refunded", 100, 100, nil},
		{"a refund that failed", []checker.Event{step("p1", 1, "paid", 100), refund("r1", 2, "refunded", 30), refund("r1", 3, "failed", 30)}, "paid", 100, 0, nil},
		{"a refund before its payment", []checker.Event{refund("r1", 2, "refunded", 100)}, "refunded", 100, 100, nil},
		{"disputed", []checker.Event{step("p1", 1, "paid", 100), dispute(2, "disputed")}, "paid", 100, 0, func(s checker.State) bool { return s.Disputed }},
		{"won", []checker.Event{step("p1", 1, "paid", 100), dispute(3, "won"), dispute(2, "disputed")}, "paid", 100, 0, func(s checker.State) bool { return !s.Disputed }},
		{"other money", []checker.Event{dollars}, "review", 0, 0, nil},
		{"other money besides", []checker.Event{step("p1", 1, "paid", 100), dollars}, "paid", 100, 0, nil},
		{"play money", []checker.Event{step("p1", 1, "pending", 100), play}, "review", 0, 0, func(s checker.State) bool { return s.Livemode }},
	} {
		got := checker.Amount(checker.Terms{Amount: 100, Currency: "EUR"}, c.events)
		if got.Status != c.status || got.Paid != c.paid || got.Refunded != c.refunded || c.more != nil && !c.more(got) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// The model was written apart from the fold. Where they differ on what a load
// may send, one of them is wrong.
func TestTheModelAndTheFoldAgree(t *testing.T) {
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var terms checker.Terms
		if r.IntN(2) == 0 {
			terms = checker.Terms{Amount: int64(1+r.IntN(4)) * 50, Currency: "EUR"}
		}
		var events []checker.Event
		var folded []order.Event
		for _, when := range r.Perm(40)[:1+r.IntN(8)] {
			e := wild(r, terms.Currency != "")
			e.At = checker.Time(when) * checker.Second
			events = append(events, e)
		}
		if r.IntN(2) == 0 { // a load sends no refund of what was never paid
			events = slices.DeleteFunc(events, func(e checker.Event) bool { return e.Kind == "refund" })
		} else {
			events = append(events, checker.Event{Payment: "p1", Kind: "payment", Status: "paid", Amount: 100, Currency: "EUR", At: 1},
				checker.Event{Payment: "p2", Kind: "payment", Status: "paid", Amount: 100, Currency: "EUR", At: 2})
		}
		for i, e := range events {
			folded = append(folded, order.Event{
				Source: "shop", ID: fmt.Sprint(i), Order: "A", Payment: e.Payment, Ref: e.Ref, Kind: order.Kind(e.Kind), Status: order.Status(e.Status),
				Amount: e.Amount, Currency: e.Currency, At: time.UnixMicro(int64(e.At)), Livemode: !e.Test,
			})
		}
		got := checker.Amount(terms, events)
		want := order.Fold("A", order.Terms{Amount: terms.Amount, Currency: terms.Currency}, folded)
		if got.Status != string(want.Status) || got.Final != want.Final || got.Amount != want.Amount || got.Currency != want.Currency || got.Paid != want.Paid ||
			got.Refunded != want.Refunded || got.Disputed != want.Disputed || got.Overpaid != want.Overpaid || got.Livemode != want.Livemode {
			t.Fatalf("seed %d, terms %+v, events %+v:\nmodel %+v\nfold  %+v", seed, terms, events, got, want)
		}
	}
}

// wild is any event that a load may send.
func wild(r *rand.Rand, registered bool) checker.Event {
	e := checker.Event{Order: "A", Payment: []string{"p1", "p2"}[r.IntN(2)], Currency: "EUR", Amount: int64(1+r.IntN(4)) * 50}
	any := func(of ...string) string { return of[r.IntN(len(of))] }
	switch n := r.IntN(20); {
	case n < 12:
		e.Kind, e.Status = "payment", any("created", "pending", "requires_action", "authorized", "paid", "paid", "failed", "canceled", "expired")
	case n < 16:
		e.Kind, e.Status, e.Ref = "refund", any("pending", "refunded", "refunded", "failed"), e.Payment+any("r1", "r2")
		e.Amount = 50
	case n < 18:
		e.Kind, e.Status, e.Ref, e.Amount, e.Currency = "dispute", any("disputed", "won", "lost"), e.Payment+"d1", 0, ""
	default:
		e.Kind, e.Status, e.Payment, e.Amount, e.Currency = "order", "canceled", "", 0, ""
	}
	e.Test = r.IntN(20) == 0
	if registered && e.Kind == "payment" && r.IntN(20) == 0 {
		e.Currency = "USD"
	}
	return e
}
