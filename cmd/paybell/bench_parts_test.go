package main

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// BenchmarkVerifyToken is what a client's token costs at the door.
func BenchmarkVerifyToken(b *testing.B) {
	c := demoConfig(0, "")
	minter, err := buildMinter(c, nil)
	if err != nil {
		b.Fatal(err)
	}
	verifier, err := buildVerifier(c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := minter.Mint("", []string{"A1001"}, 15*time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verifier.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is what a webhook costs before it comes to the ledger: its
// signature verified, its event read and normalized.
func BenchmarkOpen(b *testing.B) {
	for name, source := range map[string]string{"standard": "shop", "stripe": "stripe"} {
		b.Run(name, func(b *testing.B) {
			built, err := demoConfig(0, "").Sources[source].build()
			if err != nil {
				b.Fatal(err)
			}
			request, err := built.(webhook.Simulator).Simulate(webhook.Simulation{
				ID: "evt_1", Order: "A1001", Payment: "pi_1", Status: order.Paid, Amount: 9900, Currency: "EUR", Method: "card", At: time.Now(), Live: true,
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := built.Open(request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFold is what an order's events cost to be made a state.
func BenchmarkFold(b *testing.B) {
	for _, events := range []int{1, 5, 50} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			var all []order.Event
			for i := range events {
				all = append(all, order.Event{
					Source: "shop", ID: fmt.Sprint("evt_", i), Order: "A1001", Payment: fmt.Sprint("p", i), Kind: order.KindPayment,
					Status: order.Paid, Amount: 1, Currency: "EUR", At: time.Unix(int64(i), 0), Livemode: true,
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				if s := order.Fold("A1001", order.Terms{}, all); s.Paid != int64(events) {
					b.Fatal(s.Paid)
				}
			}
		})
	}
}
