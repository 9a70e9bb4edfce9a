package custom_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/custom"
)

// open signs a body as GitHub would and opens it.
func open(t *testing.T, e custom.Event, body string) (order.Event, error) {
	t.Helper()
	p := newProvider(t, custom.Config{Verify: github, Event: e}, secret)
	r := request(map[string]string{"X-Hub-Signature-256": "sha256=" + hexMAC(secret, body)})
	r.Body = []byte(body)
	events, err := p.Open(r)
	if err != nil {
		if !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("an error of another kind: %v", err)
		}
		return order.Event{}, err
	}
	e0 := events[0]
	e0.Source = "shop"
	if err := e0.Check(); err != nil {
		t.Errorf("an event that the ledger refuses: %v", err)
	}
	return events[0], nil
}

func TestReadsEveryField(t *testing.T) {
	e := custom.Event{
		ID: "id", Order: "d.o", Payment: "d.p", Ref: "d.r", Status: "d.s", Statuses: map[string]string{"3DS": "requires_action"},
		Amount: "d.a", AmountUnit: "major", Currency: "=CNY", Method: "d.m", Reason: "d.why", ActionURL: "d.u",
		Time: "d.t", TimeUnit: "ms", Livemode: "!d.test", Type: "kind",
	}
	got, err := open(t, e, `{"id":7,"kind":"pay","d":{"o":1001,"p":"p1","r":"c1","s":"3DS","a":99.00,"m":"card",
		"why":"sca","u":"https://bank.example/","t":1764028800123,"test":true}}`)
	want := order.Event{
		ID: "7", Order: "1001", Payment: "p1", Ref: "c1", Kind: order.KindPayment, Status: order.RequiresAction,
		Amount: 9900, Currency: "CNY", Method: "card", Reason: "sca", ActionURL: "https://bank.example/",
		At: time.UnixMilli(1764028800123).UTC(), Type: "pay",
	}
	if err != nil || got != want {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestStatuses(t *testing.T) {
	for target, want := range map[string]struct {
		kind   order.Kind
		status order.Status
	}{
		"created": {order.KindPayment, order.Created}, "pending": {order.KindPayment, order.Pending},
		"requires_action": {order.KindPayment, order.RequiresAction}, "authorized": {order.KindPayment, order.Authorized},
		"paid": {order.KindPayment, order.Paid}, "failed": {order.KindPayment, order.Failed},
		"canceled": {order.KindPayment, order.Canceled}, "expired": {order.KindPayment, order.Expired},
		"order_canceled": {order.KindOrder, order.Canceled}, "order_expired": {order.KindOrder, order.Expired},
		"refunded": {order.KindRefund, order.Refunded}, "partially_refunded": {order.KindRefund, order.Refunded},
		"refund_pending": {order.KindRefund, order.Pending}, "refund_failed": {order.KindRefund, order.Failed},
		"disputed": {order.KindDispute, order.Disputed}, "won": {order.KindDispute, order.Won}, "lost": {order.KindDispute, order.Lost},
		"ignore": {order.KindNote, ""},
	} {
		e := shopEvent()
		e.Statuses = map[string]string{"S": target}
		got, err := open(t, e, `{"id":"e1","data":{"order_id":"A1","status":"S","amount":5,"currency":"EUR"}}`)
		if err != nil || got.Kind != want.kind || got.Status != want.status {
			t.Errorf("%s: got %s %s, %v", target, got.Kind, got.Status, err)
		}
	}
}

func TestUnlistedStatusIsKeptAsANote(t *testing.T) {
	for _, b := range []string{
		`{"id":"e1","data":{"order_id":"A1","status":"NEW","amount":1.5,"currency":7}}`,
		`{"id":"e1","data":{"order_id":"A1"}}`,
		`{"id":"e1"}`,
		`{"id":"e1","data":{"order_id":"not an id","status":"paid"}}`,
	} {
		if e, err := open(t, shopEvent(), b); err != nil || e.Kind != order.KindNote || e.Amount != 0 || e.Status != "" {
			t.Errorf("%s: got %+v, %v", b, e, err)
		}
	}
}

func TestUnreadable(t *testing.T) {
	e := shopEvent()
	e.Time, e.Livemode = "data.time", "data.live"
	data := func(s string) string { return `{"id":"e1","data":{"order_id":"A1","status":"PAID",` + s + `}}` }
	for _, c := range []struct{ body, want string }{
		{`[]`, "not a JSON object"},
		{`order=A1&status=PAID`, "invalid JSON"},
		{`{"id":"e1","id":"e2"}`, "duplicate name"},
		{`{"id":"e1"} {"id":"e2"}`, "something follows"},
		{data(`"amount":5,"currency":"EUR","currency":"USD"`), "duplicate name"},
		{`{"data":{"order_id":"A1","status":"PAID","amount":5,"currency":"EUR"}}`, "no event id at id"},
		{`{"id":"e1","data":{"status":"PAID","amount":5,"currency":"EUR"}}`, "names no order: looked at data.order_id, data.payment_id"},
		{`{"id":"e1","data":{"order_id":"A 1","status":"PAID","amount":5,"currency":"EUR"}}`, "order id"},
		{data(`"amount":5`), "no currency"},
		{data(`"amount":5,"currency":"EURO"`), "no currency"},
		{data(`"currency":"EUR"`), "no amount at data.amount"},
		{data(`"amount":5.5,"currency":"EUR"`), "whole number"},
		{data(`"amount":"-5","currency":"EUR"`), "whole number"},
		{data(`"amount":5,"currency":"EUR","time":"soon"`), "RFC 3339"},
		{data(`"amount":5,"currency":"EUR","live":"maybe"`), "whether it is live"},
	} {
		if got, err := open(t, e, c.body); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %+v, %v; want %q", c.body, got, err, c.want)
		}
	}
	e.TimeUnit = "s"
	for _, at := range []string{`"2026-11-23"`, `1e9`, `253402300800`, `"99999999999999999999"`, `-1`} {
		if got, err := open(t, e, data(`"amount":5,"currency":"EUR","time":`+at)); err == nil {
			t.Errorf("time %s: got %v", at, got.At)
		}
	}
}

func TestAmountsAreExact(t *testing.T) {
	for _, c := range []struct {
		unit, amount, currency string
		want                   int64
	}{
		{"minor", `9900`, "CNY", 9900},
		{"minor", `"9900"`, "CNY", 9900},
		{"major", `19.99`, "EUR", 1999},
		{"major", `"19.99"`, "EUR", 1999},
		{"major", `0.1`, "EUR", 10},
		{"major", `9007199254740.93`, "EUR", 900719925474093},
		{"major", `500`, "JPY", 500},
	} {
		e := shopEvent()
		e.AmountUnit = c.unit
		got, err := open(t, e, `{"id":"e1","data":{"order_id":"A1","status":"PAID","amount":`+c.amount+`,"currency":"`+c.currency+`"}}`)
		if err != nil || got.Amount != c.want {
			t.Errorf("%s %s %s: got %d, %v; want %d", c.unit, c.amount, c.currency, got.Amount, err, c.want)
		}
	}
}

func TestAmountMayBeUntold(t *testing.T) {
	e := shopEvent()
	e.Amount, e.Currency, e.Statuses = "", "", map[string]string{"PAID": "paid"}
	if got, err := open(t, e, body); err != nil || got.Amount != 0 || got.Currency != "" || got.Status != order.Paid {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := open(t, shopEvent(), `{"id":"e1","data":{"order_id":"A1","status":"FAILED"}}`); err != nil || got.Currency != "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLivemode(t *testing.T) {
	for _, c := range []struct {
		path, value string
		want        bool
	}{
		{"", `0`, true},
		{"live", `true`, true}, {"live", `false`, false}, {"live", `"live"`, true}, {"live", `"test"`, false}, {"live", `1`, true}, {"live", `null`, true},
		{"!live", `true`, false}, {"!live", `false`, true}, {"!live", `null`, true},
		{"=false", `true`, false},
	} {
		e := shopEvent()
		e.Livemode = c.path
		got, err := open(t, e, `{"id":"e1","live":`+c.value+`,"data":{"order_id":"A1","status":"FAILED"}}`)
		if err != nil || got.Livemode != c.want {
			t.Errorf("%q of %s: got %v, %v", c.path, c.value, got.Livemode, err)
		}
	}
}

func TestMadeIDsAreTheSameInARetryAndDifferOtherwise(t *testing.T) {
	e := shopEvent()
	e.ID, e.Ref, e.Time = "", "data.ref", "data.time"
	made := map[string]string{}
	for _, c := range []struct{ name, body string }{
		{"first", `{"data":{"order_id":"A1","payment_id":"p1","status":"PAID","amount":5,"currency":"EUR"}}`},
		{"retry", `{"attempt":2,"data":{"time":"2026-11-23T08:00:00Z","order_id":"A1","payment_id":"p1","status":"PAID","amount":5,"currency":"EUR"}}`},
		{"order", `{"data":{"order_id":"A1p1","status":"PAID","amount":5,"currency":"EUR"}}`},
		{"payment", `{"data":{"order_id":"A1","payment_id":"p2","status":"PAID","amount":5,"currency":"EUR"}}`},
		{"ref", `{"data":{"order_id":"A1","payment_id":"p1","ref":"r1","status":"PAID","amount":5,"currency":"EUR"}}`},
		{"status", `{"data":{"order_id":"A1","payment_id":"p1","status":"FAILED","amount":5,"currency":"EUR"}}`},
		{"amount", `{"data":{"order_id":"A1","payment_id":"p1","status":"PAID","amount":6,"currency":"EUR"}}`},
		{"currency", `{"data":{"order_id":"A1","payment_id":"p1","status":"PAID","amount":5,"currency":"USD"}}`},
		{"note", `{"news":1}`},
		{"another note", `{"news":2}`},
	} {
		got, err := open(t, e, c.body)
		if err != nil {
			t.Fatal(err)
		}
		if c.name == "retry" {
			if made[got.ID] != "first" {
				t.Errorf("the retry has an id of its own")
			}
			continue
		}
		if other, ok := made[got.ID]; ok {
			t.Errorf("%s has the id of %s", c.name, other)
		}
		made[got.ID] = c.name
	}
}

func TestTextsOfAnySize(t *testing.T) {
	e := shopEvent()
	e.Reason, e.ActionURL, e.Method = "data.why", "data.url", "data.how"
	long := strings.Repeat("银", 1000)
	for _, url := range []string{"javascript:alert(1)", "data:text/html,x", "/relative", "https://x/" + long, "://"} {
		got, err := open(t, e, `{"id":"e1","data":{"order_id":"A1","status":"FAILED","why":"`+long+`","how":"`+long+`","url":"`+url+`"}}`)
		if err != nil || got.ActionURL != "" || len(got.Reason) != 510 || len(got.Method) != 126 {
			t.Errorf("%s: got %+v, %v", url, got, err)
		}
	}
	if got, err := open(t, e, `{"id":"e1","data":{"order_id":"A1","status":"FAILED","url":"weixin://wxpay/1"}}`); err != nil || got.ActionURL == "" {
		t.Errorf("a wallet's address: got %+v, %v", got, err)
	}
}
