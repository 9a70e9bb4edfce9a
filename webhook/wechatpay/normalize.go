package wechatpay

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// read reads a verified notification: an envelope, and in it the encrypted
// resource. WeChat Pay does not say that the envelope's id stays the same when a
// notification is sent again, so that events are named by what they say.
func (p *Provider) read(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{Type: b.String("event_type"), Kind: order.KindNote, Livemode: true}
	if b.String("id") == "" || e.Type == "" {
		return nil, errors.New("no notification: id or event_type is missing")
	}
	plain, err := p.decrypt(b)
	if err != nil {
		return nil, err
	}
	o, err := strictjson.ParseObject(plain)
	if err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	e.ID, e.At = b.String("id"), readTime(b.String("create_time"))
	var events []order.Event
	switch family, _, _ := strings.Cut(e.Type, "."); {
	case p.foreign(o):
		events = []order.Event{e}
	case family == "TRANSACTION" && o["sub_orders"] != nil:
		events, err = p.combined(e, o)
	case family == "TRANSACTION":
		e, err = p.transaction(e, o)
		events = []order.Event{e}
	case family == "REFUND":
		e, err = p.refund(e, o)
		events = []order.Event{e}
	default:
		events = []order.Event{e}
	}
	for i := range events {
		if err == nil {
			events[i], err = webhook.Tidy(events[i])
		}
	}
	if err != nil {
		return nil, err
	}
	return events, nil
}

// foreign says whether a resource is another merchant's or app's. One that does
// not say so is not.
func (p *Provider) foreign(o strictjson.Object) bool {
	merchant := cmp.Or(o.String("mchid"), o.String("sp_mchid"), o.String("combine_mchid"))
	app := cmp.Or(o.String("appid"), o.String("sp_appid"), o.String("combine_appid"))
	return p.merchant != "" && merchant != "" && merchant != p.merchant || p.app != "" && app != "" && app != p.app
}

func (p *Provider) order(o strictjson.Object) string {
	for _, path := range p.orders {
		if id := o.Text(path); id != "" {
			return id
		}
	}
	return ""
}

// states are those of a transaction. Ordinary payments notify success alone.
var states = map[string]order.Status{
	"SUCCESS": order.Paid, "PAYERROR": order.Failed, "REVOKED": order.Canceled, "CLOSED": order.Canceled,
	"NOTPAY": order.Pending, "USERPAYING": order.Pending, "ACCEPT": order.Pending, "PAY_FAIL": order.Failed,
}

// transaction reads a payment. What the customer paid after coupons
// (payer_total) is less than what the merchant gets (total), which counts.
func (p *Provider) transaction(e order.Event, o strictjson.Object) (order.Event, error) {
	state := o.String("trade_state")
	status, ok := states[state]
	if !ok || o.String("original_type") != "" { // profit sharing and the like
		return e, nil
	}
	var err error
	e.Kind, e.Status, e.Order, e.Payment, e.Method = order.KindPayment, status, p.order(o), o.String("transaction_id"), "wechat_pay"
	if status == order.Failed {
		e.Reason = cmp.Or(o.String("trade_state_desc"), state)
	}
	if at := readTime(o.String("success_time")); !at.IsZero() {
		e.At = at
	}
	if e.Payment == "" {
		return e, errors.New("resource: transaction_id is missing")
	}
	e.ID = e.Payment + "/" + state
	total := "amount.total"
	if o.Get("amount.total_amount") != nil { // of a part of a combined order
		total = "amount.total_amount"
	}
	e.Amount, e.Currency, err = money(o, total, "amount.currency")
	if err == nil && status == order.Paid && e.Currency == "" {
		err = errors.New("resource: amount.total is missing")
	}
	return e, err
}

// combined reads several orders that were paid at once.
func (p *Provider) combined(e order.Event, o strictjson.Object) ([]order.Event, error) {
	list, _ := o["sub_orders"].([]strictjson.Value)
	if len(list) == 0 {
		return nil, errors.New("resource: sub_orders is not a list of orders")
	}
	var events []order.Event
	for i, value := range list {
		sub, ok := value.(strictjson.Object)
		if !ok {
			return nil, errors.New("resource: sub_orders is not a list of orders")
		}
		one, err := p.transaction(e, sub)
		if err != nil {
			return nil, err
		}
		if one.Kind == order.KindNote {
			one.ID += "#" + strconv.Itoa(i+1)
		}
		events = append(events, one)
	}
	return events, nil
}

// refund reads a refund. One that is abnormal or closed gave nothing back.
func (p *Provider) refund(e order.Event, o strictjson.Object) (order.Event, error) {
	state := o.String("refund_status")
	status, ok := map[string]order.Status{
		"SUCCESS": order.Refunded, "PROCESSING": order.Pending, "ABNORMAL": order.Failed, "CLOSED": order.Failed,
	}[state]
	if !ok {
		return e, nil
	}
	var err error
	e.Kind, e.Status, e.Order, e.Payment, e.Ref = order.KindRefund, status, p.order(o), o.String("transaction_id"), o.String("refund_id")
	if e.Payment == "" || e.Ref == "" {
		return e, errors.New("resource: transaction_id or refund_id is missing")
	}
	if at := readTime(o.String("success_time")); !at.IsZero() {
		e.At = at
	}
	e.ID, e.Method = e.Ref+"/"+state, "wechat_pay"
	e.Amount, e.Currency, err = money(o, "amount.refund", "amount.currency")
	if err == nil && e.Currency == "" {
		err = errors.New("resource: amount.refund is missing")
	}
	return e, err
}

// money reads an amount in fen, a whole number. Refunds leave the currency out:
// it is CNY.
func money(o strictjson.Object, amountPath, currencyPath string) (int64, string, error) {
	if o.Get(amountPath) == nil {
		return 0, "", nil
	}
	currency := cmp.Or(o.String(currencyPath), "CNY")
	if !order.IsCurrency(currency) {
		return 0, "", fmt.Errorf("resource: %s is not a code of three letters", currencyPath)
	}
	number, _ := o.Get(amountPath).(strictjson.Number)
	amount, err := order.ParseMinor(string(number))
	if err != nil {
		return 0, "", fmt.Errorf("resource: %s: %w", amountPath, err)
	}
	return amount, currency, nil
}

func readTime(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
