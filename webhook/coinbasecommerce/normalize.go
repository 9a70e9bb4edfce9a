package coinbasecommerce

import (
	"errors"
	"fmt"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Reader reads Coinbase Commerce's bodies without proof of their sender. It
// implements [webhook.Reader] and [webhook.Writer].
type Reader struct{ orders []string }

// NewReader returns a Reader. Of the options the secrets have no use.
func NewReader(o Options) *Reader {
	return &Reader{webhook.PathsOr(o.Order,
		"event.data.metadata.order_id", "event.data.metadata.order", "event.data.metadata.custom", "event.data.code")}
}

// Read implements [webhook.Reader].
func (rd *Reader) Read(body []byte) ([]order.Event, error) {
	return webhook.ReadWith(body, rd.normalize)
}

// Modeless says that events do not tell their mode: Coinbase Commerce has one only.
func (rd *Reader) Modeless() bool { return true }

// normalize reads one event, which is told of a charge.
func (rd *Reader) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{
		ID: b.String("event.id"), Type: b.String("event.type"), Kind: order.KindNote, Livemode: true,
		Order: webhook.First(b, rd.orders...), At: webhook.Time(b, "event.created_at"),
	}
	if e.ID == "" || e.Type == "" {
		return nil, errors.New("no event: event.id or event.type is missing")
	}
	charge := b.Object("event.data")
	name, ofCharge := strings.CutPrefix(e.Type, "charge:")
	if !ofCharge {
		return []order.Event{e}, nil
	}
	if e.Payment = webhook.First(charge, "id", "code"); e.Payment == "" {
		return nil, errors.New("event.data.id is missing")
	}
	if e, err = step(e, charge, name); err != nil {
		return nil, fmt.Errorf("event.data.%w", err)
	}
	return []order.Event{e}, nil
}

// step says what has become of a charge. Confirmed is as good as paid in full,
// within the merchant's thresholds. Delayed is money that came late, or too
// much or too little of it: what came counts, and what to do is for the
// merchant to decide.
func step(e order.Event, charge strictjson.Object, name string) (order.Event, error) {
	price, currency, err := webhook.Money(charge, "pricing.local.amount", "pricing.local.currency")
	if err != nil {
		return e, err
	}
	came, of, err := received(charge)
	if err != nil {
		return e, err
	}
	last, context := timeline(charge)
	e.Kind, e.Amount, e.Currency, e.Method = order.KindPayment, price, currency, webhook.First(charge, "payments.0.network")
	switch name {
	case "created":
		e.Status = order.Created
	case "pending":
		e.Status = order.Pending
	case "confirmed":
		if e.Status = order.Paid; currency == "" { // a charge without a price of its own
			e.Amount, e.Currency = came, of
		}
	case "delayed", "resolved":
		e.Status, e.Reason = order.Pending, strings.ToLower(context)
		if came > 0 {
			e.Status, e.Amount, e.Currency = order.Paid, came, of
		} else if name == "resolved" {
			e.Status = order.Paid
		}
	case "failed":
		switch e.Status = order.Failed; last {
		case "EXPIRED":
			e.Status = order.Expired
		case "CANCELED":
			e.Status = order.Canceled
		}
	default:
		e.Kind = order.KindNote
	}
	return e, nil
}

// timeline returns the last status of a charge, and what stands beside it.
func timeline(charge strictjson.Object) (status, context string) {
	steps, _ := charge["timeline"].([]strictjson.Value)
	if len(steps) == 0 {
		return "", ""
	}
	last, _ := steps[len(steps)-1].(strictjson.Object)
	return last.String("status"), last.String("context")
}

// received adds up what came on chain, in the currency of the price. Coinbase
// reckons it with more decimals than the currency has; they are cut off, so that
// nobody is said to have paid more than he did.
func received(charge strictjson.Object) (sum int64, currency string, err error) {
	payments, _ := charge["payments"].([]strictjson.Value)
	for _, v := range payments {
		payment, _ := v.(strictjson.Object)
		if status := payment.String("status"); status != "CONFIRMED" && status != "COMPLETED" {
			continue
		}
		amount, of := payment.Text("value.local.amount"), strings.ToUpper(payment.String("value.local.currency"))
		if amount == "" {
			continue
		}
		if !order.IsCurrency(of) || currency != "" && of != currency {
			return 0, "", errors.New("payments: a local currency is no code of three letters, or there are two")
		}
		currency = of
		minor, err := webhook.Minor(cut(amount, order.Decimals(of)), order.Decimals(of))
		if err != nil {
			return 0, "", fmt.Errorf("payments: %w", err)
		}
		if sum += minor; sum > order.MaxAmount {
			return 0, "", errors.New("payments: amount is too large")
		}
	}
	return sum, currency, nil
}

// cut takes decimals off beyond the first so many.
func cut(amount string, decimals int) string {
	whole, fraction, _ := strings.Cut(amount, ".")
	if strings.Trim(fraction, "0123456789") != "" || len(fraction) <= decimals {
		return amount
	}
	if decimals == 0 {
		return whole
	}
	return whole + "." + fraction[:decimals]
}
