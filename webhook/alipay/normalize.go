package alipay

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
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
		At: readTime(fields["notify_time"]), Type: cmp.Or(fields["trade_status"], fields["notify_type"]),
	}
	if e.ID == "" {
		return nil, errors.New("notify_id is missing")
	}
	foreign := p.app != "" && fields["app_id"] != p.app || p.seller != "" && fields["seller_id"] != p.seller
	if fields["trade_status"] == "" || foreign {
		e.Payment = ""
		return tidied(e)
	}
	for _, field := range p.orders {
		if e.Order = fields[field]; e.Order != "" {
			break
		}
	}
	if e.Payment == "" {
		return nil, errors.New("trade_no is missing")
	}
	total, err := yuan(fields, "total_amount")
	if err != nil {
		return nil, err
	}
	step := e
	step.Kind, step.Amount, step.Currency = order.KindPayment, total, "CNY"
	paid := fields["gmt_payment"] != ""
	switch fields["trade_status"] {
	case "WAIT_BUYER_PAY":
		step.Status = order.Pending
	case "TRADE_SUCCESS", "TRADE_FINISHED":
		step.Status, paid = order.Paid, true
	case "TRADE_CLOSED": // it ran out, or was given back as a whole
		step.Status = order.Expired
		if paid {
			step.Status = order.Paid
		}
	default:
		return tidied(e)
	}
	step.ID = e.Payment + "/" + string(step.Status)
	if step.Status == order.Paid {
		step.At = firstTime(readTime(fields["gmt_payment"]), e.At)
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
		return yuan(fields, "refund_fee")
	case fields["trade_status"] == "TRADE_CLOSED":
		return total, nil
	}
	return 0, nil
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

// yuan reads an amount of CNY, a decimal text.
func yuan(fields map[string]string, field string) (int64, error) {
	amount, err := order.ParseDecimal(fields[field], "CNY")
	if err != nil {
		return 0, fmt.Errorf("%s: %w", field, err)
	}
	return amount, nil
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
