package paystack

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

// normalize reads a verified body (paystack.com/docs/payments/webhooks,
// supported events).
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{Type: b.String("event"), Kind: order.KindNote}
	if e.Type == "" {
		return nil, errors.New("no event: its name is missing")
	}
	o := b.Object("data")
	e.Livemode = o.String("domain") != "test"
	e.At = at(o)
	switch {
	case strings.HasPrefix(e.Type, "charge.dispute."):
		e, err = dispute(e, o)
	case strings.HasPrefix(e.Type, "charge."):
		e.Order = webhook.First(b, p.orders...)
		e, err = charge(e, o)
	case strings.HasPrefix(e.Type, "refund."):
		e, err = refund(e, o, body)
	}
	if e.Kind == order.KindNote {
		e.ID = webhook.BodyID("note-", body)
	}
	return []order.Event{e}, err
}

// at is the latest time that an object tells.
func at(o strictjson.Object) time.Time {
	for _, name := range []string{"updated_at", "updatedAt", "paid_at", "paidAt", "created_at", "createdAt"} {
		if t, err := time.Parse(time.RFC3339, o.String(name)); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// decimals is how many Paystack's amounts have, in every currency: kobo,
// pesewas, cents, and hundredths of francs that do not exist.
const decimals = 2

// money reads an amount, a number in one event and text in another.
func money(o strictjson.Object, field string) (int64, string, error) {
	currency, err := webhook.Currency(o.String("currency"))
	var amount int64
	if err == nil {
		amount, err = webhook.Rescale(webhook.First(o, field), decimals, order.Decimals(currency))
	}
	if err != nil {
		return 0, "", fmt.Errorf("data.%s: %w", field, err)
	}
	return amount, currency, nil
}

// charge reads a transaction. Its reference is what everything else names it by.
func charge(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment, e.Method = o.String("reference"), method(o)
	switch e.Type {
	case "charge.success":
		e.Status = order.Paid
	case "charge.failed":
		e.Status, e.Reason = order.Failed, o.String("gateway_response")
	default:
		return e, nil
	}
	if e.Payment == "" {
		return e, errors.New("data.reference is missing")
	}
	e.Kind, e.ID = order.KindPayment, fmt.Sprintf("%s-%s", e.Type, cmp.Or(webhook.First(o, "id"), e.Payment))
	var err error
	e.Amount, e.Currency, err = money(o, "amount")
	return e, err
}

// method is the channel: card, bank, ussd, qr, mobile_money, bank_transfer,
// apple_pay …
func method(o strictjson.Object) string {
	return cmp.Or(o.String("channel"), o.String("authorization.channel"))
}

// refund reads a refund. Many have no id of their own, and two of one amount
// can then be told apart by their bodies alone.
func refund(e order.Event, o strictjson.Object, body []byte) (order.Event, error) {
	status := map[string]order.Status{
		"refund.pending": order.Pending, "refund.processing": order.Pending, "refund.processed": order.Refunded, "refund.failed": order.Failed,
	}[e.Type]
	e.Payment = cmp.Or(o.String("transaction_reference"), o.String("transaction.reference"))
	if status == "" || e.Payment == "" {
		return e, nil
	}
	e.Kind, e.Status = order.KindRefund, status
	if e.Ref = webhook.First(o, "id", "refund_reference"); e.Ref == "" {
		e.Ref = webhook.BodyID("", body)
	}
	e.ID = fmt.Sprintf("%s-%s-%s", e.Type, e.Payment, e.Ref)
	var err error
	e.Amount, e.Currency, err = money(o, "amount")
	return e, err
}

// dispute reads a dispute. A resolution that the merchant declined and that
// stood is a dispute that is won.
func dispute(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment = cmp.Or(o.String("transaction.reference"), o.String("transaction_reference"))
	e.Ref = webhook.First(o, "id")
	if e.Payment == "" || e.Ref == "" {
		return e, errors.New("the dispute's id or its transaction's reference is missing")
	}
	e.Kind, e.Status, e.Reason = order.KindDispute, order.Disputed, o.String("category")
	if e.Type == "charge.dispute.resolve" || o.String("status") == "resolved" {
		switch o.String("resolution") {
		case "declined":
			e.Status = order.Won
		case "merchant-accepted", "auto-accepted":
			e.Status = order.Lost
		}
	}
	e.ID = fmt.Sprintf("%s-%s-%s", e.Type, e.Ref, e.Status)
	if o["currency"] == nil || o["refund_amount"] == nil {
		return e, nil
	}
	var err error
	e.Amount, e.Currency, err = money(o, "refund_amount")
	return e, err
}
