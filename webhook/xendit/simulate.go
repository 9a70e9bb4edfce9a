package xendit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// simulated are the events by which a status is told, with the status in them.
var simulated = map[order.Status]struct{ name, status string }{
	order.Pending:           {"payment.pending", "PENDING"},
	order.Authorized:        {"payment.authorization", "AUTHORIZED"},
	order.Paid:              {"payment.capture", "SUCCEEDED"},
	order.PartiallyPaid:     {"payment.capture", "SUCCEEDED"},
	order.Failed:            {"payment.failure", "FAILED"},
	order.Canceled:          {"ewallet.void", "VOIDED"},
	order.Expired:           {"payment_request.expiry", "EXPIRED"},
	order.PartiallyRefunded: {"refund.succeeded", "SUCCEEDED"},
	order.Refunded:          {"refund.succeeded", "SUCCEEDED"},
}

// Write implements [webhook.Writer]. An amount and a currency are needed; the id
// of the event is made of what it says. The mode is not told.
func (rd *Reader) Write(s webhook.Simulation) ([]byte, error) {
	told, ok := simulated[s.Status]
	if !ok {
		return nil, fmt.Errorf("xendit: no webhook tells of status %q", s.Status)
	}
	if s.Currency == "" {
		return nil, fmt.Errorf("xendit: its webhooks always say how much was %s: give an amount and a currency", s.Status)
	}
	at, payment := s.At.UTC().Format("2006-01-02T15:04:05.000Z"), cmp.Or(s.Payment, "py-"+s.Order)
	amount := json.Number(order.FormatDecimal(s.Amount, s.Currency))
	data := map[string]any{
		"payment_id": payment, "payment_request_id": "pr-" + payment, "status": told.status, "currency": s.Currency, "request_amount": amount,
		"channel_code": strings.ToUpper(cmp.Or(s.Method, "cards")), "created": at, "updated": at, "type": "PAY", "failure_code": nil,
	}
	switch told.name {
	case "payment.capture":
		data["captures"] = []any{map[string]any{"capture_id": "cptr-" + payment, "capture_amount": amount, "capture_timestamp": at}}
	case "payment.failure":
		data["failure_code"] = "INSUFFICIENT_BALANCE"
	case "ewallet.void":
		data["void_status"] = "SUCCEEDED"
	case "refund.succeeded":
		data = map[string]any{
			"id": "rfd-" + payment, "payment_id": payment, "invoice_id": nil, "amount": amount, "currency": s.Currency, "status": told.status,
			"reason": "CANCELLATION", "created": at, "updated": at, "metadata": nil,
		}
	}
	root := map[string]any{"event": told.name, "business_id": "6094fa76c2fd53701b8e079c", "created": at, "data": data}
	if told.name != "refund.succeeded" {
		if err := webhook.Put(root, rd.orders[0], s.Order); err != nil {
			return nil, fmt.Errorf("xendit: %w", err)
		}
	}
	return json.Marshal(root)
}

// Simulate implements [webhook.Simulator].
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	body, err := p.Write(s)
	if err != nil {
		return webhook.Request{}, err
	}
	return sign(string(p.tokens[0]), body, s.SignedAt()), nil
}

// sign returns a request as Xendit makes it.
func sign(token string, body []byte, at time.Time) webhook.Request {
	return webhook.Post(body, at, tokenHeader, token)
}
