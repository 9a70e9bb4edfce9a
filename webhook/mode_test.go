package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/stripe"
)

// A silent provider is Stripe, if its webhooks did not say whether they are live.
type silent struct{ *stripe.Provider }

func (silent) Modeless() bool { return true }

func TestAnEventOfTheOtherModeMovesNoOrder(t *testing.T) {
	p, err := stripe.New(stripe.Options{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, webhook.Options{},
		webhook.Source{Name: "live", Provider: p, Mode: order.Live},
		webhook.Source{Name: "test", Provider: p, Mode: order.Test},
		webhook.Source{Name: "silent", Provider: silent{p}, Mode: order.Test},
		webhook.Source{Name: "silent-live", Provider: silent{p}},
	)
	for _, c := range []struct {
		source  string
		live    bool
		outcome webhook.Outcome
	}{
		{"live", true, webhook.Accepted},
		{"live", false, webhook.OtherMode},
		{"test", false, webhook.Accepted},
		{"test", true, webhook.OtherMode},
		{"stripe", false, webhook.Accepted}, // of no mode: both count
		{"silent", true, webhook.Accepted},
		{"silent-live", false, webhook.Accepted},
	} {
		g.outcomes, g.events = nil, nil
		r, err := p.Simulate(webhook.Simulation{
			ID: "evt_1", Order: "A1001", Status: order.Paid, Amount: 9900, Currency: "EUR", At: time.Now(), Live: c.live,
		})
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequest(r.Method, "http://"+g.address+"/webhooks/"+c.source, strings.NewReader(string(r.Body)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = r.Header
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s, live %t: answered %d, so that it would come again for days", c.source, c.live, answer.StatusCode)
		}
		g.wantOutcomes(t, c.outcome)
		if e := g.events[0]; c.outcome == webhook.OtherMode {
			if e.Kind != order.KindNote || e.ID == "evt_1" || e.Order != "A1001" || e.Amount != 0 || e.Livemode != c.live {
				t.Errorf("%s, live %t: kept as %+v", c.source, c.live, e)
			}
		} else if want := map[string]bool{"silent": false, "silent-live": true}; e.Kind != order.KindPayment {
			t.Errorf("%s, live %t: kept as %+v", c.source, c.live, e)
		} else if live, ok := want[c.source]; ok && e.Livemode != live {
			t.Errorf("%s: livemode %t", c.source, e.Livemode)
		}
	}
}
