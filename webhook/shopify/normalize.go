package shopify

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

// normalize reads a verified body. Which resource it is, its members tell
// (shopify.dev/docs/api/admin-rest: Order, Refund, Transaction, Dispute).
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	o, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	var events []order.Event
	switch {
	case has(o, "financial_status"):
		events, err = p.order(o)
	case has(o, "order_id", "transactions"):
		events, err = p.refunds(o, order.Event{Payment: id(o, "order_id"), Order: p.orderOf(o)})
	case has(o, "order_id", "kind", "status"):
		events, err = p.steps(o, order.Event{Payment: id(o, "order_id"), Order: p.orderOf(o)})
	case has(o, "order_id", "evidence_due_by"), has(o, "order_id", "initiated_at"):
		events, err = p.dispute(o)
	}
	if err == nil && len(events) == 0 {
		events = []order.Event{{ID: webhook.BodyID("note-", body), Kind: order.KindNote, Livemode: live(o), Type: "other", At: at(o)}}
	}
	return events, err
}

func has(o strictjson.Object, names ...string) bool {
	for _, name := range names {
		if _, ok := o[name]; !ok {
			return false
		}
	}
	return true
}

// id reads an id. They are numbers beyond 2^53.
func id(o strictjson.Object, name string) string { return webhook.First(o, name) }

func live(o strictjson.Object) bool { return !o.Bool("test") }

// at is when an object came to be as it is.
func at(o strictjson.Object) time.Time {
	for _, name := range []string{"updated_at", "processed_at", "created_at", "finalized_on", "initiated_at"} {
		if t, err := time.Parse(time.RFC3339, o.String(name)); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// orderID finds the order's id in an order. A note attribute is one of a list
// of names and values.
func (p *Provider) orderID(o strictjson.Object) string {
	for _, path := range p.orders {
		if found := webhook.First(o, path); found != "" {
			return found
		}
		if name, ok := strings.CutPrefix(path, "note_attributes."); ok {
			if found := webhook.Listed(o, "note_attributes", "name", name); found != "" {
				return found
			}
		}
	}
	return ""
}

// orderOf is the order's id in what names only Shopify's order: known where
// that number itself is the order's id. Else the payment leads to it.
func (p *Provider) orderOf(o strictjson.Object) string {
	if p.orders[0] == "id" {
		return id(o, "order_id")
	}
	return ""
}

// statuses are the financial statuses in which nothing was paid, or nothing
// that settles the order.
var statuses = map[string]order.Status{
	"pending": order.Pending, "partially_paid": order.Pending, "authorized": order.Authorized,
	"voided": order.Canceled, "expired": order.Expired,
}

// order reads an Order as it stands: how it was paid, and every refund in it. A
// canceled order that was paid stays paid until the money went back.
func (p *Provider) order(o strictjson.Object) ([]order.Event, error) {
	e := order.Event{
		Order: p.orderID(o), Payment: id(o, "id"), Kind: order.KindPayment, Method: method(o), At: at(o), Livemode: live(o),
	}
	if e.Payment == "" {
		return nil, errors.New("the order's id is missing")
	}
	status := o.String("financial_status")
	e.Type = "order." + status
	var known bool
	if e.Status, known = statuses[status]; !known {
		switch status {
		case "paid", "partially_refunded", "refunded":
			e.Status = order.Paid
		default:
			return nil, nil
		}
	}
	if o["cancelled_at"] != nil && e.Status != order.Paid && e.Status != order.Expired {
		e.Status, e.Type = order.Canceled, "order.cancelled"
		e.Reason = o.String("cancel_reason")
	}
	var err error
	if e.Amount, e.Currency, err = p.total(o); err != nil {
		return nil, err
	}
	e.ID = fmt.Sprintf("order-%s-%s-%d", e.Payment, e.Status, e.Amount)
	events := []order.Event{e}
	if e.Status != order.Paid {
		return events, nil
	}
	back, err := p.given(o, e)
	if err != nil {
		return nil, err
	}
	if len(back) == 0 && status == "refunded" { // by hand, with no transaction
		e.Kind, e.Status = order.KindRefund, order.Refunded
		e.ID = fmt.Sprintf("order-%s-refunded-%d", e.Payment, e.Amount)
		back = []order.Event{e}
	}
	return append(events, back...), nil
}

// total is what an order costs, in the shop's or in the customer's currency.
func (p *Provider) total(o strictjson.Object) (int64, string, error) {
	amount, currency := webhook.First(o, "total_price", "current_total_price"), o.String("currency")
	if money := o.Object("total_price_set.presentment_money"); p.presentment && money != nil {
		amount, currency = webhook.First(money, "amount"), money.String("currency_code")
	}
	return money(amount, currency)
}

func money(text, currency string) (int64, string, error) {
	currency, err := webhook.Currency(currency)
	if err != nil {
		return 0, "", err
	}
	amount, err := webhook.Minor(text, order.Decimals(currency))
	return amount, currency, err
}

// given reads the refunds in an order.
func (p *Provider) given(o strictjson.Object, paid order.Event) ([]order.Event, error) {
	refunds, _ := o["refunds"].([]strictjson.Value)
	var events []order.Event
	for _, r := range refunds {
		refund, _ := r.(strictjson.Object)
		back, err := p.refunds(refund, order.Event{Order: paid.Order, Payment: paid.Payment})
		if err != nil {
			return nil, err
		}
		events = append(events, back...)
	}
	return events, nil
}

// refunds reads the transactions of a Refund. Where goods came back and no
// money went, there are none.
func (p *Provider) refunds(o strictjson.Object, e order.Event) ([]order.Event, error) {
	transactions, _ := o["transactions"].([]strictjson.Value)
	var events []order.Event
	for _, t := range transactions {
		transaction, ok := t.(strictjson.Object)
		if !ok || transaction.String("kind") != "refund" {
			continue
		}
		back, err := p.steps(transaction, e)
		if err != nil {
			return nil, err
		}
		events = append(events, back...)
	}
	return events, nil
}

// steps reads a Transaction: one step of paying or paying back. e holds the
// order and the payment. The sums of transactions with one kind add up.
func (p *Provider) steps(o strictjson.Object, e order.Event) ([]order.Event, error) {
	kind, status := o.String("kind"), o.String("status")
	e.Ref, e.Method, e.Livemode, e.At = id(o, "id"), method(o), live(o), at(o)
	e.Type = "transaction." + kind + "." + status
	if e.Ref == "" || e.Payment == "" {
		return nil, errors.New("a transaction's id or order_id is missing")
	}
	if e.Kind, e.Status = meaning(kind, status); e.Status == "" {
		return nil, nil
	}
	if e.Status == order.Failed {
		e.Reason = cmp.Or(o.String("error_code"), o.String("message"))
	}
	var err error
	if e.Amount, e.Currency, err = money(webhook.First(o, "amount"), cmp.Or(o.String("currency"), o.String("amount_set.shop_money.currency_code"))); err != nil {
		return nil, fmt.Errorf("a transaction's amount: %w", err)
	}
	e.ID = fmt.Sprintf("transaction-%s-%s-%d", e.Ref, e.Status, e.Amount)
	return []order.Event{e}, nil
}

// meaning says what a transaction of a kind and status is to a payment
// (shopify.dev/docs/api/admin-rest, Transaction: kind, status).
func meaning(kind, status string) (order.Kind, order.Status) {
	succeeded := map[string]order.Status{
		"authorization": order.Authorized, "sale": order.Paid, "capture": order.Paid, "void": order.Canceled, "refund": order.Refunded,
	}[kind]
	of := order.KindPayment
	if kind == "refund" {
		of = order.KindRefund
	}
	switch {
	case succeeded == "":
		return "", ""
	case status == "success":
		return of, succeeded
	case kind == "void":
		return "", ""
	case status == "pending" || status == "awaiting_response":
		return of, order.Pending
	case status == "failure" || status == "error":
		if kind == "capture" { // it stays authorized
			return "", ""
		}
		return of, order.Failed
	}
	return "", ""
}

// dispute reads a Dispute of Shopify Payments. It does not tell test from live.
func (p *Provider) dispute(o strictjson.Object) ([]order.Event, error) {
	e := order.Event{
		Order: p.orderOf(o), Payment: id(o, "order_id"), Ref: id(o, "id"), Kind: order.KindDispute, Status: order.Disputed,
		Reason: o.String("reason"), At: at(o), Livemode: true, Type: "dispute." + o.String("status"),
	}
	if e.Payment == "" { // a dispute of a charge without an order
		return nil, nil
	}
	switch o.String("status") {
	case "won", "charge_refunded":
		e.Status = order.Won
	case "lost", "accepted":
		e.Status = order.Lost
	}
	if e.Ref == "" {
		return nil, errors.New("the dispute's id is missing")
	}
	var err error
	e.Amount, e.Currency, err = money(webhook.First(o, "amount"), o.String("currency"))
	e.ID = fmt.Sprintf("dispute-%s-%s", e.Ref, e.Status)
	return []order.Event{e}, err
}

// method is the wallet, the method's name or the gateway: shopify_payments,
// paypal, gift_card …
func method(o strictjson.Object) string {
	return webhook.First(o, "payment_details.credit_card_wallet", "payment_details.payment_method_name", "gateway", "payment_gateway_names.0")
}
