package coinbasecommerce

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// simulated are the events by which a status is told, with the last status of
// the charge's timeline and what stands beside it.
var simulated = map[order.Status]struct{ name, last, context string }{
	order.Created:       {"created", "NEW", ""},
	order.Pending:       {"pending", "PENDING", ""},
	order.Paid:          {"confirmed", "COMPLETED", ""},
	order.PartiallyPaid: {"delayed", "UNRESOLVED", "UNDERPAID"},
	order.Failed:        {"failed", "UNRESOLVED", ""},
	order.Canceled:      {"failed", "CANCELED", ""},
	order.Expired:       {"failed", "EXPIRED", ""},
}

// Write implements [webhook.Writer]. An amount and a currency are needed. The
// mode is not told.
func (rd *Reader) Write(s webhook.Simulation) ([]byte, error) {
	told, ok := simulated[s.Status]
	if !ok {
		return nil, fmt.Errorf("coinbasecommerce: no webhook tells of status %q", s.Status)
	}
	if s.Currency == "" {
		return nil, fmt.Errorf("coinbasecommerce: its webhooks always say how much was %s: give an amount and a currency", s.Status)
	}
	at, payment := s.At.UTC().Format(time.RFC3339), cmp.Or(s.Payment, "charge_"+s.Order)
	amount := map[string]any{"amount": order.FormatDecimal(s.Amount, s.Currency), "currency": s.Currency}
	last := map[string]any{"time": at, "status": told.last}
	if told.context != "" {
		last["context"] = told.context
	}
	charge := map[string]any{
		"id": payment, "code": "SIMULATE", "resource": "charge", "name": "Simulated", "pricing_type": "fixed_price", "metadata": map[string]any{},
		"pricing": map[string]any{"local": amount}, "timeline": []any{map[string]any{"time": at, "status": "NEW"}, last}, "payments": []any{},
	}
	if s.Status == order.Paid || s.Status == order.PartiallyPaid {
		charge["payments"] = []any{map[string]any{
			"network": cmp.Or(s.Method, "ethereum"), "status": "CONFIRMED", "transaction_id": "0x00", "value": map[string]any{"local": amount},
		}}
	}
	root := map[string]any{"id": "delivery_" + s.ID, "attempt_number": 1, "scheduled_for": at, "event": map[string]any{
		"id": s.ID, "type": "charge:" + told.name, "resource": "event", "api_version": "2018-03-22", "created_at": at, "data": charge,
	}}
	if err := webhook.Put(root, rd.orders[0], s.Order); err != nil {
		return nil, fmt.Errorf("coinbasecommerce: %w", err)
	}
	return json.Marshal(root)
}

// Simulate implements [webhook.Simulator].
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	body, err := p.Write(s)
	if err != nil {
		return webhook.Request{}, err
	}
	return sign(p.keys[0], body, s.SignedAt()), nil
}

// sign returns a request as Coinbase makes it.
func sign(key, body []byte, at time.Time) webhook.Request {
	return webhook.Post(body, at, scheme.Header, scheme.Sign(key, body))
}
