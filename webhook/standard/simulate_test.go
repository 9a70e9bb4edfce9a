package standard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/standard"
)

func TestSimulatedRequestsOpen(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	p := newProvider(t, standard.Options{Secrets: []string{specSecret, otherSecret}})
	for _, c := range []struct {
		status  order.Status
		payment string
		kind    order.Kind
		want    order.Status
	}{
		{order.Created, "p1", order.KindPayment, order.Created},
		{order.Pending, "p1", order.KindPayment, order.Pending},
		{order.RequiresAction, "p1", order.KindPayment, order.RequiresAction},
		{order.Authorized, "p1", order.KindPayment, order.Authorized},
		{order.Paid, "p1", order.KindPayment, order.Paid},
		{order.PartiallyPaid, "p1", order.KindPayment, order.Paid},
		{order.Failed, "p1", order.KindPayment, order.Failed},
		{order.Canceled, "p1", order.KindPayment, order.Canceled},
		{order.Canceled, "", order.KindOrder, order.Canceled},
		{order.Expired, "", order.KindOrder, order.Expired},
		{order.PartiallyRefunded, "p1", order.KindRefund, order.Refunded},
		{order.Refunded, "p1", order.KindRefund, order.Refunded},
		{order.Disputed, "p1", order.KindDispute, order.Disputed},
		{order.Won, "p1", order.KindDispute, order.Won},
		{order.Lost, "p1", order.KindDispute, order.Lost},
	} {
		r, err := p.Simulate(webhook.Simulation{ID: "evt_1", Order: "A1001", Payment: c.payment, Status: c.status,
			Amount: 9900, Currency: "CNY", Method: "alipay", At: at, Live: true})
		if err != nil {
			t.Fatalf("%s: %v", c.status, err)
		}
		events, err := p.Open(r)
		if err != nil || len(events) != 1 {
			t.Fatalf("%s: got %v, %v", c.status, events, err)
		}
		want := order.Event{ID: "evt_1", Order: "A1001", Payment: c.payment, Kind: c.kind, Status: c.want,
			Amount: 9900, Currency: "CNY", Method: "alipay", At: at, Livemode: true, Type: events[0].Type}
		if events[0] != want {
			t.Errorf("%s: got  %+v\nwant %+v", c.status, events[0], want)
		}
		if _, err := newProvider(t, standard.Options{Secrets: []string{otherSecret}}).Open(r); err == nil {
			t.Errorf("%s: signed with another secret than the first", c.status)
		}
	}
}

func TestSimulatesWhereTheOrderIsLookedFor(t *testing.T) {
	p := newProvider(t, standard.Options{Secrets: []string{specSecret}, Order: "data.cart.reference, reference"})
	r, err := p.Simulate(webhook.Simulation{ID: "e1", Order: "A1", Status: order.Pending, At: time.Unix(specTimestamp, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if events, err := p.Open(r); err != nil || events[0].Order != "A1" {
		t.Errorf("got %v, %v", events, err)
	}
}

func TestSimulateSaysWhatItCannot(t *testing.T) {
	for name, c := range map[string]struct {
		options standard.Options
		id      string
		status  order.Status
		want    string
	}{
		"status":     {standard.Options{Secrets: []string{specSecret}}, "e1", order.Review, "no webhook tells"},
		"public key": {standard.Options{PublicKeys: []string{specPublicKey(t)}}, "e1", order.Paid, "add a secret"},
		"no id":      {standard.Options{Secrets: []string{specSecret}}, "", order.Paid, "without a dot"},
		"dotted id":  {standard.Options{Secrets: []string{specSecret}}, "e.1", order.Paid, "without a dot"},
		"path":       {standard.Options{Secrets: []string{specSecret}, Order: "type.order"}, "e1", order.Paid, "type.order"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newProvider(t, c.options).Simulate(webhook.Simulation{ID: c.id, Order: "A1", Status: c.status})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
