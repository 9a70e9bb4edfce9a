package standard

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Where ids are looked for in the data of an event; the first that is there
// counts.
var (
	orderPaths   = []string{"order", "order_id", "orderId", "metadata.order_id", "object.metadata.order_id"}
	paymentPaths = []string{"payment", "payment_id", "paymentId"}
	refPaths     = map[order.Kind][]string{
		order.KindPayment: {"ref"},
		order.KindRefund:  {"ref", "refund", "refund_id"},
		order.KindDispute: {"ref", "dispute", "dispute_id"},
	}
)

// ReadEvent reads the data object of an event:
//
//	{"order": "A1001", "payment": "p1", "status": "paid", "amount": 9900, "currency": "CNY",
//	 "method": "card", "reason": null, "action_url": null, "ref": null,
//	 "livemode": true, "occurred_at": "2026-11-23T08:00:00Z"}
//
// Whatever is not known may be left out; of order and payment one is needed.
// An amount that is a JSON number is in minor units and whole; one that is a
// string is in major units ("99.00"). Either needs a currency. Without amount
// and currency, a paid event stands for all that the order asks for.
//
// typ is the type of the webhook, such as payment.paid; status decides where it
// does not. An event of a type that is not known is a note (order.KindNote).
// Without a typ the event is about the order, and must have a status that is
// known.
//
// ReadEvent sets neither Source nor ID. Its errors quote nothing of data.
func ReadEvent(data strictjson.Object, typ string) (order.Event, error) {
	return readEvent(data, typ, firstID(data, orderPaths), orderPaths)
}

// readEvent is ReadEvent with the order's id already looked for, at the paths
// in looked.
func readEvent(data strictjson.Object, typ, orderID string, looked []string) (order.Event, error) {
	e := order.Event{
		Order:     orderID,
		Payment:   firstID(data, paymentPaths),
		Method:    data.String("method"),
		Reason:    data.String("reason"),
		ActionURL: data.String("action_url"),
		Type:      typ,
	}
	e.Kind, e.Status = meaning(typ, data.String("status"), e.Payment != "")
	if e.Kind == order.KindNote && typ == "" {
		return order.Event{}, fmt.Errorf("standard: no type, and no status that is known: status is one of %s",
			strings.Join(slices.Sorted(maps.Keys(paymentWords)), ", "))
	}
	if e.Kind != order.KindNote && e.Order == "" && e.Payment == "" {
		return order.Event{}, fmt.Errorf("standard: names no order: looked at %s, and for a payment at %s",
			strings.Join(looked, ", "), strings.Join(paymentPaths, ", "))
	}
	e.Ref = firstID(data, refPaths[e.Kind])
	var misread [3]error
	e.Livemode, misread[0] = livemode(data)
	e.At, misread[1] = occurredAt(data)
	e.Amount, e.Currency, misread[2] = money(data, e.Status)
	if err := cmp.Or(misread[:]...); err != nil && e.Kind != order.KindNote {
		return order.Event{}, err
	}
	return webhook.Tidy(e)
}

// firstID returns the first id at any of the paths. Some senders write ids as
// numbers.
func firstID(data strictjson.Object, paths []string) string {
	for _, path := range paths {
		switch v := data.Get(path).(type) {
		case string:
			if v != "" {
				return strings.Clone(v)
			}
		case strictjson.Number:
			return strings.Clone(string(v))
		}
	}
	return ""
}

func livemode(data strictjson.Object) (bool, error) {
	switch v := data["livemode"].(type) {
	case nil:
		return true, nil
	case bool:
		return v, nil
	}
	return false, errors.New("standard: livemode is neither true nor false")
}

func occurredAt(data strictjson.Object) (time.Time, error) {
	switch v := data["occurred_at"].(type) {
	case nil:
		return time.Time{}, nil
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, errors.New("standard: the event's time is not of the form 2026-11-23T08:00:00Z (RFC 3339)")
}

// money reads amount and currency. Money that came or went is worth nothing
// when it is half told: a currency alone would be an amount of zero, and a
// refund without an amount would refund nothing.
func money(data strictjson.Object, status order.Status) (int64, string, error) {
	currency := strings.ToUpper(data.String("currency"))
	if currency != "" && !order.IsCurrency(currency) {
		return 0, "", errors.New("standard: currency is not a code of three letters (ISO 4217)")
	}
	var amount int64
	var err error
	switch v := data["amount"].(type) {
	case nil:
		if status == order.Refunded || status == order.Paid && currency != "" {
			return 0, "", fmt.Errorf("standard: %s without an amount", status)
		}
		return 0, currency, nil
	case strictjson.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return 0, "", errors.New(`standard: amount is a number with a fraction or an exponent: ` +
				`write minor units as a whole number (9900), or major units as a string ("99.00")`)
		}
		amount, err = order.ParseMinor(string(v))
	case string:
		amount, err = order.ParseDecimal(v, currency)
	default:
		err = errors.New("standard: amount is neither a number nor a string")
	}
	if err == nil && currency == "" {
		err = errors.New("standard: amount without a currency")
	}
	return amount, currency, err
}
