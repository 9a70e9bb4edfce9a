package order_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// FuzzFold reads a history out of data, longer and wilder than the property
// test's, and holds every prefix of it to the oracle and to what no state may
// be. Some orders of arrival stand for all.
func FuzzFold(f *testing.F) {
	f.Add(uint8(0), []byte("paid and failed, then refunded"))
	f.Add(uint8(1), []byte{7, 0, 0, 1, 0, 99, 7, 1, 2, 2, 0, 99, 20, 2, 3, 3, 0, 50})
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 0))
		data := make([]byte, 6*12)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(uint8(seed), data)
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		h := tale{terms: []order.Terms{live, test, unregistered, {Amount: 9900, Currency: "EUR"}, {Mode: order.Live}}[kind%5], story: decode(data)}
		for _, e := range h.story {
			if err := e.Check(); err != nil {
				t.Fatalf("no such event can be: %v", err)
			}
		}
		paid := false
		for n := range len(h.story) + 1 {
			part := h.story[:n]
			got := order.Fold("A1", h.terms, part)
			if err := sound(got); err != nil {
				t.Fatal(h.broken(err.Error(), part, got, got))
			}
			if want := oracle(h.terms, part); comparable(got) != want {
				t.Fatal(h.broken("the oracle disagrees", part, got, want))
			}
			if paid = paid || got.Status == order.Paid; paid && h.framed() && !got.Settled() {
				t.Fatal(h.broken("paid was taken back", part, got, got))
			}
		}
		want := order.Fold("A1", h.terms, h.story)
		random := rand.New(rand.NewPCG(uint64(kind), uint64(len(data))))
		arrival := append(slices.Clone(h.story), h.story...)
		for range 20 {
			random.Shuffle(len(arrival), func(i, j int) { arrival[i], arrival[j] = arrival[j], arrival[i] })
			if got := order.Fold("A1", h.terms, arrival); got != want {
				t.Fatal(h.broken("the order of arrival matters", arrival, got, want))
			}
		}
	})
}

// decode reads an event out of every six bytes, at most 16.
func decode(data []byte) (story events) {
	steps := []struct {
		kind   order.Kind
		status order.Status
	}{
		{order.KindPayment, order.Created}, {order.KindPayment, order.Pending}, {order.KindPayment, order.RequiresAction},
		{order.KindPayment, order.Authorized}, {order.KindPayment, order.Paid}, {order.KindPayment, order.Paid},
		{order.KindPayment, order.Failed}, {order.KindPayment, order.Canceled}, {order.KindPayment, order.Expired},
		{order.KindRefund, order.Pending}, {order.KindRefund, order.Refunded}, {order.KindRefund, order.Refunded}, {order.KindRefund, order.Failed},
		{order.KindDispute, order.Disputed}, {order.KindDispute, order.Won}, {order.KindDispute, order.Lost},
		{order.KindOrder, order.Canceled}, {order.KindOrder, order.Expired}, {order.KindNote, ""},
	}
	for len(data) >= 6 && len(story) < 16 {
		step, at, b := steps[int(data[0])%len(steps)], data[3], data[:6]
		e := order.Event{
			Source: []string{"stripe", "shop", order.ExpirySource}[b[1]%3], ID: fmt.Sprint("e", len(story)),
			Payment: []string{"", "p1", "p2", "p3"}[b[1]/3%4], Ref: []string{"", "", "r1", "r2"}[b[2]%4],
			Kind: step.kind, Status: step.status, Currency: []string{"EUR", "EUR", "EUR", "USD", ""}[b[2]/4%5],
			Livemode: b[2] < 224, Reason: fmt.Sprint(at % 4), ActionURL: fmt.Sprint("https://", at%3), Method: []string{"", "card", "alipay"}[at%3],
		}
		if at > 0 {
			e.At = noon.Add(time.Duration(at%8) * time.Minute)
		}
		if e.Currency != "" {
			e.Amount = int64(b[4])*order.MaxAmount/255 + int64(b[5])*100 // up to the largest
			e.Amount = min(e.Amount, order.MaxAmount)
			if b[4] < 200 {
				e.Amount = int64(b[5]) * 100
			}
		}
		story, data = append(story, e), data[6:]
	}
	return story
}
