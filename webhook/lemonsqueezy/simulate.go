package lemonsqueezy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// simulated are the words of Lemon Squeezy's for a status.
var simulated = map[order.Status]string{
	order.Pending: "pending", order.Paid: "paid", order.PartiallyPaid: "paid", order.Failed: "failed",
	order.PartiallyRefunded: "partial_refund", order.Refunded: "refunded", order.Disputed: "fraudulent",
}

// Write implements [webhook.Writer]. An amount and a currency are needed; the
// id of the event is made of what it says.
func (rd *Reader) Write(s webhook.Simulation) ([]byte, error) {
	status, ok := simulated[s.Status]
	if !ok {
		return nil, fmt.Errorf("lemonsqueezy: no webhook tells of status %q", s.Status)
	}
	if s.Currency == "" {
		return nil, fmt.Errorf("lemonsqueezy: its webhooks always say how much was %s: give an amount and a currency", s.Status)
	}
	name, at := "order_created", s.At.UTC().Format("2006-01-02T15:04:05.000000Z")
	attributes := map[string]any{
		"store_id": 1, "customer_id": 1, "identifier": s.ID, "order_number": 1, "currency": s.Currency, "total": s.Amount, "status": status,
		"refunded": false, "refunded_at": nil, "refunded_amount": 0, "created_at": at, "updated_at": at, "test_mode": !s.Live,
	}
	if s.Status == order.PartiallyRefunded || s.Status == order.Refunded {
		name = "order_refunded"
		attributes["refunded"], attributes["refunded_at"], attributes["refunded_amount"] = true, at, s.Amount
	}
	root := map[string]any{
		"meta": map[string]any{"test_mode": !s.Live, "event_name": name, "webhook_id": "51f0b6a8-4192-49cd-a939-25f9bfd16d6e"},
		"data": map[string]any{"type": "orders", "id": cmp.Or(s.Payment, "ls_"+s.Order), "attributes": attributes},
	}
	if err := webhook.Put(root, rd.orders[0], s.Order); err != nil {
		return nil, fmt.Errorf("lemonsqueezy: %w", err)
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

// sign returns a request as Lemon Squeezy makes it.
func sign(key, body []byte, at time.Time) webhook.Request {
	return webhook.Post(body, at, scheme.Header, scheme.Sign(key, body))
}
