package lemonsqueezy

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Reader reads Lemon Squeezy's bodies without proof of their sender. It
// implements [webhook.Reader] and [webhook.Writer].
type Reader struct{ orders []string }

// NewReader returns a Reader. Of the options the secrets have no use.
func NewReader(o Options) *Reader {
	return &Reader{webhook.PathsOr(o.Order, "meta.custom_data.order_id", "meta.custom_data.order")}
}

// Read implements [webhook.Reader].
func (rd *Reader) Read(body []byte) ([]order.Event, error) {
	return webhook.ReadWith(body, rd.normalize)
}

// normalize reads one event. Only those of orders count: an invoice of a
// subscription is either the order's own or one of a later period.
func (rd *Reader) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	o := b.Object("data.attributes")
	e := order.Event{
		ID: webhook.BodyID("made_", body), Type: b.String("meta.event_name"), Kind: order.KindNote, Order: webhook.First(b, rd.orders...),
		Payment: webhook.First(b, "data.id"), Livemode: !b.Bool("meta.test_mode") && !o.Bool("test_mode"), At: webhook.Time(o, "updated_at", "created_at"),
	}
	if e.Type == "" {
		return nil, errors.New("no event: meta.event_name is missing")
	}
	if b.String("data.type") != "orders" || e.Type != "order_created" && e.Type != "order_refunded" {
		e.Payment = ""
		return []order.Event{e}, nil
	}
	if o == nil || e.Payment == "" {
		return nil, errors.New("data.id or data.attributes is missing")
	}
	status := o.String("status")
	e.ID = strings.Join([]string{e.Type, e.Payment, status, cmp.Or(o.Text("refunded_amount"), "0")}, ":")
	return steps(e, o, status)
}

// steps reads an order of Lemon Squeezy's. One that was given back had been
// paid, so that a refund which comes before its payment is understood.
func steps(e order.Event, o strictjson.Object, status string) ([]order.Event, error) {
	total, currency, err := money(o, "total")
	if err != nil {
		return nil, err
	}
	e.Kind, e.Amount, e.Currency = order.KindPayment, total, currency
	switch {
	case status == "fraudulent":
		e.Kind, e.Status, e.Reason = order.KindDispute, order.Disputed, status
	case status == "refunded" || status == "partial_refund" || e.Type == "order_refunded":
		return refunded(e, o, status)
	case status == "paid":
		e.Status = order.Paid
	case status == "pending":
		e.Status = order.Pending
	case status == "failed":
		e.Status = order.Failed
	default:
		e.Kind = order.KindNote
	}
	return []order.Event{e}, nil
}

// refunded reads an order of which money was given back: all of it, or the
// running total that refunded_amount has.
func refunded(paid order.Event, o strictjson.Object, status string) ([]order.Event, error) {
	back := paid
	paid.ID, paid.Status, paid.At = paid.ID+"#paid", order.Paid, webhook.Time(o, "created_at")
	back.Kind, back.Status = order.KindRefund, order.Refunded
	if at := webhook.Time(o, "refunded_at"); !at.IsZero() {
		back.At = at
	}
	switch amount, _, err := money(o, "refunded_amount"); {
	case err == nil && amount > 0:
		back.Amount = amount
	case status == "partial_refund":
		return nil, errors.New("a part was refunded, and data.attributes.refunded_amount does not say how much")
	}
	return []order.Event{paid, back}, nil
}

// money reads an amount, which is in minor units, and the currency.
func money(o strictjson.Object, field string) (int64, string, error) {
	currency, err := webhook.Currency(o.String("currency"))
	if err != nil {
		return 0, "", fmt.Errorf("data.attributes.%w", err)
	}
	amount, err := order.ParseMinor(webhook.First(o, field))
	if err != nil {
		return 0, "", fmt.Errorf("data.attributes.%s: %w", field, err)
	}
	return amount, currency, nil
}
