package stripe

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

// normalize reads a verified body (docs.stripe.com/api/events/object and
// docs.stripe.com/api/events/types).
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{ID: b.String("id"), Type: b.String("type"), Kind: order.KindNote}
	if e.ID == "" || e.Type == "" {
		return nil, errors.New("no event: id or type is missing")
	}
	var events []order.Event
	switch b.String("object") {
	case "event":
		if err := stamp(&e, b); err != nil {
			return nil, err
		}
		if p.account == "" || b.String("account") == p.account {
			events, err = p.read(e, b)
		} else {
			events = []order.Event{e}
		}
	case "v2.core.event": // thin: it has no data but a link to fetch it by
		events, err = one(p.readThin(e, b))
	default:
		return nil, errors.New(`no event: object is neither "event" nor "v2.core.event"`)
	}
	if err != nil {
		return nil, err
	}
	return tidied(events)
}

func tidied(events []order.Event) ([]order.Event, error) {
	for i := range events {
		var err error
		if events[i], err = webhook.Tidy(events[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// stamp reads what all events have besides id and type.
func stamp(e *order.Event, b strictjson.Object) error {
	live, ok := b["livemode"].(bool)
	if !ok {
		return errors.New("livemode is neither true nor false")
	}
	created, ok := b.Int("created")
	if !ok || created < 0 {
		return errors.New("created is not a number of seconds")
	}
	e.Livemode, e.At = live, time.Unix(created, 0).UTC()
	return nil
}

// read reads the object that an event is about.
func (p *Provider) read(e order.Event, b strictjson.Object) ([]order.Event, error) {
	o := b.Object("data.object")
	if o == nil {
		return nil, errors.New("data.object is missing")
	}
	e.Order = p.order(b, e.Type)
	family, _, _ := strings.Cut(e.Type, ".")
	switch {
	case e.Type == "charge.refund.updated" || family == "refund":
		return one(refund(e, o))
	case strings.HasPrefix(e.Type, "charge.dispute."):
		return one(dispute(e, o))
	case e.Type == "charge.refunded":
		return refunded(e, o)
	case family == "charge":
		return one(charge(e, o))
	case family == "payment_intent":
		return one(intent(e, o))
	case strings.HasPrefix(e.Type, "checkout.session."):
		return one(session(e, o))
	}
	e.Payment = id(o, "payment_intent")
	return []order.Event{e}, nil
}

func one(e order.Event, err error) ([]order.Event, error) { return []order.Event{e}, err }

// order finds the order's id. The metadata of an intent is copied to its
// charges, and to nothing else: refunds and disputes are found by the payment.
func (p *Provider) order(b strictjson.Object, typ string) string {
	paths := p.orders
	if len(paths) == 0 {
		paths = []string{"data.object.metadata.order_id", "data.object.metadata.order"}
		if strings.HasPrefix(typ, "checkout.session.") {
			paths = append(paths, "data.object.client_reference_id")
		}
	}
	for _, path := range paths {
		if id := b.Text(path); id != "" {
			return id
		}
	}
	return ""
}

// id returns the id in a field that holds one, or the object of that id where
// Stripe was asked to expand it.
func id(o strictjson.Object, field string) string {
	if expanded := o.Object(field); expanded != nil {
		return expanded.String("id")
	}
	return o.String(field)
}

// payment is the id under which all that concerns one payment is kept: the
// intent's, or that of the object itself where there is no intent.
func payment(o strictjson.Object, otherwise string) string {
	return cmp.Or(id(o, "payment_intent"), id(o, otherwise))
}

// step makes e a step of its payment, with the amount that is in a field of o.
func step(e order.Event, status order.Status, o strictjson.Object, field string) (order.Event, error) {
	var err error
	e.Kind, e.Status, e.Method = order.KindPayment, status, method(o)
	if e.Payment == "" {
		return e, errors.New("data.object.id is missing")
	}
	e.Amount, e.Currency, err = money(o, field)
	if err == nil && status == order.Paid && e.Currency == "" {
		err = fmt.Errorf("data.object.%s and currency are missing", field)
	}
	return e, err
}

// intent reads a PaymentIntent. One that failed may still be paid: it waits for
// another method.
func intent(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment = id(o, "id")
	switch strings.TrimPrefix(e.Type, "payment_intent.") {
	case "created":
		return step(e, order.Created, o, "amount")
	case "processing":
		return step(e, order.Pending, o, "amount")
	case "requires_action":
		e.ActionURL = actionURL(o)
		return step(e, order.RequiresAction, o, "amount")
	case "amount_capturable_updated":
		if o.String("status") == "requires_capture" {
			return step(e, order.Authorized, o, "amount_capturable")
		}
	case "succeeded":
		return step(e, order.Paid, o, "amount_received")
	case "payment_failed":
		e.Reason = cmp.Or(o.String("last_payment_error.decline_code"), o.String("last_payment_error.code"))
		return step(e, order.Failed, o, "amount")
	case "canceled":
		e.Reason = o.String("cancellation_reason")
		return step(e, order.Canceled, o, "amount")
	}
	return e, nil
}

// actionURL is where the customer goes on, if it is a page of the web.
func actionURL(o strictjson.Object) string {
	url := o.String("next_action.redirect_to_url.url")
	if !strings.HasPrefix(url, "https://") {
		return ""
	}
	return url
}

// session reads a Checkout session. Completed says that the customer is done;
// with delayed methods the money is still to come.
func session(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment = payment(o, "id")
	if o.String("mode") == "setup" { // which saves a method and charges nothing
		return e, nil
	}
	switch strings.TrimPrefix(e.Type, "checkout.session.") {
	case "completed":
		switch o.String("payment_status") {
		case "paid", "no_payment_required":
			return step(e, order.Paid, o, "amount_total")
		case "unpaid":
			return step(e, order.Pending, o, "amount_total")
		}
		return e, errors.New("data.object.payment_status is none of paid, unpaid and no_payment_required")
	case "async_payment_succeeded":
		return step(e, order.Paid, o, "amount_total")
	case "async_payment_failed":
		return step(e, order.Failed, o, "amount_total")
	case "expired":
		return step(e, order.Expired, o, "amount_total")
	}
	return e, nil
}

// charge reads a charge that was made without an intent. Of the others the
// intent's own events tell, and a second attempt is another charge.
func charge(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment = payment(o, "id")
	if id(o, "payment_intent") != "" {
		return e, nil
	}
	switch strings.TrimPrefix(e.Type, "charge.") {
	case "pending":
		return step(e, order.Pending, o, "amount")
	case "succeeded":
		if !o.Bool("captured") {
			return step(e, order.Authorized, o, "amount")
		}
		return step(e, order.Paid, o, captured(o))
	case "captured":
		return step(e, order.Paid, o, captured(o))
	case "failed":
		e.Reason = cmp.Or(o.String("outcome.reason"), o.String("failure_code"))
		return step(e, order.Failed, o, "amount")
	case "expired": // it was authorized and never captured
		return step(e, order.Expired, o, "amount")
	}
	return e, nil
}

// captured is the field that says how much was taken; API versions before
// amount_captured have the whole amount alone.
func captured(o strictjson.Object) string {
	if o["amount_captured"] == nil {
		return "amount"
	}
	return "amount_captured"
}

// refunded reads a charge of which money was given back. Its amount_refunded
// is the running total. It says as well what had been paid, so that a refund
// that comes before the payment is understood.
func refunded(e order.Event, o strictjson.Object) ([]order.Event, error) {
	e.Payment = payment(o, "id")
	if captured, told := o["captured"].(bool); told && !captured { // an authorization was released
		return one(step(e, order.Canceled, o, "amount"))
	}
	paid, err := step(e, order.Paid, o, captured(o))
	if err != nil {
		return nil, err
	}
	if made, ok := o.Int("created"); ok && made >= 0 {
		paid.At = time.Unix(made, 0).UTC()
	}
	whole, _, err := money(o, "amount")
	if err != nil {
		return nil, err
	}
	back, currency, err := money(o, "amount_refunded")
	if err != nil {
		return nil, err
	}
	// Of a charge captured in part, Stripe counts the rest as refunded too.
	back = max(0, back-max(0, whole-paid.Amount))
	paid.ID += "#2"
	e.Kind, e.Status, e.Amount, e.Currency, e.Method = order.KindRefund, order.Refunded, back, currency, paid.Method
	return []order.Event{paid, e}, nil
}

// refund reads a Refund.
func refund(e order.Event, o strictjson.Object) (order.Event, error) {
	var err error
	e.Payment, e.Ref, e.Reason = payment(o, "charge"), id(o, "id"), o.String("failure_reason")
	switch o.String("status") {
	case "succeeded":
		e.Status = order.Refunded
	case "pending", "requires_action", "":
		e.Status = order.Pending
	case "failed", "canceled":
		e.Status = order.Failed
	default:
		return e, nil
	}
	if e.Kind = order.KindRefund; e.Ref == "" {
		return e, errors.New("data.object.id is missing")
	}
	e.Amount, e.Currency, err = money(o, "amount")
	if err == nil && e.Currency == "" {
		err = errors.New("data.object.amount and currency are missing")
	}
	return e, err
}

// dispute reads a Dispute. An inquiry that was closed or prevented took no
// money, as if it were won.
func dispute(e order.Event, o strictjson.Object) (order.Event, error) {
	var err error
	e.Kind, e.Status = order.KindDispute, order.Disputed
	e.Payment, e.Ref, e.Reason = payment(o, "charge"), id(o, "id"), o.String("reason")
	switch o.String("status") {
	case "won", "warning_closed", "prevented", "charge_refunded":
		e.Status = order.Won
	case "lost":
		e.Status = order.Lost
	}
	if e.Ref == "" {
		return e, errors.New("data.object.id is missing")
	}
	e.Amount, e.Currency, err = money(o, "amount")
	return e, err
}

// Where an object says how it was paid, the best first. API versions differ in
// whether an intent holds its charges.
var methodPaths = []string{
	"payment_method_details", "latest_charge.payment_method_details", "charges.data.0.payment_method_details",
	"last_payment_error.payment_method", "payment_method",
}

// method is the wallet, the type of the method, or the only type that the
// customer was offered.
func method(o strictjson.Object) string {
	for _, path := range methodPaths {
		if details := o.Object(path); details != nil {
			typ := details.String("type")
			return cmp.Or(details.String(typ+".wallet.type"), typ)
		}
	}
	if offered, _ := o["payment_method_types"].([]strictjson.Value); len(offered) == 1 {
		only, _ := offered[0].(string)
		return only
	}
	return ""
}
