package alipay

import (
	"cmp"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Simulate implements [webhook.Simulator]. The source's public keys must hold the
// public half of simulate_key.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	switch {
	case p.simulateKey == nil:
		return webhook.Request{}, fmt.Errorf("alipay: %w", webhook.ErrNoSimulateKey)
	case s.Currency == "":
		return webhook.Request{}, errors.New("alipay: its notifications always say how much: give an amount and a currency, such as CNY")
	}
	at := s.At.In(beijing).Format(time.DateTime)
	amount := order.FormatDecimal(s.Amount, s.Currency)
	fields := map[string]string{
		"notify_id": s.ID, "notify_type": "trade_status_sync", "notify_time": at, "charset": "utf-8", "version": "1.0", "sign_type": "RSA2",
		"app_id": p.app, "seller_id": p.seller, "out_trade_no": s.Order, "trade_no": cmp.Or(s.Payment, "2026"+s.Order), "total_amount": amount, "subject": "…",
	}
	if s.Currency != "CNY" {
		fields["trans_currency"] = s.Currency
	}
	switch s.Status {
	case order.Authorized, order.Canceled:
		for _, name := range []string{"out_trade_no", "trade_no", "total_amount", "subject"} {
			delete(fields, name)
		}
		fields["notify_type"], fields["operation_type"], fields["rest_amount"], fields["total_unfreeze_amount"] = freeze, "FREEZE", amount, "0.00"
		if s.Status == order.Canceled {
			fields["notify_type"], fields["operation_type"], fields["rest_amount"], fields["total_unfreeze_amount"] = unfreeze, "UNFREEZE", "0.00", amount
		}
		fields["auth_no"], fields["out_order_no"], fields["status"], fields["gmt_trans"] = cmp.Or(s.Payment, "2026"+s.Order), s.Order, "SUCCESS", at
		fields["amount"], fields["total_freeze_amount"], fields["total_pay_amount"] = amount, amount, "0.00"
	case order.Pending:
		fields["trade_status"] = "WAIT_BUYER_PAY"
	case order.Paid, order.PartiallyPaid:
		fields["trade_status"], fields["gmt_payment"] = "TRADE_SUCCESS", at
	case order.Expired:
		fields["trade_status"], fields["gmt_close"] = "TRADE_CLOSED", at
	case order.PartiallyRefunded:
		fields["trade_status"], fields["gmt_payment"], fields["gmt_refund"], fields["refund_fee"] = "TRADE_SUCCESS", at, at, amount
	case order.Refunded:
		fields["trade_status"], fields["gmt_payment"], fields["gmt_refund"], fields["refund_fee"] = "TRADE_CLOSED", at, at, amount
	default:
		return webhook.Request{}, fmt.Errorf("alipay: no notification tells of status %q", s.Status)
	}
	return sign(p.simulateKey, fields, s.SignedAt())
}

func sign(key *rsa.PrivateKey, fields map[string]string, at time.Time) (webhook.Request, error) {
	signature, err := webhook.SignRSA(key, []byte(signed(fields, []string{"sign", "sign_type"})))
	if err != nil {
		return webhook.Request{}, fmt.Errorf("alipay: sign: %w", err)
	}
	form := url.Values{"sign": {base64.StdEncoding.EncodeToString(signature)}}
	for name, value := range fields {
		form.Set(name, value)
	}
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/alipay",
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
		Body:   []byte(form.Encode()),
		At:     at,
	}, nil
}
