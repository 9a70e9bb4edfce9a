package unionpay

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
)

// currencies are the codes of ISO 4217 that UnionPay writes as numbers.
var currencies = map[string]string{
	"036": "AUD", "124": "CAD", "156": "CNY", "344": "HKD", "392": "JPY", "410": "KRW", "446": "MOP", "458": "MYR",
	"554": "NZD", "702": "SGD", "756": "CHF", "764": "THB", "826": "GBP", "840": "USD", "901": "TWD", "978": "EUR",
}

// beijing is the zone of all of UnionPay's times.
var beijing = time.FixedZone("CST", 8*60*60)

// normalize reads verified fields. A refund and an undoing are transactions of
// their own that name the first one in origQryId; their orderId is theirs.
func (p *Provider) normalize(fields map[string]string, live bool) (order.Event, error) {
	typ, id := fields["txnType"], fields["queryId"]
	e := order.Event{Type: "txnType." + typ, Kind: order.KindNote, Livemode: live, Method: "unionpay", Payment: id}
	if typ == "" || cmp.Or(id, fields["orderId"]) == "" {
		return e, errors.New("no event: txnType, or both queryId and orderId are missing")
	}
	e.ID = typ + ":" + cmp.Or(id, fields["orderId"]) + ":" + fields["respCode"]
	if at, err := time.ParseInLocation("20060102150405", fields["txnTime"], beijing); err == nil {
		e.At = at.UTC()
	}
	if p.merchant != "" && fields["merId"] != p.merchant {
		return e, nil
	}
	switch typ {
	case "01": // a sale
		e.Order, e.Kind, e.Status = fields[p.order], order.KindPayment, order.Paid
	case "02": // a preauthorization, and 03 its completion
		e.Order, e.Kind, e.Status = fields[p.order], order.KindPayment, order.Authorized
	case "03":
		e.Kind, e.Status, e.Payment = order.KindPayment, order.Paid, fields["origQryId"]
	case "04", "31", "33": // a refund, and the undoing of a sale or a completion
		e.Kind, e.Status, e.Payment, e.Ref = order.KindRefund, order.Refunded, fields["origQryId"], id
	case "32": // the undoing of a preauthorization
		e.Kind, e.Status, e.Payment = order.KindPayment, order.Canceled, fields["origQryId"]
	default:
		return e, nil
	}
	if e.Payment == "" {
		return e, errors.New("queryId or origQryId is missing")
	}
	return p.outcome(e, fields)
}

// outcome says what has become of a transaction. 00 and A6 are success; 03, 04
// and 05 mean that it is not known yet.
func (p *Provider) outcome(e order.Event, fields map[string]string) (order.Event, error) {
	var known bool
	var err error
	if e.Currency, known = currencies[cmp.Or(fields["currencyCode"], "156")]; !known {
		return e, errors.New("currencyCode is of a currency that is not known here")
	}
	if e.Amount, err = order.ParseMinor(fields["txnAmt"]); err != nil {
		return e, fmt.Errorf("txnAmt: %w", err)
	}
	switch code := fields["respCode"]; code {
	case "00", "A6":
	case "03", "04", "05":
		e.Status = order.Pending
	case "":
		return e, errors.New("respCode is missing")
	default:
		if e.Type == "txnType.03" || e.Type == "txnType.32" { // what was authorized stays so
			e.Kind = order.KindNote
		} else {
			e.Status, e.Reason = order.Failed, code
		}
	}
	return e, nil
}
