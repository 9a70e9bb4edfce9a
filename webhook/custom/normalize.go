package custom

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

type sense struct {
	kind   order.Kind
	status order.Status
}

// senses are what a status can be said to mean.
var senses = map[string]sense{
	"created":         {order.KindPayment, order.Created},
	"pending":         {order.KindPayment, order.Pending},
	"requires_action": {order.KindPayment, order.RequiresAction},
	"authorized":      {order.KindPayment, order.Authorized},
	"paid":            {order.KindPayment, order.Paid},
	"failed":          {order.KindPayment, order.Failed},
	"canceled":        {order.KindPayment, order.Canceled},
	"expired":         {order.KindPayment, order.Expired},

	"order_canceled": {order.KindOrder, order.Canceled},
	"order_expired":  {order.KindOrder, order.Expired},

	"refunded":           {order.KindRefund, order.Refunded},
	"partially_refunded": {order.KindRefund, order.Refunded},
	"refund_pending":     {order.KindRefund, order.Pending},
	"refund_failed":      {order.KindRefund, order.Failed},

	"disputed": {order.KindDispute, order.Disputed},
	"won":      {order.KindDispute, order.Won},
	"lost":     {order.KindDispute, order.Lost},

	"ignore": {order.KindNote, ""},
}

// normalize reads the event out of a verified body, which is given parsed and
// raw. id is the signed id of the request, or "".
func (p *Provider) normalize(body strictjson.Object, raw []byte, id string) (order.Event, error) {
	c := p.event
	status := body.Text(c.Status)
	e := order.Event{
		Order:     body.Text(c.Order),
		Payment:   body.Text(c.Payment),
		Ref:       body.Text(c.Ref),
		Method:    text(body, c.Method),
		Reason:    body.Text(c.Reason),
		ActionURL: body.Text(c.ActionURL),
		Type:      cmp.Or(text(body, c.Type), status),
		Livemode:  true,
		Kind:      order.KindNote,
	}
	if meant, ok := senses[c.Statuses[status]]; ok {
		e.Kind, e.Status = meant.kind, meant.status
	}
	var misread [3]error
	e.Livemode, misread[0] = p.livemode(body)
	e.At, misread[1] = readTime(body.Text(c.Time), c.TimeUnit)
	e.Amount, e.Currency, misread[2] = p.money(body, e)
	if err := cmp.Or(misread[:]...); err != nil && e.Kind != order.KindNote {
		return order.Event{}, err
	}
	if e.Kind != order.KindNote && e.Order == "" && e.Payment == "" {
		return order.Event{}, fmt.Errorf("custom: names no order: looked at %s", strings.Trim(c.Order+", "+c.Payment, ", "))
	}
	switch {
	case c.ID != "":
		e.ID = body.Text(c.ID)
	case id != "":
		e.ID = id
	case e.Kind == order.KindNote:
		e.ID = madeID(string(raw))
	default:
		e.ID = madeID(e.Order, e.Payment, e.Ref, status, strconv.FormatInt(e.Amount, 10), e.Currency)
	}
	if e.ID == "" {
		return order.Event{}, fmt.Errorf("custom: no event id at %s", c.ID)
	}
	return webhook.Tidy(e)
}

// text returns the constant after "=", or what is at the path.
func text(body strictjson.Object, path string) string {
	if constant, ok := strings.CutPrefix(path, "="); ok {
		return constant
	}
	return body.Text(path)
}

// madeID makes an id from what no retry changes.
func madeID(stable ...string) string {
	sum := sha256.New()
	for _, part := range stable {
		fmt.Fprintf(sum, "%d:%s,", len(part), part) // lengths, so that no two lists read the same
	}
	return "made_" + hex.EncodeToString(sum.Sum(nil)[:16])
}

func (p *Provider) livemode(body strictjson.Object) (bool, error) {
	path, inverted := strings.CutPrefix(p.event.Livemode, "!")
	switch text(body, path) {
	case "":
		return true, nil
	case "true", "live", "1":
		return !inverted, nil
	case "false", "test", "0":
		return inverted, nil
	}
	return false, fmt.Errorf("custom: %s does not say whether it is live", path)
}

// money reads amount and currency. A refund or a payment of an amount that
// should be there and is not would count as zero: better to say so.
func (p *Provider) money(body strictjson.Object, e order.Event) (int64, string, error) {
	c := p.event
	if c.Amount == "" {
		if e.Status == order.Refunded {
			return 0, "", errors.New("custom: a refund without an amount: set event.amount")
		}
		return 0, "", nil
	}
	currency := strings.ToUpper(text(body, c.Currency))
	amount := body.Text(c.Amount)
	switch {
	case amount == "" && (e.Status == order.Refunded || e.Status == order.Paid):
		return 0, "", fmt.Errorf("custom: no amount at %s", c.Amount)
	case amount == "":
		return 0, "", nil
	case !order.IsCurrency(currency):
		return 0, "", fmt.Errorf("custom: no currency of three letters (ISO 4217) at %s", c.Currency)
	}
	read := order.ParseDecimal
	if c.AmountUnit == "minor" {
		read = func(s, _ string) (int64, error) { return order.ParseMinor(s) }
	}
	n, err := read(amount, currency)
	return n, currency, err
}

// readTime reads a time as text in one of the units; "" is no time.
func readTime(s, unit string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if unit == "rfc3339" {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return time.Time{}, errors.New("custom: time is not of the form 2026-11-23T08:00:00Z (RFC 3339)")
		}
		return at.UTC(), nil
	}
	at, err := unixTime(s, unit)
	if err != nil {
		return time.Time{}, fmt.Errorf("custom: time %w", err)
	}
	return at, nil
}

// unixTime reads a count of seconds (unit s) or milliseconds (ms) since 1970, in
// digits alone. Whether the year makes sense is for others to say.
func unixTime(s, unit string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strings.Trim(s, "0123456789") != "" {
		return time.Time{}, errors.New("is not a number of seconds or milliseconds")
	}
	if unit == "ms" {
		return time.UnixMilli(n).UTC(), nil
	}
	return time.Unix(n, 0).UTC(), nil
}
