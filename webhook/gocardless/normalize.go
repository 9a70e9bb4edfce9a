package gocardless

import (
	"errors"
	"fmt"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Reader reads GoCardless's bodies without proof of their sender. It
// implements [webhook.Reader] and [webhook.Writer].
type Reader struct{ orders []string }

// NewReader returns a Reader. Of the options the secrets have no use.
func NewReader(o Options) *Reader {
	return &Reader{webhook.PathsOr(o.Order, "resource_metadata.order_id", "resource_metadata.order", "metadata.order_id", "metadata.order")}
}

// Read implements [webhook.Reader].
func (rd *Reader) Read(body []byte) ([]order.Event, error) {
	return webhook.ReadWith(body, rd.normalize)
}

// Modeless says that events do not tell their mode: sandbox and live have
// endpoints of their own.
func (rd *Reader) Modeless() bool { return true }

// normalize reads a delivery, which has up to 250 events. One that makes no
// sense becomes a note, so that it does not cost the others.
func (rd *Reader) normalize(body []byte) ([]order.Event, error) {
	b, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	list, ok := b["events"].([]strictjson.Value)
	if !ok {
		return nil, errors.New("events is not a list")
	}
	events := make([]order.Event, 0, len(list))
	unread := 0
	for i, v := range list {
		o, _ := v.(strictjson.Object)
		e, failure := rd.event(o)
		if failure == nil {
			e, failure = webhook.Tidy(e)
		}
		if failure != nil {
			e = order.Event{ID: fmt.Sprintf("%s#%d", webhook.BodyID("made_", body), i+1), Kind: order.KindNote, Livemode: true, Type: "unreadable"}
			unread, err = unread+1, failure
		}
		events = append(events, e)
	}
	if unread > 0 && unread == len(list) {
		return nil, err
	}
	return events, nil
}

type sense struct {
	kind   order.Kind
	status order.Status
}

// payments are the actions of a payment. What is confirmed can still fail: the
// bank takes it back, which GoCardless tells as a late failure or a chargeback.
var payments = map[string]sense{
	"created":                   {order.KindPayment, order.Created},
	"customer_approval_granted": {order.KindPayment, order.Pending},
	"submitted":                 {order.KindPayment, order.Pending},
	"resubmission_requested":    {order.KindPayment, order.Pending},
	"confirmed":                 {order.KindPayment, order.Paid},
	"paid_out":                  {order.KindPayment, order.Paid},
	"failed":                    {order.KindPayment, order.Failed},
	"customer_approval_denied":  {order.KindPayment, order.Failed},
	"cancelled":                 {order.KindPayment, order.Canceled},

	"charged_back":         {order.KindDispute, order.Disputed},
	"chargeback_cancelled": {order.KindDispute, order.Won},
	"chargeback_settled":   {order.KindDispute, order.Lost},
	"late_failure_settled": {order.KindDispute, order.Lost},
}

// event reads one event. None says how much: a payment that is paid is so in
// full. Of a refund it is not said how much went back, so that it is a note.
func (rd *Reader) event(o strictjson.Object) (order.Event, error) {
	action, resource := o.String("action"), o.String("resource_type")
	e := order.Event{
		ID: o.String("id"), Type: resource + "." + action, Kind: order.KindNote, Livemode: true,
		Order: webhook.First(o, rd.orders...), Payment: o.String("links.payment"), Ref: o.String("links.refund"),
		Method: o.String("details.scheme"), At: webhook.Time(o, "created_at"),
	}
	if e.ID == "" || action == "" || resource == "" {
		return e, errors.New("no event: id, action or resource_type is missing")
	}
	if resource != "payments" {
		return e, nil
	}
	if e.Payment == "" {
		return e, errors.New("links.payment is missing")
	}
	if order.CheckID(e.Order) != nil {
		e.Order = "" // one bad id must not cost the others of the delivery
	}
	if meant, ok := payments[action]; ok {
		e.Kind, e.Status = meant.kind, meant.status
	}
	if e.Status == order.Failed || e.Status == order.Canceled || e.Kind == order.KindDispute {
		e.Reason = o.String("details.cause")
	}
	return e, nil
}
