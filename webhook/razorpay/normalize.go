package razorpay

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// normalize reads a verified body (razorpay.com/docs/webhooks/payments,
// …/refunds, …/disputes, …/payment-links).
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	typ := b.String("event")
	if typ == "" {
		return nil, errors.New("no event: its name is missing")
	}
	e := order.Event{Order: webhook.First(b, p.orders...), Kind: order.KindNote, Livemode: true, Type: typ, At: at(b)}
	payment := b.Object("payload.payment.entity")
	switch {
	case strings.HasPrefix(typ, "payment.dispute."):
		e, err = dispute(e, b.Object("payload.dispute.entity"))
	case strings.HasPrefix(typ, "refund."):
		e, err = refund(e, b.Object("payload.refund.entity"), payment)
	case strings.HasPrefix(typ, "payment_link.") && payment == nil:
		e, err = link(e, b.Object("payload.payment_link.entity"))
	case payment != nil:
		e, err = step(e, payment)
	}
	if e.Kind == order.KindNote {
		e.ID = webhook.BodyID("note-", body)
	}
	return []order.Event{e}, err
}

// at is when the event came to be. Razorpay's older samples have the time
// inside the payload.
func at(b strictjson.Object) time.Time {
	for _, path := range []string{"created_at", "payload.created_at"} {
		if seconds, ok := b.Int(path); ok && seconds > 0 && seconds < 1<<37 {
			return time.Unix(seconds, 0).UTC()
		}
	}
	return time.Time{}
}

// money reads an amount in the smallest unit of its currency.
func money(o strictjson.Object, field string) (int64, string, error) {
	currency, err := webhook.Currency(o.String("currency"))
	var amount int64
	if err == nil {
		amount, err = order.ParseMinor(webhook.First(o, field))
	}
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", field, err)
	}
	return amount, currency, nil
}

// name makes the event's id of what it tells and of which thing: the same
// whenever it is sent again.
func name(e order.Event, id string) string {
	return fmt.Sprintf("%s-%s-%d", e.Type, id, max(0, e.At.Unix()))
}

// steps are the events of a payment. Its own status may be a later one already.
var steps = map[string]order.Status{
	"payment.authorized": order.Authorized, "payment.captured": order.Paid, "payment.failed": order.Failed, "payment.pending": order.Pending,
}

// step reads an event about a payment: its own, or that of an order, a payment
// link or an invoice which a payment has settled.
func step(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment = o.String("id")
	status := steps[e.Type]
	if status == "" && !strings.HasPrefix(e.Type, "payment.") && o.String("status") == "captured" {
		status = order.Paid
	}
	if status == "" {
		return e, nil
	}
	if e.Payment == "" {
		return e, errors.New("the payment's id is missing")
	}
	e.Kind, e.Status, e.Method, e.ID = order.KindPayment, status, method(o), name(e, e.Payment)
	if status == order.Failed {
		e.Reason = cmp.Or(o.String("error_reason"), o.String("error_code"))
	}
	var err error
	e.Amount, e.Currency, err = money(o, "amount")
	return e, err
}

// method is card, upi, netbanking, emi … or the wallet's name.
func method(o strictjson.Object) string {
	if o.String("method") == "wallet" {
		return cmp.Or(o.String("wallet"), "wallet")
	}
	return o.String("method")
}

// refund reads a Refund. One of a payment that was never captured lets an
// authorization go.
func refund(e order.Event, o, payment strictjson.Object) (order.Event, error) {
	e.Payment, e.Ref = cmp.Or(o.String("payment_id"), payment.String("id")), o.String("id")
	if e.Payment == "" || e.Ref == "" {
		return e, errors.New("the refund's id or payment_id is missing")
	}
	e.Kind, e.Status, e.Method = order.KindRefund, order.Pending, method(payment)
	switch {
	case e.Type == "refund.failed" || o.String("status") == "failed":
		e.Status = order.Failed
	case e.Type == "refund.processed" || o.String("status") == "processed":
		e.Status = order.Refunded
	}
	e.ID = name(e, e.Ref)
	var err error
	e.Amount, e.Currency, err = money(o, "amount")
	if captured, told := payment["captured"].(bool); told && !captured && e.Status == order.Refunded {
		e.Kind, e.Status, e.Ref = order.KindPayment, order.Canceled, ""
	}
	return e, err
}

// dispute reads a Dispute. One that was closed without a verdict took no money.
func dispute(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment, e.Ref, e.Reason = o.String("payment_id"), o.String("id"), o.String("reason_code")
	if e.Payment == "" || e.Ref == "" {
		return e, errors.New("the dispute's id or payment_id is missing")
	}
	e.Kind, e.Status = order.KindDispute, order.Disputed
	switch cmp.Or(strings.TrimPrefix(e.Type, "payment.dispute."), o.String("status")) {
	case "won", "closed":
		e.Status = order.Won
	case "lost":
		e.Status = order.Lost
	}
	e.ID = name(e, e.Ref)
	var err error
	e.Amount, e.Currency, err = money(o, "amount")
	return e, err
}

// link reads a payment link that ended without a payment: and with it the order
// that it was made for.
func link(e order.Event, o strictjson.Object) (order.Event, error) {
	status := map[string]order.Status{"payment_link.expired": order.Expired, "payment_link.cancelled": order.Canceled}[e.Type]
	if status == "" || e.Order == "" {
		return e, nil
	}
	e.Kind, e.Status, e.ID = order.KindOrder, status, name(e, o.String("id"))
	return e, nil
}
