package flutterwave

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Reader reads Flutterwave's bodies without proof of their sender. It
// implements [webhook.Reader] and [webhook.Writer].
type Reader struct{ orders []string }

// NewReader returns a Reader. Of the options Secrets and SignedOnly have no use.
func NewReader(o Options) *Reader {
	return &Reader{webhook.PathsOr(o.Order, "data.tx_ref", "data.reference", "txRef")}
}

// Read implements [webhook.Reader].
func (rd *Reader) Read(body []byte) ([]order.Event, error) {
	return webhook.ReadWith(body, rd.normalize)
}

// Modeless says that events do not tell their mode: test and live mode have
// webhooks of their own.
func (rd *Reader) Modeless() bool { return true }

// normalize reads one event. Version 4 names it in type, version 3 in event;
// accounts older than that get the transaction alone.
func (rd *Reader) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	o, name := b.Object("data"), webhook.First(b, "type", "event")
	if name == "" && b["txRef"] != nil {
		o, name = b, "charge.completed"
	}
	if name == "" {
		return nil, errors.New("no event: neither type nor event")
	}
	e := order.Event{ID: webhook.BodyID("made_", body), Type: name, Kind: order.KindNote, Livemode: true, At: webhook.Time(o, "created_datetime", "created_at", "createdAt")}
	if e.At.IsZero() {
		e.At = webhook.UnixTime(o, "created_datetime")
	}
	id, status := webhook.First(o, "id"), strings.ToLower(o.String("status"))
	family, _, _ := strings.Cut(name, ".")
	switch family {
	case "charge":
		e.Order, e.Payment = webhook.First(b, rd.orders...), id
		e, err = charge(e, o, status)
	case "refund", "chargeback":
		e.Payment, e.Ref = webhook.First(o, "charge_id", "charge.id", "transaction_id", "TransactionId", "tx_id"), id
		e, err = afterwards(e, o, family, status)
	default:
		return []order.Event{e}, nil
	}
	if err != nil {
		return nil, err
	}
	if e.Kind != order.KindNote {
		if id == "" || e.Payment == "" {
			return nil, errors.New("data.id or the charge's id is missing")
		}
		e.ID = strings.Join([]string{name, id, cmp.Or(status, string(e.Status))}, ":")
	}
	return []order.Event{e}, nil
}

// charges are the words for what has become of a charge: charge.completed says
// only that it has come to an end, and at times not even that.
var charges = map[string]order.Status{
	"successful": order.Paid, "succeeded": order.Paid, "completed": order.Paid,
	"failed": order.Failed, "error": order.Failed,
	"pending": order.Pending, "pending-validation": order.Pending, "processing": order.Pending,
	"cancelled": order.Canceled, "canceled": order.Canceled, "voided": order.Canceled,
}

// charge reads a charge. Its amount is what was asked for; charged_amount has
// the fees too.
func charge(e order.Event, o strictjson.Object, status string) (order.Event, error) {
	meant, known := charges[status]
	switch {
	case e.Type == "charge.failed":
		meant = order.Failed
	case !known:
		return e, nil
	}
	var err error
	if e.Amount, e.Currency, err = webhook.Money(o, "amount", "currency"); err != nil {
		return e, fmt.Errorf("data.%w", err)
	}
	if meant == order.Paid && e.Currency == "" {
		return e, errors.New("data.amount is missing")
	}
	e.Kind, e.Status = order.KindPayment, meant
	e.Method = method(webhook.First(o, "payment_type", "payment_method.type"))
	if meant == order.Failed {
		e.Reason = webhook.First(o, "processor_response.type", "processor_response.code", "processor_response")
	}
	return e, nil
}

// afterwards reads a refund or a chargeback.
func afterwards(e order.Event, o strictjson.Object, family, status string) (order.Event, error) {
	var err error
	for _, field := range []string{"amount_refunded", "AmountRefunded", "amount"} {
		if e.Currency == "" && o.Text(field) != "" && o.String("currency") != "" {
			if e.Amount, e.Currency, err = webhook.Money(o, field, "currency"); err != nil {
				return e, fmt.Errorf("data.%w", err)
			}
		}
	}
	if family == "chargeback" {
		e.Kind, e.Status = order.KindDispute, order.Disputed
		switch status {
		case "won", "reversed":
			e.Status = order.Won
		case "lost", "accepted":
			e.Status = order.Lost
		}
		return e, nil
	}
	switch {
	case e.Type == "refund.failed" || status == "failed":
		e.Kind, e.Status = order.KindRefund, order.Failed
	case status == "pending" || status == "new":
		e.Kind, e.Status = order.KindRefund, order.Pending
	case e.Currency != "": // else how much is not told, and it stays a note
		e.Kind, e.Status = order.KindRefund, order.Refunded
	}
	return e, nil
}

// method gives wallets the names that they have with other providers.
func method(typ string) string {
	switch strings.ToLower(typ) {
	case "applepay", "apple_pay":
		return "apple_pay"
	case "googlepay", "google_pay":
		return "google_pay"
	}
	return typ
}
