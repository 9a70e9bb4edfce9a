package stripe

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A reader turns the object of an event into what it says of an order. base has
// everything that all events have.
type reader func(base order.Event, o strictjson.Object) ([]order.Event, error)

// readers are the types that mean something to an order
// (docs.stripe.com/api/events/types).
var readers = map[string]reader{
	"payment_intent.created":                   intent(order.Created, "amount"),
	"payment_intent.processing":                intent(order.Pending, "amount"),
	"payment_intent.requires_action":           intent(order.RequiresAction, "amount"),
	"payment_intent.amount_capturable_updated": capturable,
	"payment_intent.succeeded":                 intent(order.Paid, "amount_received"),
	"payment_intent.payment_failed":            intent(order.Failed, "amount"),
	"payment_intent.canceled":                  intent(order.Canceled, "amount"),

	"checkout.session.completed":               completed,
	"checkout.session.async_payment_succeeded": session(order.Paid),
	"checkout.session.async_payment_failed":    session(order.Failed),
	"checkout.session.expired":                 session(order.Expired),

	"charge.succeeded": lone(order.Paid),
	"charge.captured":  lone(order.Paid),
	"charge.failed":    lone(order.Failed),
	"charge.refunded":  refunded,

	"refund.created":        refund,
	"refund.updated":        refund,
	"refund.failed":         refund,
	"charge.refund.updated": refund,

	"charge.dispute.created":          dispute,
	"charge.dispute.updated":          dispute,
	"charge.dispute.closed":           dispute,
	"charge.dispute.funds_withdrawn":  dispute,
	"charge.dispute.funds_reinstated": dispute,
}

// normalize reads a verified event. What it does not know it keeps as a note.
func (p *Provider) normalize(event strictjson.Object) ([]order.Event, error) {
	base := order.Event{ID: event.String("id"), Kind: order.KindNote, Type: event.String("type"), Livemode: event.Bool("livemode")}
	if base.ID == "" || base.Type == "" {
		return nil, errors.New("the body is not an event: it has no id or no type")
	}
	if seconds, ok := event.Int("created"); ok {
		base.At = time.Unix(seconds, 0).UTC()
	}
	object := event.Object("data.object")
	read, known := readers[base.Type]
	if !known || object == nil || p.account != "" && event.String("account") != p.account {
		return tidy([]order.Event{base})
	}
	base.Order = p.order(event)
	events, err := read(base, object)
	if err != nil {
		return nil, err
	}
	return tidy(events)
}

func tidy(events []order.Event) ([]order.Event, error) {
	for i := range events {
		var err error
		if events[i], err = webhook.Tidy(events[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// order finds the order's id. The object of a refund or dispute may have none;
// the ledger then finds it by the payment.
func (p *Provider) order(event strictjson.Object) string {
	paths := p.orders
	if len(paths) == 0 {
		paths = []string{"data.object.metadata.order_id", "data.object.metadata.order"}
		if strings.HasPrefix(event.String("type"), "checkout.session.") {
			paths = append(paths, "data.object.client_reference_id")
		}
	}
	for _, path := range paths {
		if id := event.Text(path); id != "" {
			return id
		}
	}
	return ""
}

// payment makes base an event about a payment.
func payment(base order.Event, o strictjson.Object, id string, status order.Status, amountPath string) ([]order.Event, error) {
	var err error
	base.Kind, base.Status, base.Payment = order.KindPayment, status, id
	base.Amount, base.Currency, err = money(o, amountPath)
	return []order.Event{base}, err
}

func intent(status order.Status, amountPath string) reader {
	return func(base order.Event, o strictjson.Object) ([]order.Event, error) {
		base.Method = method(o)
		switch status {
		case order.Failed:
			base.Reason = cmp.Or(o.String("last_payment_error.decline_code"), o.String("last_payment_error.code"))
		case order.Canceled:
			base.Reason = o.String("cancellation_reason")
		case order.RequiresAction:
			base.ActionURL = action(o)
		}
		return payment(base, o, o.String("id"), status, amountPath)
	}
}

// capturable is an authorization, unless the intent has gone on since.
func capturable(base order.Event, o strictjson.Object) ([]order.Event, error) {
	if o.String("status") != "requires_capture" {
		return []order.Event{base}, nil
	}
	return intent(order.Authorized, "amount_capturable")(base, o)
}

// action is where the customer goes on: a page of the bank, or one that shows
// what to do (3-D Secure, wallets, vouchers).
func action(o strictjson.Object) string {
	kind := o.String("next_action.type")
	for _, path := range []string{"next_action.redirect_to_url.url", "next_action." + kind + ".url", "next_action." + kind + ".hosted_instructions_url", "next_action." + kind + ".hosted_voucher_url"} {
		if u, err := url.Parse(o.String(path)); err == nil && u.Scheme == "https" {
			return o.String(path)
		}
	}
	return ""
}

// completed says that the customer is through with the page; with methods that
// take days, the money is not there yet.
func completed(base order.Event, o strictjson.Object) ([]order.Event, error) {
	switch o.String("payment_status") {
	case "paid", "no_payment_required":
		return session(order.Paid)(base, o)
	}
	return session(order.Pending)(base, o)
}

// session reads a checkout session. It stands for its payment intent, where it
// has one, so that both tell of the same payment.
func session(status order.Status) reader {
	return func(base order.Event, o strictjson.Object) ([]order.Event, error) {
		if o.String("mode") == "setup" {
			return []order.Event{base}, nil // no money is asked for
		}
		return payment(base, o, cmp.Or(id(o, "payment_intent"), o.String("id")), status, "amount_total")
	}
}

// lone reads a charge that has no payment intent. Where there is one, the
// intent's own events tell the same.
func lone(status order.Status) reader {
	return func(base order.Event, o strictjson.Object) ([]order.Event, error) {
		if id(o, "payment_intent") != "" {
			return []order.Event{base}, nil
		}
		path := "amount"
		switch {
		case status == order.Failed:
			base.Reason = cmp.Or(o.String("outcome.reason"), o.String("failure_code"))
		case o["captured"] == false:
			status = order.Authorized
		case o["amount_captured"] != nil:
			path = "amount_captured"
		}
		base.Method = method(o)
		return payment(base, o, o.String("id"), status, path)
	}
}

// refunded reads a charge with what was refunded of it so far. It tells of the
// payment too, so that a refund is understood which comes first.
func refunded(base order.Event, o strictjson.Object) ([]order.Event, error) {
	path := "amount"
	if o["amount_captured"] != nil {
		path = "amount_captured"
	}
	base.Method = method(o)
	paid, err := payment(base, o, cmp.Or(id(o, "payment_intent"), o.String("id")), order.Paid, path)
	if err != nil {
		return nil, err
	}
	back := paid[0]
	back.ID, back.Kind, back.Status, back.Method = base.ID+"#2", order.KindRefund, order.Refunded, ""
	back.Amount, _, err = money(o, "amount_refunded")
	return append(paid, back), err
}

// refund reads one refund, whose amount is its own.
func refund(base order.Event, o strictjson.Object) ([]order.Event, error) {
	base.Kind, base.Ref = order.KindRefund, o.String("id")
	base.Payment = cmp.Or(id(o, "payment_intent"), id(o, "charge"))
	switch o.String("status") {
	case "succeeded":
		base.Status = order.Refunded
	case "failed", "canceled":
		base.Status, base.Reason = order.Failed, o.String("failure_reason")
	default:
		base.Status = order.Pending
	}
	var err error
	base.Amount, base.Currency, err = money(o, "amount")
	return []order.Event{base}, err
}

// dispute reads a dispute by its status. Inquiries (warning_…) take no money
// and are notes.
func dispute(base order.Event, o strictjson.Object) ([]order.Event, error) {
	status := o.String("status")
	if strings.HasPrefix(status, "warning_") {
		return []order.Event{base}, nil
	}
	base.Kind, base.Ref = order.KindDispute, o.String("id")
	base.Payment = cmp.Or(id(o, "payment_intent"), id(o, "charge"))
	base.Reason = o.String("reason")
	switch status {
	case "won":
		base.Status = order.Won
	case "lost":
		base.Status = order.Lost
	default:
		base.Status = order.Disputed
	}
	var err error
	base.Amount, base.Currency, err = money(o, "amount")
	return []order.Event{base}, err
}

// id reads a reference to another object, which may be expanded.
func id(o strictjson.Object, name string) string {
	return cmp.Or(o.String(name), o.String(name+".id"))
}

// method says how the customer pays. A wallet is told in the charge, which an
// intent has when it is expanded; one of several possible types is no method.
func method(o strictjson.Object) string {
	details := o.Object("payment_method_details")
	if details == nil {
		details = o.Object("latest_charge.payment_method_details")
	}
	if details == nil {
		details = o.Object("charges.data.0.payment_method_details")
	}
	kind := details.String("type")
	if wallet := details.String(kind + ".wallet.type"); wallet != "" {
		return wallet
	}
	if kind == "" {
		kind = cmp.Or(o.String("last_payment_error.payment_method.type"), o.String("payment_method.type"))
	}
	if types, _ := o.Get("payment_method_types").([]strictjson.Value); kind == "" && len(types) == 1 {
		kind, _ = types[0].(string)
	}
	return kind
}
