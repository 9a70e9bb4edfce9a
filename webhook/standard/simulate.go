package standard

import (
	"encoding/base64"
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
	case len(p.orders) > 0:
		return webhook.Request{}, errors.New("standard: cannot simulate a sender whose order path is set")
	case order.CheckID(s.ID) != nil || strings.Contains(s.ID, "."):
		return webhook.Request{}, errors.New("standard: the id of an event is printable ASCII without a dot")
	}
	if s.Payment == "" && (s.Status == order.Canceled || s.Status == order.Expired) {
		typ = "order." + string(s.Status)
	}
	type data struct {
		Order    string `json:"order"`
		Payment  string `json:"payment,omitempty"`
		Amount   *int64 `json:"amount,omitempty"`
		Currency string `json:"currency,omitempty"`
		Method   string `json:"method,omitempty"`
		Livemode bool   `json:"livemode"`
	}
	d := data{Order: s.Order, Payment: s.Payment, Currency: s.Currency, Method: s.Method, Livemode: s.Live}
	if s.Currency != "" {
		d.Amount = &s.Amount
	}
	body, err := json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      data      `json:"data"`
	}{typ, s.At.UTC(), d})
	if err != nil {
		return webhook.Request{}, fmt.Errorf("standard: write the body: %w", err)
	}
	timestamp := strconv.FormatInt(s.At.Unix(), 10)
	signature := mac(p.secrets[0], signedText(s.ID, timestamp, body))
	return webhook.Request{
		Method: http.MethodPost,
		Header: http.Header{
			"Content-Type":      {"application/json"},
			"Webhook-Id":        {s.ID},
			"Webhook-Timestamp": {timestamp},
			"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(signature)},
		},
		Body: body,
		At:   s.At,
	}, nil
}
