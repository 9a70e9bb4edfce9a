package stripe

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

// read opens a signed event around an object.
func read(t *testing.T, o Options, typ, object string) ([]order.Event, error) {
	t.Helper()
	return newProvider(t, o).Open(sign([]byte(testSecret), eventBody("evt_1", typ, object), now))
}

func TestKindsAndStatuses(t *testing.T) {
	const money = `,"amount":100,"amount_total":100,"amount_received":100,"amount_capturable":100,"currency":"usd"}`
	for _, c := range []struct {
		typ, object string
		kind        order.Kind
		status      order.Status
		payment     string
	}{
		{"charge.pending", `{"id":"ch_1"` + money, order.KindPayment, order.Pending, "ch_1"},
		{"charge.succeeded", `{"id":"ch_1","captured":true` + money, order.KindPayment, order.Paid, "ch_1"},
		{"charge.succeeded", `{"id":"ch_1","captured":false` + money, order.KindPayment, order.Authorized, "ch_1"},
		{"charge.captured", `{"id":"ch_1","captured":true,"amount_captured":100` + money, order.KindPayment, order.Paid, "ch_1"},
		{"charge.failed", `{"id":"ch_1"` + money, order.KindPayment, order.Failed, "ch_1"},
		{"charge.expired", `{"id":"ch_1"` + money, order.KindPayment, order.Expired, "ch_1"},
		{"charge.updated", `{"id":"ch_1"` + money, order.KindNote, "", "ch_1"},
		{"charge.failed", `{"id":"ch_1","payment_intent":"pi_1"` + money, order.KindNote, "", "pi_1"},
		{"charge.captured", `{"id":"ch_1","payment_intent":{"id":"pi_1","object":"payment_intent"}` + money, order.KindNote, "", "pi_1"},
		{"charge.refunded", `{"id":"ch_1","captured":false,"amount_refunded":100` + money, order.KindPayment, order.Canceled, "ch_1"},

		{"refund.created", `{"id":"re_1","status":null,"charge":"ch_1"` + money, order.KindRefund, order.Pending, "ch_1"},
		{"refund.updated", `{"id":"re_1","status":"requires_action","payment_intent":"pi_1"` + money, order.KindRefund, order.Pending, "pi_1"},
		{"refund.failed", `{"id":"re_1","status":"failed","payment_intent":"pi_1"` + money, order.KindRefund, order.Failed, "pi_1"},
		{"refund.updated", `{"id":"re_1","status":"canceled","payment_intent":"pi_1"` + money, order.KindRefund, order.Failed, "pi_1"},
		{"refund.updated", `{"id":"re_1","status":"new","payment_intent":"pi_1"` + money, order.KindNote, "", "pi_1"},

		{"charge.dispute.created", `{"id":"dp_1","status":"warning_needs_response","charge":"ch_1"` + money, order.KindDispute, order.Disputed, "ch_1"},
		{"charge.dispute.closed", `{"id":"dp_1","status":"warning_closed","charge":"ch_1"` + money, order.KindDispute, order.Won, "ch_1"},
		{"charge.dispute.closed", `{"id":"dp_1","status":"prevented","charge":"ch_1"` + money, order.KindDispute, order.Won, "ch_1"},
		{"charge.dispute.funds_reinstated", `{"id":"dp_1","status":"won","charge":"ch_1"` + money, order.KindDispute, order.Won, "ch_1"},
		{"charge.dispute.updated", `{"id":"dp_1","status":"under_review","charge":"ch_1"` + money, order.KindDispute, order.Disputed, "ch_1"},

		{"payment_intent.amount_capturable_updated", `{"id":"pi_1","status":"succeeded"` + money, order.KindNote, "", "pi_1"},
		{"payment_intent.partially_funded", `{"id":"pi_1"` + money, order.KindNote, "", "pi_1"},
		{"checkout.session.completed", `{"id":"cs_1","mode":"subscription","payment_status":"paid"` + money, order.KindPayment, order.Paid, "cs_1"},
		{"checkout.session.unheard_of", `{"id":"cs_1"` + money, order.KindNote, "", "cs_1"},
		{"invoice.paid", `{"id":"in_1","payment_intent":"pi_1"` + money, order.KindNote, "", "pi_1"},
		{"issuing_dispute.created", `{"id":"idp_1","amount":"strange"}`, order.KindNote, "", ""},
		{"charge", `{}`, order.KindNote, "", ""},
	} {
		events, err := read(t, Options{}, c.typ, c.object)
		if err != nil || len(events) != 1 {
			t.Errorf("%s %s: %v, %v", c.typ, c.object, events, err)
			continue
		}
		if e := events[0]; e.Kind != c.kind || e.Status != c.status || e.Payment != c.payment {
			t.Errorf("%s %s: got %s %s of %q", c.typ, c.object, e.Kind, e.Status, e.Payment)
		}
	}
}

func TestUnreadable(t *testing.T) {
	for _, c := range []struct{ typ, object, want string }{
		{"payment_intent.succeeded", `{"id":"pi_1","amount":100,"currency":"usd"}`, "data.object.amount_received"},
		{"payment_intent.succeeded", `{"id":"pi_1"}`, "amount_received and currency are missing"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":100}`, "currency is not a code"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":100,"currency":"dollars"}`, "currency is not a code"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":-1,"currency":"usd"}`, "whole number"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":99.5,"currency":"usd"}`, "whole number"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":1e3,"currency":"usd"}`, "whole number"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":"9900","currency":"usd"}`, "is empty"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":1000000000000000,"currency":"usd"}`, "too large"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":999999999999999,"currency":"mga"}`, "too large"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":550,"currency":"isk"}`, "more decimals"},
		{"payment_intent.succeeded", `{"amount_received":100,"currency":"usd"}`, "data.object.id is missing"},
		{"payment_intent.succeeded", `{"id":"pi 1","amount_received":100,"currency":"usd"}`, "payment id"},
		{"payment_intent.succeeded", `{"id":"pi_1","amount_received":100,"currency":"usd","metadata":{"order_id":"` + strings.Repeat("A", 129) + `"}}`, "order id"},
		{"payment_intent.succeeded", `null`, "data.object is missing"},
		{"checkout.session.completed", `{"id":"cs_1","payment_status":"maybe"}`, "payment_status is none of"},
		{"charge.refunded", `{"id":"ch_1","captured":true,"amount_refunded":1}`, "amount and currency are missing"},
		{"charge.refunded", `{"id":"ch_1","captured":true,"amount_captured":1,"amount":true,"amount_refunded":1,"currency":"usd"}`, "data.object.amount:"},
		{"charge.refunded", `{"id":"ch_1","captured":true,"amount":1,"currency":"usd"}`, "data.object.amount_refunded"},
		{"refund.created", `{"status":"pending"}`, "data.object.id is missing"},
		{"refund.created", `{"id":"re_1","status":"pending"}`, "amount and currency are missing"},
		{"charge.dispute.created", `{"status":"lost"}`, "data.object.id is missing"},
	} {
		events, err := read(t, Options{}, c.typ, c.object)
		if !errors.Is(err, webhook.ErrUnreadable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, %v; want %q", c.typ, c.object, events, err, c.want)
		}
	}
	for _, change := range []struct{ old, new, want string }{
		{`"object":"event"`, `"object":"charge"`, "neither"},
		{`"id":"evt_1"`, `"id":""`, "id or type"},
		{`"type":"payment_intent.succeeded"`, `"type":null`, "id or type"},
		{`"livemode":true`, `"livemode":"true"`, "livemode"},
		{`"created":1795420790`, `"created":"today"`, "created"},
		{`"created":1795420790`, `"created":-5`, "created"},
		{`"created":1795420790`, `"created":999999999999999`, "years 1 to 9999"},
	} {
		body := []byte(strings.Replace(paidBody, change.old, change.new, 1))
		if _, err := newProvider(t, Options{}).Open(sign([]byte(testSecret), body, now)); !errors.Is(err, webhook.ErrUnreadable) ||
			!strings.Contains(err.Error(), change.want) {
			t.Errorf("%s: %v", change.new, err)
		}
	}
}

func TestAmountsAreMinorUnitsByISO(t *testing.T) {
	for _, c := range []struct {
		sent, currency string
		want           int64
	}{
		{"1000", "usd", 1000}, {"500", "jpy", 500}, {"5120", "kwd", 5120}, {"700", "twd", 700}, {"700", "huf", 700},
		{"500", "isk", 5}, {"500", "ugx", 5}, {"5", "mga", 500}, {"0", "eur", 0}, {"5", "vnd", 5},
	} {
		events, err := read(t, Options{}, "payment_intent.succeeded", `{"id":"pi_1","amount_received":`+c.sent+`,"currency":"`+c.currency+`"}`)
		if err != nil || events[0].Amount != c.want || events[0].Currency != strings.ToUpper(c.currency) {
			t.Errorf("%s %s: %v, %v; want %d", c.sent, c.currency, events, err, c.want)
		}
	}
}

func TestWhereTheOrderIs(t *testing.T) {
	const all = `{"id":"x_1","metadata":{"order_id":"A1","order":"A2","shop.order":"A3"},"client_reference_id":"A4","n":1005}`
	for _, c := range []struct{ order, typ, object, want string }{
		{"", "checkout.session.created", all, "A1"},
		{"", "checkout.session.created", `{"metadata":{"order_id":"","order":"A2"},"client_reference_id":"A4"}`, "A2"},
		{"", "checkout.session.created", `{"metadata":null,"client_reference_id":"A4"}`, "A4"},
		{"", "payment_intent.created", `{"id":"pi_1","client_reference_id":"A4"}`, ""},
		{"data.object.metadata.shop.order", "customer.created", all, "A3"},
		{"data.object.none, data.object.n ,", "customer.created", all, "1005"},
		{"data.object.none", "checkout.session.created", all, ""},
	} {
		events, err := read(t, Options{Order: c.order}, c.typ, c.object)
		if err != nil || events[0].Order != c.want {
			t.Errorf("%q, %s: %v, %v; want %q", c.order, c.object, events, err, c.want)
		}
	}
}

func TestMethod(t *testing.T) {
	for object, want := range map[string]string{
		`{"payment_method_details":{"type":"card","card":{"wallet":{"type":"apple_pay"}}}}`:                   "apple_pay",
		`{"payment_method_details":{"type":"card","card":{"wallet":null}}}`:                                   "card",
		`{"payment_method_details":{"type":"alipay","alipay":{}}}`:                                            "alipay",
		`{"charges":{"data":[{"payment_method_details":{"type":"card","card":{"wallet":{"type":"link"}}}}]}}`: "link",
		`{"payment_method":{"type":"wechat_pay"},"payment_method_types":["card"]}`:                            "wechat_pay",
		`{"payment_method":"pm_1","payment_method_types":["klarna"]}`:                                         "klarna",
		`{"payment_method_types":["card","link"]}`:                                                            "",
		`{"payment_method_types":[7]}`:                                                                        "",
		`{"payment_method_types":[]}`:                                                                         "",
		`{}`:                                                                                                  "",
	} {
		object = strings.Replace(strings.Replace(object, "{", `{"id":"pi_1",`, 1), ",}", "}", 1)
		events, err := read(t, Options{}, "payment_intent.created", object)
		if err != nil || events[0].Method != want {
			t.Errorf("%s: %v, %v; want %q", object, events, err, want)
		}
	}
}

func TestActionURLThatIsNoPageIsDropped(t *testing.T) {
	for url, want := range map[string]string{
		"https://hooks.stripe.com/3ds": "https://hooks.stripe.com/3ds", "http://hooks.stripe.com/3ds": "",
		"javascript:alert(1)": "", "": "",
	} {
		events, err := read(t, Options{}, "payment_intent.requires_action",
			`{"id":"pi_1","next_action":{"redirect_to_url":{"url":"`+url+`"}}}`)
		if err != nil || events[0].ActionURL != want {
			t.Errorf("%s: %v, %v", url, events, err)
		}
	}
}

func TestAnotherAccountsEventChangesNothing(t *testing.T) {
	for account, want := range map[string]order.Kind{
		`"account":"acct_1",`: order.KindPayment, `"account":"acct_2",`: order.KindNote, "": order.KindNote,
	} {
		body := []byte(strings.Replace(paidBody, "{", "{"+account, 1))
		events, err := newProvider(t, Options{Account: "acct_1"}).Open(sign([]byte(testSecret), body, now))
		if err != nil || len(events) != 1 || events[0].Kind != want || want == order.KindNote && events[0].Order != "" {
			t.Errorf("%s: %v, %v", account, events, err)
		}
	}
}

// A charge of 100.00 of which 60.00 were captured: the 40.00 that were released
// are in amount_refunded too.
func TestReleasedRestIsNoRefund(t *testing.T) {
	for refunded, want := range map[string]int64{"4000": 0, "5000": 1000, "10000": 6000} {
		events, err := read(t, Options{}, "charge.refunded", `{"id":"ch_1","captured":true,"amount":10000,"amount_captured":6000,`+
			`"amount_refunded":`+refunded+`,"currency":"usd"}`)
		if err != nil || len(events) != 2 || events[0].Amount != 6000 || events[1].Amount != want {
			t.Errorf("%s: %v, %v", refunded, events, err)
		}
	}
}

// The events of one order, in any order of arrival, end in the same state. The
// ledger has found the order of those that name none.
func TestStoryInAnyOrder(t *testing.T) {
	p := newProvider(t, Options{})
	open := func(name string, at int) []order.Event {
		events, err := p.Open(webhooktest.ReadRequest(t, "testdata/"+name+".http", now))
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			events[i].Source, events[i].Order = "stripe", "A1001"
			if i == len(events)-1 {
				events[i].At = now.Add(time.Duration(at) * time.Minute)
			}
		}
		return events
	}
	paid := []string{"intent_created", "failed", "requires-action", "charge_succeeded_of_intent", "paid"}
	for _, c := range []struct {
		more     []string
		status   order.Status
		refunded int64
		disputed bool
	}{
		{nil, order.Paid, 0, false},
		{[]string{"refund_created", "partial-refund-object", "partial-refund"}, order.PartiallyRefunded, 2500, false},
		{[]string{"partial-refund-object", "partial-refund", "refund_failed"}, order.Paid, 0, false},
		{[]string{"partial-refund", "partial-refund-object", "refund"}, order.Refunded, 9900, false},
		{[]string{"dispute", "dispute_funds_withdrawn"}, order.Paid, 0, true},
		{[]string{"dispute", "dispute-won"}, order.Paid, 0, false},
		{[]string{"dispute", "dispute-lost"}, order.Paid, 0, true},
	} {
		var events []order.Event
		for i, name := range append(append([]string{}, paid...), c.more...) {
			events = append(events, open(name, i)...)
		}
		for range 50 {
			rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			s := order.Fold("A1001", order.Terms{Amount: 9900, Currency: "CNY"}, events)
			if s.Status != c.status || s.Paid != 9900 || s.Refunded != c.refunded || s.Disputed != c.disputed {
				t.Fatalf("%v: %+v", c.more, s)
			}
		}
	}
}

func TestRefundThatComesFirstIsUnderstood(t *testing.T) {
	events, err := newProvider(t, Options{}).Open(webhooktest.ReadRequest(t, "testdata/partial-refund.http", now))
	if err != nil {
		t.Fatal(err)
	}
	s := order.Fold("A1001", order.Terms{}, events)
	if s.Status != order.PartiallyRefunded || s.Paid != 9900 || s.Refunded != 2500 {
		t.Errorf("%+v", s)
	}
}
