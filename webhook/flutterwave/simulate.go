package flutterwave

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// simulated are the events of version 4 by which a status is told.
var simulated = map[order.Status]struct{ name, status string }{
	order.Pending:           {"charge.completed", "pending"},
	order.Paid:              {"charge.completed", "succeeded"},
	order.PartiallyPaid:     {"charge.completed", "succeeded"},
	order.Failed:            {"charge.completed", "failed"},
	order.Canceled:          {"charge.completed", "cancelled"},
	order.PartiallyRefunded: {"refund.completed", "partially_refunded"},
	order.Refunded:          {"refund.completed", "refunded"},
	order.Disputed:          {"chargeback.created", "pending"},
	order.Won:               {"chargeback.updated", "won"},
	order.Lost:              {"chargeback.updated", "lost"},
}

// Write implements [webhook.Writer]. An amount and a currency are needed; the id
// of the event is made of what it says. The mode is not told.
func (rd *Reader) Write(s webhook.Simulation) ([]byte, error) {
	told, ok := simulated[s.Status]
	if !ok {
		return nil, fmt.Errorf("flutterwave: no webhook tells of status %q", s.Status)
	}
	if s.Currency == "" {
		return nil, fmt.Errorf("flutterwave: its webhooks always say how much was %s: give an amount and a currency", s.Status)
	}
	payment, amount := cmp.Or(s.Payment, "chg_"+s.Order), json.Number(order.FormatDecimal(s.Amount, s.Currency))
	data := map[string]any{
		"id": payment, "amount": amount, "currency": s.Currency, "status": told.status, "created_datetime": s.At.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	root := map[string]any{"webhook_id": "wbk_" + s.ID, "timestamp": s.At.UnixMilli(), "type": told.name, "data": data}
	switch told.name {
	case "charge.completed":
		data["payment_method"], data["processor_response"] = map[string]any{"type": cmp.Or(s.Method, "card")}, map[string]any{"type": "approved", "code": "00"}
		if s.Status == order.Failed {
			data["processor_response"] = map[string]any{"type": "insufficient_funds", "code": "51"}
		}
		if path := rd.orders[0]; path == "data.tx_ref" {
			data["reference"] = s.Order
		} else if err := webhook.Put(root, path, s.Order); err != nil {
			return nil, fmt.Errorf("flutterwave: %w", err)
		}
	case "refund.completed":
		data["id"], data["charge_id"], data["amount_refunded"] = "rfd_"+payment, payment, amount
	default:
		data["id"], data["charge_id"] = "chb_"+payment, payment
	}
	return json.Marshal(root)
}

// Simulate implements [webhook.Simulator]. It signs as version 4 does.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	body, err := p.Write(s)
	if err != nil {
		return webhook.Request{}, err
	}
	return sign(p.keys[0], body, s.SignedAt()), nil
}

// sign returns a request as Flutterwave makes it in version 4.
func sign(key, body []byte, at time.Time) webhook.Request {
	return webhook.Post(body, at, scheme.Header, scheme.Sign(key, body))
}
