package adyen

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// An object is a JSON object to be sent.
type object = map[string]any

// simulations are the events that tell of a status, and with which success.
var simulations = map[order.Status]struct{ code, success string }{
	order.Pending: {"PENDING", "true"}, order.Authorized: {"AUTHORISATION", "true"}, order.Failed: {"AUTHORISATION", "false"},
	order.Paid: {"CAPTURE", "true"}, order.PartiallyPaid: {"CAPTURE", "true"},
	order.Canceled: {"CANCELLATION", "true"}, order.Expired: {"OFFER_CLOSED", "true"},
	order.Refunded: {"REFUND", "true"}, order.PartiallyRefunded: {"REFUND", "true"},
	order.Disputed: {"CHARGEBACK", "true"}, order.Won: {"CHARGEBACK_REVERSED", "true"}, order.Lost: {"SECOND_CHARGEBACK", "true"},
}

// Simulate implements [webhook.Simulator]. Adyen's webhooks always name an
// amount and a currency. A capture comes with the authorization that names its
// order.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	step := simulations[s.Status]
	switch {
	case step.code == "" || p.automatic && s.Status == order.Authorized:
		return webhook.Request{}, fmt.Errorf("adyen: no webhook tells of status %q", s.Status)
	case !order.IsCurrency(s.Currency):
		return webhook.Request{}, errors.New("adyen: its webhooks always say how much: give an amount and a currency")
	}
	value, err := webhook.Rescale(strconv.FormatInt(s.Amount, 10), order.Decimals(s.Currency), decimals(s.Currency))
	if err != nil {
		return webhook.Request{}, fmt.Errorf("adyen: %w", err)
	}
	if s.Payment = cmp.Or(s.Payment, "psp-"+s.Order); strings.Contains(s.Payment, ":") {
		return webhook.Request{}, errors.New("adyen: a payment's id has no colon")
	}
	var items []any
	if step.code == "CAPTURE" {
		items = append(items, p.item(s, value, "AUTHORISATION", "true"))
	}
	if step.code != "CAPTURE" || !p.automatic {
		items = append(items, p.item(s, value, step.code, step.success))
	}
	body, err := json.Marshal(object{"live": strconv.FormatBool(s.Live), "notificationItems": items})
	if err != nil {
		return webhook.Request{}, fmt.Errorf("adyen: write the body: %w", err)
	}
	return webhook.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, At: s.SignedAt()}, nil
}

// item is one signed item. What is no step of the payment itself has an id of
// its own, which all events of one dispute share.
func (p *Provider) item(s webhook.Simulation, value int64, code, success string) object {
	item := object{
		"pspReference": s.Payment, "merchantAccountCode": cmp.Or(p.account, "PaybellDemo"), "merchantReference": s.Order, "eventCode": code,
		"success": success, "amount": object{"value": value, "currency": s.Currency}, "eventDate": s.At.UTC().Format(time.RFC3339),
		"paymentMethod": cmp.Or(s.Method, "visa"), "reason": "",
	}
	if success == "false" {
		item["reason"] = "Refused"
	}
	original := ""
	switch m := meanings[code]; {
	case m.kind == order.KindDispute:
		original, item["pspReference"] = s.Payment, "dispute-"+s.Payment
	case m.ofPart || code == "CANCELLATION":
		original, item["pspReference"] = s.Payment, code+"-"+s.Payment
	}
	item["originalReference"] = original
	text, _ := message(strictjson.Object{ // there is no colon in what is made here
		"pspReference": item["pspReference"], "originalReference": original, "merchantAccountCode": item["merchantAccountCode"],
		"merchantReference": s.Order, "eventCode": code, "success": success,
		"amount": strictjson.Object{"value": strconv.FormatInt(value, 10), "currency": s.Currency},
	})
	item["additionalData"] = object{"hmacSignature": scheme.Sign(p.keys[0], []byte(text))}
	return object{"NotificationRequestItem": item}
}
