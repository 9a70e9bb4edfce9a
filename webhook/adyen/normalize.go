package adyen

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A meaning is what an event tells when it succeeded, and when it did not.
// Nothing: it changes nothing.
type meaning struct {
	kind    order.Kind
	yes, no order.Status
	ofPart  bool // Ref is the id of the capture or refund, which the others of its events share
}

// meanings are the events that tell of a payment
// (docs.adyen.com/development-resources/webhooks/webhook-types).
var meanings = map[string]meaning{
	"AUTHORISATION":    {kind: order.KindPayment, yes: order.Authorized, no: order.Failed},
	"PENDING":          {kind: order.KindPayment, yes: order.Pending},
	"CAPTURE":          {kind: order.KindPayment, yes: order.Paid, ofPart: true},
	"CAPTURE_FAILED":   {kind: order.KindPayment, yes: order.Failed},
	"CANCELLATION":     {kind: order.KindPayment, yes: order.Canceled},
	"TECHNICAL_CANCEL": {kind: order.KindPayment, yes: order.Canceled},
	"EXPIRE":           {kind: order.KindPayment, yes: order.Expired},
	"OFFER_CLOSED":     {kind: order.KindPayment, yes: order.Expired},

	"REFUND":            {kind: order.KindRefund, yes: order.Refunded, no: order.Failed, ofPart: true},
	"REFUND_WITH_DATA":  {kind: order.KindRefund, yes: order.Refunded, no: order.Failed, ofPart: true},
	"REFUND_FAILED":     {kind: order.KindRefund, yes: order.Failed, ofPart: true},
	"REFUNDED_REVERSED": {kind: order.KindRefund, yes: order.Failed, ofPart: true},

	"REQUEST_FOR_INFORMATION":           {kind: order.KindDispute, yes: order.Disputed, ofPart: true},
	"NOTIFICATION_OF_CHARGEBACK":        {kind: order.KindDispute, yes: order.Disputed, ofPart: true},
	"CHARGEBACK":                        {kind: order.KindDispute, yes: order.Disputed, ofPart: true},
	"CHARGEBACK_REVERSED":               {kind: order.KindDispute, yes: order.Won, ofPart: true},
	"PREARBITRATION_WON":                {kind: order.KindDispute, yes: order.Won, ofPart: true},
	"ISSUER_RESPONSE_TIMEFRAME_EXPIRED": {kind: order.KindDispute, yes: order.Won, ofPart: true},
	"SECOND_CHARGEBACK":                 {kind: order.KindDispute, yes: order.Lost, ofPart: true},
	"PREARBITRATION_LOST":               {kind: order.KindDispute, yes: order.Lost, ofPart: true},
}

// event reads a verified item. There are no event ids: what is signed names it.
// A modification names the payment in originalReference, and as its
// merchantReference it may have one of its own.
func (p *Provider) event(item strictjson.Object, live bool) (order.Event, error) {
	psp, code, success := item.Text("pspReference"), item.Text("eventCode"), item.Text("success")
	if psp == "" || code == "" || success != "true" && success != "false" {
		return order.Event{}, errors.New("pspReference, eventCode or success is missing")
	}
	e := order.Event{
		ID:   fmt.Sprintf("%s-%s-%s-%s", psp, code, success, item.Text("amount.value")),
		Kind: order.KindNote, Payment: cmp.Or(item.Text("originalReference"), psp), At: at(item), Livemode: live, Type: code,
	}
	if e.Payment == psp {
		e.Order = item.Text("merchantReference")
	}
	m, status := p.meaning(item, code, success == "true")
	if status == "" || p.account != "" && item.Text("merchantAccountCode") != p.account {
		return e, nil
	}
	e.Kind, e.Status, e.Method = m.kind, status, method(item)
	if m.ofPart {
		e.Ref = psp
	}
	if status == order.Failed && m.kind == order.KindPayment {
		e.Reason = item.String("reason")
	}
	var err error
	e.Amount, e.Currency, err = money(item, status == order.Paid || status == order.Refunded)
	return e, err
}

func (p *Provider) meaning(item strictjson.Object, code string, success bool) (meaning, order.Status) {
	m := meanings[code]
	if code == "CANCEL_OR_REFUND" { // which of the two, Adyen found out
		m = meanings["CANCELLATION"]
		if item.String("additionalData.modification.action") == "refund" {
			m = meanings["REFUND"]
		}
	}
	switch {
	case !success:
		return m, m.no
	case p.automatic && code == "AUTHORISATION":
		return m, order.Paid
	}
	return m, m.yes
}

func at(item strictjson.Object) time.Time {
	t, err := time.Parse(time.RFC3339, item.String("eventDate"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// method is the wallet, or what Adyen calls the payment method: visa, ideal …
func method(item strictjson.Object) string {
	name := cmp.Or(item.String("additionalData.paymentMethodVariant"), item.String("paymentMethod"))
	switch {
	case strings.Contains(name, "applepay"):
		return "apple_pay"
	case strings.Contains(name, "googlepay"), strings.Contains(name, "paywithgoogle"):
		return "google_pay"
	}
	return name
}

// decimals says how many decimals Adyen's amounts of a currency have. Four
// differ from ISO 4217 (docs.adyen.com/development-resources/currency-codes).
func decimals(currency string) int {
	switch currency {
	case "CLP", "ISK":
		return 2
	case "CVE", "IDR":
		return 0
	}
	return order.Decimals(currency)
}

// money reads an item's amount. Where it need not be, an amount that is missing
// says nothing.
func money(item strictjson.Object, needed bool) (int64, string, error) {
	if item["amount"] == nil && !needed {
		return 0, "", nil
	}
	currency, err := webhook.Currency(item.String("amount.currency"))
	var amount int64
	if err == nil {
		amount, err = webhook.Rescale(webhook.First(item, "amount.value"), decimals(currency), order.Decimals(currency))
	}
	if err != nil {
		return 0, "", fmt.Errorf("amount: %w", err)
	}
	return amount, currency, nil
}

// platform reads a verified body of a platform's webhook. They tell of accounts,
// transfers and settings, and nothing of an order: all are notes. A body of the
// standard form that is signed as a whole is read as such.
func (p *Provider) platform(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	if b["notificationItems"] == nil {
		e := order.Event{ID: webhook.BodyID("note-", body), Kind: order.KindNote, Type: b.String("type"), Livemode: b.String("environment") == "live"}
		if e.Type == "" {
			return nil, errors.New("no event: type is missing")
		}
		return []order.Event{e}, nil
	}
	items, live, err := parse(body)
	if err != nil {
		return nil, err
	}
	var events []order.Event
	for _, item := range items {
		e, err := p.event(item, live)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}
