package braintree

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Simulate implements [webhook.Simulator].
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	if s.Currency == "" {
		return webhook.Request{}, errors.New("braintree: its webhooks always say how much: give an amount and a currency")
	}
	if len(p.orders) != 1 || p.orders[0] != "order-id" {
		return webhook.Request{}, errors.New("braintree: to simulate, leave order out")
	}
	payment := cmp.Or(s.Payment, "bt"+s.Order)
	transaction := element("id", payment) + element("type", "sale") + element("order-id", s.Order) + element("payment-instrument-type", "credit_card") +
		element("amount", order.FormatDecimal(s.Amount, s.Currency)) + element("currency-iso-code", s.Currency)
	kind, subject := "", "<transaction>"+transaction+"</transaction>"
	switch s.Status {
	case order.Paid, order.PartiallyPaid:
		kind = "transaction_settled"
	case order.Failed:
		kind = "transaction_settlement_declined"
	case order.Refunded, order.PartiallyRefunded:
		kind = "transaction_settled"
		subject = strings.NewReplacer(element("id", payment), element("id", "r"+payment)+element("refunded-transaction-id", payment), "sale", "credit").Replace(subject)
	case order.Disputed, order.Won, order.Lost:
		kind = map[order.Status]string{order.Disputed: "dispute_opened", order.Won: "dispute_won", order.Lost: "dispute_lost"}[s.Status]
		subject = "<dispute>" + element("id", "d"+payment) + element("reason", "fraud") + element("amount", order.FormatDecimal(s.Amount, s.Currency)) +
			element("currency-iso-code", s.Currency) + subject + "</dispute>"
	default:
		return webhook.Request{}, fmt.Errorf("braintree: no webhook tells of status %q", s.Status)
	}
	return p.request(kind, subject, s.At), nil
}

func element(name, text string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(text)) // to memory it never fails
	return "<" + name + ">" + b.String() + "</" + name + ">"
}

// request is a notification as Braintree makes it.
func (p *Provider) request(kind, subject string, at time.Time) webhook.Request {
	document := `<?xml version="1.0" encoding="UTF-8"?><notification>` + element("kind", kind) +
		`<timestamp type="datetime">` + at.UTC().Format(time.RFC3339) + "</timestamp><subject>" + subject + "</subject></notification>"
	encoded := base64.StdEncoding.EncodeToString([]byte(document))
	var payload strings.Builder
	for len(encoded) > 60 {
		payload.WriteString(encoded[:60] + "\n")
		encoded = encoded[60:]
	}
	payload.WriteString(encoded + "\n")
	return p.form(payload.String(), at)
}

func (p *Provider) form(payload string, at time.Time) webhook.Request {
	form := url.Values{"bt_signature": {"anotherkey123456|" + strings.Repeat("0", 40) + "&" + p.public + "|" + p.sign([]byte(payload))}, "bt_payload": {payload}}
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/braintree",
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:   []byte(form.Encode()),
		At:     at,
	}
}
