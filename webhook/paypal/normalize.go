package paypal

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// normalize reads a verified body
// (developer.paypal.com/api/rest/webhooks/event-names). A payment is a capture, a
// sale or an authorization, whose id later events refer to.
func (p *Provider) normalize(body []byte, live bool) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{
		ID: b.String("id"), Type: b.String("event_type"), Kind: order.KindNote, Livemode: live, At: webhook.Time(b, "create_time"),
	}
	if e.ID == "" || e.Type == "" {
		return nil, errors.New("no event: id or event_type is missing")
	}
	resource := b.Object("resource")
	if resource == nil {
		return nil, errors.New("resource is missing")
	}
	e.Order = p.order(b)
	events, err := read(e, resource)
	for i := range events {
		if err == nil {
			events[i], err = webhook.Tidy(events[i])
		}
	}
	if err != nil {
		return nil, err
	}
	return events, nil
}

// Where the order's id is, the best first: of captures, authorizations and
// refunds; of orders; of version 1; of disputes. An order's reference_id is
// "default" when nobody chose one.
var orderPaths = []string{
	"resource.custom_id", "resource.invoice_id",
	"resource.purchase_units.0.custom_id", "resource.purchase_units.0.invoice_id", "resource.purchase_units.0.reference_id",
	"resource.custom", "resource.invoice_number",
	"resource.disputed_transactions.0.custom", "resource.disputed_transactions.0.invoice_number",
}

func (p *Provider) order(b strictjson.Object) string {
	paths := p.orders
	if paths == nil {
		paths = orderPaths
	}
	for _, path := range paths {
		if id := b.Text(path); id != "" && (id != "default" || !strings.HasSuffix(path, "reference_id")) {
			return id
		}
	}
	return ""
}

// payments are what events about a capture, sale or authorization say of it.
var payments = map[string]order.Status{
	"PAYMENT.AUTHORIZATION.CREATED": order.Authorized,
	"PAYMENT.AUTHORIZATION.VOIDED":  order.Canceled,
	"PAYMENT.CAPTURE.PENDING":       order.Pending,
	"PAYMENT.CAPTURE.COMPLETED":     order.Paid,
	"PAYMENT.CAPTURE.DENIED":        order.Failed,
	"PAYMENT.CAPTURE.DECLINED":      order.Failed,
	"PAYMENT.SALE.PENDING":          order.Pending,
	"PAYMENT.SALE.COMPLETED":        order.Paid,
	"PAYMENT.SALE.DENIED":           order.Failed,
}

func read(e order.Event, o strictjson.Object) ([]order.Event, error) {
	if status, ok := payments[e.Type]; ok {
		return one(payment(e, o, status))
	}
	switch e.Type {
	case "CHECKOUT.ORDER.APPROVED": // by the customer; no money moved
		e.Kind, e.Status, e.Payment, e.Method = order.KindPayment, order.Pending, o.String("id"), source(o)
	case "CHECKOUT.PAYMENT-APPROVAL.REVERSED":
		e.Kind, e.Status, e.Payment = order.KindPayment, order.Canceled, cmp.Or(o.String("order_id"), o.String("id"))
	case "CHECKOUT.ORDER.COMPLETED":
		return completed(e, o)
	case "PAYMENT.CAPTURE.REFUNDED", "PAYMENT.SALE.REFUNDED", "PAYMENT.REFUND.PENDING", "PAYMENT.REFUND.FAILED":
		return one(refund(e, o))
	case "PAYMENT.CAPTURE.REVERSED", "PAYMENT.SALE.REVERSED": // taken back by a bank or PayPal
		var err error
		e.Kind, e.Status, e.Ref, e.Payment = order.KindDispute, order.Disputed, o.String("id"), parent(o)
		e.Amount, e.Currency, err = back(o, "amount")
		return one(e, err)
	case "CUSTOMER.DISPUTE.CREATED", "CUSTOMER.DISPUTE.UPDATED", "CUSTOMER.DISPUTE.RESOLVED":
		return one(dispute(e, o))
	}
	if e.Kind != order.KindNote && e.Payment == "" {
		return nil, errors.New("resource.id is missing")
	}
	return []order.Event{e}, nil
}

func one(e order.Event, err error) ([]order.Event, error) { return []order.Event{e}, err }

func payment(e order.Event, o strictjson.Object, status order.Status) (order.Event, error) {
	var err error
	e.Kind, e.Status, e.Payment, e.Method = order.KindPayment, status, o.String("id"), source(o)
	if status == order.Failed || status == order.Pending {
		e.Reason = cmp.Or(o.String("status_details.reason"), o.String("reason_code"))
	}
	if e.Payment == "" {
		return e, errors.New("resource.id is missing")
	}
	e.Amount, e.Currency, err = money(o, "amount")
	if err == nil && e.Currency == "" {
		err = errors.New("resource.amount is missing")
	}
	return e, err
}

// completed reads an order that is paid. It names its captures, under whose ids
// their own events come too: an order without one tells nothing new.
func completed(e order.Event, o strictjson.Object) ([]order.Event, error) {
	var events []order.Event
	units, _ := o["purchase_units"].([]strictjson.Value)
	for i := range units {
		captures, _ := o.Get("purchase_units." + strconv.Itoa(i) + ".payments.captures").([]strictjson.Value)
		for _, value := range captures {
			capture, ok := value.(strictjson.Object)
			if !ok || capture.String("status") != "COMPLETED" {
				continue
			}
			step, err := payment(e, capture, order.Paid)
			if err != nil {
				return nil, err
			}
			if step.Method = source(o); len(events) > 0 {
				step.ID += "#" + strconv.Itoa(len(events)+1)
			}
			events = append(events, step)
		}
	}
	if events == nil {
		e.Payment = o.String("id")
		return []order.Event{e}, nil
	}
	return events, nil
}

// refund reads a refund. What it gives back is its own amount.
func refund(e order.Event, o strictjson.Object) (order.Event, error) {
	var err error
	e.Kind, e.Status, e.Ref, e.Payment = order.KindRefund, order.Refunded, o.String("id"), parent(o)
	switch strings.ToUpper(cmp.Or(o.String("status"), o.String("state"))) {
	case "PENDING":
		e.Status = order.Pending
	case "FAILED", "CANCELLED":
		e.Status = order.Failed
	}
	if e.Ref == "" {
		return e, errors.New("resource.id is missing")
	}
	e.Amount, e.Currency, err = back(o, "amount")
	if err == nil && e.Currency == "" {
		err = errors.New("resource.amount is missing")
	}
	return e, err
}

// outcomes are those of a dispute that were decided for the seller, or cost him
// nothing.
var outcomes = map[string]order.Status{
	"RESOLVED_SELLER_FAVOUR": order.Won, "CANCELED_BY_BUYER": order.Won, "RESOLVED_WITH_PAYOUT": order.Won,
	"RESOLVED_BUYER_FAVOUR": order.Lost, "ACCEPTED": order.Lost,
}

func dispute(e order.Event, o strictjson.Object) (order.Event, error) {
	var err error
	e.Kind, e.Status, e.Ref, e.Reason = order.KindDispute, order.Disputed, o.String("dispute_id"), o.String("reason")
	e.Payment = o.String("disputed_transactions.0.seller_transaction_id")
	if e.Type == "CUSTOMER.DISPUTE.RESOLVED" {
		e.Status = cmp.Or(outcomes[o.String("dispute_outcome.outcome_code")], order.Disputed)
	}
	if e.Ref == "" {
		return e, errors.New("resource.dispute_id is missing")
	}
	e.Amount, e.Currency, err = money(o, "dispute_amount")
	return e, err
}

// parent is the payment that a refund or a reversal is of. Version 2 names it in
// a link alone.
func parent(o strictjson.Object) string {
	if id := cmp.Or(o.String("capture_id"), o.String("sale_id")); id != "" {
		return id
	}
	links, _ := o["links"].([]strictjson.Value)
	for _, value := range links {
		link, _ := value.(strictjson.Object)
		if link.String("rel") != "up" && link.String("rel") != "sale" && link.String("rel") != "capture" {
			continue
		}
		if href := link.String("href"); strings.Contains(href, "/captures/") || strings.Contains(href, "/sale/") || strings.Contains(href, "/capture/") {
			return path.Base(href)
		}
	}
	return ""
}

// money reads an amount of version 2 (value, currency_code) or 1 (total,
// currency). PayPal writes HUF, JPY and TWD without decimals, which reads the
// same. A missing amount says nothing.
func money(o strictjson.Object, field string) (int64, string, error) {
	amount := o.Object(field)
	return minor(field, amount, cmp.Or(amount.String("value"), amount.String("total")))
}

// back is money that goes back: in version 1 it is below zero.
func back(o strictjson.Object, field string) (int64, string, error) {
	amount := o.Object(field)
	return minor(field, amount, cmp.Or(amount.String("value"), strings.TrimPrefix(amount.String("total"), "-")))
}

func minor(field string, amount strictjson.Object, text string) (int64, string, error) {
	if amount == nil {
		return 0, "", nil
	}
	currency := cmp.Or(amount.String("currency_code"), amount.String("currency"))
	if !order.IsCurrency(currency) {
		return 0, "", fmt.Errorf("resource.%s has no currency of three letters", field)
	}
	minor, err := order.ParseDecimal(text, currency)
	if err != nil {
		return 0, "", fmt.Errorf("resource.%s: %w", field, err)
	}
	return minor, currency, nil
}

// source is how an order was paid: paypal, card, apple_pay, google_pay, venmo …
func source(o strictjson.Object) string {
	for name := range o.Object("payment_source") {
		return name // there is one
	}
	return ""
}
