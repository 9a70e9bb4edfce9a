package mollie

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A step is what a payment's status means, and where its time is.
type step struct {
	status order.Status
	at     string
}

// steps are by the statuses of a payment (docs.mollie.com/payments/status-changes).
var steps = map[string]step{
	"open":       {order.Created, "createdAt"},
	"pending":    {order.Pending, "createdAt"},
	"authorized": {order.Authorized, "authorizedAt"},
	"paid":       {order.Paid, "paidAt"},
	"failed":     {order.Failed, "failedAt"},
	"canceled":   {order.Canceled, "canceledAt"},
	"expired":    {order.Expired, "expiredAt"},
}

// normalize reads a payment as the API answers it. Refunds and chargebacks leave
// its status as it is and have totals of their own.
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	status, ok := steps[b.String("status")]
	if !ok || b.String("id") == "" {
		return nil, errors.New("no payment: id is missing, or the status is none that is known")
	}
	if metadata, err := strictjson.ParseObject([]byte(b.String("metadata"))); err == nil { // a text that is JSON
		b["metadata"] = metadata
	}
	e := order.Event{
		Order: p.order(b), Payment: b.String("id"), Method: method(b), Livemode: b.String("mode") == "live", Type: "payment",
	}
	main := e
	main.Kind, main.Status, main.At = order.KindPayment, status.status, readTime(b, status.at)
	main.Reason = cmp.Or(b.String("details.failureReason"), b.String("statusReason.code"))
	if status.status == order.Created {
		main.ActionURL = b.String("_links.checkout.href")
	}
	taken := "amount"
	if status.status == order.Paid && b.Object("amountCaptured") != nil {
		taken = "amountCaptured"
	}
	if main.Amount, main.Currency, err = money(b, taken); err != nil {
		return nil, err
	}
	main.ID = e.Payment + "/" + b.String("status") + "/" + strconv.FormatInt(main.Amount, 10) // captures add up
	events := []order.Event{main}
	for _, part := range []struct {
		field, name string
		kind        order.Kind
		status      order.Status
	}{
		{"amountRefunded", "refunded", order.KindRefund, order.Refunded},
		{"amountChargedBack", "charged_back", order.KindDispute, order.Disputed},
	} {
		if b.Object(part.field) == nil {
			continue
		}
		more := e
		if more.Amount, more.Currency, err = money(b, part.field); err != nil {
			return nil, err
		}
		if more.Amount > 0 {
			more.Kind, more.Status, more.ID = part.kind, part.status, e.Payment+"/"+part.name+"/"+strconv.FormatInt(more.Amount, 10)
			events = append(events, more)
		}
	}
	for i := range events {
		if events[i], err = webhook.Tidy(events[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func (p *Provider) order(b strictjson.Object) string {
	for _, path := range p.orders {
		if id := b.Text(path); id != "" {
			return id
		}
	}
	return ""
}

// money reads an amount, a decimal text with its currency. Mollie writes as many
// decimals as ISO 4217 has, and of ISK two that are zero.
func money(b strictjson.Object, field string) (int64, string, error) {
	currency := b.String(field + ".currency")
	if !order.IsCurrency(currency) {
		return 0, "", fmt.Errorf("%s.currency is not a code of three letters", field)
	}
	amount, err := order.ParseDecimal(b.String(field+".value"), currency)
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", field, err)
	}
	return amount, currency, nil
}

// method is the wallet of a card payment, or the method.
func method(b strictjson.Object) string {
	m := cmp.Or(b.String("details.wallet"), b.String("method"))
	return cmp.Or(map[string]string{
		"creditcard": "card", "applepay": "apple_pay", "googlepay": "google_pay",
	}[strings.ToLower(m)], m)
}

func readTime(b strictjson.Object, field string) time.Time {
	at, err := time.Parse(time.RFC3339, b.String(field))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
