package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
)

// BenchmarkCommit is one transaction of the ledger's kind with 1, 16 and 128
// callbacks, two about each order. An operation is one callback.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "paybell.db"), sqlite.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			b.ReportAllocs()
			for n := 0; n < b.N; n += size {
				updateBatch(b, store, n, size)
			}
		})
	}
}

// orderID is the name of the i-th order, which is from anywhere, as a UUID is.
func orderID(i int) string { return fmt.Sprintf("A%016x", uint64(i)*0x9e3779b97f4a7c15) }

func updateBatch(b *testing.B, store *sqlite.Store, n, size int) {
	body := make([]byte, 2000)
	deliveries := make([]*order.Delivery, size)
	orders := make([]string, size)
	for i := range size {
		orders[i] = orderID((n + i) / 2)
		deliveries[i] = &order.Delivery{
			Callback: order.Callback{Source: "stripe", ReceivedAt: time.Now(), Body: body},
			Events: []order.Event{{
				Source: "stripe", ID: fmt.Sprintf("evt_%020d", n+i), Order: orders[i], Payment: fmt.Sprintf("pi_%020d", (n+i)/2),
				Kind: order.KindPayment, Status: order.Paid, Amount: 9900, Currency: "EUR", Method: "card",
				At: time.Now(), Livemode: true, Type: "payment_intent.succeeded",
			}},
		}
	}
	slices.Sort(orders)
	distinct := slices.Compact(orders)
	ctx := context.WithoutCancel(b.Context()) // as the ledger's is
	err := store.Update(ctx, func(tx order.Tx) error {
		if err := tx.Insert(ctx, deliveries); err != nil {
			return err
		}
		records, err := tx.Load(ctx, distinct)
		if err != nil {
			return err
		}
		for _, r := range records {
			r.State.Version++
			r.State.Status, r.State.Paid, r.State.Currency = order.Paid, 9900, "EUR"
			r.Changed = true
		}
		return tx.Save(ctx, records)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStates reads 1,000 orders at once, as a storm of newcomers does: such
// as were paid, and such as nothing was heard of yet. An operation is one order.
func BenchmarkStates(b *testing.B) {
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "paybell.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	const orders = 1000
	for n := 0; n < 20*orders; n += 2 * orders {
		updateBatch(b, store, n, 2*orders)
	}
	for _, bench := range []struct {
		name  string
		first int
	}{{"paid", 0}, {"unknown", 1 << 20}} {
		b.Run(bench.name, func(b *testing.B) {
			names := make([]string, orders)
			for i := range names {
				names[i] = orderID(bench.first + i)
			}
			b.ReportAllocs()
			for n := 0; n < b.N; n += orders {
				if _, err := store.States(b.Context(), names); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
