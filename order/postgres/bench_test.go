package postgres_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
)

// BenchmarkLedger is what a gateway does at its limit: 1 and 128 webhooks at all
// times, two about each order, through a ledger that shares commits. SQLite is
// there to compare with. An operation is one webhook.
func BenchmarkLedger(b *testing.B) {
	for _, writers := range []int{1, 128} {
		b.Run(fmt.Sprint("postgres/", writers), func(b *testing.B) {
			store := open(b, rig.StartPostgres(b).URL("postgres"))
			benchmarkLedger(b, []order.Store{store}, writers)
		})
		b.Run(fmt.Sprint("sqlite/", writers), func(b *testing.B) {
			store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "paybell.db"), sqlite.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			benchmarkLedger(b, []order.Store{store}, writers)
		})
	}
	b.Run("postgres/two_nodes/128", func(b *testing.B) {
		url := rig.StartPostgres(b).URL("postgres")
		benchmarkLedger(b, []order.Store{open(b, url), open(b, url)}, 128)
	})
}

func benchmarkLedger(b *testing.B, stores []order.Store, writers int) {
	var commits atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var ledgers []*order.Ledger
	for _, store := range stores {
		ledger := order.NewLedger(store, order.LedgerOptions{Observe: func(int, time.Duration, error) { commits.Add(1) }})
		go ledger.Run(ctx)
		ledgers = append(ledgers, ledger)
	}
	var next atomic.Int64
	body := make([]byte, 2000)
	for i := range body {
		body[i] = byte(i * i >> 3) // does not shrink to nothing
	}
	var wg sync.WaitGroup
	b.ResetTimer()
	for w := range writers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				e := order.Event{
					Source: "stripe", ID: fmt.Sprintf("evt_%020d", n), Order: orderID(n / 2), Payment: fmt.Sprintf("pi_%020d", n/2),
					Kind: order.KindPayment, Status: order.Pending, Amount: 9900, Currency: "EUR", Method: "card",
					At: time.Now(), Livemode: true, Type: "payment_intent.succeeded",
				}
				if n%2 == 1 {
					e.Status = order.Paid
				}
				c := order.Callback{Source: "stripe", ReceivedAt: time.Now(), Body: body}
				if _, err := ledgers[w%len(ledgers)].Record(ctx, c, []order.Event{e}); err != nil {
					b.Errorf("record: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/float64(commits.Load()), "webhooks/commit")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "webhooks/s")
}

// orderID is the name of the i-th order, which is from anywhere, as a UUID is.
func orderID(i int64) string { return fmt.Sprintf("A%016x", uint64(i)*0x9e3779b97f4a7c15) }

// BenchmarkStates reads 1,000 orders at once, as a storm of newcomers does. An
// operation is one order.
func BenchmarkStates(b *testing.B) {
	store := open(b, rig.StartPostgres(b).URL("postgres"))
	ledger := order.NewLedger(store, order.LedgerOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go ledger.Run(ctx)
	const orders = 1000
	var wg sync.WaitGroup
	names := make([]string, orders)
	for i := range names {
		names[i] = orderID(int64(i))
		wg.Go(func() {
			ledger.Register(ctx, order.IdempotencyKey{}, names[i], order.Terms{Amount: 1, Currency: "EUR"})
		})
	}
	wg.Wait()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += orders {
		if _, err := store.States(ctx, names); err != nil {
			b.Fatal(err)
		}
	}
}
