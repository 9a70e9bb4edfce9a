package order_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// BenchmarkFold folds an order that was paid at once, and one with all the
// steps that a payment can take. An operation is one order.
func BenchmarkFold(b *testing.B) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	step := func(i int, kind order.Kind, status order.Status) order.Event {
		return order.Event{
			Source: "stripe", ID: fmt.Sprintf("evt_%d", i), Order: "A1001", Payment: "pi_1", Kind: kind, Status: status,
			Amount: 9900, Currency: "EUR", Method: "card", At: at.Add(time.Duration(i) * time.Second), Livemode: true,
		}
	}
	for _, bench := range []struct {
		name   string
		events []order.Event
	}{
		{"paid", []order.Event{step(1, order.KindPayment, order.Paid)}},
		{"steps", []order.Event{
			step(6, order.KindRefund, order.Refunded), step(5, order.KindPayment, order.Paid),
			step(4, order.KindPayment, order.Pending), step(3, order.KindPayment, order.RequiresAction),
			step(2, order.KindPayment, order.Failed), step(1, order.KindPayment, order.Created),
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			terms := order.Terms{Amount: 9900, Currency: "EUR", Mode: order.Live}
			b.ReportAllocs()
			for b.Loop() {
				order.Fold("A1001", terms, bench.events)
			}
		})
	}
}
