package woocommerce

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

// statuses are those of an order that was not paid
// (woocommerce.com/document/managing-orders/order-statuses).
var statuses = map[string]order.Status{
	"checkout-draft": order.Created, "pending": order.Created, "on-hold": order.Pending, "failed": order.Failed, "cancelled": order.Canceled,
}

// normalize reads a verified body: an order as it stands, with every refund in
// it (woocommerce.github.io/woocommerce-rest-api-docs, order properties).
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	o, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{
		Order: p.order(o), Payment: webhook.First(o, "id"), Kind: order.KindPayment, Method: method(o),
		At: at(o), Livemode: true, Type: "order." + o.String("status"),
	}
	if e.Status = status(o); e.Status == "" || o["total"] == nil {
		return []order.Event{{ID: webhook.BodyID("note-", body), Kind: order.KindNote, At: e.At, Livemode: true, Type: "other"}}, nil
	}
	if e.Payment == "" {
		return nil, errors.New("the order's id is missing")
	}
	if e.Currency, err = webhook.Currency(o.String("currency")); err == nil {
		e.Amount, err = webhook.Minor(webhook.First(o, "total"), order.Decimals(e.Currency))
	}
	if err != nil {
		return nil, fmt.Errorf("total: %w", err)
	}
	e.ID = fmt.Sprintf("order-%s-%s-%s", e.Payment, e.Status, o.String(modified(o)))
	if e.Status != order.Paid {
		return []order.Event{e}, nil
	}
	back, err := refunds(o, e)
	return append([]order.Event{e}, back...), err
}

// order finds the order's id. Meta data are a list of keys and values.
func (p *Provider) order(o strictjson.Object) string {
	for _, path := range p.orders {
		key, _ := strings.CutPrefix(path, "meta_data.")
		if found := cmp.Or(webhook.First(o, path), webhook.Listed(o, "meta_data", "key", key)); found != "" {
			return found
		}
	}
	return ""
}

// status says how an order stands. Shops have statuses of their own, of which
// nothing is known but whether the order was paid.
func status(o strictjson.Object) order.Status {
	name := strings.TrimPrefix(o.String("status"), "wc-")
	if known := statuses[name]; known != "" {
		return known
	}
	paid, told := o["date_paid"]
	switch {
	case name == "refunded":
		return order.Paid
	case name == "" || name == "trash" || name == "auto-draft":
		return ""
	case told && paid != nil:
		return order.Paid
	case name != "processing" && name != "completed":
		return ""
	case !told: // API version 1
		return order.Paid
	}
	return order.Pending // it is worked on, and to be paid later
}

// refunds reads the refunds in an order. Their totals are below zero.
func refunds(o strictjson.Object, paid order.Event) ([]order.Event, error) {
	list, _ := o["refunds"].([]strictjson.Value)
	var events []order.Event
	for _, r := range list {
		refund, _ := r.(strictjson.Object)
		e := paid
		e.Kind, e.Status, e.Ref = order.KindRefund, order.Refunded, webhook.First(refund, "id")
		if e.Ref == "" {
			return nil, errors.New("a refund's id is missing")
		}
		var err error
		if e.Amount, err = webhook.Minor(strings.TrimPrefix(webhook.First(refund, "total"), "-"), order.Decimals(e.Currency)); err != nil {
			return nil, fmt.Errorf("a refund's total: %w", err)
		}
		e.ID, e.Type = fmt.Sprintf("refund-%s-%d", e.Ref, e.Amount), "order.refund"
		events = append(events, e)
	}
	if len(events) == 0 && o.String("status") == "refunded" { // whatever it was, it went back
		paid.Kind, paid.Status, paid.ID = order.KindRefund, order.Refunded, "refunded-"+paid.Payment
		events = append(events, paid)
	}
	return events, nil
}

func modified(o strictjson.Object) string {
	if o["date_modified_gmt"] != nil {
		return "date_modified_gmt"
	}
	return "date_modified"
}

// at is when the order was last changed. WooCommerce writes no zone, and means
// UTC in what is called gmt.
func at(o strictjson.Object) time.Time {
	t, err := time.Parse("2006-01-02T15:04:05", strings.TrimSuffix(o.String(modified(o)), "Z"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// method is the gateway's name: stripe, woocommerce_payments, bacs, cod … or the
// wallet, which gateways put into the title that the customer sees.
func method(o strictjson.Object) string {
	title := strings.ToLower(o.String("payment_method_title"))
	for prefix, wallet := range map[string]string{"apple pay": "apple_pay", "google pay": "google_pay"} {
		if strings.HasPrefix(title, prefix) {
			return wallet
		}
	}
	return o.String("payment_method")
}
