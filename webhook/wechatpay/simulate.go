package wechatpay

import (
	"cmp"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

type object = map[string]any

// Simulate implements [webhook.Simulator]. The source's certificates or public
// keys must hold the public half of simulate_key.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	switch {
	case p.simulateKey == nil:
		return webhook.Request{}, fmt.Errorf("wechatpay: %w", webhook.ErrNoSimulateKey)
	case s.Currency == "":
		return webhook.Request{}, errors.New("wechatpay: its notifications always say how much: give an amount and a currency")
	}
	payment := cmp.Or(s.Payment, "4200"+s.Order)
	at := s.At.In(beijing).Format(time.RFC3339)
	resource := object{"out_trade_no": s.Order, "transaction_id": payment, "success_time": at, "mchid": p.merchant, "appid": p.app}
	typ := ""
	switch s.Status {
	case order.Paid, order.PartiallyPaid:
		typ, resource["trade_state"], resource["trade_type"] = "TRANSACTION.SUCCESS", "SUCCESS", "NATIVE"
		resource["amount"] = object{"total": s.Amount, "payer_total": s.Amount, "currency": s.Currency}
	case order.Refunded, order.PartiallyRefunded:
		typ, resource["refund_status"], resource["refund_id"] = "REFUND.SUCCESS", "SUCCESS", "5030"+payment
		resource["amount"] = object{"total": s.Amount, "refund": s.Amount, "payer_total": s.Amount, "payer_refund": s.Amount}
	default:
		return webhook.Request{}, fmt.Errorf("wechatpay: no notification tells of status %q", s.Status)
	}
	return p.sign(p.simulateKey, cmp.Or(p.simulateID, publicKeyPrefix+"0"), p.seal(s.ID, typ, compact(resource), s.At), s.SignedAt())
}

// Beijing has had the same time all year since 1991.
var beijing = time.FixedZone("", 8*60*60)

// seal makes a notification of a resource.
func (p *Provider) seal(id, typ string, resource []byte, at time.Time) []byte {
	sum := sha256.Sum256(resource) // no secret hangs on it: it is for tests
	nonce := hex.EncodeToString(sum[:6])
	sealed := p.aeads[0].Seal(nil, []byte(nonce), resource, []byte("transaction"))
	return compact(object{
		"id": id, "create_time": at.In(beijing).Format(time.RFC3339), "resource_type": "encrypt-resource", "event_type": typ, "summary": "…",
		"resource": object{
			"original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "ciphertext": base64.StdEncoding.EncodeToString(sealed),
			"associated_data": "transaction", "nonce": nonce,
		},
	})
}

func (p *Provider) sign(key *rsa.PrivateKey, serial string, body []byte, at time.Time) (webhook.Request, error) {
	const nonce = "EcYVv2mTa4qyqHFt3wSgMd1y5MsfBqbO"
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signature, err := webhook.SignRSA(key, signed(timestamp, nonce, body))
	if err != nil {
		return webhook.Request{}, fmt.Errorf("wechatpay: sign: %w", err)
	}
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/wechatpay",
		Header: http.Header{
			"Content-Type": {"application/json"}, timeHeader: {timestamp}, nonceHeader: {nonce}, serialHeader: {serial},
			signatureHeader: {base64.StdEncoding.EncodeToString(signature)}, typeHeader: {"WECHATPAY2-SHA256-RSA2048"},
		},
		Body: body,
		At:   at,
	}, nil
}
