package xendit

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Reader reads Xendit's bodies without proof of their sender. It implements
// [webhook.Reader] and [webhook.Writer].
type Reader struct{ orders, ofRefunds []string }

// NewReader returns a Reader. Of the options the secrets have no use.
func NewReader(o Options) *Reader {
	return &Reader{
		webhook.PathsOr(o.Order, "data.reference_id", "external_id"),
		webhook.PathsOr(o.Order, "data.metadata.order_id", "data.data.metadata.order_id"),
	}
}

// Read implements [webhook.Reader].
func (rd *Reader) Read(body []byte) ([]order.Event, error) {
	return webhook.ReadWith(body, rd.normalize)
}

// Modeless says that events do not tell their mode: test and live mode have
// tokens of their own.
func (rd *Reader) Modeless() bool { return true }

// normalize reads one event. The newer products name it; an invoice, a virtual
// account and a payment at a shop's counter send their object alone.
func (rd *Reader) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{ID: webhook.BodyID("made_", body), Type: b.String("event"), Kind: order.KindNote, Livemode: true, Order: webhook.First(b, rd.orders...)}
	o := b.Object("data")
	switch {
	case strings.HasPrefix(e.Type, "refund."):
		e.Order = webhook.First(b, rd.ofRefunds...)
		if inner := o.Object("data"); inner != nil { // in some versions one is in the other
			o = inner
		}
		e, err = refund(e, o)
	case e.Type != "":
		e, err = payment(e, o)
	case b["callback_virtual_account_id"] != nil || b["fixed_payment_code_payment_id"] != nil:
		o, e.Type = b, "fixed_payment.paid"
		e.Payment = webhook.First(o, "payment_id", "fixed_payment_code_payment_id", "id")
		e, err = paid(e, o, "amount")
	case b["external_id"] != nil && b["status"] != nil:
		o = b
		e, err = invoice(e, o)
	default: // of another product
		e.Type = "other"
	}
	if err != nil {
		return nil, err
	}
	e.At = webhook.Time(o, "paid_at", "updated", "transaction_timestamp", "created")
	if e.Kind == order.KindNote {
		return []order.Event{e}, nil
	}
	if e.Payment == "" {
		return nil, errors.New("the payment's id is missing")
	}
	e.ID = strings.Join([]string{e.Type, cmp.Or(e.Ref, e.Payment), string(e.Status), strconv.FormatInt(e.Amount, 10)}, ":")
	return []order.Event{e}, nil
}

// invoices are the statuses of an invoice.
var invoices = map[string]order.Status{
	"PENDING": order.Pending, "PAID": order.Paid, "SETTLED": order.Paid, "EXPIRED": order.Expired,
}

// invoice reads an invoice or payment link. A virtual account that was made has
// an external_id and a status too, and an account_number.
func invoice(e order.Event, o strictjson.Object) (order.Event, error) {
	status := o.String("status")
	e.Type = "invoice." + strings.ToLower(status)
	if o["account_number"] != nil {
		e.Type = "virtual_account." + strings.ToLower(status)
	}
	if invoices[status] == "" || o["account_number"] != nil || o["amount"] == nil {
		return e, nil
	}
	e.Payment = webhook.First(o, "id")
	field := "amount"
	if invoices[status] == order.Paid && o["paid_amount"] != nil {
		field = "paid_amount"
	}
	return step(e, invoices[status], o, field)
}

// payments are the events of a payment, and of the request or session that it
// was asked for with.
var payments = map[string]order.Status{
	"payment.capture": order.Paid, "payment.succeeded": order.Paid, "capture.succeeded": order.Paid,
	"payment.authorization": order.Authorized, "payment.awaiting_capture": order.Authorized,
	"payment.pending": order.Pending,
	"payment.failure": order.Failed, "payment.failed": order.Failed,
	"payment.expiry": order.Expired, "payment.expired": order.Expired, "payment_request.expiry": order.Expired,
	"payment_session.completed": order.Paid, "payment_session.expired": order.Expired,
	"ewallet.void": order.Canceled, "qr.payment": order.Paid,
}

// payment reads an event that has a name. Whatever a name promises, a status
// that speaks of failure is a failure.
func payment(e order.Event, o strictjson.Object) (order.Event, error) {
	meant, known := payments[e.Type]
	status := o.String("status")
	switch {
	case e.Type == "ewallet.capture":
		meant, known = map[string]order.Status{"SUCCEEDED": order.Paid, "PENDING": order.Pending, "FAILED": order.Failed}[status]
	case meant == order.Paid && status == "FAILED":
		meant = order.Failed
	case meant == order.Paid && (status == "PENDING" || status == "ACTIVE"):
		meant = order.Pending
	case e.Type == "ewallet.void" && o.String("void_status") != "SUCCEEDED":
		known = false
	case o.String("session_type") == "SAVE": // a method is kept for later, and nothing is charged
		known = false
	}
	if !known {
		return e, nil
	}
	e.Payment = webhook.First(o, "payment_id", "id", "payment_request_id", "payment_session_id")
	if meant == order.Paid {
		return paid(e, o, "amount", "request_amount", "capture_amount", "charge_amount", "captured_amount")
	}
	return step(e, meant, o, "amount", "request_amount", "charge_amount", "authorized_amount")
}

// paid reads money that came: what was captured so far, where that is listed.
func paid(e order.Event, o strictjson.Object, fields ...string) (order.Event, error) {
	e, err := step(e, order.Paid, o, fields...)
	captures, _ := o["captures"].([]strictjson.Value)
	if err != nil || len(captures) == 0 {
		return e, err
	}
	e.Amount = 0
	for _, v := range captures {
		capture, _ := v.(strictjson.Object)
		part, err := webhook.Minor(capture.Text("capture_amount"), order.Decimals(e.Currency))
		if err != nil {
			return e, fmt.Errorf("captures: %w", err)
		}
		if e.Amount += part; e.Amount > order.MaxAmount {
			return e, errors.New("captures: amount is too large")
		}
	}
	return e, nil
}

// step makes e a step of its payment, with the amount in the first field that
// has one.
func step(e order.Event, status order.Status, o strictjson.Object, fields ...string) (order.Event, error) {
	e.Kind, e.Status = order.KindPayment, status
	e.Method = method(webhook.First(o, "channel_code", "payment_channel", "payment_method.type", "payment_method", "bank_code", "retail_outlet_name"))
	if status == order.Failed {
		e.Reason = webhook.First(o, "failure_code", "failure_reason")
	}
	var err error
	if e.Amount, e.Currency, err = money(o, fields...); err == nil && status == order.Paid && e.Currency == "" {
		err = errors.New("the amount is missing")
	}
	return e, err
}

// money reads an amount in major units. Objects of the older products name no
// currency: they are Indonesian, and so is their money.
func money(o strictjson.Object, fields ...string) (int64, string, error) {
	currency := "IDR"
	if o["currency"] != nil {
		var err error
		if currency, err = webhook.Currency(o.String("currency")); err != nil {
			return 0, "", err
		}
	}
	for _, field := range fields {
		if text := webhook.First(o, field); text != "" {
			amount, err := webhook.Minor(text, order.Decimals(currency))
			if err != nil {
				return 0, "", fmt.Errorf("%s: %w", field, err)
			}
			return amount, currency, nil
		}
	}
	return 0, "", nil
}

// refund reads a refund, which names an invoice or a payment.
func refund(e order.Event, o strictjson.Object) (order.Event, error) {
	switch e.Type {
	case "refund.succeeded":
		e.Status = order.Refunded
	case "refund.failed":
		e.Status, e.Reason = order.Failed, o.String("failure_code")
	case "refund.pending":
		e.Status = order.Pending
	default:
		return e, nil
	}
	e.Kind, e.Ref = order.KindRefund, webhook.First(o, "id")
	e.Payment = webhook.First(o, "invoice_id", "payment_id", "payment_request_id")
	var err error
	if e.Amount, e.Currency, err = money(o, "amount"); err == nil && (e.Currency == "" || e.Ref == "") {
		err = errors.New("the refund's id or amount is missing")
	}
	return e, err
}

// method is a channel's code in small letters; wallets have the names that they
// have with other providers.
func method(channel string) string {
	switch channel = strings.ToLower(channel); channel {
	case "applepay", "apple_pay":
		return "apple_pay"
	case "googlepay", "google_pay":
		return "google_pay"
	}
	return channel
}
