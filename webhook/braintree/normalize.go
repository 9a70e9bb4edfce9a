package braintree

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// kinds are what notifications say of a transaction, which stands at a path.
var kinds = map[string]struct {
	status order.Status
	at     string
}{
	"transaction_settled":                 {order.Paid, "transaction"},
	"transaction_settlement_declined":     {order.Failed, "transaction"},
	"subscription_charged_successfully":   {order.Paid, "subscription.transactions.transaction"},
	"subscription_charged_unsuccessfully": {order.Failed, "subscription.transactions.transaction"},
	"local_payment_completed":             {order.Paid, "local-payment.transaction"},
	"local_payment_funded":                {order.Paid, "local-payment-funded.transaction"},
	"refund_failed":                       {order.Failed, "transaction"},
}

// unsettled are the states of a transaction that take back what its kind says:
// some local payments are completed by a voucher, and paid for days later.
var unsettled = map[string]order.Status{
	"local_payment_completed.settlement_pending": order.Pending, "local_payment_completed.settlement_declined": order.Failed,
	"local_payment_completed.processor_declined": order.Failed, "local_payment_completed.gateway_rejected": order.Failed,
	"local_payment_completed.failed": order.Failed, "local_payment_completed.voided": order.Canceled,
}

var disputes = map[string]order.Status{
	"dispute_opened": order.Disputed, "dispute_under_review": order.Disputed, "dispute_disputed": order.Disputed, "dispute_won": order.Won,
	"dispute_lost": order.Lost, "dispute_accepted": order.Lost, "dispute_auto_accepted": order.Lost, "dispute_expired": order.Lost,
}

// read reads a verified payload. Notifications have no id: events are named by
// what they say.
func (p *Provider) read(payload string) (order.Event, error) {
	document, err := decode(payload)
	if err != nil {
		return order.Event{}, err
	}
	t, err := parse(document)
	if err != nil {
		return order.Event{}, err
	}
	e := order.Event{Type: t["notification.kind"], Kind: order.KindNote, Livemode: true}
	if e.At, err = time.Parse(time.RFC3339, t["notification.timestamp"]); err != nil || e.Type == "" {
		return e, errors.New("no notification: kind is missing, or timestamp is not a time")
	}
	e.At = e.At.UTC()
	subject := t.below("notification.subject")
	e.ID = e.Type + "/" + e.At.Format("20060102T150405") + "/" + cmp.Or(subject["transaction.id"], subject["subscription.id"], subject["dispute.id"])
	kind, step := kinds[e.Type]
	status, disputed := disputes[e.Type]
	switch t := subject.below(kind.at); {
	case step && len(t) == 0: // a local payment, say, of which the merchant has yet to make one
	case step:
		e, err = p.transaction(e, cmp.Or(unsettled[e.Type+"."+t["status"]], kind.status), t)
	case disputed && subject["dispute.kind"] == "retrieval": // a bank's question, and no money at stake
	case disputed:
		e, err = p.dispute(e, status, subject.below("dispute"))
	case e.Type == "local_payment_expired":
		e.Kind, e.Status, e.Payment = order.KindPayment, order.Expired, subject["local-payment-expired.payment-id"]
		if e.ID = e.Payment + "/expired"; e.Payment == "" {
			err = errors.New("the payment's id is missing")
		}
	}
	if err != nil {
		return e, err
	}
	return webhook.Tidy(e)
}

// transaction reads a sale, or the credit that gives one back.
func (p *Provider) transaction(e order.Event, status order.Status, t tree) (order.Event, error) {
	var err error
	e.Kind, e.Status, e.Order, e.Payment = order.KindPayment, status, p.order(t), t["id"]
	if e.Payment == "" {
		return e, errors.New("the transaction's id is missing")
	}
	if t["type"] == "credit" {
		e.Kind, e.Ref, e.Payment = order.KindRefund, t["id"], t["refunded-transaction-id"]
		if e.Status == order.Paid {
			e.Status = order.Refunded
		}
		if e.Payment == "" { // money that was sent to somebody who had not paid
			return order.Event{ID: e.ID, Type: e.Type, Kind: order.KindNote, At: e.At, Livemode: true}, nil
		}
	}
	if status == order.Failed {
		e.Reason = cmp.Or(t["processor-settlement-response-code"], t["processor-response-code"], t["gateway-rejection-reason"])
	}
	e.ID, e.Method = t["id"]+"/"+string(e.Status), method(t)
	e.Amount, e.Currency, err = money(t)
	if err == nil && e.Currency == "" && status == order.Paid {
		err = errors.New("the transaction's amount is missing")
	}
	return e, err
}

func (p *Provider) dispute(e order.Event, status order.Status, t tree) (order.Event, error) {
	var err error
	e.Kind, e.Status, e.Ref, e.Payment, e.Order = order.KindDispute, status, t["id"], t["transaction.id"], p.order(t.below("transaction"))
	if e.Reason = t["reason"]; e.Ref == "" {
		return e, errors.New("the dispute's id is missing")
	}
	e.ID = e.Ref + "/" + e.Type
	e.Amount, e.Currency, err = money(tree{
		"amount": cmp.Or(t["amount"], t["amount-disputed"]), "currency-iso-code": t["currency-iso-code"],
	})
	return e, err
}

func (p *Provider) order(t tree) string {
	for _, path := range p.orders {
		if id := t[path]; id != "" {
			return id
		}
	}
	return ""
}

// money reads an amount, a decimal text, with or without decimals.
func money(t tree) (int64, string, error) {
	if t["amount"] == "" {
		return 0, "", nil
	}
	currency := t["currency-iso-code"]
	if !order.IsCurrency(currency) {
		return 0, "", errors.New("currency-iso-code is not a code of three letters")
	}
	amount, err := order.ParseDecimal(t["amount"], currency)
	if err != nil {
		return 0, "", fmt.Errorf("amount: %w", err)
	}
	return amount, currency, nil
}

// method is card, a wallet, or the type of the instrument.
func method(t tree) string {
	m := t["payment-instrument-type"]
	return cmp.Or(map[string]string{
		"credit_card": "card", "apple_pay_card": "apple_pay", "android_pay_card": "google_pay", "paypal_account": "paypal", "venmo_account": "venmo",
	}[m], m)
}
