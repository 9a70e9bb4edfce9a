package order_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// wireStates are states of every form, the last of all that can be told.
func wireStates() []order.State {
	return []order.State{
		{},
		order.Unknown("A1", "5f0c"),
		{Order: "A1", Version: math.MaxInt64, Amount: math.MinInt64, Paid: -1, Refunded: 1e17, Epoch: "e"},
		{Order: `quo"ted\`, Reason: "größer\n<b>", ActionURL: "https://pay.example/?a=1&b=2"},
		{
			Order: "A1001", Version: 3, Epoch: "5f0c", Status: order.PartiallyRefunded, Final: true, Amount: 9900, Currency: "CNY",
			Paid: 9900, Refunded: 100, Disputed: true, Overpaid: true, Method: "alipay", Reason: "fraud", ActionURL: "https://pay.example/",
			Livemode: true, UpdatedAt: time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC),
		},
	}
}

func TestAStateIsReadAsItWasWritten(t *testing.T) {
	for _, want := range wireStates() {
		wire := string(want.AppendJSON(nil))
		if got, err := order.ReadState(wire); err != nil || got != want {
			t.Errorf("%s is read as\n%+v, %v", wire, got, err)
		}
	}
}

// FuzzReadState checks that whatever ReadState is given, it finds in it what
// encoding/json does.
func FuzzReadState(f *testing.F) {
	for _, s := range wireStates() {
		f.Add(string(s.AppendJSON(nil)))
	}
	f.Add(`{"order":"A1","version":01,"epoch":null}`)
	f.Fuzz(func(t *testing.T, wire string) {
		var want order.State
		wantErr := json.Unmarshal([]byte(wire), &want)
		got, err := order.ReadState(wire)
		if (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Errorf("%s is read as\n%+v, %v; want\n%+v, %v", wire, got, err, want, wantErr)
		}
	})
}

func BenchmarkReadState(b *testing.B) {
	states := wireStates()
	wire := string(states[len(states)-1].AppendJSON(nil))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := order.ReadState(wire); err != nil {
			b.Fatal(err)
		}
	}
}
