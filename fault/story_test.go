//go:build unix

package fault_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/paybell/paybell/fault/checker"
)

// A told event is one that a provider has to tell, with its name.
type told struct {
	id    string
	event checker.Event
}

// A story is what happens to a number of orders, event by event, in the sequence
// in which a provider first tells of them.
type story struct {
	orders []string
	terms  map[string]checker.Terms
	events []told
}

const currency = "EUR"

// newStory makes up what happens to orders. The same seed tells the same, but
// for the provider's times.
func newStory(seed uint64, orders int, since checker.Time) *story {
	r := rand.New(rand.NewPCG(seed, 0))
	s := &story{terms: map[string]checker.Terms{}}
	scripts := make([][]told, orders)
	for i := range orders {
		id := fmt.Sprintf("o%d-%d", seed, i)
		s.orders = append(s.orders, id)
		amount := int64(1+r.IntN(200)) * 100
		registered := r.IntN(2) == 0
		if registered {
			s.terms[id] = checker.Terms{Amount: amount, Currency: currency}
		}
		for n, e := range script(r, id, amount, registered) {
			e.Order = id
			e.At = since + checker.Time(n)*checker.Second // no two of an order at once
			scripts[i] = append(scripts[i], told{fmt.Sprintf("e%d-%d-%d", seed, i, n), e})
		}
	}
	// A few dozen orders are under way at any time.
	for left, open := scripts, [][]told(nil); ; {
		for len(left) > 0 && len(open) < 48 {
			open, left = append(open, left[0]), left[1:]
		}
		if len(open) == 0 {
			return s
		}
		i := r.IntN(len(open))
		s.events = append(s.events, open[i][0])
		if open[i] = open[i][1:]; len(open[i]) == 0 {
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
	}
}

// busyStory has orders of which each changes again and again: what is paid goes back
// in small pieces.
func busyStory(seed uint64, orders, rounds int, since checker.Time) *story {
	s := &story{terms: map[string]checker.Terms{}}
	for n := range rounds {
		for i := range orders {
			id := fmt.Sprintf("o%d-%d", seed, i)
			e := checker.Event{Order: id, Payment: id + "-p1", Kind: "payment", Status: "paid", Amount: int64(rounds) * 100, Currency: currency}
			if n == 0 {
				s.orders = append(s.orders, id)
			} else {
				e.Kind, e.Status, e.Amount, e.Ref = "refund", "refunded", 1, fmt.Sprintf("%s-r%d", id, n)
			}
			e.At = since + checker.Time(n)*checker.Second
			s.events = append(s.events, told{fmt.Sprintf("e%d-%d-%d", seed, i, n), e})
		}
	}
	return s
}

// script is one course that a payment may take, oldest event first.
func script(r *rand.Rand, id string, amount int64, registered bool) []checker.Event {
	pay := func(attempt int, status string, amount int64) checker.Event {
		return checker.Event{Payment: fmt.Sprintf("%s-p%d", id, attempt), Kind: "payment", Status: status, Amount: amount, Currency: currency}
	}
	refund := func(ref int, status string, amount int64) checker.Event {
		return checker.Event{
			Payment: id + "-p1", Ref: fmt.Sprintf("%s-r%d", id, ref), Kind: "refund", Status: status, Amount: amount, Currency: currency,
		}
	}
	dispute := func(status string) checker.Event {
		return checker.Event{Payment: id + "-p1", Ref: id + "-d1", Kind: "dispute", Status: status}
	}
	switch r.IntN(8) {
	case 0:
		return []checker.Event{pay(1, "pending", amount), pay(1, "paid", amount)}
	case 1:
		return []checker.Event{pay(1, "failed", amount), pay(2, "requires_action", amount), pay(2, "authorized", amount), pay(2, "paid", amount)}
	case 2:
		return []checker.Event{pay(1, "paid", amount/2), pay(2, "pending", amount-amount/2), pay(2, "paid", amount-amount/2), pay(3, "failed", amount)}
	case 3:
		return []checker.Event{pay(1, "pending", amount), {Kind: "order", Status: "canceled"}}
	case 4:
		return []checker.Event{pay(1, "paid", amount), dispute("disputed"), dispute([]string{"won", "lost"}[r.IntN(2)])}
	case 5:
		return []checker.Event{
			pay(1, "pending", amount), pay(1, "paid", amount), refund(1, "refunded", amount/4), refund(2, "refunded", amount/4), refund(2, "failed", amount/4),
		}
	case 6:
		if registered {
			dollars := pay(1, "paid", amount)
			dollars.Currency = "USD"
			return []checker.Event{dollars, pay(2, "pending", amount), pay(2, "paid", amount)}
		}
		return []checker.Event{pay(1, "pending", amount), pay(1, "paid", amount), refund(1, "refunded", amount)}
	default:
		play := pay(2, "paid", amount)
		play.Test = true
		return []checker.Event{pay(1, "pending", amount), play, pay(1, "expired", amount)}
	}
}
