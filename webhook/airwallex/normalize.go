package airwallex

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Reader reads Airwallex's bodies without proof of their sender. It
// implements [webhook.Reader] and [webhook.Writer].
type Reader struct {
	orders  []string
	account string
}

// NewReader returns a Reader. Of the options Secrets and Tolerance have no use.
func NewReader(o Options) *Reader {
	return &Reader{webhook.PathsOr(o.Order, "data.object.merchant_order_id", "data.object.metadata.order_id"), o.Account}
}

// Read implements [webhook.Reader].
func (rd *Reader) Read(body []byte) ([]order.Event, error) {
	return webhook.ReadWith(body, rd.normalize)
}

// Modeless says that events do not tell their mode: demo and production have
// webhooks of their own.
func (rd *Reader) Modeless() bool { return true }

type sense struct {
	kind   order.Kind
	status order.Status
}

// meanings are the names that mean something to an order. Of attempts only
// their failure does, of which the intent's own events do not tell; the intent
// then waits for another attempt, so that an attempt which expired has failed.
var meanings = map[string]sense{
	"payment_intent.created":                  {order.KindPayment, order.Created},
	"payment_intent.pending":                  {order.KindPayment, order.Pending},
	"payment_intent.pending_review":           {order.KindPayment, order.Pending},
	"payment_intent.requires_customer_action": {order.KindPayment, order.RequiresAction},
	"payment_intent.requires_capture":         {order.KindPayment, order.Authorized},
	"payment_intent.succeeded":                {order.KindPayment, order.Paid},
	"payment_intent.cancelled":                {order.KindPayment, order.Canceled},

	"payment_attempt.authentication_failed": {order.KindPayment, order.Failed},
	"payment_attempt.authorization_failed":  {order.KindPayment, order.Failed},
	"payment_attempt.capture_failed":        {order.KindPayment, order.Failed},
	"payment_attempt.failed_to_process":     {order.KindPayment, order.Failed},
	"payment_attempt.risk_declined":         {order.KindPayment, order.Failed},
	"payment_attempt.expired":               {order.KindPayment, order.Failed},

	"refund.received":   {order.KindRefund, order.Pending},
	"refund.accepted":   {order.KindRefund, order.Refunded},
	"refund.processing": {order.KindRefund, order.Refunded},
	"refund.settled":    {order.KindRefund, order.Refunded},
	"refund.failed":     {order.KindRefund, order.Failed},

	"payment_dispute.requires_response": {order.KindDispute, order.Disputed},
	"payment_dispute.challenged":        {order.KindDispute, order.Disputed},
	"payment_dispute.pending_closure":   {order.KindDispute, order.Disputed},
	"payment_dispute.pending_decision":  {order.KindDispute, order.Disputed},
	"payment_dispute.won":               {order.KindDispute, order.Won},
	"payment_dispute.reversed":          {order.KindDispute, order.Won},
	"payment_dispute.lost":              {order.KindDispute, order.Lost},
	"payment_dispute.accepted":          {order.KindDispute, order.Lost},
	"payment_dispute.expired":           {order.KindDispute, order.Lost},
}

// normalize reads one event. An event does not say whether it is live: demo and
// production are accounts of their own.
func (rd *Reader) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{
		ID: b.String("id"), Type: b.String("name"), Kind: order.KindNote, Livemode: true, Order: webhook.First(b, rd.orders...),
		At: webhook.Time(b, "created_at", "createdAt", "data.object.updated_at", "data.object.created_at"),
	}
	if e.ID == "" || e.Type == "" {
		return nil, errors.New("no event: id or name is missing")
	}
	meant, known := meanings[e.Type]
	if !known || rd.account != "" && webhook.First(b, "account_id", "accountId") != rd.account {
		return []order.Event{e}, nil
	}
	o := b.Object("data.object")
	if o == nil {
		return nil, errors.New("data.object is missing")
	}
	e.Kind, e.Status = meant.kind, meant.status
	if e.Payment = o.String("payment_intent_id"); strings.HasPrefix(e.Type, "payment_intent.") {
		e.Payment = o.String("id")
	}
	if e.Payment == "" {
		return nil, errors.New("the id of the payment intent is missing")
	}
	if e.Kind != order.KindPayment {
		if e.Ref = o.String("id"); e.Ref == "" {
			return nil, errors.New("data.object.id is missing")
		}
	}
	if e, err = details(e, o); err != nil {
		return nil, err
	}
	return []order.Event{e}, nil
}

// details reads what else the object tells. Amounts are in major units.
func details(e order.Event, o strictjson.Object) (order.Event, error) {
	amount := "amount"
	if e.Status == order.Paid && strings.Trim(o.Text("captured_amount"), "0.") != "" { // some may have been let go
		amount = "captured_amount"
	}
	var err error
	if e.Amount, e.Currency, err = webhook.Money(o, amount, "currency"); err != nil {
		return e, fmt.Errorf("data.object.%w", err)
	}
	if e.Currency == "" && (e.Status == order.Paid || e.Status == order.Refunded) {
		return e, errors.New("data.object.amount is missing")
	}
	switch e.Kind {
	case order.KindPayment:
		e.Method = method(webhook.First(o, "latest_payment_attempt.payment_method.type", "payment_method.type"))
	case order.KindDispute:
		e.Reason = webhook.First(o, "reason.type", "reason.description", "reason.code", "reason")
	}
	switch e.Status {
	case order.RequiresAction:
		e.ActionURL = actionURL(o)
	case order.Canceled:
		e.Reason = o.String("cancellation_reason")
	case order.Failed:
		_, name, _ := strings.Cut(e.Type, ".")
		e.Reason = cmp.Or(webhook.First(o, "failure_code", "failure_details.code", "failure_reason", "provider_original_response_code"), name)
	}
	return e, nil
}

// actionURL is where the customer goes on, if that is a page of the web which is
// simply opened.
func actionURL(o strictjson.Object) string {
	url := o.String("next_action.url")
	if !strings.HasPrefix(url, "https://") || strings.EqualFold(o.String("next_action.method"), "POST") {
		return ""
	}
	return url
}

// method gives wallets the names that they have with other providers.
func method(typ string) string {
	switch typ {
	case "applepay":
		return "apple_pay"
	case "googlepay":
		return "google_pay"
	case "wechatpay":
		return "wechat_pay"
	case "alipaycn", "alipayhk":
		return "alipay"
	}
	return typ
}
