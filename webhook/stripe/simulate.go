package stripe

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// An object is a JSON object to be sent.
type object = map[string]any

// Simulate implements [webhook.Simulator]. An event that tells of money that
// came or went needs an amount and a currency.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	body, err := p.write(s)
	if err != nil {
		return webhook.Request{}, err
	}
	return sign(p.secrets[0], body, s.SignedAt()), nil
}

// write returns the body of the event that tells what s says.
func (p *Provider) write(s webhook.Simulation) ([]byte, error) {
	typ, data, err := simulated(s)
	if err != nil {
		return nil, err
	}
	root := object{
		"id": s.ID, "object": "event", "api_version": "2025-10-29.clover", "created": s.At.Unix(),
		"data": object{"object": data}, "livemode": s.Live, "pending_webhooks": 1,
		"request": object{"id": nil, "idempotency_key": nil}, "type": typ,
	}
	if p.account != "" {
		root["account"] = p.account
	}
	if len(p.orders) > 0 {
		if err := put(root, p.orders[0], s.Order); err != nil {
			return nil, err
		}
	} else {
		data["metadata"] = object{"order_id": s.Order}
	}
	body, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("stripe: write the body: %w", err)
	}
	return body, nil
}

// sign returns a request as Stripe makes it.
func sign(secret, body []byte, at time.Time) webhook.Request {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signature := webhook.HMAC(sha256.New, secret, []byte(timestamp), []byte{'.'}, body)
	return webhook.Request{
		Method: http.MethodPost,
		Header: http.Header{
			"Content-Type":  {"application/json; charset=utf-8"},
			"User-Agent":    {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
			signatureHeader: {"t=" + timestamp + ",v1=" + hex.EncodeToString(signature)},
		},
		Body: body,
		At:   at,
	}
}

// put sets what a dotted path leads to.
func put(root object, path, value string) error {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		if root[name] == nil {
			root[name] = object{}
		}
		inner, ok := root[name].(object)
		if !ok {
			return fmt.Errorf("stripe: cannot simulate: the order's path %s leads through a value", path)
		}
		root = inner
	}
	root[names[len(names)-1]] = value
	return nil
}

// simulated returns the type and the object of the event that tells what s
// says.
func simulated(s webhook.Simulation) (string, object, error) {
	money, err := fromMinor(s.Amount, s.Currency)
	if err != nil {
		return "", nil, fmt.Errorf("stripe: %w", err)
	}
	s.Payment = cmp.Or(s.Payment, "pi_"+s.Order)
	switch s.Status {
	case order.Paid, order.PartiallyPaid, order.Refunded, order.PartiallyRefunded:
		if s.Currency == "" {
			return "", nil, fmt.Errorf("stripe: its webhooks always say how much was %s: give an amount and a currency", s.Status)
		}
	}
	var typ string
	var data object
	switch s.Status {
	case order.Expired:
		typ, data = "checkout.session.expired", object{
			"id": "cs_" + s.Payment, "object": "checkout.session", "amount_total": money, "mode": "payment",
			"payment_intent": s.Payment, "payment_status": "unpaid", "status": "expired",
		}
	case order.Refunded, order.PartiallyRefunded:
		typ, data = "charge.refunded", simulatedCharge(s, money)
	case order.Disputed, order.Won, order.Lost:
		typ, data = simulatedDispute(s, money)
	default:
		if typ, data = simulatedIntent(s, money); typ == "" {
			return "", nil, fmt.Errorf("stripe: no webhook tells of status %q", s.Status)
		}
	}
	if data["created"] = s.At.Unix(); s.Currency != "" {
		data["currency"] = strings.ToLower(s.Currency)
	} else {
		for _, field := range []string{"amount", "amount_total", "amount_capturable", "amount_received"} {
			delete(data, field)
		}
	}
	data["livemode"] = s.Live
	if order.CheckID(data["id"].(string)) != nil || order.CheckID(s.ID) != nil {
		return "", nil, errors.New("stripe: an id is too long, or not printable ASCII")
	}
	return typ, data, nil
}

func simulatedIntent(s webhook.Simulation, money int64) (string, object) {
	data := object{
		"id": s.Payment, "object": "payment_intent", "amount": money, "amount_capturable": 0, "amount_received": 0,
		"capture_method": "automatic", "last_payment_error": nil, "next_action": nil,
	}
	if s.Method != "" {
		data["payment_method_types"] = []string{s.Method}
	}
	name := ""
	switch s.Status {
	case order.Created:
		name, data["status"] = "created", "requires_payment_method"
	case order.Pending:
		name, data["status"] = "processing", "processing"
	case order.RequiresAction:
		name, data["status"] = "requires_action", "requires_action"
		data["next_action"] = object{"type": "redirect_to_url", "redirect_to_url": object{
			"url": "https://hooks.stripe.com/redirect/authenticate/" + s.Payment, "return_url": nil,
		}}
	case order.Authorized:
		name, data["status"] = "amount_capturable_updated", "requires_capture"
		data["amount_capturable"], data["capture_method"] = money, "manual"
	case order.Paid, order.PartiallyPaid:
		name, data["status"], data["amount_received"] = "succeeded", "succeeded", money
	case order.Failed:
		name, data["status"] = "payment_failed", "requires_payment_method"
		data["last_payment_error"] = object{"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
	case order.Canceled:
		name, data["status"], data["cancellation_reason"] = "canceled", "canceled", "abandoned"
	default:
		return "", nil
	}
	return "payment_intent." + name, data
}

// simulatedCharge is a charge of which so much was refunded. How much it was of
// is not known here; the ledger takes the highest that it was told.
func simulatedCharge(s webhook.Simulation, money int64) object {
	data := object{
		"id": "ch_" + s.Payment, "object": "charge", "amount": money, "amount_captured": money, "amount_refunded": money,
		"captured": true, "payment_intent": s.Payment, "refunded": s.Status == order.Refunded, "status": "succeeded",
	}
	if s.Method != "" {
		data["payment_method_details"] = object{"type": s.Method}
	}
	return data
}

func simulatedDispute(s webhook.Simulation, money int64) (string, object) {
	typ, status := "charge.dispute.closed", string(s.Status)
	if s.Status == order.Disputed {
		typ, status = "charge.dispute.created", "needs_response"
	}
	return typ, object{
		"id": "dp_" + s.Payment, "object": "dispute", "amount": money, "charge": "ch_" + s.Payment,
		"payment_intent": s.Payment, "reason": "fraudulent", "status": status,
	}
}
