package checkout

import (
	"cmp"
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

var simulations = map[order.Status]string{
	order.Pending: "payment_pending", order.Authorized: "payment_approved", order.Paid: "payment_captured", order.PartiallyPaid: "payment_captured",
	order.Failed: "payment_declined", order.Canceled: "payment_voided", order.Expired: "payment_expired",
	order.Refunded: "payment_refunded", order.PartiallyRefunded: "payment_refunded",
	order.Disputed: "dispute_received", order.Won: "dispute_won", order.Lost: "dispute_lost",
}

// Simulate implements [webhook.Simulator]. Checkout.com's webhooks always name
// an amount and a currency.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	typ := simulations[s.Status]
	switch {
	case typ == "":
		return webhook.Request{}, fmt.Errorf("checkout: no webhook tells of status %q", s.Status)
	case !order.IsCurrency(s.Currency):
		return webhook.Request{}, errors.New("checkout: its webhooks always say how much: give an amount and a currency")
	}
	amount, err := webhook.Rescale(strconv.FormatInt(s.Amount, 10), order.Decimals(s.Currency), decimals(s.Currency))
	if err != nil {
		return webhook.Request{}, fmt.Errorf("checkout: %w", err)
	}
	s.Payment = cmp.Or(s.Payment, "pay_"+s.Order)
	at := s.At.UTC().Format(time.RFC3339Nano)
	data := object{"id": s.Payment, "action_id": "act_" + typ + s.Payment, "amount": amount, "currency": s.Currency, "processed_on": at}
	host := "https://api.checkout.com"
	if !s.Live {
		host = "https://api.sandbox.checkout.com"
	}
	root := object{
		"id": s.ID, "type": typ, "version": "1.0.29", "created_on": at, "data": data,
		"_links": object{"self": object{"href": host + "/workflows/events/" + s.ID}},
	}
	switch {
	case strings.HasPrefix(typ, "dispute_"):
		data["id"], data["payment_id"], data["category"] = "dsp_"+s.Payment, s.Payment, "fraudulent"
	case s.Status == order.Failed:
		data["response_code"], data["response_summary"] = "20051", "Insufficient Funds"
		fallthrough
	default:
		data["source"] = object{"type": cmp.Or(s.Method, "card")}
		if err := webhook.Put(root, p.orders[0], s.Order); err != nil {
			return webhook.Request{}, fmt.Errorf("checkout: %w", err)
		}
	}
	body, err := json.Marshal(root)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("checkout: write the body: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}, scheme.Header: {scheme.Sign(p.keys[0], body)}}
	if p.authorization != "" {
		header.Set("Authorization", p.authorization)
	}
	return webhook.Request{Method: http.MethodPost, Header: header, Body: body, At: s.SignedAt()}, nil
}
