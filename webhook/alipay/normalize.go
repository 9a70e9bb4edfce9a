package alipay

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// normalize reads the fields of a verified notification. A refund keeps the
// trade's status; what tells of it is the running total refund_fee. Events are
// named by what they say: TRADE_FINISHED, months later, is the same payment.
func (p *Provider) normalize(fields map[string]string) ([]order.Event, error) {
	for _, value := range fields {
		if !utf8.ValidString(value) {
			return nil, errors.New("a field is not UTF-8")
		}
	}
	e := order.Event{
		ID: fields["notify_id"], Kind: order.KindNote, Payment: fields["trade_no"], Method: "alipay", Livemode: true,
		At: readTime(fields["notify_time"]), Type: cmp.Or(fields["trade_status"], fields["notify_type"], fields["msg_method"]),
	}
	if e.ID == "" {
		return nil, errors.New("notify_id is missing")
	}
	seller := cmp.Or(fields["seller_id"], fields["payee_user_id"])
	foreign := p.app != "" && fields["app_id"] != p.app || p.seller != "" && seller != p.seller
	authorized := fields["notify_type"] == freeze || fields["notify_type"] == unfreeze
	if fields["trade_status"] == "" && !authorized || foreign {
		e.Payment = ""
		return tidied(e)
	}
	e.Order = p.order(fields)
	if authorized {
		return authorization(e, fields)
	}
	if e.Payment == "" {
		return nil, errors.New("trade_no is missing")
	}
	total, currency, err := money(fields, "total_amount")
	if err != nil {
		return nil, err
	}
	step := e
	step.Kind, step.Amount, step.Currency = order.KindPayment, total, currency
	step.At = firstTime(readTime(fields["gmt_create"]), e.At)
	paid := fields["gmt_payment"] != "" || strings.Trim(fields["refund_fee"], "0.") != ""
	switch fields["trade_status"] {
	case "WAIT_BUYER_PAY":
		step.Status = order.Pending
	case "TRADE_SUCCESS", "TRADE_FINISHED":
		step.Status, paid = order.Paid, true
	case "TRADE_CLOSED": // it ran out, or was given back as a whole
		step.Status, step.At = order.Expired, firstTime(readTime(fields["gmt_close"]), step.At)
		if paid {
			step.Status = order.Paid
		}
	default:
		return tidied(e)
	}
	step.ID = e.Payment + "/" + string(step.Status)
	if step.Status == order.Paid {
		step.At = firstTime(readTime(fields["gmt_payment"]), step.At)
	}
	events := []order.Event{step}
	if back, err := refunded(fields, total, paid); err != nil {
		return nil, err
	} else if back > 0 {
		refund := step
		refund.Kind, refund.Status, refund.Amount = order.KindRefund, order.Refunded, back
		refund.ID, refund.At = e.Payment+"/refunded/"+strconv.FormatInt(back, 10), firstTime(readTime(fields["gmt_refund"]), e.At)
		events = append(events, refund)
	}
	return tidied(events...)
}

// refunded is the running total of what was given back.
func refunded(fields map[string]string, total int64, paid bool) (int64, error) {
	switch {
	case !paid:
		return 0, nil
	case fields["refund_fee"] != "":
		amount, _, err := money(fields, "refund_fee")
		return amount, err
	case fields["trade_status"] == "TRADE_CLOSED":
		return total, nil
	}
	return 0, nil
}

// The types of notifications of funds that are frozen, and released. What was
// frozen and is then taken is told of as a trade of its own.
const freeze, unfreeze = "fund_auth_freeze", "fund_auth_unfreeze"

// authorization reads what became of frozen funds. A release says something of
// the order only when nothing is frozen any more, and nothing was taken.
func authorization(e order.Event, fields map[string]string) ([]order.Event, error) {
	e.Type, e.Payment = fields["notify_type"]+"."+fields["status"], fields["auth_no"]
	e.Order = cmp.Or(e.Order, fields["out_order_no"])
	left := strings.Trim(fields["rest_amount"], "0.") != "" || strings.Trim(fields["total_pay_amount"], "0.") != ""
	if fields["status"] != "SUCCESS" || fields["notify_type"] == unfreeze && left {
		return tidied(e)
	}
	if e.Payment == "" {
		return nil, errors.New("auth_no is missing")
	}
	e.Kind, e.Status, e.At = order.KindPayment, order.Authorized, firstTime(readTime(fields["gmt_trans"]), readTime(fields["gmt_create"]))
	if fields["notify_type"] == unfreeze {
		e.Status = order.Canceled
	}
	e.ID = e.Payment + "/" + string(e.Status)
	var err error
	if e.Amount, e.Currency, err = money(fields, "amount"); err != nil {
		return nil, err
	}
	return tidied(e)
}

// order is the merchant's id of the order. What was passed through comes back as
// the merchant wrote it, which Alipay has him do as in a query.
func (p *Provider) order(fields map[string]string) string {
	for _, path := range p.orders {
		field, pair, inside := strings.Cut(path, ".")
		text := fields[field]
		if field == "passback_params" && strings.Contains(text, "%") {
			if plain, err := url.QueryUnescape(text); err == nil {
				text = plain
			}
		}
		if inside {
			values, err := url.ParseQuery(text)
			if text = ""; err == nil && len(values[pair]) == 1 {
				text = values.Get(pair)
			}
		}
		if text != "" {
			return text
		}
	}
	return ""
}

func tidied(events ...order.Event) ([]order.Event, error) {
	for i := range events {
		var err error
		if events[i], err = webhook.Tidy(events[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// money reads an amount, a decimal text. It is in yuan, unless the merchant
// priced the trade in another currency.
func money(fields map[string]string, field string) (amount int64, currency string, err error) {
	if currency = cmp.Or(fields["trans_currency"], "CNY"); !order.IsCurrency(currency) {
		return 0, "", errors.New("trans_currency is not a code of three letters")
	}
	if amount, err = order.ParseDecimal(fields[field], currency); err != nil {
		return 0, "", fmt.Errorf("%s: %w", field, err)
	}
	return amount, currency, nil
}

// beijing has had the same time all year since 1991. Alipay writes no zone.
var beijing = time.FixedZone("", 8*60*60)

func readTime(text string) time.Time {
	at, err := time.ParseInLocation(time.DateTime, text, beijing)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

func firstTime(at, otherwise time.Time) time.Time {
	if at.IsZero() {
		return otherwise
	}
	return at
}
