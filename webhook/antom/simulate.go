package antom

import (
	"cmp"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

type object = map[string]any

// Simulate implements [webhook.Simulator]. The source's public keys must hold the
// public half of simulate_key, and its path be set.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	switch {
	case p.simulateKey == nil:
		return webhook.Request{}, fmt.Errorf("antom: %w", webhook.ErrNoSimulateKey)
	case p.path == "":
		return webhook.Request{}, errors.New("antom: the address is signed: set path, such as /webhooks/antom, to simulate")
	case s.Currency == "":
		return webhook.Request{}, errors.New("antom: its notifications always say how much: give an amount and a currency")
	}
	payment := cmp.Or(s.Payment, "2026"+s.Order)
	at := s.At.UTC().Format(time.RFC3339)
	amount := object{"value": strconv.FormatInt(s.Amount, 10), "currency": s.Currency}
	result := object{"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success."}
	body := object{"paymentRequestId": s.Order, "paymentId": payment, "result": result, "paymentMethodType": s.Method}
	switch s.Status {
	case order.Pending:
		body["notifyType"], body["paymentAmount"], body["paymentCreateTime"] = "PAYMENT_PENDING", amount, at
	case order.Canceled, order.Expired:
		code := map[order.Status]string{order.Canceled: "ORDER_IS_CANCELED", order.Expired: "ORDER_IS_CLOSED"}[s.Status]
		body["notifyType"], body["paymentAmount"], body["paymentCreateTime"] = "PAYMENT_RESULT", amount, at
		body["result"] = object{"resultCode": code, "resultStatus": "F", "resultMessage": "…"}
	case order.Paid, order.PartiallyPaid:
		body["notifyType"], body["paymentAmount"], body["paymentTime"] = "PAYMENT_RESULT", amount, at
	case order.Failed:
		body["notifyType"], body["paymentAmount"], body["paymentTime"] = "PAYMENT_RESULT", amount, at
		body["result"] = object{"resultCode": "INSUFFICIENT_BALANCE", "resultStatus": "F", "resultMessage": "…"}
	case order.Refunded, order.PartiallyRefunded:
		body["notifyType"], body["refundAmount"], body["refundTime"] = "REFUND_RESULT", amount, at
		delete(body, "paymentRequestId")
		delete(body, "paymentId")
		metadata, err := json.Marshal(object{"order_id": s.Order, "paymentId": payment})
		if err != nil {
			return webhook.Request{}, fmt.Errorf("antom: write metadata: %w", err)
		}
		body["metadata"] = string(metadata)
		body["refundStatus"], body["refundId"], body["refundRequestId"] = "SUCCESS", "R"+payment, "R"+s.Order
	case order.Disputed, order.Won, order.Lost:
		delete(body, "result")
		body["disputeNotificationType"], body["disputeId"], body["disputeAmount"], body["disputeTime"] = "DISPUTE_CREATED", "D"+payment, amount, at
		if s.Status != order.Disputed {
			body["disputeNotificationType"] = "DISPUTE_JUDGED"
			body["disputeJudgedResult"] = map[order.Status]string{order.Won: "ACCEPT_BY_CUSTOMER", order.Lost: "ACCEPT_BY_MERCHANT"}[s.Status]
		}
	default:
		return webhook.Request{}, fmt.Errorf("antom: no notification tells of status %q", s.Status)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("antom: write the body: %w", err)
	}
	client := cmp.Or(p.client, "5Y60302AXA123456")
	if !s.Live && p.client == "" {
		client = "SANDBOX_" + client
	}
	return sign(p.simulateKey, client, p.path, text, s.SignedAt())
}

func sign(key *rsa.PrivateKey, client, path string, body []byte, at time.Time) (webhook.Request, error) {
	sent := strconv.FormatInt(at.UnixMilli(), 10)
	signature, err := webhook.SignRSA(key, signed(http.MethodPost, path, client, sent, body))
	if err != nil {
		return webhook.Request{}, fmt.Errorf("antom: sign: %w", err)
	}
	return webhook.Request{
		Method: http.MethodPost,
		URL:    path,
		Header: http.Header{
			"Content-Type": {"application/json; charset=UTF-8"}, clientHeader: {client}, timeHeader: {sent},
			signatureHeader: {"algorithm=RSA256,keyVersion=1,signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))},
		},
		Body: body,
		At:   at,
	}, nil
}
