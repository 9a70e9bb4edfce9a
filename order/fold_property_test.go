package order_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// longest is how many events a history has at most: all 7! = 5040 orders of
// arrival are tried.
const longest = 7

// A folder is Fold, or something that a test must not take for it.
type folder func(id string, terms order.Terms, story []order.Event) order.State

// TestFoldIsTheSameInEveryOrderOfArrival goes through random histories. Of each
// it tries every order of arrival with random repetitions, compares every part
// of the history to the oracle, and holds every order of arrival to the rule
// that nothing but a refund takes back paid.
func TestFoldIsTheSameInEveryOrderOfArrival(t *testing.T) {
	histories := 3000
	if testing.Short() {
		histories = 200
	}
	const lanes = 2
	for lane := range lanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			for i := lane; i < histories; i += lanes {
				if err := history(uint64(i)).check(order.Fold); err != nil {
					t.Fatalf("history %d: %v", i, err)
				}
			}
		})
	}
}

// A tale is a random history, of which nothing depends on anything but its seed.
type tale struct {
	terms  order.Terms
	story  events
	random *rand.Rand
}

func history(seed uint64) tale {
	random := rand.New(rand.NewPCG(seed, 20261123))
	h := tale{terms: unregistered, random: random}
	switch random.IntN(10) {
	case 0, 1:
	case 2:
		h.terms = order.Terms{Amount: 9900, Currency: "EUR"} // mode not decided
	case 3:
		h.terms = test
	default:
		h.terms = live
	}
	// Most histories are of one mode and currency, or strange money would hide
	// everything else.
	strange := random.IntN(3) == 0
	length := 1 + random.IntN(longest-1)
	if random.IntN(20) == 0 { // the longest take most of the time
		length = longest
	}
	for len(h.story) < length {
		e := randomEvent(random, h.terms.Mode != order.Test, strange)
		e.ID = fmt.Sprint("e", len(h.story))
		if random.IntN(8) == 0 {
			e.ID, e.Source = "e0", "src"+e.ID // the same id at another source is another fact
		}
		h.story = append(h.story, e)
	}
	return h
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

func randomEvent(random *rand.Rand, genuine, strange bool) order.Event {
	e := order.Event{
		Source: pick(random, "stripe", "stripe", "shop"), Order: "A1", Payment: pick(random, "p1", "p1", "p2", "p3", ""),
		Amount: pick[int64](random, 0, 900, 4000, 5900, 9900, 9900, 9900, 12000), Currency: "EUR", Livemode: genuine,
		Method: pick(random, "", "card", "alipay"), Reason: pick(random, "", "", "declined"), ActionURL: pick(random, "", "https://bank.example"),
	}
	if minute := random.IntN(5); minute > 0 { // else the time is missing
		e.At = noon.Add(time.Duration(minute) * time.Minute)
	}
	switch random.IntN(20) {
	case 0, 1, 2, 3, 4:
		e.Kind, e.Status, e.Ref = order.KindPayment, order.Paid, pick(random, "", "", "", "c1", "c2")
	case 5, 6, 7, 8, 9:
		e.Kind = order.KindPayment
		e.Status = pick(random, order.Created, order.Pending, order.RequiresAction, order.Authorized, order.Failed, order.Failed, order.Canceled, order.Expired)
	case 10, 11, 12, 13:
		e.Kind, e.Status, e.Ref = order.KindRefund, order.Refunded, pick(random, "", "r1", "r2")
	case 14, 15:
		e.Kind, e.Status, e.Ref = order.KindRefund, pick(random, order.Failed, order.Failed, order.Pending), pick(random, "", "r1", "r2")
	case 16, 17:
		e.Kind, e.Status, e.Ref = order.KindDispute, pick(random, order.Disputed, order.Won, order.Lost), pick(random, "d1", "d2")
	case 18:
		e.Kind, e.Status = order.KindOrder, pick(random, order.Canceled, order.Expired)
		e.Source = pick(random, e.Source, order.ExpirySource)
	case 19:
		e.Kind = order.KindNote
	}
	if random.IntN(8) == 0 {
		e.Amount, e.Currency = 0, "" // says not how much
	}
	if strange && random.IntN(3) == 0 {
		if e.Currency != "" && random.IntN(2) == 0 {
			e.Currency = "USD"
		} else {
			e.Livemode = !e.Livemode
		}
	}
	return e
}

// check says which promise fold breaks in a history.
func (h tale) check(fold folder) error {
	for _, e := range h.story {
		if err := e.Check(); err != nil {
			return fmt.Errorf("no such event can be: %w", err)
		}
	}
	parts := h.parts(fold)
	return cmp.Or(h.matchesOracle(parts), h.keepsPaid(parts), h.everyOrder(fold, parts[len(parts)-1]))
}

// parts are the states of each subset of the history. Bit i of the index says
// whether event i has arrived.
func (h tale) parts(fold folder) []order.State {
	parts := make([]order.State, 1<<len(h.story))
	for set := range parts {
		parts[set] = fold("A1", h.terms, h.arrived(set))
	}
	return parts
}

func (h tale) arrived(set int) (part events) {
	for i, e := range h.story {
		if set&(1<<i) != 0 {
			part = append(part, e)
		}
	}
	return part
}

func (h tale) matchesOracle(parts []order.State) error {
	for set, got := range parts {
		part := h.arrived(set)
		if want := oracle(h.terms, part); comparable(got) != want {
			return h.broken("the oracle disagrees", part, got, want)
		}
		if err := sound(got); err != nil {
			return h.broken(err.Error(), part, got, got)
		}
	}
	return nil
}

// sound says what no state may be, whatever happened.
func sound(s order.State) error {
	switch {
	case s.Paid < 0 || s.Refunded < 0 || s.Amount < 0:
		return fmt.Errorf("an amount is negative")
	case s.Refunded > s.Paid:
		return fmt.Errorf("more was refunded than paid")
	case s.Status == order.Refunded && s.Refunded != s.Paid:
		return fmt.Errorf("refunded but for a rest")
	case s.Status == order.Paid && s.Refunded != 0:
		return fmt.Errorf("paid in spite of a refund")
	case s.ActionURL != "" && s.Status != order.RequiresAction:
		return fmt.Errorf("the customer is sent on for nothing")
	case s.Settled() && !s.Final:
		return fmt.Errorf("settled and not final")
	case s.Version != 0 || s.Epoch != "" || !s.UpdatedAt.IsZero():
		return fmt.Errorf("fold knows the ledger")
	}
	return nil
}

// keepsPaid holds every order of arrival at once to the rule that an order that
// is paid, and gets anything more, is paid, partially_refunded or refunded: the
// events that had arrived are a subset of those that will have.
//
// It holds where mode and currency are settled: for an order registered with
// both, whatever comes, strange money included. An order that lacks one takes
// it from its events, and so a later event may change what its money was
// worth; there it holds for as long as all events agree.
func (h tale) keepsPaid(parts []order.State) error {
	if !h.framed() {
		return nil
	}
	for then := range parts {
		if parts[then].Status != order.Paid {
			continue
		}
		for now := range parts {
			if then&now == then && !slices.Contains(settled, parts[now].Status) {
				return h.broken(fmt.Sprintf("paid after events %07b, and then after %07b", then, now), h.story, parts[now], parts[then])
			}
		}
	}
	return nil
}

// framed says whether no event can change the order's mode or currency.
func (h tale) framed() bool {
	modes, currencies := map[bool]bool{}, map[string]bool{}
	for _, e := range h.story {
		modes[e.Livemode] = true
		if e.Currency != "" {
			currencies[e.Currency] = true
		}
	}
	return (h.terms.Mode != "" || len(modes) < 2) && (h.terms.Currency != "" || len(currencies) < 2)
}

var settled = []order.Status{order.Paid, order.PartiallyRefunded, order.Refunded}

func (h tale) everyOrder(fold folder, want order.State) (err error) {
	arrival := make(events, 0, 2*len(h.story))
	permute(h.story, func(sequence []order.Event) bool {
		arrival = arrival[:0]
		for i, e := range sequence {
			arrival = append(arrival, e)
			if h.random.IntN(4) == 0 {
				arrival = append(arrival, sequence[h.random.IntN(i+1)])
			}
		}
		if got := fold("A1", h.terms, arrival); got != want {
			err = h.broken("the order of arrival matters", arrival, got, want)
		}
		return err == nil
	})
	return err
}

func (h tale) broken(what string, story events, got, want order.State) error {
	text := fmt.Sprintf("%s\nterms %+v\n", what, h.terms)
	for _, e := range story {
		text += fmt.Sprintf("%s/%s: %s %s of %q ref %q: %d %s at %s livemode %v\n",
			e.Source, e.ID, e.Kind, e.Status, e.Payment, e.Ref, e.Amount, e.Currency, e.At.Format(time.TimeOnly), e.Livemode)
	}
	return fmt.Errorf("%sgot   %+v\nwant  %+v", text, got, want)
}
