package shopify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// An object is a JSON object to be sent.
type object = map[string]any

// Simulate implements [webhook.Simulator]. Shopify's webhooks always name an
// amount and a currency.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	topic, data, err := p.simulated(s)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("shopify: %w", err)
	}
	body, err := json.Marshal(data)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("shopify: write the body: %w", err)
	}
	header := p.sign(body)
	header.Set("X-Shopify-Topic", topic)
	header.Set("X-Shopify-Api-Version", "2026-07")
	header.Set("X-Shopify-Shop-Domain", "paybell-demo.myshopify.com")
	header.Set("X-Shopify-Event-Id", s.ID)
	header.Set("X-Shopify-Webhook-Id", "webhook-"+s.ID)
	header.Set("X-Shopify-Triggered-At", s.At.UTC().Format(time.RFC3339Nano))
	header.Set("X-Shopify-Test", strconv.FormatBool(!s.Live))
	return webhook.Request{Method: http.MethodPost, Header: header, Body: body, At: s.SignedAt()}, nil
}

func (p *Provider) simulated(s webhook.Simulation) (string, object, error) {
	if !order.IsCurrency(s.Currency) {
		return "", nil, fmt.Errorf("its webhooks always say how much: give an amount and a currency")
	}
	amount := order.FormatDecimal(s.Amount, s.Currency)
	number := p.number(s)
	data := object{
		"id": number, "currency": s.Currency, "test": !s.Live, "total_price": amount, "cancelled_at": nil, "cancel_reason": nil,
		"created_at": s.At.Format(time.RFC3339), "updated_at": s.At.Format(time.RFC3339), "refunds": []any{},
		"payment_gateway_names": []string{cmp.Or(s.Method, "bogus")}, "note_attributes": []any{}, "line_items": []any{},
		"total_price_set": object{
			"shop_money":        object{"amount": amount, "currency_code": s.Currency},
			"presentment_money": object{"amount": amount, "currency_code": s.Currency},
		},
	}
	p.name(data, s.Order)
	topic := "orders/updated"
	switch s.Status {
	case order.Pending:
		topic, data["financial_status"] = "orders/create", "pending"
	case order.Authorized, order.Expired:
		data["financial_status"] = string(s.Status)
	case order.Paid:
		topic, data["financial_status"] = "orders/paid", "paid"
	case order.Canceled:
		topic, data["financial_status"] = "orders/cancelled", "voided"
		data["cancelled_at"], data["cancel_reason"] = s.At.Format(time.RFC3339), "customer"
	case order.Refunded, order.PartiallyRefunded:
		data["financial_status"] = string(s.Status)
		data["refunds"] = []any{object{"id": digits("refund " + s.Order), "order_id": number, "transactions": []any{transaction(s, number, amount, "refund", "success")}}}
	case order.Failed:
		return "order_transactions/create", transaction(s, number, amount, "sale", "failure"), nil
	case order.Disputed, order.Won, order.Lost:
		status := map[order.Status]string{order.Disputed: "needs_response", order.Won: "won", order.Lost: "lost"}[s.Status]
		return "disputes/update", object{
			"id": digits("dispute " + s.Order), "order_id": number, "type": "chargeback", "amount": amount, "currency": s.Currency, "reason": "fraudulent",
			"network_reason_code": "4837", "status": status, "evidence_due_by": nil, "initiated_at": s.At.Format(time.RFC3339), "finalized_on": nil,
		}, nil
	default:
		return "", nil, fmt.Errorf("no webhook tells of status %q", s.Status)
	}
	return topic, data, nil
}

func transaction(s webhook.Simulation, number any, amount, kind, status string) object {
	t := object{
		"id": digits(kind + " " + s.Order), "order_id": number, "kind": kind, "status": status, "amount": amount, "currency": s.Currency,
		"gateway": cmp.Or(s.Method, "bogus"), "test": !s.Live, "created_at": s.At.Format(time.RFC3339), "error_code": nil, "message": nil,
	}
	if status == "failure" {
		t["error_code"], t["message"] = "card_declined", "Your card was declined."
	}
	return t
}

// number is Shopify's number of the order: the order's id itself where that is
// what names it, and else made of it.
func (p *Provider) number(s webhook.Simulation) any {
	if p.orders[0] == "id" {
		if strings.Trim(s.Order, "0123456789") == "" && !strings.HasPrefix(s.Order, "0") && s.Order != "" {
			return json.Number(s.Order)
		}
		return s.Order
	}
	return digits(cmp.Or(s.Payment, s.Order))
}

// digits makes a number of a text that is always the same for it.
func digits(text string) json.Number {
	h := fnv.New64a()
	h.Write([]byte(text))
	return json.Number(strconv.FormatUint(h.Sum64()>>2|1, 10))
}

// name puts the order's id where it will be looked for.
func (p *Provider) name(data object, orderID string) {
	if note, ok := strings.CutPrefix(p.orders[0], "note_attributes."); ok {
		data["note_attributes"] = []any{object{"name": note, "value": orderID}}
	} else if p.orders[0] != "id" {
		data[p.orders[0]] = orderID
	}
}
