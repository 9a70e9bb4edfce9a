package stripe

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/guarded"
	"github.com/paybell/paybell/internal/guarded/guardedtest"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const testKey = "rk_test_51SWx2cLkdIwHu7ixTg8Zp3Qm"

var _ webhook.KeyedFetcher = (*Provider)(nil)

// thinBody is an event of API version 2.
func thinBody(typ, object, id, more string) []byte {
	return fmt.Appendf(nil, `{"id":"evt_65R9Ijk8dKEYZcXeRWn16R9A","object":"v2.core.event","type":%q,"livemode":false,`+
		`"created":"2026-11-23T07:59:50.123Z","related_object":{"id":%q,"type":%q,"url":"/v1/elsewhere"}%s}`, typ, id, object, more)
}

func openThin(t *testing.T, o Options, body []byte) (order.Event, error) {
	t.Helper()
	events, err := newProvider(t, o).Open(sign([]byte(testSecret), body, now))
	if err != nil {
		return order.Event{}, err
	}
	return events[0], nil
}

// api stands for Stripe: it has these objects by their paths, for whoever shows
// the key.
func api(t *testing.T, o Options, objects map[string]string) *Provider {
	t.Helper()
	o.APIKey = testKey
	o.Client = guardedtest.Serve(t, guarded.Options{Hosts: []string{Host}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		object, ok := objects[r.URL.Path+r.Header.Get("Stripe-Context")]
		switch {
		case r.Header.Get("Authorization") != "Bearer "+testKey || r.Host != Host:
			w.WriteHeader(http.StatusUnauthorized)
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		default:
			fmt.Fprint(w, object)
		}
	}))
	return newProvider(t, o)
}

// TestThinEventsAreFetchedAndReadAsOthers: what an event of API version 2 is
// about is asked for, and amounts to what a whole event would.
func TestThinEventsAreFetchedAndReadAsOthers(t *testing.T) {
	const metadata = `"metadata":{"order_id":"A1001"},"currency":"eur"`
	session := "cs_live_a1" + strings.Repeat("Z", 56) // as long as they come
	p := api(t, Options{}, map[string]string{
		"/v1/payment_intents/pi_3SWx":          `{"id":"pi_3SWx","object":"payment_intent","amount":9900,"amount_received":9900,"status":"succeeded",` + metadata + `}`,
		"/v1/payment_intents/pi_3SWxacct_1Abc": `{"id":"pi_3SWx","object":"payment_intent","amount":100,"amount_received":100,"status":"succeeded",` + metadata + `}`,
		"/v1/charges/ch_3SWx":                  `{"id":"ch_3SWx","object":"charge","payment_intent":"pi_3SWx","amount":9900,"amount_captured":9900,"amount_refunded":100,"captured":true,` + metadata + `}`,
		"/v1/refunds/re_3SWx":                  `{"id":"re_3SWx","object":"refund","payment_intent":"pi_3SWx","amount":100,"currency":"eur","status":"succeeded"}`,
		"/v1/disputes/dp_1SWx":                 `{"id":"dp_1SWx","object":"dispute","payment_intent":"pi_3SWx","amount":9900,"currency":"eur","status":"lost"}`,
		"/v1/checkout/sessions/" + session:     `{"id":"` + session + `","object":"checkout.session","payment_intent":"pi_3SWx","amount_total":9900,"currency":"eur","payment_status":"paid","client_reference_id":"A1001"}`,
	})
	for _, c := range []struct {
		typ, object, id, more string
		kind                  order.Kind
		status                order.Status
		orderID               string
		amount                int64
	}{
		{"v1.payment_intent.succeeded", "payment_intent", "pi_3SWx", "", order.KindPayment, order.Paid, "A1001", 9900},
		{"v1.payment_intent.succeeded", "payment_intent", "pi_3SWx", `,"context":null`, order.KindPayment, order.Paid, "A1001", 9900},
		{"v1.payment_intent.succeeded", "payment_intent", "pi_3SWx", `,"context":"acct_1Abc"`, order.KindPayment, order.Paid, "A1001", 100},
		{"v1.payment_intent.payment_failed", "payment_intent", "pi_3SWx", "", order.KindPayment, order.Failed, "A1001", 9900},
		{"v1.payment_intent.amount_capturable_updated", "payment_intent", "pi_3SWx", "", order.KindNote, "", "A1001", 0}, // it was captured since
		{"v1.checkout.session.async_payment_succeeded", "checkout.session", session, `,"context":"acct_1Abc"`, "", "", "", 0},
		{"v1.checkout.session.async_payment_succeeded", "checkout.session", session, "", order.KindPayment, order.Paid, "A1001", 9900},
		{"v1.charge.succeeded", "charge", "ch_3SWx", "", order.KindNote, "", "A1001", 0}, // of which the intent tells
		{"v1.charge.refunded", "charge", "ch_3SWx", "", order.KindRefund, order.Refunded, "A1001", 100},
		{"v1.charge.refund.updated", "refund", "re_3SWx", "", order.KindRefund, order.Refunded, "", 100},
		{"v1.charge.dispute.closed", "dispute", "dp_1SWx", "", order.KindDispute, order.Lost, "", 9900},
	} {
		note, err := openThin(t, Options{APIKey: testKey}, thinBody(c.typ, c.object, c.id, c.more))
		if err != nil || note.Kind != order.KindNote || note.Status != order.ToFetch || note.Ref == "" || note.Livemode {
			t.Errorf("%s: %+v, %v", c.typ, note, err)
			continue
		}
		events, answer, err := p.Fetch(t.Context(), note.Ref)
		if c.kind == "" { // of an account that has no such object
			if status := new(guarded.StatusError); !errors.As(err, &status) || errors.Is(err, webhook.ErrUnreadable) {
				t.Errorf("%s: %v", c.typ, err)
			}
			continue
		}
		if err != nil || len(answer) == 0 {
			t.Errorf("%s: %v", c.typ, err)
			continue
		}
		got := events[len(events)-1]
		if got.Kind != c.kind || got.Status != c.status || got.Order != c.orderID || got.Amount != c.amount ||
			!got.At.Equal(time.Date(2026, 11, 23, 7, 59, 50, 123e6, time.UTC)) || got.ID == note.ID || got.Livemode {
			t.Errorf("%s: %+v", c.typ, got)
		}
		if again, _, err := p.Fetch(t.Context(), note.Ref); err != nil || again[0].ID != events[0].ID {
			t.Errorf("%s: fetched again it is %+v, %v", c.typ, again, err)
		}
	}
}

func TestThinEventsThatStayNotes(t *testing.T) {
	paid := thinBody("v1.payment_intent.succeeded", "payment_intent", "pi_3SWx", "")
	of := func(context string) []byte {
		return thinBody("v1.payment_intent.succeeded", "payment_intent", "pi_3SWx", `,"context":"`+context+`"`)
	}
	for name, c := range map[string]struct {
		options Options
		body    []byte
	}{
		"no key":               {Options{}, paid},
		"of no order":          {Options{APIKey: testKey}, thinBody("v1.billing.meter.no_meter_found", "billing.meter", "mtr_1abcd", "")},
		"of version 2":         {Options{APIKey: testKey}, thinBody("v2.core.account.created", "v2.core.account", "acct_1Abc", "")},
		"of an organization":   {Options{APIKey: testKey}, of("org_1/acct_1Abc")},
		"of another account":   {Options{APIKey: testKey, Account: "acct_2Def"}, of("acct_1Abc")},
		"of one's own account": {Options{APIKey: testKey, Account: "acct_2Def"}, paid},
	} {
		if e, err := openThin(t, c.options, c.body); err != nil || e.Kind != order.KindNote || e.Status != "" || e.Ref != "" {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if e, err := openThin(t, Options{APIKey: testKey, Account: "acct_1Abc"}, of("acct_1Abc")); err != nil || e.Status != order.ToFetch {
		t.Errorf("of the account: %+v, %v", e, err)
	}
}

func TestThinEventsThatMakeNoSense(t *testing.T) {
	for name, body := range map[string][]byte{
		"another kind": thinBody("v1.payment_intent.succeeded", "charge", "ch_3SWx", ""),
		"no object":    []byte(`{"id":"evt_1","object":"v2.core.event","type":"v1.payment_intent.succeeded","created":"2026-11-23T07:59:50Z"}`),
		"no time":      []byte(`{"id":"evt_1","object":"v2.core.event","type":"v1.payment_intent.succeeded","related_object":{"id":"pi_3SWx","type":"payment_intent"}}`),
		"a path":       thinBody("v1.payment_intent.succeeded", "payment_intent", "pi_1/../../balance", ""),
		"a long id":    thinBody("v1.checkout.session.async_payment_succeeded", "checkout.session", "cs_"+strings.Repeat("Z", 90), `,"context":"acct_1234567890123456"`),
	} {
		if e, err := openThin(t, Options{APIKey: testKey}, body); !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	p := api(t, Options{}, map[string]string{"/v1/charges/ch_3SWx": `{"id":"ch_other","object":"charge"}`, "/v1/refunds/re_3SWx": `{"id":"re_3SWx"`})
	for _, ref := range []string{"", "ch", "ch:succeeded:l:0::ch_3SWx", "re:created:l:0::re_3SWx", "xx:created:l:0::re_3SWx", "re:created:l:!::re_3SWx", "re:created:l:0::../x", "re:created:l:0:x:re_3SWx"} {
		if _, _, err := p.Fetch(t.Context(), ref); !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if _, err := New(Options{Secrets: []string{testSecret}, APIKey: "pk_live_123"}); err == nil || strings.Contains(err.Error(), "pk_live") {
		t.Errorf("a publishable key: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	bodies := map[string]string{
		"thin":         string(thinBody("v1.payment_intent.succeeded", "payment_intent", "pi_3SWx", "")),
		"thin session": string(thinBody("v1.checkout.session.completed", "checkout.session", "cs_3SWx", `,"context":"acct_1Abc"`)),
	}
	for _, c := range recorded {
		bodies[c.name] = string(eventBody("evt_1", c.typ, c.object))
	}
	webhooktest.FuzzRead(f, newProvider(f, Options{APIKey: testKey}), bodies, func(body []byte) webhook.Request { return sign([]byte(testSecret), body, now) })
}

// FuzzFetched reads what strangers may have a say in: the objects that payments
// are about.
func FuzzFetched(f *testing.F) {
	p := newProvider(f, Options{APIKey: testKey})
	for _, c := range recorded {
		f.Add("pi:succeeded:l:mi5k3z9c::pi_3SWx2cLkdIwHu7ix0Qm1Rt8Z", []byte(c.object))
		f.Add("ch:refunded:t:mi5k3z9c:acct_1Abc:ch_3SWx2cLkdIwHu7ix0aB4cD5e", []byte(c.object))
	}
	f.Fuzz(func(t *testing.T, ref string, answer []byte) {
		event, err := parseRef(ref)
		if err != nil {
			return
		}
		events, err := p.readFetched(event, answer)
		if err == nil && len(events) == 0 {
			t.Error("neither an event nor an error")
		}
		for _, e := range events {
			if e.Source = "stripe"; e.Check() != nil {
				t.Errorf("%+v: %v", e, e.Check())
			}
		}
	})
}
