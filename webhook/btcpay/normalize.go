package btcpay

import (
	"errors"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Reader reads BTCPay Server's bodies without proof of their sender. It
// implements [webhook.Reader] and [webhook.Writer].
type Reader struct {
	orders []string
	store  string
}

// NewReader returns a Reader. Of the options the secrets have no use.
func NewReader(o Options) *Reader {
	return &Reader{webhook.PathsOr(o.Order, "metadata.orderId"), o.Store}
}

// Read implements [webhook.Reader].
func (rd *Reader) Read(body []byte) ([]order.Event, error) {
	return webhook.ReadWith(body, rd.normalize)
}

// Modeless says that events do not tell their mode: a server is on one
// network.
func (rd *Reader) Modeless() bool { return true }

// steps are what an invoice can come to. A payment that was received waits for
// confirmations; it is the invoice that is settled, once all of it is confirmed.
var steps = map[string]order.Status{
	"InvoiceCreated":             order.Created,
	"InvoiceReceivedPayment":     order.Pending,
	"InvoiceProcessing":          order.Pending,
	"InvoicePaidAfterExpiration": order.Pending,
	"InvoiceSettled":             order.Paid,
	"InvoiceExpired":             order.Expired,
	"InvoiceExpiredPaidPartial":  order.Expired,
	"InvoiceInvalid":             order.Failed,
}

// normalize reads one event. None says how much in the invoice's currency: what
// is settled is paid in full.
func (rd *Reader) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	e := order.Event{
		ID: webhook.First(b, "originalDeliveryId", "deliveryId"), Type: b.String("type"), Kind: order.KindNote, Livemode: true,
		Order: webhook.First(b, rd.orders...), Payment: b.String("invoiceId"),
		Method: strings.ToLower(webhook.First(b, "paymentMethodId", "paymentMethod")), At: webhook.UnixTime(b, "timestamp"),
	}
	status, ok := steps[e.Type]
	switch {
	case e.ID == "" || e.Type == "":
		return nil, errors.New("no event: deliveryId or type is missing")
	case !ok || rd.store != "" && b.String("storeId") != rd.store:
		return []order.Event{e}, nil
	case e.Payment == "":
		return nil, errors.New("invoiceId is missing")
	}
	e.Kind, e.Status, e.Reason = order.KindPayment, status, reason(b)
	return []order.Event{e}, nil
}

// reason says what else is told, where a person may have to look.
func reason(b strictjson.Object) string {
	for _, flag := range []struct{ field, reason string }{
		{"manuallyMarked", "manually_marked"}, {"afterExpiration", "after_expiration"}, {"partiallyPaid", "partially_paid"}, {"overPaid", "overpaid"},
	} {
		if b.Bool(flag.field) {
			return flag.reason
		}
	}
	return ""
}
