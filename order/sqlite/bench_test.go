package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
)

// BenchmarkCommit is one transaction of the ledger's kind with 1, 16 and 128
// callbacks, each about an order of its own that has one event already. An
// operation is one callback.
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

func updateBatch(b *testing.B, store *sqlite.Store, n, size int) {
	body := make([]byte, 2000)
	deliveries := make([]*order.Delivery, size)
	orders := make([]string, size)
	for i := range size {
		orders[i] = fmt.Sprintf("A%09d", (n+i)/2)
		deliveries[i] = &order.Delivery{
			Callback: order.Callback{Source: "stripe", ReceivedAt: time.Now(), Body: body},
			Events: []order.Event{{
				Source: "stripe", ID: fmt.Sprintf("evt_%020d", n+i), Order: orders[i], Payment: fmt.Sprintf("pi_%020d", (n+i)/2),
				Kind: order.KindPayment, Status: order.Paid, Amount: 9900, Currency: "EUR", Method: "card",
				At: time.Now(), Livemode: true, Type: "payment_intent.succeeded",
			}},
		}
	}
	distinct := orders[:0]
	for i, id := range orders {
		if i == 0 || id != orders[i-1] {
			distinct = append(distinct, id)
		}
	}
	err := store.Update(b.Context(), func(tx order.Tx) error {
		if err := tx.Insert(b.Context(), deliveries); err != nil {
			return err
		}
		records, err := tx.Load(b.Context(), distinct)
		if err != nil {
			return err
		}
		for _, r := range records {
			r.State.Version++
			r.State.Status, r.State.Paid, r.State.Currency = order.Paid, 9900, "EUR"
			r.Changed = true
		}
		return tx.Save(b.Context(), records)
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
	for _, bench := range []struct{ name, form string }{{"paid", "A%09d"}, {"unknown", "B%09d"}} {
		b.Run(bench.name, func(b *testing.B) {
			names := make([]string, orders)
			for i := range names {
				names[i] = fmt.Sprintf(bench.form, i)
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
