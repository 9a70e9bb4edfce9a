package airwallex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// simulated are the events by which a status is told.
var simulated = map[order.Status]string{
	order.Created: "payment_intent.created", order.Pending: "payment_intent.pending", order.RequiresAction: "payment_intent.requires_customer_action",
	order.Authorized: "payment_intent.requires_capture", order.Paid: "payment_intent.succeeded", order.PartiallyPaid: "payment_intent.succeeded",
	order.Canceled: "payment_intent.cancelled", order.Failed: "payment_attempt.authorization_failed",
	order.PartiallyRefunded: "refund.settled", order.Refunded: "refund.settled",
	order.Disputed: "payment_dispute.requires_response", order.Won: "payment_dispute.won", order.Lost: "payment_dispute.lost",
}

// Write implements [webhook.Writer]. An amount and a currency are needed. The
// mode is not told.
func (rd *Reader) Write(s webhook.Simulation) ([]byte, error) {
	name, ok := simulated[s.Status]
	if !ok {
		return nil, fmt.Errorf("airwallex: no webhook tells of status %q", s.Status)
	}
	if s.Currency == "" {
		return nil, fmt.Errorf("airwallex: its webhooks always say how much was %s: give an amount and a currency", s.Status)
	}
	at, payment := s.At.UTC().Format("2006-01-02T15:04:05+0000"), cmp.Or(s.Payment, "int_"+s.Order)
	method := map[string]any{"type": cmp.Or(s.Method, "card")}
	amount := json.Number(order.FormatDecimal(s.Amount, s.Currency))
	object := map[string]any{"amount": amount, "currency": s.Currency, "created_at": at, "updated_at": at}
	switch family, last, _ := strings.Cut(name, "."); family {
	case "payment_intent":
		object["id"], object["status"], object["captured_amount"] = payment, strings.ToUpper(last), json.Number("0")
		object["latest_payment_attempt"] = map[string]any{"payment_intent_id": payment, "payment_method": method}
	case "payment_attempt":
		object["id"], object["payment_intent_id"], object["payment_method"] = "att_"+payment, payment, method
		object["status"], object["failure_code"] = "FAILED", "insufficient_funds"
	case "refund":
		object["id"], object["payment_intent_id"], object["status"] = "rfd_"+payment, payment, "SETTLED"
	default:
		object["id"], object["payment_intent_id"], object["status"] = "dsp_"+payment, payment, strings.ToUpper(last)
		object["reason"] = map[string]any{"type": "FRAUD", "description": "Fraudulent transaction"}
	}
	switch s.Status {
	case order.Paid, order.PartiallyPaid:
		object["captured_amount"] = amount
	case order.RequiresAction:
		object["next_action"] = map[string]any{"type": "redirect", "method": "GET", "url": "https://checkout.airwallex.com/pa/redirect/" + payment}
	case order.Canceled:
		object["cancellation_reason"] = "requested_by_customer"
	}
	root := map[string]any{
		"id": s.ID, "name": name, "account_id": cmp.Or(rd.account, "acct_TOslkS7-MnyXlQuV8Lb4og"), "created_at": at,
		"data": map[string]any{"object": object},
	}
	if err := webhook.Put(root, rd.orders[0], s.Order); err != nil {
		return nil, fmt.Errorf("airwallex: %w", err)
	}
	return json.Marshal(root)
}

// Simulate implements [webhook.Simulator]. One refund stands for the running
// total.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	body, err := p.Write(s)
	if err != nil {
		return webhook.Request{}, err
	}
	return sign(p.keys[0], body, s.SignedAt()), nil
}

// sign returns a request as Airwallex makes it.
func sign(key, body []byte, at time.Time) webhook.Request {
	timestamp := strconv.FormatInt(at.UnixMilli(), 10)
	return webhook.Post(body, at, timestampHeader, timestamp, scheme.Header, scheme.Sign(key, []byte(timestamp), body))
}
