package woocommerce

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// An object is a JSON object to be sent.
type object = map[string]any

// Simulate implements [webhook.Simulator]. WooCommerce's webhooks always name an
// amount and a currency.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	status := map[order.Status]string{
		order.Created: "pending", order.Pending: "on-hold", order.Paid: "processing", order.Failed: "failed", order.Canceled: "cancelled",
		order.PartiallyRefunded: "processing", order.Refunded: "refunded",
	}[s.Status]
	switch {
	case status == "":
		return webhook.Request{}, fmt.Errorf("woocommerce: no webhook tells of status %q", s.Status)
	case !order.IsCurrency(s.Currency):
		return webhook.Request{}, errors.New("woocommerce: its webhooks always say how much: give an amount and a currency")
	}
	at := s.At.UTC().Format("2006-01-02T15:04:05")
	amount := order.FormatDecimal(s.Amount, s.Currency)
	data := object{
		"id": number(s.Order), "parent_id": 0, "number": s.Order, "order_key": "wc_order_" + s.Order, "status": status, "currency": s.Currency,
		"total": amount, "date_modified": at, "date_modified_gmt": at, "date_paid": nil, "date_paid_gmt": nil,
		"payment_method": s.Method, "payment_method_title": s.Method, "transaction_id": s.Payment, "refunds": []any{}, "meta_data": []any{},
	}
	switch s.Status {
	case order.Refunded, order.PartiallyRefunded:
		data["refunds"] = []any{object{"id": 1, "reason": "", "total": "-" + amount}}
		fallthrough
	case order.Paid:
		data["date_paid"], data["date_paid_gmt"] = at, at
	}
	if key, ok := strings.CutPrefix(p.orders[0], "meta_data."); ok {
		data["meta_data"] = []any{object{"id": 1, "key": key, "value": s.Order}}
	} else if p.orders[0] != "id" {
		data[p.orders[0]] = s.Order
	}
	body, err := json.Marshal(data)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("woocommerce: write the body: %w", err)
	}
	return webhook.Request{
		Method: http.MethodPost,
		Header: http.Header{
			"Content-Type":             {"application/json"},
			"X-Wc-Webhook-Topic":       {"order.updated"},
			"X-Wc-Webhook-Delivery-Id": {s.ID},
			scheme.Header:              {scheme.Sign(p.keys[0], body)},
		},
		Body: body,
		At:   s.SignedAt(),
	}, nil
}

// number writes an id as a number where it is one.
func number(id string) any {
	if id != "" && id[0] != '0' && strings.Trim(id, "0123456789") == "" {
		return json.Number(id)
	}
	return id
}
