package ordertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

func repeatedEventIsNotFresh(t *testing.T, open Opener) {
	store, _ := open(t)
	first := deliver(paid("e1", "A1"), paid("e2", "A1"), paid("e1", "A1"))
	second := deliver(paid("e2", "A1"))
	mustInsert(t, store, first, second)
	equal(t, "inside one delivery", first.Fresh, []bool{true, true, false})
	equal(t, "inside one transaction", second.Fresh, []bool{false})

	third := deliver(paid("e3", "A1"), paid("e2", "A1"))
	other := paid("e1", "A1")
	other.Source = "other"
	fourth := deliver(other)
	mustInsert(t, store, third, fourth)
	equal(t, "between transactions", third.Fresh, []bool{true, false})
	equal(t, "of another source", fourth.Fresh, []bool{true})
	equal(t, "events", len(load(t, store, "A1").Events), 4)
}

func concurrentRepeatsAreFreshOnce(t *testing.T, open Opener) {
	store, _ := open(t)
	var fresh atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			d := deliver(paid("e1", "A1"))
			if _, err := insert(t.Context(), store, d); err != nil {
				t.Errorf("insert: %v", err)
			}
			if slices.Contains(d.Fresh, true) {
				fresh.Add(1)
			}
		})
	}
	wg.Wait()
	equal(t, "fresh", fresh.Load(), int64(1))
	equal(t, "versions", len(journal(t, store)), 1)
	equal(t, "events", states(t, store, "A1")[0].Paid, int64(1))
	equal(t, "callbacks", len(timeline(t, store, "A1").Callbacks), 16)
}

// ofPayment is a paid event of a payment, which may name no order.
func ofPayment(id, payment, orderID string) order.Event {
	e := paid(id, orderID)
	e.Payment = payment
	return e
}

func paymentIsJoinedWithItsOrder(t *testing.T, open Opener) {
	store, _ := open(t)
	early, alsoEarly := deliver(ofPayment("e1", "p1", "")), deliver(ofPayment("e2", "p1", ""))
	stranger := ofPayment("e1", "p1", "")
	stranger.Source = "other"
	if changes := mustInsert(t, store, early, alsoEarly, deliver(stranger, ofPayment("e9", "p9", ""))); len(changes) != 0 {
		t.Errorf("events without an order changed %v", changes)
	}
	equal(t, "order while it is not known", early.Events[0].Order, "")

	naming := deliver(ofPayment("e3", "p1", "A1"))
	changes := mustInsert(t, store, naming)
	equal(t, "joined", naming.Joined, []string{"A1"})
	equal(t, "events of the order", changes[0].State.Paid, int64(3))

	late, repeat := deliver(ofPayment("e4", "p1", "")), deliver(ofPayment("e5", "p1", "A1"))
	changes = mustInsert(t, store, late, repeat)
	equal(t, "order of a known payment", late.Events[0].Order, "A1")
	equal(t, "joined when nothing was left", [][]string{late.Joined, repeat.Joined}, [][]string{nil, nil})
	equal(t, "events of the order", changes[0].State.Paid, int64(5))
	for _, e := range load(t, store, "A1").Events {
		if e.Source != "shop" || e.Payment != "p1" || e.Order != "A1" {
			t.Errorf("A1 has the event %+v", e)
		}
	}
	equal(t, "callbacks", len(timeline(t, store, "A1").Callbacks), 5)
}

// paymentBelongsToItsEarliestClaim by the provider's time, whenever it arrives.
func paymentBelongsToItsEarliestClaim(t *testing.T, open Opener) {
	store, reopen := open(t)
	claim := func(id, orderID string, at time.Time) *order.Delivery {
		e := ofPayment(id, "p1", orderID)
		e.At = at
		return deliver(e)
	}
	unnamed := []string{"u"}
	named := map[string][]string{"A5": {"e5"}}
	first := deliver(ofPayment("u", "p1", ""))
	mustInsert(t, store, claim("e5", "A5", noon), first, deliver(ofPayment("other", "p2", "")))
	equal(t, "order", first.Events[0].Order, "A5")
	for i, step := range []struct {
		what   string
		claim  *order.Delivery
		owner  string
		joined []string
	}{
		{"a later claim", claim("e0", "A9", noon.Add(time.Microsecond)), "A5", nil},
		{"as early, with a greater id", claim("e6", "A9", noon), "A5", nil},
		{"as early, with a smaller id", claim("e4", "A4", noon), "A4", []string{"A4", "A5"}},
		{"an earlier claim", claim("e7", "A3", noon.Add(-time.Microsecond)), "A3", []string{"A3", "A4"}},
		{"an earlier one of the same order", claim("e8", "A3", noon.Add(-time.Second)), "A3", nil},
		{"between the claims of the owner", claim("e2", "A9", noon.Add(-time.Millisecond)), "A3", nil},
		{"before 1970", claim("e9", "A2", time.Unix(-1, 0)), "A2", []string{"A2", "A3"}},
		{"without a time", claim("eb", "A1", time.Time{}), "A1", []string{"A1", "A2"}},
		{"without a time, with a smaller id", claim("ea", "A5", time.Time{}), "A5", []string{"A1", "A5"}},
		{"a known event that names another order now", claim("e0", "A0", time.Time{}), "A5", nil},
	} {
		late := deliver(ofPayment(fmt.Sprint("u", i), "p1", ""))
		changes := mustInsert(t, store, step.claim, late)
		slices.Sort(step.claim.Joined)
		equal(t, step.what+": joined", step.claim.Joined, step.joined)
		equal(t, step.what+": order of the next", late.Events[0].Order, step.owner)
		for _, id := range step.joined {
			equal(t, step.what+": changes", slices.ContainsFunc(changes, func(c order.Change) bool { return c.State.Order == id }), true)
		}
		if e := step.claim.Events[0]; step.claim.Fresh[0] {
			named[e.Order] = append(named[e.Order], e.ID)
		}
		unnamed = append(unnamed, late.Events[0].ID)
		store = reopen()
		for _, id := range []string{"A0", "A1", "A2", "A3", "A4", "A5", "A9"} {
			want := slices.Sorted(slices.Values(named[id]))
			if id == step.owner {
				want = append(want, unnamed...)
			}
			var got []string
			for _, e := range load(t, store, id).Events {
				got = append(got, e.ID)
			}
			slices.Sort(got)
			equal(t, step.what+": events of "+id, got, want)
		}
	}
}

func paymentIsJoinedInsideOneInsert(t *testing.T, open Opener) {
	store, _ := open(t)
	early := deliver(ofPayment("e1", "p1", ""), ofPayment("e2", "p2", ""))
	naming := deliver(ofPayment("e3", "p1", "A1"), ofPayment("e4", "p2", "A1"), ofPayment("e5", "p1", ""))
	changes := mustInsert(t, store, early, naming)
	equal(t, "joined", naming.Joined, []string{"A1"})
	equal(t, "order of the last", naming.Events[2].Order, "A1")
	if len(changes) != 1 || changes[0].State.Paid != 5 {
		t.Errorf("changes are %+v", changes)
	}
}

func loadIsLossless(t *testing.T, open Opener) {
	store, reopen := open(t)
	full := order.Event{
		Source: "shop", ID: "e1", Order: "A1", Payment: "p1", Ref: "r1", Kind: order.KindRefund, Status: order.Refunded,
		Amount: order.MaxAmount, Currency: "KWD", Method: "wechat_pay", Reason: "Grund: \"größer\" <1>\n", ActionURL: "https://pay.example/?a=1&b=ü",
		At: noon, Livemode: true, Type: "charge.refunded",
	}
	bare := order.Event{Source: "shop", ID: "e2", Order: "A1", Kind: order.KindNote}
	before1970 := order.Event{Source: "shop", ID: "e3", Order: "A1", Kind: order.KindNote, At: time.Date(1969, 12, 31, 23, 59, 59, 1000, time.UTC)}
	epochStart := order.Event{Source: "shop", ID: "e4", Order: "A1", Kind: order.KindNote, At: time.Unix(0, 0).UTC()}
	terms := order.Terms{Amount: 9900, Currency: "CNY", ExpiresAt: noon.Add(time.Hour), Mode: order.Live, ReturnURL: "https://shop.example/?q=<a>&b"}
	state := order.State{
		Order: "A1", Version: 1, Status: order.Refunded, Final: true, Amount: 9900, Currency: "CNY", Paid: order.MaxAmount,
		Refunded: 1, Disputed: true, Overpaid: true, Method: "card", Reason: "<\"größer\">", ActionURL: "https://pay.example/?a=1&b=2",
		Livemode: true, UpdatedAt: noon.Truncate(time.Millisecond),
	}
	update(t, store, func(tx order.Tx) error {
		if err := tx.Insert(t.Context(), []*order.Delivery{deliver(epochStart, full, bare, before1970)}); err != nil {
			return err
		}
		records, err := tx.Load(t.Context(), []string{"A1"})
		if err != nil {
			return err
		}
		r := records[0]
		r.Terms, r.State, r.DueAt, r.Changed = terms, state, terms.ExpiresAt, true
		return tx.Save(t.Context(), records)
	})
	state.Epoch = store.Epoch()

	for range 2 {
		got := load(t, store, "A1")
		slices.SortFunc(got.Events, func(a, b order.Event) int { return strings.Compare(a.ID, b.ID) })
		equal(t, "record", got, &order.Record{
			Order: "A1", Terms: terms, State: state, DueAt: terms.ExpiresAt,
			Events: []order.Event{full, bare, before1970, epochStart},
		})
		equal(t, "state", states(t, store, "A1")[0], state)
		equal(t, "journal", journal(t, store), []order.Change{{Shard: order.ShardOf("A1"), Seq: 1, State: state}})
		told := timeline(t, store, "A1")
		equal(t, "terms", told.Terms, &terms)
		equal(t, "events as they were told", told.Callbacks[0].Events, []order.Event{epochStart, full, bare, before1970})
		store = reopen()
	}
}

func eventIsFoundByItsName(t *testing.T, open Opener) {
	store, reopen := open(t)
	told := ofPayment("e1", "p1", "")
	told.Method, told.At = "card", noon.Add(999)
	find := func(source, id string) (order.Event, bool) {
		t.Helper()
		event, found, err := store.Event(t.Context(), source, id)
		if err != nil {
			t.Fatalf("event: %v", err)
		}
		return event, found
	}
	if event, found := find("shop", "e1"); found {
		t.Errorf("an empty store has the event %+v", event)
	}
	mustInsert(t, store, deliver(told))
	if event, found := find("shop", "e1"); !found || !event.Same(told) || !event.At.Equal(noon) {
		t.Errorf("the event is %+v, %t; it was told as %+v", event, found, told)
	}
	again := told
	again.Method = "cash"
	mustInsert(t, store, deliver(again, ofPayment("e2", "p1", "A1")))

	store = reopen()
	told.Order = "A1" // by its payment
	if event, found := find("shop", "e1"); !found || !event.Same(told) {
		t.Errorf("the event is %+v, %t; it was first told as %+v", event, found, told)
	}
	for _, name := range [][2]string{{"shop", "e3"}, {"other", "e1"}, {"", "e1"}, {"shop", ""}} {
		if event, found := find(name[0], name[1]); found || event != (order.Event{}) {
			t.Errorf("%q has the event %+v, %t", name, event, found)
		}
	}
}

func strangeIDs(t *testing.T, open Opener) {
	store, _ := open(t)
	ids := []string{
		`'; DROP TABLE orders; --`, `"quoted"`, `back\slash`, `{"a":[1]}`, `%_$1?:@`, `null`, `-`,
		strings.Repeat("x", order.MaxIDLength), "A1", "a1",
	}
	slices.Sort(ids)
	var ds []*order.Delivery
	for _, id := range ids {
		ds = append(ds, deliver(ofPayment("e"+id, "p"+id, id)))
	}
	equal(t, "orders changed", len(mustInsert(t, store, ds...)), len(ids))
	for i, s := range states(t, store, ids...) {
		if s.Order != ids[i] || s.Version != 1 || s.Paid != 1 {
			t.Errorf("state of %q is %+v", ids[i], s)
		}
		equal(t, "timeline of "+ids[i], len(timeline(t, store, ids[i]).Changes), 1)
	}
}
