package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook/standard"
)

var eventFields = []string{
	"id", "type", "order", "payment", "status", "amount", "currency", "ref", "method", "reason", "action_url",
	"livemode", "occurred_at",
}

// readBackendEvent reads the body of POST /v1/orders/{order}/events. An unknown
// field is refused: an event whose amount is misspelled would otherwise stand
// for all that the order asks for. Without an id the event is named by the
// idempotency key or else by the content, each together with the order, so that
// a repetition counts once and the same event of another order counts too. The
// names are digests, because ids may hold any separator.
//
// Its errors are for the backend's developer.
func readBackendEvent(in backendRequest, id string) (order.Event, error) {
	var none order.Event
	if err := order.CheckID(id); err != nil {
		return none, fmt.Errorf("the order id in the address %w", err)
	}
	data, err := strictjson.ParseObject(in.body)
	if err != nil {
		return none, fmt.Errorf("the body must be a JSON object: %w", err)
	}
	if err := checkFields(data, eventFields); err != nil {
		return none, err
	}
	if data["order"] != nil && data.Text("order") != id {
		return none, errors.New("the body names another order than the address")
	}
	data["order"] = id
	name, err := textField(data, "id")
	if err != nil {
		return none, err
	}
	event, err := standard.ReadEvent(data, data.String("type"))
	if err != nil {
		return none, err
	}
	if event.Kind == order.KindNote {
		return none, errors.New(`status must say what happened, such as "paid" or "failed"`)
	}
	switch {
	case name != "":
		event.ID = name
	case in.key != "":
		event.ID = "key:" + digest([]byte(id + " " + in.key))[:32]
	default:
		event.ID = "body:" + digest(slices.Concat([]byte(id+" "), in.body))[:32]
	}
	event.Source = backendSource
	event.At = event.At.UTC().Truncate(time.Microsecond) // as the ledger keeps it
	return event, event.Check()
}
