package standard

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// types are the types that tell of each status.
var types = map[order.Status]string{
	order.Created: "payment.created", order.Pending: "payment.pending", order.RequiresAction: "payment.requires_action",
	order.Authorized: "payment.authorized", order.Paid: "payment.paid", order.PartiallyPaid: "payment.paid",
	order.Failed: "payment.failed", order.Canceled: "payment.canceled", order.Expired: "payment.expired",
	order.Refunded: "payment.refunded", order.PartiallyRefunded: "payment.partially_refunded",
	order.Disputed: "dispute.created", order.Won: "dispute.won", order.Lost: "dispute.lost",
}

// Simulate implements [webhook.Simulator]. It needs a secret: with public keys
// alone, only the sender can sign.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	typ, ok := types[s.Status]
	switch {
	case !ok:
		return webhook.Request{}, fmt.Errorf("standard: no webhook tells of status %q", s.Status)
	case len(p.secrets) == 0:
		return webhook.Request{}, errors.New("standard: cannot sign with public keys alone; add a secret")
	case order.CheckID(s.ID) != nil || strings.Contains(s.ID, "."):
		return webhook.Request{}, errors.New("standard: the id of an event is printable ASCII without a dot")
	}
	if s.Payment == "" && (s.Status == order.Canceled || s.Status == order.Expired) {
		typ = "order." + string(s.Status)
	}
	data := map[string]any{"livemode": s.Live}
	for name, text := range map[string]string{"payment": s.Payment, "currency": s.Currency, "method": s.Method} {
		if text != "" {
			data[name] = text
		}
	}
	if s.Currency != "" {
		data["amount"] = s.Amount
	}
	payload := map[string]any{"type": typ, "timestamp": s.At.UTC(), "data": data}
	path := "data.order"
	if len(p.orders) > 0 {
		path = p.orders[0]
	}
	if !put(payload, path, s.Order) {
		return webhook.Request{}, fmt.Errorf("standard: cannot simulate: the order path %s leads through a value", path)
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("standard: write the body: %w", err)
	}
	timestamp := strconv.FormatInt(s.SignedAt().Unix(), 10)
	signature := webhook.HMAC(sha256.New, p.secrets[0], signedHead(s.ID, timestamp), body)
	return webhook.Request{
		Method: http.MethodPost,
		Header: http.Header{
			"Content-Type":      {"application/json"},
			"Webhook-Id":        {s.ID},
			"Webhook-Timestamp": {timestamp},
			"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(signature)},
		},
		Body: body,
		At:   s.SignedAt(),
	}, nil
}

// put sets what a dotted path leads to, or reports false where it leads through
// a value.
func put(at map[string]any, path, value string) bool {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		at[name] = value
		return true
	}
	if at[name] == nil {
		at[name] = map[string]any{}
	}
	inner, ok := at[name].(map[string]any)
	return ok && put(inner, rest, value)
}
