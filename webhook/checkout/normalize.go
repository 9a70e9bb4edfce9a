package checkout

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

// normalize reads a verified body
// (checkout.com/docs/developer-resources/webhooks/webhook-event-types).
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{ID: b.String("id"), Type: b.String("type"), Kind: order.KindNote, Livemode: live(b)}
	if e.ID == "" || e.Type == "" {
		return nil, errors.New("no event: id or type is missing")
	}
	if at, err := time.Parse(time.RFC3339, b.String("created_on")); err == nil {
		e.At = at.UTC()
	}
	o := b.Object("data")
	switch {
	case strings.HasPrefix(e.Type, "dispute_"):
		e.Order = o.String("payment_reference")
		if p.orders[0] != "data.reference" {
			e.Order = ""
		}
		e, err = dispute(e, o)
	case strings.HasPrefix(e.Type, "payment_"):
		e.Order = webhook.First(b, p.orders...)
		e, err = payment(e, o)
	}
	return []order.Event{e}, err
}

// live says whether real money moves: links in events of the sandbox lead there.
func live(b strictjson.Object) bool {
	for _, name := range []string{"self", "payment", "subject"} {
		if strings.Contains(b.String("_links."+name+".href"), "sandbox.checkout.com/") {
			return false
		}
	}
	return true
}

// decimals says how many decimals Checkout.com's amounts of a currency have
// (checkout.com/docs/payments/accept-payments/format-the-amount-value). Chilean
// pesos have two that are always zero, and none by ISO 4217.
func decimals(currency string) int {
	switch currency {
	case "BIF", "CLF", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	}
	return 2
}

func money(o strictjson.Object, needed bool) (int64, string, error) {
	if o["amount"] == nil && !needed {
		return 0, "", nil
	}
	currency, err := webhook.Currency(o.String("currency"))
	var amount int64
	if err == nil {
		amount, err = webhook.Rescale(webhook.First(o, "amount"), decimals(currency), order.Decimals(currency))
	}
	if err != nil {
		return 0, "", fmt.Errorf("data.amount: %w", err)
	}
	return amount, currency, nil
}

// A meaning is what an event tells.
type meaning struct {
	kind   order.Kind
	status order.Status
	part   bool // of a payment: its amount is one action's, and more may come
}

// meanings are the events that tell of a payment. What the others tell changes
// nothing: a capture that was declined leaves the payment authorized.
var meanings = map[string]meaning{
	"payment_pending":               {order.KindPayment, order.Pending, false},
	"payment_capture_pending":       {order.KindPayment, order.Authorized, false},
	"payment_approved":              {order.KindPayment, order.Authorized, false},
	"payment_captured":              {order.KindPayment, order.Paid, true},
	"payment_declined":              {order.KindPayment, order.Failed, false},
	"payment_authentication_failed": {order.KindPayment, order.Failed, false},
	"payment_voided":                {order.KindPayment, order.Canceled, false},
	"payment_canceled":              {order.KindPayment, order.Canceled, false},
	"payment_expired":               {order.KindPayment, order.Expired, false},
	"payment_refund_pending":        {order.KindRefund, order.Pending, true},
	"payment_refunded":              {order.KindRefund, order.Refunded, true},
	"payment_returned":              {order.KindRefund, order.Refunded, true},
	"payment_refund_declined":       {order.KindRefund, order.Failed, true},
}

// payment reads an event of a payment.
func payment(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment, e.Method = o.String("id"), method(o)
	m, known := meanings[e.Type]
	if !known || o.String("payment_type") == "Payout" {
		return e, nil
	}
	if e.Payment == "" {
		return e, errors.New("data.id is missing")
	}
	e.Kind, e.Status = m.kind, m.status
	if m.part {
		if e.Ref = o.String("action_id"); e.Ref == "" && m.kind == order.KindRefund {
			return e, errors.New("data.action_id is missing")
		}
	}
	if m.status == order.Failed {
		e.Reason = cmp.Or(o.String("response_summary"), o.String("response_code"))
	}
	var err error
	e.Amount, e.Currency, err = money(o, m.status == order.Paid || m.status == order.Refunded)
	return e, err
}

// method is the wallet that holds the card, or the kind of source: card,
// klarna, alipay_plus …
func method(o strictjson.Object) string {
	wallet := strings.ToLower(cmp.Or(o.String("source.card_wallet_type"), o.String("source.wallet_type"), o.String("source.type")))
	switch wallet {
	case "applepay":
		return "apple_pay"
	case "googlepay":
		return "google_pay"
	}
	return wallet
}

// dispute reads an event of a dispute.
func dispute(e order.Event, o strictjson.Object) (order.Event, error) {
	e.Payment, e.Ref = o.String("payment_id"), o.String("id")
	if e.Payment == "" || e.Ref == "" {
		return e, errors.New("data.id or data.payment_id is missing")
	}
	e.Kind, e.Status, e.Reason = order.KindDispute, order.Disputed, cmp.Or(o.String("category"), o.String("reason_code"))
	switch e.Type {
	case "dispute_won", "dispute_canceled", "dispute_resolved", "dispute_arbitration_won":
		e.Status = order.Won
	case "dispute_lost", "dispute_expired", "dispute_accepted", "dispute_arbitration_lost":
		e.Status = order.Lost
	}
	var err error
	e.Amount, e.Currency, err = money(o, false)
	return e, err
}
