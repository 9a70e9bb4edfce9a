package square

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// An object is a JSON object to be sent.
type object = map[string]any

// Simulate implements [webhook.Simulator]. The request is for the configured
// URL, or for one that it names itself. Square's webhooks always name an amount
// and a currency.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	if !order.IsCurrency(s.Currency) {
		return webhook.Request{}, errors.New("square: its webhooks always say how much: give an amount and a currency")
	}
	s.Payment = cmp.Or(s.Payment, "pay-"+s.Order)
	typ, data := simulated(s)
	if typ == "" {
		return webhook.Request{}, fmt.Errorf("square: no webhook tells of status %q", s.Status)
	}
	family, _, _ := strings.Cut(typ, ".")
	root := object{
		"merchant_id": "ML000000000PB", "type": typ, "event_id": s.ID, "created_at": s.At.UTC().Format(time.RFC3339),
		"data": object{"type": family, "id": data["id"], "object": object{family: data}},
	}
	if family == "payment" {
		if err := webhook.Put(root, p.orders[0], s.Order); err != nil {
			return webhook.Request{}, fmt.Errorf("square: %w", err)
		}
	}
	body, err := json.Marshal(root)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("square: write the body: %w", err)
	}
	return webhook.Request{
		Method: http.MethodPost,
		URL:    p.url,
		Header: http.Header{
			"Content-Type": {"application/json"},
			scheme.Header:  {scheme.Sign(p.keys[0], []byte(p.url), body)},
		},
		Body: body,
		At:   s.SignedAt(),
	}, nil
}

func simulated(s webhook.Simulation) (string, object) {
	at, money := s.At.UTC().Format(time.RFC3339), object{"amount": s.Amount, "currency": s.Currency}
	payment := object{
		"id": s.Payment, "created_at": at, "updated_at": at, "amount_money": money, "total_money": money, "location_id": "LOC1",
		"source_type": strings.ToUpper(cmp.Or(s.Method, "card")),
	}
	switch s.Status {
	case order.Pending:
		payment["status"] = "PENDING"
	case order.Authorized:
		payment["status"] = "APPROVED"
	case order.Paid, order.PartiallyPaid:
		payment["status"] = "COMPLETED"
	case order.Canceled:
		payment["status"] = "CANCELED"
	case order.Failed:
		payment["status"] = "FAILED"
		payment["card_details"] = object{"status": "FAILED", "errors": []any{object{"category": "PAYMENT_METHOD_ERROR", "code": "INSUFFICIENT_FUNDS"}}}
	case order.Refunded, order.PartiallyRefunded:
		payment["status"], payment["refunded_money"] = "COMPLETED", money
	case order.Disputed, order.Won, order.Lost:
		state := map[order.Status]string{order.Disputed: "EVIDENCE_REQUIRED", order.Won: "WON", order.Lost: "LOST"}[s.Status]
		return "dispute.state.updated", object{
			"id": "dispute-" + s.Payment, "amount_money": money, "reason": "NO_KNOWLEDGE", "state": state, "created_at": at, "updated_at": at,
			"disputed_payment": object{"payment_id": s.Payment},
		}
	default:
		return "", nil
	}
	return "payment.updated", payment
}
