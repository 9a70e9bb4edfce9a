package custom_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/custom"
)

func simulation(status order.Status) webhook.Simulation {
	return webhook.Simulation{ID: "evt_9", Order: "A1001", Payment: "p1", Status: status, Amount: 9905, Currency: "CNY",
		Method: "card", At: now, Live: true}
}

func TestSimulatedRequestsOpen(t *testing.T) {
	square, shop := square, shop
	square.URL, shop.URL = address, address
	bodyTime := github
	bodyTime.Timestamp = custom.Timestamp{Path: "sent", Unit: "ms", Tolerance: time.Minute}
	rfc := paddle
	rfc.Timestamp.Unit = "rfc3339"
	for name, v := range map[string]custom.Verify{
		"paddle": paddle, "github": github, "square": square, "shop": shop, "time in the body": bodyTime, "time as text": rfc,
	} {
		for _, unit := range []string{"minor", "major"} {
			e := shopEvent()
			e.AmountUnit, e.Method, e.Time, e.TimeUnit, e.Livemode = unit, "data.items.0.method", "data.at", "s", "!data.test"
			p := newProvider(t, custom.Config{Verify: v, Event: e}, secret, previous)
			r, err := p.Simulate(simulation(order.Paid))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			events, err := p.Open(r)
			want := order.Event{ID: "evt_9", Order: "A1001", Payment: "p1", Kind: order.KindPayment, Status: order.Paid,
				Amount: 9905, Currency: "CNY", Method: "card", At: now, Livemode: true, Type: "PAID"}
			if err != nil || len(events) != 1 || events[0] != want {
				t.Errorf("%s, %s: got  %+v, %v\nwant %+v", name, unit, events, err, want)
			}
			if _, err := newProvider(t, custom.Config{Verify: v, Event: e}, previous).Open(r); err == nil {
				t.Errorf("%s: signed with another secret than the first", name)
			}
		}
	}
}

func TestSimulatesWithoutDecimalsAndWithFew(t *testing.T) {
	e := shopEvent()
	e.AmountUnit = "major"
	p := newProvider(t, custom.Config{Verify: github, Event: e}, secret)
	for _, c := range []struct {
		amount   int64
		currency string
		want     string
	}{{500, "JPY", `"500"`}, {5, "EUR", `"0.05"`}, {1234, "KWD", `"1.234"`}} {
		s := simulation(order.Paid)
		s.Amount, s.Currency = c.amount, c.currency
		r, err := p.Simulate(s)
		if err != nil || !strings.Contains(string(r.Body), `"amount":`+c.want) {
			t.Errorf("%d %s: got %s, %v", c.amount, c.currency, r.Body, err)
		}
	}
}

func TestSimulateStatuses(t *testing.T) {
	e := shopEvent()
	e.Statuses = map[string]string{"PAID": "paid", "VOID": "order_canceled", "BACK": "partially_refunded", "CHARGEBACK": "disputed"}
	p := newProvider(t, custom.Config{Verify: github, Event: e}, secret)
	for status, want := range map[order.Status]string{
		order.Paid: "PAID", order.PartiallyPaid: "PAID", order.Canceled: "VOID", order.Refunded: "BACK",
		order.PartiallyRefunded: "BACK", order.Disputed: "CHARGEBACK", order.Expired: "", order.Review: "",
	} {
		r, err := p.Simulate(simulation(status))
		if want == "" {
			if err == nil {
				t.Errorf("%s: simulated what the sender cannot tell", status)
			}
			continue
		}
		if err != nil || !strings.Contains(string(r.Body), want) {
			t.Errorf("%s: got %s, %v; want %s", status, r.Body, err, want)
		}
	}
}

func TestSimulateSaysWhatItCannot(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*custom.Config)
		id     string
		want   string
	}{
		"address": {func(c *custom.Config) { c.Verify = square }, "e1", "set verify.url"},
		"query":   {func(c *custom.Config) { c.Verify = shop; c.Verify.URL = "https://shop.example/hook" }, "e1", "query parameter account"},
		"id":      {func(c *custom.Config) { c.Verify = shop; c.Verify.URL = address }, "e.1", "id contains"},
		"money":   {func(c *custom.Config) { c.Event.Currency = "=USD" }, "e1", "always USD"},
		"into":    {func(c *custom.Config) { c.Event.Order = "data.status.order" }, "e1", "cannot simulate"},
		"over":    {func(c *custom.Config) { c.Event.ID = "data.status.id.x"; c.Event.Status = "data.status.id" }, "e1", "cannot simulate"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := config(github)
			c.change(&conf)
			s := simulation(order.Paid)
			s.ID = c.id
			_, err := newProvider(t, conf, secret).Simulate(s)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
