package mercadopago

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

// statuses are what a payment's status means. What was refunded or is disputed
// was paid.
var statuses = map[string]order.Status{
	"pending": order.Pending, "in_process": order.Pending, "authorized": order.Authorized, "approved": order.Paid,
	"rejected": order.Failed, "cancelled": order.Canceled,
	"refunded": order.Paid, "charged_back": order.Paid, "in_mediation": order.Paid,
}

// normalize reads a payment as the API answers it
// (mercadopago.com/developers/reference/payments).
func (p *Provider) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	said, detail := b.String("status"), b.String("status_detail")
	status, ok := statuses[said]
	if !ok || b.Text("id") == "" {
		return nil, errors.New("no payment: id is missing, or the status is none that is known")
	}
	switch {
	case said == "cancelled" && detail == "expired":
		status = order.Expired
	case said == "pending" && detail == "pending_challenge": // 3-D Secure
		status = order.RequiresAction
	}
	live, told := b["live_mode"].(bool)
	if !told {
		return nil, errors.New("live_mode is neither true nor false")
	}
	e := order.Event{
		Payment: b.Text("id"), Kind: order.KindPayment, Status: status, Method: method(b), Livemode: live, Type: "payment",
		Currency: b.String("currency_id"), At: readTime(b, "date_last_updated"),
	}
	for _, path := range p.orders {
		if e.Order = b.Text(path); e.Order != "" {
			break
		}
	}
	if !order.IsCurrency(e.Currency) {
		return nil, errors.New("currency_id is not a code of three letters")
	}
	if e.Amount, err = money(b, "transaction_amount", e.Currency); err != nil {
		return nil, err
	}
	events := []order.Event{e}
	switch main := &events[0]; status {
	case order.Paid:
		main.At = readTime(b, "date_approved")
	case order.Failed:
		main.Reason = detail
	case order.Pending, order.RequiresAction:
		main.ActionURL = cmp.Or(b.String("three_ds_info.external_resource_url"), b.String("transaction_details.external_resource_url"),
			b.String("point_of_interaction.transaction_data.ticket_url"))
	}
	events[0].ID = e.Payment + "/" + string(status) + "/" + strconv.FormatInt(e.Amount, 10)
	more, err := parts(b, e, said, detail)
	if err != nil {
		return nil, err
	}
	events = append(events, more...)
	for i := range events {
		if events[i], err = webhook.Tidy(events[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// parts are the refund and the dispute of a payment. The refund is a running
// total.
func parts(b strictjson.Object, e order.Event, said, detail string) (events []order.Event, err error) {
	back := e
	if back.Amount, err = money(b, "transaction_amount_refunded", e.Currency); err != nil {
		return nil, err
	}
	if said == "refunded" && back.Amount == 0 {
		back.Amount = e.Amount
	}
	if back.Amount > 0 {
		back.Kind, back.Status, back.ID = order.KindRefund, order.Refunded, e.Payment+"/refunded/"+strconv.FormatInt(back.Amount, 10)
		events = append(events, back)
	}
	if said == "charged_back" || said == "in_mediation" {
		dispute := e
		dispute.Kind, dispute.Status, dispute.Ref, dispute.Reason = order.KindDispute, order.Disputed, "dispute", detail
		switch {
		case said == "charged_back" && detail == "reimbursed": // decided for the seller
			dispute.Status = order.Won
		case said == "charged_back" && detail == "settled":
			dispute.Status = order.Lost
		}
		dispute.ID = e.Payment + "/" + said + "/" + string(dispute.Status)
		events = append(events, dispute)
	}
	return events, nil
}

// money reads an amount, a JSON number in major units. One that is missing is
// zero.
func money(b strictjson.Object, field, currency string) (int64, error) {
	if b[field] == nil {
		return 0, nil
	}
	number, ok := b[field].(strictjson.Number)
	if !ok {
		return 0, fmt.Errorf("%s is not a number", field)
	}
	amount, err := order.ParseDecimal(string(number), currency)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", field, err)
	}
	return amount, nil
}

// method is "card", or the method (pix, bolbradesco, account_money …).
func method(b strictjson.Object) string {
	if kind := b.String("payment_type_id"); strings.HasSuffix(kind, "_card") {
		return "card"
	}
	return cmp.Or(b.String("payment_method_id"), b.String("payment_type_id"))
}

func readTime(b strictjson.Object, field string) time.Time {
	at, err := time.Parse(time.RFC3339, b.String(field))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
