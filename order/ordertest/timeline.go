package ordertest

import (
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

func timelineTellsEverything(t *testing.T, open Opener) {
	store, _ := open(t)
	first := deliver(paid("e2", "A1"), paid("e1", "A1"))
	second := &order.Delivery{
		Callback: order.Callback{Source: "other"}, // no time, no body
		Events:   []order.Event{{Source: "other", ID: "n1", Order: "A1", Kind: order.KindNote}},
	}
	changes := mustInsert(t, store, first)
	changes = append(changes, mustInsert(t, store, second)...)

	got := timeline(t, store, "A1")
	equal(t, "order and terms", []any{got.Order, got.Terms}, []any{"A1", (*order.Terms)(nil)})
	equal(t, "callbacks", got.Callbacks, []order.TimedCallback{
		{Callback: order.Callback{Source: "shop", ReceivedAt: noon}, Events: first.Events},
		{Callback: order.Callback{Source: "other"}, Events: second.Events},
	})
	for i, c := range changes {
		equal(t, "change", got.Changes[i], order.TimelineChange(c))
	}
}

func timelineShowsDuplicates(t *testing.T, open Opener) {
	store, _ := open(t)
	mustInsert(t, store, deliver(paid("e1", "A1")))
	again := deliver(paid("e1", "A1"))
	again.Callback.ReceivedAt = noon.Add(time.Minute)
	mustInsert(t, store, again)
	mustInsert(t, store, deliver(paid("e1", "A1"), paid("e2", "A1")))
	mustInsert(t, store, deliver(paid("e2", "A1"), paid("e1", "A1")))

	type told struct {
		at        time.Time
		duplicate bool
		events    int
	}
	var got []told
	for _, c := range timeline(t, store, "A1").Callbacks {
		got = append(got, told{c.ReceivedAt, c.Duplicate, len(c.Events)})
	}
	equal(t, "callbacks", got, []told{
		{noon, false, 1},
		{noon.Add(time.Minute), true, 1},
		{noon, false, 2},
		{noon, true, 2},
	})
	equal(t, "versions", len(timeline(t, store, "A1").Changes), 2)
}

func timelineOfOneOrderOnly(t *testing.T, open Opener) {
	store, _ := open(t)
	mustInsert(t, store, deliver(paid("e1", "A1"), paid("e2", "A2")), deliver(paid("e3", "A2")))
	got := timeline(t, store, "A1")
	equal(t, "callbacks", len(got.Callbacks), 1)
	equal(t, "events", got.Callbacks[0].Events, []order.Event{paid("e1", "A1")})
	equal(t, "changes", len(got.Changes), 1)
}

func quarantinedCallbacks(t *testing.T, open Opener) {
	store, _ := open(t)
	unread := deliver()
	unread.Callback.Quarantine = "not JSON"
	empty := deliver()
	partly := deliver(paid("e1", "A1"))
	partly.Callback.Quarantine = "an amount of money that is not a number"
	changes := mustInsert(t, store, unread, empty, unread, partly)
	equal(t, "changes", len(changes), 1)
	if len(unread.Fresh) != 0 || len(unread.Joined) != 0 {
		t.Errorf("a callback without events came to %+v", unread)
	}
	got := timeline(t, store, "A1").Callbacks
	partly.Callback.Body = nil // no timeline has it
	equal(t, "callbacks", got, []order.TimedCallback{{Callback: partly.Callback, Events: partly.Events}})
}

func tellAddsUp(t *testing.T, open Opener) {
	store, _ := open(t)
	tell := func(told ...order.Told) {
		update(t, store, func(tx order.Tx) error { return tx.Tell(t.Context(), told) })
	}
	later, earlier := noon.Add(time.Minute), noon.Add(-time.Minute)
	tell(
		order.Told{Order: "A1", Version: 1, Transport: "sse", Subject: "u1", At: noon, Count: 1},
		order.Told{Order: "A1", Version: 1, Transport: "poll", At: later, Count: 1},
		order.Told{Order: "A1", Version: 1, Transport: "poll", At: later.Add(time.Hour), Count: 1},
		order.Told{Order: "A2", Version: 1, Transport: "poll", At: later, Count: 9},
	)
	tell(
		order.Told{Order: "A1", Version: 1, Transport: "sse", Subject: "u1", At: later, Count: 3},
		order.Told{Order: "A1", Version: 1, Transport: "poll", At: earlier, Count: 1},
		order.Told{Order: "A1", Version: 2, Transport: "sse", Subject: "u1", At: later.Add(1), Count: 1},
	)
	later1 := order.Told{Order: "A1", Version: 2, Transport: "sse", Subject: "u1", At: later, Count: 1}
	equal(t, "told", timeline(t, store, "A1").Told, []order.Told{
		{Order: "A1", Version: 1, Transport: "poll", At: earlier, Count: 3},
		{Order: "A1", Version: 1, Transport: "sse", Subject: "u1", At: noon, Count: 4},
		later1, // a time below a microsecond is cut
	})
}
