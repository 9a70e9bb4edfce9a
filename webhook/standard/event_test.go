package standard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook/standard"
)

func parse(t testing.TB, text string) strictjson.Object {
	t.Helper()
	object, err := strictjson.ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		typ, status string
		kind        order.Kind
		want        order.Status
	}{
		{"payment.created", "", order.KindPayment, order.Created},
		{"payment.pending", "", order.KindPayment, order.Pending},
		{"payment.processing", "", order.KindPayment, order.Pending},
		{"payment.requires_action", "", order.KindPayment, order.RequiresAction},
		{"payment.authorized", "", order.KindPayment, order.Authorized},
		{"payment.paid", "", order.KindPayment, order.Paid},
		{"payment.succeeded", "", order.KindPayment, order.Paid},
		{"payment.completed", "", order.KindPayment, order.Paid},
		{"payment.captured", "", order.KindPayment, order.Paid},
		{"payment.failed", "", order.KindPayment, order.Failed},
		{"payment.declined", "", order.KindPayment, order.Failed},
		{"payment.canceled", "", order.KindPayment, order.Canceled},
		{"payment.cancelled", "", order.KindPayment, order.Canceled},
		{"payment.expired", "", order.KindPayment, order.Expired},
		{"payment.refunded", "", order.KindRefund, order.Refunded},
		{"payment.partially_refunded", "", order.KindRefund, order.Refunded},
		{"order.paid", "", order.KindPayment, order.Paid},
		{"Shop.Payment.Paid", "", order.KindPayment, order.Paid},
		{"refund.created", "", order.KindRefund, order.Pending},
		{"refund.pending", "", order.KindRefund, order.Pending},
		{"refund.succeeded", "", order.KindRefund, order.Refunded},
		{"refund.failed", "", order.KindRefund, order.Failed},
		{"dispute.created", "", order.KindDispute, order.Disputed},
		{"dispute.opened", "", order.KindDispute, order.Disputed},
		{"dispute.won", "", order.KindDispute, order.Won},
		{"dispute.lost", "", order.KindDispute, order.Lost},

		// The status decides where the type does not …
		{"payment.updated", "paid", order.KindPayment, order.Paid},
		{"payment.updated", "PAID", order.KindPayment, order.Paid},
		{"payment.created", "paid", order.KindPayment, order.Paid},
		{"refund.created", "succeeded", order.KindRefund, order.Refunded},
		{"refund.updated", "failed", order.KindRefund, order.Failed},
		{"dispute.closed", "won", order.KindDispute, order.Won},
		{"dispute.closed", "lost", order.KindDispute, order.Lost},
		{"", "paid", order.KindPayment, order.Paid},
		{"", "refund_pending", order.KindRefund, order.Pending},
		{"", "refund_failed", order.KindRefund, order.Failed},
		{"", "disputed", order.KindDispute, order.Disputed},
		// … and only there.
		{"payment.failed", "paid", order.KindPayment, order.Failed},
		{"dispute.created", "needs_response", order.KindDispute, order.Disputed},

		{"dispute.closed", "", order.KindNote, ""},
		{"payment.updated", "", order.KindNote, ""},
		{"payment.updated", "strange", order.KindNote, ""},
		{"invoice.created", "paid", order.KindNote, ""},
		{"paid", "paid", order.KindNote, ""},
	} {
		data := parse(t, `{"order":"A1","payment":"p1","amount":100,"currency":"EUR","status":"`+c.status+`"}`)
		e, err := standard.ReadEvent(data, c.typ)
		if err != nil || e.Kind != c.kind || e.Status != c.want {
			t.Errorf("type %q, status %q: got %s %s, %v; want %s %s", c.typ, c.status, e.Kind, e.Status, err, c.kind, c.want)
		}
		if e.Kind == order.KindNote && e.Amount != 0 {
			t.Errorf("type %q, status %q: a note with an amount", c.typ, c.status)
		}
	}
}

func TestWholeOrderEndsOnlyWithoutAPayment(t *testing.T) {
	for _, c := range []struct {
		typ, data string
		want      order.Kind
	}{
		{"order.canceled", `{"order":"A1"}`, order.KindOrder},
		{"order.cancelled", `{"order":"A1"}`, order.KindOrder},
		{"order.expired", `{"order":"A1"}`, order.KindOrder},
		{"", `{"order":"A1","status":"canceled"}`, order.KindOrder},
		{"order.canceled", `{"order":"A1","payment":"p1"}`, order.KindPayment},
		{"payment.canceled", `{"order":"A1"}`, order.KindPayment},
		{"order.failed", `{"order":"A1"}`, order.KindPayment},
	} {
		if e, err := standard.ReadEvent(parse(t, c.data), c.typ); err != nil || e.Kind != c.want {
			t.Errorf("%q %s: got %s, %v; want %s", c.typ, c.data, e.Kind, err, c.want)
		}
	}
}

func TestReadsEveryField(t *testing.T) {
	e, err := standard.ReadEvent(parse(t, `{"order":"A1001","payment":"p1","ref":"c1","amount":9900,"currency":"cny",
		"method":"card","reason":"none","action_url":"https://bank.example/3ds","livemode":false,
		"occurred_at":"2026-11-23T16:00:00.5+08:00"}`), "payment.requires_action")
	want := order.Event{
		Order: "A1001", Payment: "p1", Ref: "c1", Kind: order.KindPayment, Status: order.RequiresAction,
		Amount: 9900, Currency: "CNY", Method: "card", Reason: "none", ActionURL: "https://bank.example/3ds",
		At: time.Date(2026, 11, 23, 8, 0, 0, 5e8, time.UTC), Type: "payment.requires_action",
	}
	if err != nil || e != want {
		t.Errorf("got  %+v, %v\nwant %+v", e, err, want)
	}
}

func TestNamesOfIDs(t *testing.T) {
	for _, c := range []struct{ typ, data, order, payment, ref string }{
		{"payment.paid", `{"order":"A1","order_id":"A2"}`, "A1", "", ""},
		{"payment.paid", `{"order_id":"A1","payment_id":"p1"}`, "A1", "p1", ""},
		{"payment.paid", `{"orderId":1001,"paymentId":2002}`, "1001", "2002", ""},
		{"payment.paid", `{"metadata":{"order_id":"A1"}}`, "A1", "", ""},
		{"payment.paid", `{"object":{"metadata":{"order_id":"A1"}}}`, "A1", "", ""},
		{"payment.paid", `{"order":null,"order_id":"","orderId":"A1"}`, "A1", "", ""},
		{"payment.paid", `{"payment":"p1"}`, "", "p1", ""},
		{"payment.paid", `{"order":"A1","refund":"r1","dispute":"d1"}`, "A1", "", ""},
		{"refund.pending", `{"order":"A1","refund":"r1"}`, "A1", "", "r1"},
		{"refund.pending", `{"order":"A1","refund_id":"r1"}`, "A1", "", "r1"},
		{"dispute.opened", `{"order":"A1","dispute":"d1"}`, "A1", "", "d1"},
		{"dispute.opened", `{"order":"A1","dispute_id":"d1"}`, "A1", "", "d1"},
		{"customer.updated", `{"order":"not an id","payment":"p1"}`, "", "p1", ""},
	} {
		e, err := standard.ReadEvent(parse(t, c.data), c.typ)
		if err != nil || e.Order != c.order || e.Payment != c.payment || e.Ref != c.ref {
			t.Errorf("%s %s: got %q, %q, %q, %v", c.typ, c.data, e.Order, e.Payment, e.Ref, err)
		}
	}
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		data string
		want int64
	}{
		{`"amount":9900,"currency":"CNY"`, 9900},
		{`"amount":"99.00","currency":"CNY"`, 9900},
		{`"amount":"99","currency":"CNY"`, 9900},
		{`"amount":"19.99","currency":"EUR"`, 1999},
		{`"amount":"500","currency":"JPY"`, 500},
		{`"amount":"1.234","currency":"KWD"`, 1234},
		{`"amount":999999999999999,"currency":"VND"`, 999999999999999},
		{`"status":"none"`, 0},
	} {
		e, err := standard.ReadEvent(parse(t, `{"order":"A1",`+c.data+`}`), "payment.paid")
		if err != nil || e.Amount != c.want {
			t.Errorf("%s: got %d, %v; want %d", c.data, e.Amount, err, c.want)
		}
	}
}

func TestReadEventRefuses(t *testing.T) {
	for _, c := range []struct{ typ, data, want string }{
		{"", `{"order":"A1"}`, "no status that is known: status is one of authorized, canceled"},
		{"", `{"order":"A1","status":"strange"}`, "no status that is known"},
		{"payment.paid", `{}`, "names no order: looked at order, order_id"},
		{"refund.succeeded", `{"amount":1,"currency":"EUR"}`, "names no order"},
		{"payment.paid", `{"order":{"id":"A1"}}`, "names no order"},
		{"payment.paid", `{"order":"two words"}`, "order id"},
		{"payment.paid", `{"order":"A1","payment":"` + strings.Repeat("p", 129) + `"}`, "payment id"},
		{"payment.paid", `{"order":"A1","amount":99.5,"currency":"CNY"}`, "fraction or an exponent"},
		{"payment.paid", `{"order":"A1","amount":99.00,"currency":"CNY"}`, "fraction or an exponent"},
		{"payment.paid", `{"order":"A1","amount":1e3,"currency":"CNY"}`, "fraction or an exponent"},
		{"payment.paid", `{"order":"A1","amount":-1,"currency":"CNY"}`, "whole number"},
		{"payment.paid", `{"order":"A1","amount":1000000000000000,"currency":"CNY"}`, "too large"},
		{"payment.paid", `{"order":"A1","amount":"99.001","currency":"CNY"}`, "more decimals"},
		{"payment.paid", `{"order":"A1","amount":"1,000.00","currency":"CNY"}`, "whole number"},
		{"payment.paid", `{"order":"A1","amount":true,"currency":"CNY"}`, "neither a number nor a string"},
		{"payment.paid", `{"order":"A1","amount":100}`, "without a currency"},
		{"payment.paid", `{"order":"A1","currency":"EUR"}`, "without an amount"},
		{"payment.paid", `{"order":"A1","amount":100,"currency":"EURO"}`, "three letters"},
		{"payment.refunded", `{"order":"A1"}`, "without an amount"},
		{"payment.paid", `{"order":"A1","livemode":"no"}`, "livemode"},
		{"payment.paid", `{"order":"A1","occurred_at":"yesterday"}`, "RFC 3339"},
		{"payment.paid", `{"order":"A1","occurred_at":1700000000}`, "RFC 3339"},
	} {
		e, err := standard.ReadEvent(parse(t, c.data), c.typ)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %+v, %v; want %q", c.typ, c.data, e, err, c.want)
		}
	}
}

func TestNotesAreNeverRefusedForTheirContent(t *testing.T) {
	for _, data := range []string{`{}`, `{"livemode":"no","occurred_at":7,"amount":1.5,"order":"a b","status":[]}`} {
		if e, err := standard.ReadEvent(parse(t, data), "stock.low"); err != nil || e.Kind != order.KindNote {
			t.Errorf("%s: got %+v, %v", data, e, err)
		}
	}
}

func FuzzReadEvent(f *testing.F) {
	f.Add([]byte(`{"order":"A1","amount":"99.00","currency":"CNY","status":"paid"}`), "payment.updated")
	f.Add([]byte(`{"order":1,"amount":1e400,"reason":"\u00e9"}`), "refund.succeeded")
	f.Fuzz(func(t *testing.T, body []byte, typ string) {
		data, err := strictjson.ParseObject(body)
		if err != nil {
			return
		}
		e, err := standard.ReadEvent(data, typ)
		if err != nil {
			return
		}
		e.Source, e.ID = "shop", "e1"
		if err := e.Check(); err != nil {
			t.Errorf("an event that the ledger refuses: %v", err)
		}
	})
}
