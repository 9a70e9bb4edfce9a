package paypal

import (
	"cmp"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

type object = map[string]any

// Simulate implements [webhook.Simulator]. The source's certificates must hold
// one of simulate_key.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	if p.simulateKey == nil {
		return webhook.Request{}, fmt.Errorf("paypal: %w", webhook.ErrNoSimulateKey)
	}
	typ, resource, err := simulated(s)
	if err != nil {
		return webhook.Request{}, err
	}
	body, err := json.Marshal(object{
		"id": s.ID, "event_version": "1.0", "resource_version": "2.0", "create_time": s.At.UTC().Format(time.RFC3339),
		"event_type": typ, "resource": resource,
	})
	if err != nil {
		return webhook.Request{}, fmt.Errorf("paypal: write the body: %w", err)
	}
	return sign(p.simulateKey, p.webhookIDs[0], body, s.SignedAt())
}

func simulated(s webhook.Simulation) (string, object, error) {
	if s.Currency == "" {
		return "", nil, fmt.Errorf("paypal: its webhooks always say how much: give an amount and a currency")
	}
	value := order.FormatDecimal(s.Amount, s.Currency)
	switch s.Currency {
	case "HUF", "JPY", "TWD": // developer.paypal.com/api/rest/reference/currency-codes
		whole, fraction, _ := strings.Cut(value, ".")
		if strings.Trim(fraction, "0") != "" {
			return "", nil, fmt.Errorf("paypal: %s has no decimals with it", s.Currency)
		}
		value = whole
	}
	amount := object{"value": value, "currency_code": s.Currency}
	payment := cmp.Or(s.Payment, "CAP-"+s.Order)
	resource := object{"id": payment, "custom_id": s.Order, "amount": amount}
	up := []object{{"rel": "up", "method": "GET", "href": "https://api.paypal.com/v2/payments/captures/" + payment}}
	switch s.Status {
	case order.Authorized:
		return "PAYMENT.AUTHORIZATION.CREATED", resource, nil
	case order.Canceled:
		return "PAYMENT.AUTHORIZATION.VOIDED", resource, nil
	case order.Pending:
		return "PAYMENT.CAPTURE.PENDING", resource, nil
	case order.Paid, order.PartiallyPaid:
		return "PAYMENT.CAPTURE.COMPLETED", resource, nil
	case order.Failed:
		return "PAYMENT.CAPTURE.DECLINED", resource, nil
	case order.Refunded, order.PartiallyRefunded:
		resource["id"], resource["links"], resource["status"] = "REF-"+payment, up, "COMPLETED"
		return "PAYMENT.CAPTURE.REFUNDED", resource, nil
	case order.Disputed, order.Won, order.Lost:
		resource = object{"dispute_id": "PP-" + payment, "reason": "UNAUTHORISED", "dispute_amount": amount, "disputed_transactions": []object{
			{"seller_transaction_id": payment, "custom": s.Order},
		}}
		if s.Status == order.Disputed {
			return "CUSTOMER.DISPUTE.CREATED", resource, nil
		}
		resource["dispute_outcome"] = object{"outcome_code": map[order.Status]string{
			order.Won: "RESOLVED_SELLER_FAVOUR", order.Lost: "RESOLVED_BUYER_FAVOUR",
		}[s.Status]}
		return "CUSTOMER.DISPUTE.RESOLVED", resource, nil
	}
	return "", nil, fmt.Errorf("paypal: no webhook tells of status %q", s.Status)
}

const simulatedCert = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"

func sign(key *rsa.PrivateKey, webhookID string, body []byte, at time.Time) (webhook.Request, error) {
	const id = "69cd13f0-d67a-11e5-baa3-778b53f4ae55"
	sent := at.UTC().Format(time.RFC3339)
	signature, err := webhook.SignRSA(key, signed(id, sent, webhookID, body))
	if err != nil {
		return webhook.Request{}, fmt.Errorf("paypal: sign: %w", err)
	}
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/paypal",
		Header: http.Header{
			"Content-Type": {"application/json"}, "Paypal-Auth-Version": {"v2"}, algorithmHeader: {"SHA256withRSA"}, urlHeader: {simulatedCert},
			idHeader: {id}, timeHeader: {sent}, signatureHeader: {base64.StdEncoding.EncodeToString(signature)},
		},
		Body: body,
		At:   at,
	}, nil
}
