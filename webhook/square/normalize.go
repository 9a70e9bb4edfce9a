package square

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

// normalize reads a verified body
// (developer.squareup.com/reference/square/webhooks).
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{ID: b.String("event_id"), Type: b.String("type"), Kind: order.KindNote, Livemode: true, At: at(b)}
	if e.ID == "" || e.Type == "" {
		return nil, errors.New("no event: event_id or type is missing")
	}
	family, _, _ := strings.Cut(e.Type, ".")
	switch o := b.Object("data.object." + family); {
	case o == nil:
		return []order.Event{e}, nil
	case family == "payment":
		e.Order = webhook.First(b, p.orders...)
		return payment(e, o)
	case family == "refund":
		return one(refund(e, o))
	case family == "dispute":
		return one(dispute(e, o))
	}
	return []order.Event{e}, nil
}

func one(e order.Event, err error) ([]order.Event, error) { return []order.Event{e}, err }

// at is when an object was last changed.
func at(o strictjson.Object) time.Time {
	t, err := time.Parse(time.RFC3339, cmp.Or(o.String("updated_at"), o.String("created_at")))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// money reads an object with an amount in minor units and a currency.
func money(o strictjson.Object, field string) (int64, string, error) {
	m := o.Object(field)
	currency, err := webhook.Currency(m.String("currency"))
	var amount int64
	if err == nil {
		amount, err = order.ParseMinor(webhook.First(m, "amount"))
	}
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", field, err)
	}
	return amount, currency, nil
}

var statuses = map[string]order.Status{
	"PENDING": order.Pending, "APPROVED": order.Authorized, "COMPLETED": order.Paid, "CANCELED": order.Canceled, "FAILED": order.Failed,
}

// payment reads a Payment as it stands: its status, and how much of it was
// refunded, as a running total.
func payment(e order.Event, o strictjson.Object) ([]order.Event, error) {
	e.Payment, e.Method = o.String("id"), method(o)
	if e.Status = statuses[o.String("status")]; e.Status == "" {
		return []order.Event{e}, nil
	}
	if e.Payment == "" {
		return nil, errors.New("the payment's id is missing")
	}
	if t := at(o); !t.IsZero() {
		e.At = t
	}
	e.Kind = order.KindPayment
	if e.Status == order.Failed {
		e.Reason = o.String("card_details.errors.0.code")
	}
	field := "total_money" // with the tip
	if o[field] == nil {
		field = "amount_money"
	}
	var err error
	if e.Amount, e.Currency, err = money(o, field); err != nil || o["refunded_money"] == nil || e.Status != order.Paid {
		return []order.Event{e}, err
	}
	back := e
	back.ID += "#2"
	back.Kind, back.Status = order.KindRefund, order.Refunded
	if back.Amount, back.Currency, err = money(o, "refunded_money"); err != nil || back.Amount == 0 {
		return []order.Event{e}, err
	}
	return []order.Event{e, back}, nil
}

// method is the wallet's brand, or the kind of source: card, bank_account,
// cash, external, buy_now_pay_later …
func method(o strictjson.Object) string {
	if brand := o.String("wallet_details.brand"); brand != "" && brand != "UNKNOWN" {
		return strings.ToLower(brand)
	}
	return strings.ToLower(o.String("source_type"))
}

// refund reads a PaymentRefund.
func refund(e order.Event, o strictjson.Object) (order.Event, error) {
	status := map[string]order.Status{
		"PENDING": order.Pending, "COMPLETED": order.Refunded, "REJECTED": order.Failed, "FAILED": order.Failed,
	}[o.String("status")]
	e.Payment, e.Ref = o.String("payment_id"), o.String("id")
	if status == "" || e.Payment == "" { // of a payment that Square does not know
		return e, nil
	}
	if e.Ref == "" {
		return e, errors.New("the refund's id is missing")
	}
	if t := at(o); !t.IsZero() {
		e.At = t
	}
	e.Kind, e.Status = order.KindRefund, status
	var err error
	e.Amount, e.Currency, err = money(o, "amount_money")
	return e, err
}

// dispute reads a Dispute, which names its payment in a list in older versions of
// the API. An inquiry that was closed took no money.
func dispute(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment = cmp.Or(o.String("disputed_payment.payment_id"), o.String("disputed_payments.0.payment_id"))
	e.Ref = cmp.Or(o.String("id"), o.String("dispute_id"))
	state := o.String("state")
	if e.Payment == "" || e.Ref == "" || state == "" {
		return e, nil
	}
	e.Kind, e.Status, e.Reason = order.KindDispute, order.Disputed, strings.ToLower(o.String("reason"))
	switch state {
	case "WON", "INQUIRY_CLOSED":
		e.Status = order.Won
	case "LOST", "ACCEPTED":
		e.Status = order.Lost
	}
	if t := at(o); !t.IsZero() {
		e.At = t
	}
	var err error
	e.Amount, e.Currency, err = money(o, "amount_money")
	return e, err
}
