package gocardless

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// simulated are the actions by which a status is told.
var simulated = map[order.Status]string{
	order.Created: "created", order.Pending: "submitted", order.Paid: "confirmed", order.Failed: "failed", order.Canceled: "cancelled",
	order.Disputed: "charged_back", order.Won: "chargeback_cancelled", order.Lost: "chargeback_settled",
}

// Write implements [webhook.Writer]. Amount, currency and mode are not told.
func (rd *Reader) Write(s webhook.Simulation) ([]byte, error) {
	action, ok := simulated[s.Status]
	if !ok {
		return nil, fmt.Errorf("gocardless: no webhook tells of status %q", s.Status)
	}
	details := map[string]any{"origin": "gocardless", "cause": "payment_" + action, "description": "Simulated."}
	if s.Status == order.Failed {
		details = map[string]any{
			"origin": "bank", "cause": "insufficient_funds", "reason_code": "AM04", "scheme": cmp.Or(s.Method, "sepa_core"),
			"description": "The customer's account had insufficient funds to make this payment.", "will_attempt_retry": false,
		}
	} else if s.Method != "" {
		details["scheme"] = s.Method
	}
	event := map[string]any{
		"id": s.ID, "created_at": s.At.UTC().Format("2006-01-02T15:04:05.000Z"), "resource_type": "payments", "action": action,
		"details": details, "metadata": map[string]any{}, "resource_metadata": map[string]any{},
		"links": map[string]any{"payment": cmp.Or(s.Payment, "PM"+s.Order)},
	}
	if err := webhook.Put(event, rd.orders[0], s.Order); err != nil {
		return nil, fmt.Errorf("gocardless: %w", err)
	}
	return json.Marshal(map[string]any{"events": []any{event}, "meta": map[string]any{"webhook_id": "WB" + s.ID}})
}

// Simulate implements [webhook.Simulator].
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	body, err := p.Write(s)
	if err != nil {
		return webhook.Request{}, err
	}
	return sign(p.keys[0], body, s.SignedAt()), nil
}

// sign returns a request as GoCardless makes it.
func sign(key, body []byte, at time.Time) webhook.Request {
	return webhook.Post(body, at, scheme.Header, scheme.Sign(key, body))
}
