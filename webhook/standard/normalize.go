package standard

import (
	"maps"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

// normalize reads a verified body. The specification leaves its form free and
// advises type, timestamp and data; the data may also stand beside the type.
func (p *Provider) normalize(id string, body []byte) (order.Event, error) {
	payload, err := strictjson.ParseObject(body)
	if err != nil {
		return order.Event{}, err
	}
	data := maps.Clone(payload)
	if inner, ok := payload["data"]; ok {
		object, _ := inner.(strictjson.Object)
		if data = maps.Clone(object); data == nil {
			data = strictjson.Object{}
		}
	}
	for name, outer := range map[string]string{"occurred_at": "timestamp", "livemode": "livemode"} {
		if data[name] == nil {
			data[name] = payload[outer]
		}
	}
	typ := payload.String("type")
	var e order.Event
	if len(p.orders) > 0 {
		e, err = readEvent(data, typ, firstID(payload, p.orders), p.orders)
	} else {
		e, err = ReadEvent(data, typ)
	}
	e.ID = id
	return e, err
}

type sense struct {
	kind   order.Kind
	status order.Status
}

// What the last word of a type, or else a status, means for what the word
// before it names.
var (
	paymentWords = map[string]sense{
		"created":         {order.KindPayment, order.Created},
		"pending":         {order.KindPayment, order.Pending},
		"processing":      {order.KindPayment, order.Pending},
		"requires_action": {order.KindPayment, order.RequiresAction},
		"authorized":      {order.KindPayment, order.Authorized},
		"paid":            {order.KindPayment, order.Paid},
		"succeeded":       {order.KindPayment, order.Paid},
		"completed":       {order.KindPayment, order.Paid},
		"captured":        {order.KindPayment, order.Paid},
		"failed":          {order.KindPayment, order.Failed},
		"declined":        {order.KindPayment, order.Failed},
		"canceled":        {order.KindPayment, order.Canceled},
		"cancelled":       {order.KindPayment, order.Canceled},
		"expired":         {order.KindPayment, order.Expired},

		"refunded":           {order.KindRefund, order.Refunded},
		"partially_refunded": {order.KindRefund, order.Refunded},
		"refund_pending":     {order.KindRefund, order.Pending},
		"refund_failed":      {order.KindRefund, order.Failed},
		"disputed":           {order.KindDispute, order.Disputed},
		"won":                {order.KindDispute, order.Won},
		"lost":               {order.KindDispute, order.Lost},
	}
	families = map[string]map[string]sense{
		"payment": paymentWords,
		"order":   paymentWords,
		"refund": {
			"created":   {order.KindRefund, order.Pending},
			"pending":   {order.KindRefund, order.Pending},
			"succeeded": {order.KindRefund, order.Refunded},
			"completed": {order.KindRefund, order.Refunded},
			"refunded":  {order.KindRefund, order.Refunded},
			"failed":    {order.KindRefund, order.Failed},
			"canceled":  {order.KindRefund, order.Failed},
			"cancelled": {order.KindRefund, order.Failed},
		},
		"dispute": {
			"created":  {order.KindDispute, order.Disputed},
			"opened":   {order.KindDispute, order.Disputed},
			"disputed": {order.KindDispute, order.Disputed},
			"won":      {order.KindDispute, order.Won},
			"lost":     {order.KindDispute, order.Lost},
		},
	}
)

// meaning reads a type by its last two words, so that shop.payment.paid is
// understood too. The status decides where the type leaves it open, and where
// the type says only that something was created, which tells nothing of how far
// it has come.
func meaning(typ, status string, namesPayment bool) (order.Kind, order.Status) {
	family, word := "order", ""
	if typ != "" {
		words := strings.Split(strings.ToLower(typ), ".")
		family, word = "", words[len(words)-1]
		if len(words) > 1 {
			family = words[len(words)-2]
		}
	}
	meant, ok := families[family][word]
	if by, known := families[family][strings.ToLower(status)]; known && (!ok || word == "created") {
		meant, ok = by, true
	}
	switch {
	case !ok:
		return order.KindNote, ""
	case family == "order" && !namesPayment && (meant.status == order.Canceled || meant.status == order.Expired):
		return order.KindOrder, meant.status
	}
	return meant.kind, meant.status
}
