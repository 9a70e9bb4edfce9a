package order_test

import (
	"cmp"
	"slices"

	"github.com/paybell/paybell/order"
)

// oracle says what a history amounts to, by other means than Fold: it goes over
// the whole history for each question, and keeps nothing between two. It leaves
// Method, Reason and ActionURL to the rules.
func oracle(terms order.Terms, story events) order.State {
	story = slices.DeleteFunc(slices.Clone(story), func(e order.Event) bool { return e.Kind == order.KindNote })
	o := view{terms: terms, live: isLive(terms, story)}
	expiry := func(e order.Event) bool { return e.Kind == order.KindOrder && e.Source == order.ExpirySource }
	genuine := only(story, func(e order.Event) bool { return e.Livemode == o.live || expiry(e) })
	o.currency = currencyOf(terms, genuine)
	o.fits = only(genuine, func(e order.Event) bool { return e.Currency == "" || e.Currency == o.currency })
	foreign := len(story) > len(genuine) && slices.ContainsFunc(story, func(e order.Event) bool {
		return (e.Kind == order.KindPayment || e.Kind == order.KindOrder) && e.Livemode != o.live && !expiry(e)
	}) || len(only(genuine, isStep)) > len(only(o.fits, isStep))

	s := order.State{Order: "A1", Currency: o.currency, Livemode: o.live}
	s.Paid, s.Refunded = o.money()
	s.Disputed = disputeOpen(genuine)
	cameIn := len(only(o.fits, isPaid)) > 0
	switch {
	case cameIn || s.Paid > 0:
		s.Status = o.moneyStatus(s.Paid, s.Refunded, cameIn)
	default:
		s.Status = o.hopeStatus(genuine)
	}
	if foreign && s.Status != order.Paid && s.Status != order.PartiallyRefunded && s.Status != order.Refunded {
		s.Status = order.Review
	}
	s.Final = slices.Contains(final, s.Status)
	s.Overpaid = terms.Currency != "" && s.Paid > terms.Amount+s.Refunded
	s.Amount = terms.Amount
	if terms.Currency == "" {
		s.Amount = s.Paid
		if !cameIn && s.Paid == 0 {
			s.Amount = highest(only(o.fits, isStep))
		}
	}
	return s
}

// comparable is a state without what the oracle leaves to the rules.
func comparable(s order.State) order.State {
	s.Method, s.Reason, s.ActionURL = "", "", ""
	return s
}

func only(story events, keep func(order.Event) bool) (kept events) {
	for _, e := range story {
		if keep(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

func isStep(e order.Event) bool   { return e.Kind == order.KindPayment }
func isPaid(e order.Event) bool   { return e.Kind == order.KindPayment && e.Status == order.Paid }
func isRefund(e order.Event) bool { return e.Kind == order.KindRefund && e.Status == order.Refunded }
func about(payment, source string) func(order.Event) bool {
	return func(e order.Event) bool { return e.Payment == payment && (payment != "" || e.Source == source) }
}

func isLive(terms order.Terms, story events) bool {
	if terms.Mode != "" {
		return terms.Mode == order.Live
	}
	said := only(story, func(e order.Event) bool { return e.Source != order.ExpirySource })
	return len(said) == 0 || slices.ContainsFunc(said, func(e order.Event) bool { return e.Livemode })
}

func currencyOf(terms order.Terms, genuine events) string {
	for _, told := range []events{only(genuine, isPaid), only(genuine, func(e order.Event) bool { return isStep(e) || e.Kind == order.KindRefund })} {
		told = only(told, func(e order.Event) bool { return e.Currency != "" })
		if terms.Currency == "" && len(told) > 0 {
			return slices.MinFunc(told, earlier).Currency
		}
	}
	return terms.Currency
}

// earlier spells out the canonical order.
func earlier(a, b order.Event) int {
	steps := []order.Status{order.Created, order.Pending, order.RequiresAction, order.Authorized, order.Failed, order.Expired, order.Canceled, order.Paid}
	step := func(e order.Event) int { return max(0, slices.Index(steps, e.Status)) }
	switch {
	case !a.At.Equal(b.At):
		return a.At.Compare(b.At)
	case step(a) != step(b):
		return step(a) - step(b)
	}
	return cmp.Compare(a.Source+"\x00"+a.ID, b.Source+"\x00"+b.ID)
}

// A view is what counts of a history.
type view struct {
	terms    order.Terms
	live     bool
	currency string
	fits     events
}

// payments lists each payment's name and, for those without, its source.
func (o view) payments() (list [][2]string) {
	for _, e := range o.fits {
		name := [2]string{e.Payment, e.Source}
		if e.Payment != "" {
			name[1] = ""
		}
		if (e.Kind == order.KindPayment || e.Kind == order.KindRefund) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

func (o view) money() (paid, refunded int64) {
	var ever int64
	for _, name := range o.payments() {
		all := only(o.fits, about(name[0], name[1]))
		came, went := told(only(all, isPaid)), told(only(all, isRefund))
		ever += went
		if name[0] != "" && came < went {
			came = went
		}
		if slices.ContainsFunc(only(all, isPaid), func(e order.Event) bool { return e.Currency == "" }) && came < o.terms.Amount {
			came = o.terms.Amount
		}
		paid += came
		refunded += still(only(all, func(e order.Event) bool { return e.Kind == order.KindRefund }))
	}
	return max(paid, ever), refunded
}

func highest(story events) (amount int64) {
	for _, e := range story {
		amount = max(amount, e.Amount)
	}
	return amount
}

func parts(story events) (refs []string) {
	for _, e := range story {
		if e.Ref != "" && !slices.Contains(refs, e.Ref) {
			refs = append(refs, e.Ref)
		}
	}
	return refs
}

func part(name string) func(order.Event) bool {
	return func(e order.Event) bool { return e.Ref == name }
}

// told is the greater of the running total and the parts.
func told(story events) (sum int64) {
	for _, name := range parts(story) {
		sum += highest(only(story, part(name)))
	}
	return max(sum, highest(only(story, part(""))))
}

// still is told without the parts whose last word is that they failed.
func still(refunds events) int64 {
	total, sum := highest(only(only(refunds, isRefund), part(""))), int64(0)
	for _, name := range parts(refunds) {
		words := only(only(refunds, part(name)), func(e order.Event) bool { return e.Status != order.Pending })
		if len(words) == 0 {
			continue
		}
		if slices.MaxFunc(words, earlier).Status == order.Failed {
			since := words // amounts of failures before it was made good do not count
			if good := only(words, isRefund); len(good) > 0 {
				last := slices.MaxFunc(good, earlier)
				since = only(words, func(e order.Event) bool { return isRefund(e) || earlier(e, last) > 0 })
			}
			total -= highest(since)
		} else {
			sum += highest(only(words, isRefund))
		}
	}
	return max(total, sum)
}

func (o view) moneyStatus(paid, refunded int64, cameIn bool) order.Status {
	missing := paid < o.terms.Amount
	switch {
	case refunded > 0 && refunded == paid && !(missing && !cameIn):
		return order.Refunded
	case missing && cameIn, missing && refunded == 0:
		return order.PartiallyPaid
	case refunded > 0:
		return order.PartiallyRefunded
	}
	return order.Paid
}

// hopeStatus asks for each status in turn whether a payment stands there.
func (o view) hopeStatus(genuine events) order.Status {
	var standing events
	for _, name := range o.payments() {
		steps := only(only(o.fits, about(name[0], name[1])), isStep)
		ended := only(steps, func(e order.Event) bool { return e.Status == order.Canceled || e.Status == order.Expired })
		if len(ended) > 0 {
			steps = ended
		}
		decisive := only(steps, func(e order.Event) bool { return e.Status == order.Authorized || e.Status == order.Failed })
		if len(decisive) > 0 && slices.MaxFunc(decisive, earlier).Status == order.Authorized {
			steps = decisive
		}
		if len(steps) > 0 {
			standing = append(standing, slices.MaxFunc(steps, earlier))
		}
	}
	withdrawn := only(genuine, func(e order.Event) bool { return e.Kind == order.KindOrder })
	for _, group := range [][]order.Status{
		{order.Authorized}, {}, {order.RequiresAction, order.Pending}, {order.Created}, {order.Failed}, {order.Canceled}, {order.Expired},
	} {
		there := only(standing, func(e order.Event) bool { return slices.Contains(group, e.Status) })
		switch {
		case len(group) == 0 && len(withdrawn) > 0:
			return slices.MaxFunc(withdrawn, earlier).Status
		case len(there) > 0:
			return slices.MaxFunc(there, earlier).Status
		}
	}
	return order.Created
}

func disputeOpen(genuine events) bool {
	steps := only(genuine, func(e order.Event) bool { return e.Kind == order.KindDispute })
	return slices.ContainsFunc(steps, func(e order.Event) bool {
		same := only(steps, func(other order.Event) bool { return other.Payment == e.Payment && other.Ref == e.Ref })
		is := func(status order.Status) bool {
			return slices.ContainsFunc(same, func(e order.Event) bool { return e.Status == status })
		}
		return is(order.Lost) || !is(order.Won)
	})
}
