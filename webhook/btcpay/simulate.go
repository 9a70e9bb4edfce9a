package btcpay

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// simulated are the events by which a status is told, with what they have
// besides that.
var simulated = map[order.Status]struct {
	typ  string
	rest map[string]any
}{
	order.Created: {"InvoiceCreated", nil},
	order.Pending: {"InvoiceProcessing", map[string]any{"overPaid": false}},
	order.Paid:    {"InvoiceSettled", map[string]any{"manuallyMarked": false, "overPaid": false}},
	order.Failed:  {"InvoiceInvalid", map[string]any{"manuallyMarked": false}},
	order.Expired: {"InvoiceExpired", map[string]any{"partiallyPaid": false}},
}

// Write implements [webhook.Writer]. Amount, currency and mode are not told.
func (rd *Reader) Write(s webhook.Simulation) ([]byte, error) {
	told, ok := simulated[s.Status]
	if !ok {
		return nil, fmt.Errorf("btcpay: no webhook tells of status %q", s.Status)
	}
	root := map[string]any{
		"deliveryId": s.ID, "webhookId": "6KQ4EmzqKowRgyBL65TwJg", "originalDeliveryId": s.ID, "isRedelivery": false, "type": told.typ,
		"timestamp": s.At.Unix(), "storeId": cmp.Or(rd.store, "Hf9GvFK2dHJehm9J8A6kYfbc1ruc5jEZBKEr9r7jsrLo"),
		"invoiceId": cmp.Or(s.Payment, "inv_"+s.Order), "metadata": map[string]any{},
	}
	for name, value := range told.rest {
		root[name] = value
	}
	if s.Method != "" {
		root["paymentMethodId"] = s.Method
	}
	if err := webhook.Put(root, rd.orders[0], s.Order); err != nil {
		return nil, fmt.Errorf("btcpay: %w", err)
	}
	return json.MarshalIndent(root, "", "  ")
}

// Simulate implements [webhook.Simulator].
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	body, err := p.Write(s)
	if err != nil {
		return webhook.Request{}, err
	}
	return sign(p.keys[0], body, s.SignedAt()), nil
}

// sign returns a request as BTCPay Server makes it.
func sign(key, body []byte, at time.Time) webhook.Request {
	return webhook.Post(body, at, signatureHeader, signaturePrefix+hex.EncodeToString(webhook.HMAC(sha256.New, key, body)))
}
