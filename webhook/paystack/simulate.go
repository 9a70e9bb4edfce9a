package paystack

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// An object is a JSON object to be sent.
type object = map[string]any

// Simulate implements [webhook.Simulator]. Paystack's webhooks always name an
// amount and a currency.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	if !order.IsCurrency(s.Currency) {
		return webhook.Request{}, errors.New("paystack: its webhooks always say how much: give an amount and a currency")
	}
	amount, err := webhook.Rescale(strconv.FormatInt(s.Amount, 10), order.Decimals(s.Currency), decimals)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("paystack: %w", err)
	}
	s.Payment = cmp.Or(s.Payment, s.Order)
	if p.orders[0] == "data.reference" {
		s.Payment = s.Order
	}
	typ, data := simulated(s, amount)
	if typ == "" {
		return webhook.Request{}, fmt.Errorf("paystack: no webhook tells of status %q", s.Status)
	}
	data["domain"] = "live"
	if !s.Live {
		data["domain"] = "test"
	}
	root := object{"event": typ, "data": data}
	if data["reference"] != nil {
		if err := webhook.Put(root, p.orders[0], s.Order); err != nil {
			return webhook.Request{}, fmt.Errorf("paystack: %w", err)
		}
	}
	body, err := json.Marshal(root)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("paystack: write the body: %w", err)
	}
	return webhook.Request{
		Method: http.MethodPost,
		Header: http.Header{"Content-Type": {"application/json"}, scheme.Header: {scheme.Sign(p.keys[0], body)}},
		Body:   body,
		At:     s.SignedAt(),
	}, nil
}

func simulated(s webhook.Simulation, amount int64) (string, object) {
	at := s.At.UTC().Format(time.RFC3339)
	switch s.Status {
	case order.Paid, order.PartiallyPaid:
		return "charge.success", object{
			"status": "success", "reference": s.Payment, "amount": amount, "currency": s.Currency, "gateway_response": "Successful",
			"paid_at": at, "created_at": at, "channel": cmp.Or(s.Method, "card"), "metadata": object{}, "id": 302961,
		}
	case order.Refunded, order.PartiallyRefunded: // one that grows, as amounts are running totals here
		reference := strconv.FormatInt(amount, 10)
		return "refund.processed", object{
			"status": "processed", "transaction_reference": s.Payment, "refund_reference": "TRF_" + reference, "amount": reference, "currency": s.Currency,
		}
	case order.Disputed, order.Won, order.Lost:
		typ, status, resolution := "charge.dispute.resolve", "resolved", any("declined")
		switch s.Status {
		case order.Lost:
			resolution = "merchant-accepted"
		case order.Disputed:
			typ, status, resolution = "charge.dispute.create", "awaiting-merchant-feedback", nil
		}
		return typ, object{
			"id": 358950, "refund_amount": amount, "currency": s.Currency, "status": status, "resolution": resolution, "category": "chargeback",
			"transaction": object{"reference": s.Payment, "amount": amount, "currency": s.Currency}, "created_at": at, "updated_at": at,
		}
	}
	return "", nil
}
