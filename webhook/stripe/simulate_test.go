package stripe

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

func simulation(status order.Status) webhook.Simulation {
	return webhook.Simulation{
		ID: "evt_1", Order: "A1001", Payment: "pi_1", Status: status, Amount: 9900, Currency: "CNY", Method: "alipay", At: now, Live: true,
	}
}

func TestSimulatesEveryStatus(t *testing.T) {
	p := newProvider(t, Options{Secrets: []string{testSecret, otherSecret}})
	for _, c := range []struct {
		status, want order.Status
		kind         order.Kind
		typ          string
	}{
		{order.Created, order.Created, order.KindPayment, "payment_intent.created"},
		{order.Pending, order.Pending, order.KindPayment, "payment_intent.processing"},
		{order.RequiresAction, order.RequiresAction, order.KindPayment, "payment_intent.requires_action"},
		{order.Authorized, order.Authorized, order.KindPayment, "payment_intent.amount_capturable_updated"},
		{order.Paid, order.Paid, order.KindPayment, "payment_intent.succeeded"},
		{order.PartiallyPaid, order.Paid, order.KindPayment, "payment_intent.succeeded"},
		{order.Failed, order.Failed, order.KindPayment, "payment_intent.payment_failed"},
		{order.Canceled, order.Canceled, order.KindPayment, "payment_intent.canceled"},
		{order.Expired, order.Expired, order.KindPayment, "checkout.session.expired"},
		{order.Refunded, order.Refunded, order.KindRefund, "charge.refunded"},
		{order.PartiallyRefunded, order.Refunded, order.KindRefund, "charge.refunded"},
		{order.Disputed, order.Disputed, order.KindDispute, "charge.dispute.created"},
		{order.Won, order.Won, order.KindDispute, "charge.dispute.closed"},
		{order.Lost, order.Lost, order.KindDispute, "charge.dispute.closed"},
	} {
		r, err := p.Simulate(simulation(c.status))
		if err != nil {
			t.Errorf("%s: %v", c.status, err)
			continue
		}
		events, err := p.Open(r)
		if err != nil {
			t.Errorf("%s: %v", c.status, err)
			continue
		}
		e := events[len(events)-1]
		if e.ID != "evt_1" || e.Order != "A1001" || e.Payment != "pi_1" || e.Status != c.want || e.Kind != c.kind ||
			e.Type != c.typ || e.Amount != 9900 || e.Currency != "CNY" || !e.At.Equal(now) || !e.Livemode {
			t.Errorf("%s: %+v", c.status, e)
		}
		if _, err := newProvider(t, Options{Secrets: []string{otherSecret}}).Open(r); err == nil {
			t.Errorf("%s: not signed with the first secret alone", c.status)
		}
	}
}

func TestSimulationsOfOneDisputeAreOfOneDispute(t *testing.T) {
	p := newProvider(t, Options{})
	var refs []string
	for _, status := range []order.Status{order.Disputed, order.Won} {
		r, err := p.Simulate(simulation(status))
		if err != nil {
			t.Fatal(err)
		}
		events, err := p.Open(r)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, events[0].Ref)
	}
	if refs[0] == "" || len(slices.Compact(refs)) != 1 {
		t.Error(refs)
	}
}

func TestSimulateWithoutAnAmount(t *testing.T) {
	p := newProvider(t, Options{})
	for status, want := range map[order.Status]string{order.Paid: "give an amount", order.Refunded: "give an amount", order.Pending: "", order.Failed: ""} {
		s := simulation(status)
		s.Amount, s.Currency, s.Payment, s.Method = 0, "", "", ""
		r, err := p.Simulate(s)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", status, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if events, err := p.Open(r); err != nil || events[0].Currency != "" || events[0].Payment != "pi_A1001" {
			t.Errorf("%s: %v, %v", status, events, err)
		}
	}
}

func TestSimulateUsesStripesDecimals(t *testing.T) {
	s := simulation(order.Paid)
	s.Amount, s.Currency = 5, "ISK"
	p := newProvider(t, Options{})
	r, err := p.Simulate(s)
	if err != nil || !strings.Contains(string(r.Body), `"amount_received": 500`) {
		t.Errorf("%s, %v", r.Body, err)
	}
	if events, err := p.Open(r); err != nil || events[0].Amount != 5 {
		t.Errorf("%v, %v", events, err)
	}
}

func TestSimulateForConfiguredPathsAndAccounts(t *testing.T) {
	p := newProvider(t, Options{Order: "data.object.description", Account: "acct_1"})
	r, err := p.Simulate(simulation(order.Paid))
	if err != nil {
		t.Fatal(err)
	}
	if events, err := p.Open(r); err != nil || events[0].Order != "A1001" || events[0].Kind != order.KindPayment {
		t.Errorf("%v, %v", events, err)
	}
	p = newProvider(t, Options{Order: "data.object.shop.order.id"})
	if r, err = p.Simulate(simulation(order.Paid)); err != nil {
		t.Fatal(err)
	}
	if events, err := p.Open(r); err != nil || events[0].Order != "A1001" {
		t.Errorf("%v, %v", events, err)
	}
}

func TestSimulateRefuses(t *testing.T) {
	for want, change := range map[string]func(*webhook.Simulation){
		`no webhook tells of status "review"`: func(s *webhook.Simulation) { s.Status = order.Review },
		"not printable ASCII":                 func(s *webhook.Simulation) { s.ID = "two words" },
		"too long":                            func(s *webhook.Simulation) { s.Payment = strings.Repeat("p", 129) },
		"more decimals":                       func(s *webhook.Simulation) { s.Amount, s.Currency = 550, "MGA" },
	} {
		s := simulation(order.Paid)
		change(&s)
		if _, err := newProvider(t, Options{}).Simulate(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	p := newProvider(t, Options{Order: "data.object.id.order"})
	if _, err := p.Simulate(simulation(order.Paid)); err == nil || !strings.Contains(err.Error(), "leads through a value") {
		t.Error(err)
	}
}

func TestLateSimulationIsSignedAnew(t *testing.T) {
	s := simulation(order.Paid)
	s.Late = 2 * time.Hour
	p := newProvider(t, Options{})
	r, err := p.Simulate(s)
	if err != nil {
		t.Fatal(err)
	}
	if events, err := p.Open(r); err != nil || !events[0].At.Equal(now) || !r.At.Equal(now.Add(s.Late)) {
		t.Errorf("%v, %v, received at %v", events, err, r.At)
	}
}
