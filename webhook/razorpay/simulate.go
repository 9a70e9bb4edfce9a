package razorpay

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// An object is a JSON object to be sent.
type object = map[string]any

// Simulate implements [webhook.Simulator]. Razorpay's webhooks always name an
// amount and a currency.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	if !order.IsCurrency(s.Currency) {
		return webhook.Request{}, errors.New("razorpay: its webhooks always say how much: give an amount and a currency")
	}
	s.Payment = cmp.Or(s.Payment, "pay_"+s.Order)
	typ, payload := simulated(s)
	if typ == "" {
		return webhook.Request{}, fmt.Errorf("razorpay: no webhook tells of status %q", s.Status)
	}
	contains := slices.Sorted(maps.Keys(payload))
	root := object{
		"entity": "event", "account_id": "acc_paybell", "event": typ, "contains": contains, "payload": payload, "created_at": s.At.Unix(),
	}
	if payload["payment"] != nil || !strings.HasPrefix(p.orders[0], "payload.payment.") { // a link names its order itself
		if err := webhook.Put(root, p.orders[0], s.Order); err != nil {
			return webhook.Request{}, fmt.Errorf("razorpay: %w", err)
		}
	}
	body, err := json.Marshal(root)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("razorpay: write the body: %w", err)
	}
	return webhook.Request{
		Method: http.MethodPost,
		Header: http.Header{
			"Content-Type":        {"application/json"},
			"X-Razorpay-Event-Id": {s.ID},
			scheme.Header:         {scheme.Sign(p.keys[0], body)},
		},
		Body: body,
		At:   s.SignedAt(),
	}, nil
}

func simulated(s webhook.Simulation) (string, object) {
	payment := object{
		"id": s.Payment, "entity": "payment", "amount": s.Amount, "currency": s.Currency, "method": cmp.Or(s.Method, "card"),
		"order_id": "order_" + s.Order, "amount_refunded": 0, "refund_status": nil, "captured": true, "notes": object{},
		"error_code": nil, "error_reason": nil, "created_at": s.At.Unix(),
	}
	payload := object{"payment": object{"entity": payment}}
	switch s.Status {
	case order.Pending:
		payment["status"], payment["captured"] = "pending", false
		return "payment.pending", payload
	case order.Authorized:
		payment["status"], payment["captured"] = "authorized", false
		return "payment.authorized", payload
	case order.Paid, order.PartiallyPaid:
		payment["status"] = "captured"
		return "payment.captured", payload
	case order.Failed:
		payment["status"], payment["captured"] = "failed", false
		payment["error_code"], payment["error_reason"] = "BAD_REQUEST_ERROR", "payment_failed"
		return "payment.failed", payload
	case order.Canceled, order.Expired:
		status := map[order.Status]string{order.Canceled: "cancelled", order.Expired: "expired"}[s.Status]
		return "payment_link." + status, object{"payment_link": object{"entity": object{
			"id": "plink_" + s.Order, "status": status, "reference_id": s.Order, "amount": s.Amount, "currency": s.Currency,
		}}}
	case order.Refunded, order.PartiallyRefunded: // one refund that grows, as amounts are running totals here
		payment["status"], payment["amount_refunded"], payment["refund_status"] = "captured", s.Amount, "partial"
		payload["refund"] = object{"entity": object{
			"id": "rfnd_" + s.Payment, "entity": "refund", "amount": s.Amount, "currency": s.Currency,
			"payment_id": s.Payment, "status": "processed", "created_at": s.At.Unix(),
		}}
		return "refund.processed", payload
	case order.Disputed, order.Won, order.Lost:
		name := map[order.Status]string{order.Disputed: "created", order.Won: "won", order.Lost: "lost"}[s.Status]
		payload["dispute"] = object{"entity": object{
			"id": "disp_" + s.Payment, "entity": "dispute", "payment_id": s.Payment, "amount": s.Amount, "currency": s.Currency,
			"reason_code": "goods_or_services_not_received", "phase": "chargeback", "created_at": s.At.Unix(),
		}}
		return "payment.dispute." + name, payload
	}
	return "", nil
}
