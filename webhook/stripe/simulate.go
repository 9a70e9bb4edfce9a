package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A scene is the event with which Stripe would tell of a status.
type scene struct {
	typ    string
	object string // payment_intent, charge or dispute
	status string // of that object
}

var scenes = map[order.Status]scene{
	order.Created:           {"payment_intent.created", "payment_intent", "requires_payment_method"},
	order.Pending:           {"payment_intent.processing", "payment_intent", "processing"},
	order.RequiresAction:    {"payment_intent.requires_action", "payment_intent", "requires_action"},
	order.Authorized:        {"payment_intent.amount_capturable_updated", "payment_intent", "requires_capture"},
	order.Paid:              {"payment_intent.succeeded", "payment_intent", "succeeded"},
	order.PartiallyPaid:     {"payment_intent.succeeded", "payment_intent", "succeeded"},
	order.Failed:            {"payment_intent.payment_failed", "payment_intent", "requires_payment_method"},
	order.Canceled:          {"payment_intent.canceled", "payment_intent", "canceled"},
	order.Expired:           {"checkout.session.expired", "checkout.session", "expired"},
	order.PartiallyRefunded: {"charge.refunded", "charge", "succeeded"},
	order.Refunded:          {"charge.refunded", "charge", "succeeded"},
	order.Disputed:          {"charge.dispute.created", "dispute", "needs_response"},
	order.Won:               {"charge.dispute.closed", "dispute", "won"},
	order.Lost:              {"charge.dispute.closed", "dispute", "lost"},
}

// Simulate implements [webhook.Simulator]. The signature is of now, as with
// every attempt of Stripe's; s.At is when the event was made.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	scene, ok := scenes[s.Status]
	if !ok {
		return webhook.Request{}, fmt.Errorf("stripe: no webhook tells of status %q", s.Status)
	}
	if len(p.orders) > 0 {
		return webhook.Request{}, fmt.Errorf("stripe: cannot simulate an endpoint whose order path is set")
	}
	type object = map[string]any
	body, err := json.Marshal(object{
		"id": s.ID, "object": "event", "api_version": "2025-09-30.clover", "created": s.At.Unix(),
		"livemode": s.Live, "pending_webhooks": 1, "type": scene.typ,
		"request": object{"id": nil, "idempotency_key": nil},
		"data":    object{"object": scene.fill(s)},
	})
	if err != nil {
		return webhook.Request{}, fmt.Errorf("stripe: write the body: %w", err)
	}
	now := time.Now()
	stamp := strconv.FormatInt(now.Unix(), 10)
	signature := webhook.HMAC(sha256.New, p.secrets[0], []byte(stamp), []byte{'.'}, body)
	return webhook.Request{
		Method: http.MethodPost,
		Header: http.Header{
			"Content-Type":  {"application/json; charset=utf-8"},
			signatureHeader: {"t=" + stamp + ",v1=" + hex.EncodeToString(signature)},
		},
		Body: body,
		At:   now,
	}, nil
}

// fill makes the object of the event, with the fields that a reader looks at.
func (c scene) fill(s webhook.Simulation) map[string]any {
	type object = map[string]any
	currency, amount := strings.ToLower(s.Currency), stripeAmount(s.Amount, s.Currency)
	o := object{"id": s.Payment, "object": c.object, "status": c.status, "currency": currency, "amount": amount, "livemode": s.Live}
	switch c.object {
	case "payment_intent":
		o["metadata"] = object{"order_id": s.Order}
		o["payment_method_types"] = []string{s.Method}
		o["amount_received"], o["amount_capturable"] = 0, 0
		switch s.Status {
		case order.Paid, order.PartiallyPaid:
			o["amount_received"] = amount
		case order.Authorized:
			o["amount_capturable"] = amount
		case order.Failed:
			o["last_payment_error"] = object{"type": "card_error", "code": "payment_intent_authentication_failure"}
		case order.RequiresAction:
			o["next_action"] = object{"type": "redirect_to_url", "redirect_to_url": object{"url": "https://hooks.stripe.com/3d_secure_2/hosted"}}
		}
	case "checkout.session":
		o["id"], o["payment_intent"] = "cs_"+s.Payment, s.Payment
		o["client_reference_id"], o["amount_total"], o["payment_status"], o["mode"] = s.Order, amount, "unpaid", "payment"
	case "charge":
		o["id"], o["payment_intent"], o["metadata"] = "ch_"+s.Payment, s.Payment, object{"order_id": s.Order}
		o["amount_refunded"], o["refunded"] = amount, s.Status == order.Refunded
		o["payment_method_details"] = object{"type": s.Method}
	case "dispute":
		o["id"], o["charge"], o["payment_intent"] = "dp_"+s.Payment, "ch_"+s.Payment, s.Payment
		o["reason"] = "fraudulent"
	}
	return o
}

// stripeAmount writes minor units by ISO 4217 as Stripe counts them.
func stripeAmount(amount int64, currency string) int64 {
	for have, want := order.Decimals(currency), decimals(currency); have != want; {
		if have < want {
			amount, have = amount*10, have+1
		} else {
			amount, have = amount/10, have-1
		}
	}
	return amount
}
