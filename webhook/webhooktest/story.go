package webhooktest

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Simulating provider is one whose webhooks can be made as well as read.
type Simulating interface {
	webhook.Provider
	webhook.Simulator
}

// Simulations checks that what the provider simulates is read again as what was
// to be told, as a customer would see it, and that the statuses that are not
// listed are refused. Refunds and disputes follow a payment.
func Simulations(t *testing.T, p Simulating, statuses ...order.Status) {
	for _, status := range []order.Status{
		order.Created, order.Pending, order.RequiresAction, order.Authorized, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled,
		order.Expired, order.PartiallyRefunded, order.Refunded, order.Disputed, order.Won, order.Lost, order.Review,
	} {
		t.Run(string(status), func(t *testing.T) {
			s := webhook.Simulation{
				ID: "evt-1", Order: "A1001", Payment: "pay-1", Status: status, Amount: 9900, Currency: "EUR", Method: "card", At: at, Live: true,
			}
			if !slices.Contains(statuses, status) {
				if _, err := p.Simulate(s); err == nil {
					t.Error("a status is simulated that this test does not list")
				}
				return
			}
			simulates(t, p, s)
		})
	}
}

func simulates(t *testing.T, p Simulating, s webhook.Simulation) {
	var events []order.Event
	want := order.State{Status: s.Status, Paid: 9900, Currency: "EUR", Livemode: true}
	before := s
	before.ID, before.Status, before.At = "evt-0", order.Paid, s.At.Add(-time.Minute)
	switch s.Status {
	case order.PartiallyRefunded:
		s.Amount, want.Refunded = 2500, 2500
		events = simulate(t, p, before)
	case order.Refunded:
		want.Refunded = 9900
		events = simulate(t, p, before)
	case order.Disputed, order.Won, order.Lost:
		want.Status, want.Disputed = order.Paid, s.Status != order.Won
		events = simulate(t, p, before)
	case order.PartiallyPaid:
		s.Amount, want.Paid = 2500, 2500
	case order.Paid:
	default:
		want.Paid = 0
	}
	events = append(events, simulate(t, p, s)...)
	again := simulate(t, p, s)
	if !slices.Equal(again, events[len(events)-len(again):]) {
		t.Error("one simulation, made twice, is not a repetition")
	}
	terms := order.Terms{Amount: 9900, Currency: "EUR", Mode: order.Live}
	got := order.Fold("A1001", terms, events)
	if got.Status != want.Status || got.Paid != want.Paid || got.Refunded != want.Refunded || got.Disputed != want.Disputed ||
		got.Currency != want.Currency || got.Livemode != want.Livemode {
		t.Errorf("the order is %+v\nwant %+v\nevents %+v", got, want, events)
	}
	late := s
	late.Late = 2 * time.Hour
	for i, e := range simulate(t, p, late) {
		if e.ID != again[i].ID {
			t.Error("a late delivery has another id")
		}
	}
}

// simulate returns the events of a simulated request, all of order A1001 or of
// a payment.
func simulate(t *testing.T, p Simulating, s webhook.Simulation) []order.Event {
	t.Helper()
	r, err := p.Simulate(s)
	if err != nil {
		t.Fatal(err)
	}
	events, err := p.Open(r)
	if err != nil || len(events) == 0 {
		t.Fatalf("%d events, %v\n%s", len(events), err, r.Body)
	}
	for _, e := range events {
		if e.Order != "A1001" && (e.Order != "" || e.Payment == "") {
			t.Errorf("neither of the order nor of a payment: %+v", e)
		}
		if e.Source = "webhooktest"; e.Check() != nil {
			t.Error(e.Check())
		}
	}
	return events
}

// FuzzRead changes what is signed, as only the sender could, and fails when a
// body makes Open panic or return an event that the ledger would refuse.
func FuzzRead(f *testing.F, p webhook.Provider, bodies map[string]string, sign func(body []byte) webhook.Request) {
	for _, body := range bodies {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := p.Open(sign(body))
		if err != nil && !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("signed and yet: %v", err)
		}
		Checked(t, events, err)
	})
}

// Checked checks that the ledger would take the events, and that there are none
// beside an error.
func Checked(t *testing.T, events []order.Event, err error) {
	t.Helper()
	if err != nil && events != nil {
		t.Errorf("%d events beside an error: %v", len(events), err)
	}
	for _, e := range events {
		if e.Source = "webhooktest"; e.Check() != nil {
			t.Errorf("an event that the ledger refuses: %v", e.Check())
		}
	}
}

// Bench measures requests of about 4 KB: one that is opened, and one that is
// refused because its body was changed. The body is the given JSON object with
// a member put into it that makes it so long.
func Bench(b *testing.B, p webhook.Provider, body string, sign func(body []byte) webhook.Request) {
	genuine := sign([]byte(padded(body)))
	forged := genuine
	forged.Body = bytes.ToLower(genuine.Body)
	BenchRequests(b, p, genuine, forged)
}

// BenchRequests measures a request that is opened, and one that is refused.
func BenchRequests(b *testing.B, p webhook.Provider, genuine, forged webhook.Request) {
	for name, r := range map[string]webhook.Request{"open": genuine, "refuse": forged} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(r.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Open(r); errors.Is(err, webhook.ErrUnverified) == (name == "open") {
					b.Fatal(err)
				}
			}
		})
	}
}

// padded is a JSON object with a member put into it that makes it 4 KB long.
func padded(body string) string {
	padding := `"padding":[`
	for len(padding)+len(body) < 4000 {
		padding += `{"id":866550311766439020,"title":"A bell that rings when it is paid","sku":"BELL-2026-GREEN","price":"89.00",` +
			`"quantity":1,"vendor":null,"image":"https://cdn.shop.example/files/bell.png?width=480"},`
	}
	return "{" + padding + "0]," + body[1:]
}
