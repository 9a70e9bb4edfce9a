package paddle

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

// normalize reads a verified body (developer.paddle.com/webhooks/overview).
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{ID: b.String("event_id"), Type: b.String("event_type"), Kind: order.KindNote, Livemode: true}
	if e.ID == "" || e.Type == "" {
		return nil, errors.New("no event: event_id or event_type is missing")
	}
	if at, err := time.Parse(time.RFC3339, b.String("occurred_at")); err == nil {
		e.At = at.UTC()
	}
	o := b.Object("data")
	switch family, name, _ := strings.Cut(e.Type, "."); family {
	case "transaction":
		e.Order = webhook.First(b, p.orders...)
		e, err = transaction(e, name, o)
	case "adjustment":
		e, err = adjustment(e, o)
	}
	return []order.Event{e}, err
}

// money reads an amount: text in the smallest unit of its currency.
func money(o strictjson.Object, currency string, paths ...string) (int64, string, error) {
	currency, err := webhook.Currency(currency)
	var amount int64
	if err == nil {
		amount, err = order.ParseMinor(webhook.First(o, paths...))
	}
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", paths[0], err)
	}
	return amount, currency, nil
}

// steps are the events of a transaction that tell of its payment.
// transaction.updated comes beside each of them, and after a payment that failed
// it would look like a new attempt.
var steps = map[string]order.Status{
	"created": order.Created, "ready": order.Pending, "billed": order.Pending, "paid": order.Paid, "completed": order.Paid,
	"payment_failed": order.Failed, "past_due": order.Failed, "canceled": order.Canceled,
}

// transaction reads a Transaction. Its list of payments has failed attempts
// too, also of one that is paid.
func transaction(e order.Event, name string, o strictjson.Object) (order.Event, error) {
	e.Payment = o.String("id")
	if e.Status = steps[name]; e.Status == "" {
		return e, nil
	}
	if e.Payment == "" {
		return e, errors.New("data.id is missing")
	}
	e.Kind = order.KindPayment
	attempt := attempt(o)
	e.Method = attempt.String("method_details.type")
	if e.Status == order.Failed {
		e.Reason = attempt.String("error_code")
	}
	var err error
	if e.Status == order.Created && webhook.First(o, "details.totals.grand_total") == "" { // a draft without items
		return e, nil
	}
	e.Amount, e.Currency, err = money(o, cmp.Or(o.String("currency_code"), o.String("details.totals.currency_code")),
		"details.totals.grand_total", "details.totals.total")
	return e, err
}

// attempt is the payment that succeeded, or the latest, which comes first.
func attempt(o strictjson.Object) strictjson.Object {
	payments, _ := o["payments"].([]strictjson.Value)
	var first strictjson.Object
	for _, v := range payments {
		payment, _ := v.(strictjson.Object)
		if payment.String("status") == "captured" {
			return payment
		}
		if first == nil {
			first = payment
		}
	}
	return first
}

// adjustment reads an Adjustment: money that goes back, by refund or by
// chargeback. It names the transaction and no order.
func adjustment(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment, e.Ref, e.Reason = o.String("transaction_id"), o.String("id"), o.String("reason")
	action, status := o.String("action"), o.String("status")
	switch action {
	case "refund":
		e.Kind = order.KindRefund
		e.Status = map[string]order.Status{
			"pending_approval": order.Pending, "approved": order.Refunded, "rejected": order.Failed, "reversed": order.Failed,
		}[status]
	case "chargeback", "chargeback_warning":
		e.Kind, e.Status, e.Ref = order.KindDispute, order.Disputed, action
		if status == "reversed" || status == "rejected" {
			e.Status = order.Won
		}
	case "chargeback_reverse", "chargeback_warning_reverse": // an adjustment of its own
		e.Kind, e.Status, e.Ref = order.KindDispute, order.Won, strings.TrimSuffix(action, "_reverse")
	}
	if e.Kind == order.KindNote || e.Status == "" {
		e.Kind = order.KindNote
		return e, nil
	}
	if e.Payment == "" || e.Ref == "" {
		return e, errors.New("data.id or data.transaction_id is missing")
	}
	if e.Kind == order.KindRefund {
		e.Reason = ""
	}
	var err error
	e.Amount, e.Currency, err = money(o, cmp.Or(o.String("totals.currency_code"), o.String("currency_code")), "totals.total")
	return e, err
}
