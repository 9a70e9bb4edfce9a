package antom

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// normalize reads a verified body. Notifications have no id: events are named by
// what they say.
func (p *Provider) normalize(body []byte) (order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return order.Event{}, err
	}
	// What the merchant passed through is text, and JSON only if he wants.
	if metadata, err := strictjson.ParseObject([]byte(b.String("metadata"))); err == nil {
		b["metadata"] = metadata
	}
	kind := cmp.Or(b.String("disputeNotificationType"), b.String("notifyType"), b.String("authorizationNotifyType"), b.String("subscriptionNotificationType"))
	if kind == "" {
		return order.Event{}, errors.New("no notification: notifyType is missing")
	}
	e := order.Event{Type: kind, Kind: order.KindNote, Payment: b.String("paymentId"), Method: method(b)}
	for _, path := range p.orders {
		if e.Order = b.Text(path); e.Order != "" {
			break
		}
	}
	result := b.String("result.resultStatus")
	switch {
	case kind == "PAYMENT_RESULT" || kind == "PAYMENT_PENDING":
		e, err = p.payment(e, b, result)
	case kind == "CAPTURE_RESULT" && result == "S":
		e.Kind, e.Status, e.Ref = order.KindPayment, order.Paid, b.String("captureId")
		e, err = part(e, b, "captureAmount", "captureTime")
	case kind == "REFUND_RESULT":
		e, err = refund(e, b)
	case b.String("disputeId") != "":
		e, err = dispute(e, b)
	}
	if err != nil {
		return e, err
	}
	if e.Kind == order.KindNote {
		sum := sha256.Sum256(body)
		e.ID = "body:" + hex.EncodeToString(sum[:16])
	} else {
		e.ID = strings.Join([]string{cmp.Or(e.Ref, e.Payment), kind, string(e.Status)}, "/")
	}
	return webhook.Tidy(e)
}

func (p *Provider) payment(e order.Event, b strictjson.Object, result string) (order.Event, error) {
	var err error
	e.Kind, e.Status = order.KindPayment, order.Pending
	switch {
	case e.Type == "PAYMENT_PENDING":
	case result == "S" && p.manual && e.Method == "card":
		e.Status = order.Authorized
	case result == "S":
		e.Status = order.Paid
	case result == "F":
		e.Reason = b.String("result.resultCode")
		e.Status = cmp.Or(ended[e.Reason], order.Failed)
	default: // U: not known yet
	}
	if e.Payment == "" {
		return e, errors.New("paymentId is missing")
	}
	if e.At = readTime(b, "paymentTime"); e.At.IsZero() {
		e.At = readTime(b, "paymentCreateTime")
	}
	e.Amount, e.Currency, err = money(b, "paymentAmount")
	if err == nil && e.Currency == "" && e.Status == order.Paid {
		err = errors.New("paymentAmount is missing")
	}
	return e, err
}

// ended are the codes that mean that nobody tried, of all those of a failure.
var ended = map[string]order.Status{"ORDER_IS_CLOSED": order.Expired, "ORDER_IS_CANCELED": order.Canceled}

// decided are how a dispute ends that is not judged.
var decided = map[string]order.Status{
	"DISPUTE_CREATED": order.Disputed, "DISPUTE_CANCELLED": order.Won, "DISPUTE_ACCEPTED": order.Lost, "RDR_RESOLVED": order.Lost,
}

var judged = map[string]order.Status{"ACCEPT_BY_CUSTOMER": order.Won, "ACCEPT_BY_MERCHANT": order.Lost}

// dispute reads a step of a dispute. A bank's question about a payment, which is
// no chargeback, puts no money at stake.
func dispute(e order.Event, b strictjson.Object) (order.Event, error) {
	status := cmp.Or(decided[e.Type], judged[b.String("disputeJudgedResult")])
	if kind := b.String("disputeType"); status == "" || kind != "" && kind != "CHARGEBACK" {
		return e, nil
	}
	e.Kind, e.Status, e.Ref = order.KindDispute, status, b.String("disputeId")
	e.Reason = cmp.Or(b.String("disputeReasonCode"), b.String("disputeReasonMsg"))
	e, err := part(e, b, "disputeAmount", "disputeTime")
	for _, field := range []string{"disputeJudgedTime", "disputeAcceptTime"} {
		if at := readTime(b, field); !at.IsZero() {
			e.At = at
		}
	}
	return e, err
}

// part reads what is a part of a payment, with an amount of its own.
func part(e order.Event, b strictjson.Object, amount, at string) (order.Event, error) {
	var err error
	if e.Ref == "" || e.Payment == "" {
		return e, errors.New("paymentId or the id of its capture, refund or dispute is missing")
	}
	e.At = readTime(b, at)
	e.Amount, e.Currency, err = money(b, amount)
	if err == nil && e.Currency == "" && e.Kind != order.KindDispute {
		err = fmt.Errorf("%s is missing", amount)
	}
	return e, err
}

// refund reads a refund. Antom names neither the payment nor the order: the
// merchant's own metadata must, or it is a note.
func refund(e order.Event, b strictjson.Object) (order.Event, error) {
	e.Payment = cmp.Or(e.Payment, b.String("metadata.paymentId"))
	status, ok := map[string]order.Status{"SUCCESS": order.Refunded, "FAIL": order.Failed}[b.String("refundStatus")]
	if !ok || e.Payment == "" && e.Order == "" {
		return e, nil
	}
	e.Kind, e.Status, e.Ref = order.KindRefund, status, b.String("refundId")
	if status == order.Failed {
		e.Reason = b.String("result.resultCode")
	}
	if e.Ref == "" {
		return e, errors.New("refundId is missing")
	}
	var err error
	e.At = readTime(b, "refundTime")
	e.Amount, e.Currency, err = money(b, "refundAmount")
	if err == nil && e.Currency == "" {
		err = errors.New("refundAmount is missing")
	}
	return e, err
}

// money reads an amount: a text of minor units, and its currency.
func money(b strictjson.Object, field string) (int64, string, error) {
	if b.Object(field) == nil {
		return 0, "", nil
	}
	currency := b.String(field + ".currency")
	if !order.IsCurrency(currency) {
		return 0, "", fmt.Errorf("%s.currency is not a code of three letters", field)
	}
	amount, err := order.ParseMinor(b.Text(field + ".value"))
	if err != nil {
		return 0, "", fmt.Errorf("%s.value: %w", field, err)
	}
	return amount, currency, nil
}

// method is the type of the method in lower case: card, gcash … Wallets have the
// names that they have with other providers.
func method(b strictjson.Object) string {
	m := strings.ToLower(cmp.Or(b.String("paymentMethodType"), b.String("paymentResultInfo.paymentMethodType")))
	if m == "" && webhook.First(b, "paymentResultInfo.cardBrand", "paymentResultInfo.cardNo") != "" {
		m = "card"
	}
	return cmp.Or(map[string]string{
		"applepay": "apple_pay", "googlepay": "google_pay", "wechatpay": "wechat_pay", "alipay_cn": "alipay", "alipay_hk": "alipay",
	}[m], m)
}

func readTime(b strictjson.Object, field string) time.Time {
	at, err := time.Parse(time.RFC3339, b.String(field))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
