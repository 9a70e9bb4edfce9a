package paddle

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
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

// Simulate implements [webhook.Simulator]. Paddle's notifications always name an
// amount and a currency.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	if !order.IsCurrency(s.Currency) {
		return webhook.Request{}, errors.New("paddle: its webhooks always say how much: give an amount and a currency")
	}
	s.Payment = cmp.Or(s.Payment, "txn_"+s.Order)
	typ, data := simulated(s)
	if typ == "" {
		return webhook.Request{}, fmt.Errorf("paddle: no webhook tells of status %q", s.Status)
	}
	root := object{
		"event_id": s.ID, "event_type": typ, "occurred_at": s.At.UTC().Format(time.RFC3339Nano), "notification_id": "ntf_" + s.ID, "data": data,
	}
	if data["id"] == s.Payment {
		if err := webhook.Put(root, p.orders[0], s.Order); err != nil {
			return webhook.Request{}, fmt.Errorf("paddle: %w", err)
		}
	}
	body, err := json.Marshal(root)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("paddle: write the body: %w", err)
	}
	return sign(p.keys[0], body, s.SignedAt()), nil
}

// sign returns a request as Paddle makes it.
func sign(key, body []byte, at time.Time) webhook.Request {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	sum := webhook.HMAC(sha256.New, key, []byte(timestamp), []byte{':'}, body)
	return webhook.Request{
		Method: http.MethodPost,
		Header: http.Header{
			"Content-Type":  {"application/json"},
			"User-Agent":    {"Paddle"},
			signatureHeader: {"ts=" + timestamp + ";h1=" + hex.EncodeToString(sum)},
		},
		Body: body,
		At:   at,
	}
}

func simulated(s webhook.Simulation) (string, object) {
	amount := strconv.FormatInt(s.Amount, 10)
	switch s.Status {
	case order.Refunded, order.PartiallyRefunded: // one that grows, as amounts are running totals here
		return "adjustment.updated", adjusted(s, "refund", amount)
	case order.Disputed:
		return "adjustment.created", adjusted(s, "chargeback", amount)
	case order.Won:
		return "adjustment.created", adjusted(s, "chargeback_reverse", amount)
	}
	names := map[order.Status]string{
		order.Created: "created", order.Pending: "ready", order.Paid: "completed", order.PartiallyPaid: "completed",
		order.Failed: "payment_failed", order.Canceled: "canceled",
	}
	name := names[s.Status]
	if name == "" {
		return "", nil
	}
	status := map[string]string{"created": "draft", "payment_failed": "ready"}[name]
	payment := object{"payment_attempt_id": "a0", "amount": amount, "status": "captured", "error_code": nil, "method_details": object{"type": cmp.Or(s.Method, "card")}}
	if s.Status == order.Failed {
		payment["status"], payment["error_code"] = "error", "declined"
	}
	return "transaction." + name, object{
		"id": s.Payment, "status": cmp.Or(status, name), "currency_code": s.Currency, "payments": []any{payment},
		"details": object{"totals": object{"total": amount, "grand_total": amount, "currency_code": s.Currency}},
	}
}

func adjusted(s webhook.Simulation, action, amount string) object {
	return object{
		"id": "adj_" + action + s.Payment, "action": action, "transaction_id": s.Payment, "status": "approved", "reason": "error",
		"currency_code": s.Currency, "totals": object{"total": amount, "currency_code": s.Currency},
	}
}
