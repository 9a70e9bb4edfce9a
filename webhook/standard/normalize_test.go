package standard_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/standard"
)

// open signs a body as the sender would and opens it.
func open(t *testing.T, o standard.Options, body string) (order.Event, error) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(specSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(specID + ".1614265330." + body))
	r := specRequest("v1," + base64.StdEncoding.EncodeToString(h.Sum(nil)))
	r.Body = []byte(body)
	o.Secrets = []string{specSecret}
	events, err := newProvider(t, o).Open(r)
	if err != nil {
		return order.Event{}, err
	}
	if events[0].ID != specID {
		t.Errorf("got the id %q, want the signed header's", events[0].ID)
	}
	return events[0], nil
}

func TestBodies(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	paid := order.Event{ID: specID, Order: "A1", Kind: order.KindPayment, Status: order.Paid, Livemode: true, Type: "payment.paid"}
	with := func(change func(*order.Event)) order.Event { e := paid; change(&e); return e }
	for name, c := range map[string]struct {
		options standard.Options
		body    string
		want    order.Event
	}{
		"data":             {standard.Options{}, `{"type":"payment.paid","data":{"order":"A1"}}`, paid},
		"data beside type": {standard.Options{}, `{"type":"payment.paid","order":"A1"}`, paid},
		"time of the event": {standard.Options{}, `{"type":"payment.paid","timestamp":"2026-11-23T08:00:00Z","data":{"order":"A1"}}`,
			with(func(e *order.Event) { e.At = at })},
		"nearer time": {standard.Options{}, `{"type":"payment.paid","timestamp":"2026-11-24T08:00:00Z","data":{"order":"A1","occurred_at":"2026-11-23T08:00:00Z"}}`,
			with(func(e *order.Event) { e.At = at })},
		"mode of the event": {standard.Options{}, `{"type":"payment.paid","livemode":false,"data":{"order":"A1"}}`,
			with(func(e *order.Event) { e.Livemode = false })},
		"nearer mode":      {standard.Options{}, `{"type":"payment.paid","livemode":false,"data":{"order":"A1","livemode":true}}`, paid},
		"order elsewhere":  {standard.Options{Order: "meta.ref, data.cart"}, `{"type":"payment.paid","data":{"cart":"A1","order":"A2"}}`, paid},
		"order, first":     {standard.Options{Order: "meta.ref,data.cart"}, `{"type":"payment.paid","meta":{"ref":"A1"},"data":{"cart":"A2"}}`, paid},
		"data of no shape": {standard.Options{}, `{"type":"stock.low","data":[1]}`, order.Event{ID: specID, Kind: order.KindNote, Livemode: true, Type: "stock.low"}},
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := open(t, c.options, c.body); err != nil || e != c.want {
				t.Errorf("got  %+v, %v\nwant %+v", e, err, c.want)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"no JSON":         {`order=A1&status=paid`, "invalid JSON"},
		"no object":       {`["payment.paid"]`, "not a JSON object"},
		"empty":           {``, "ends too early"},
		"duplicate type":  {`{"type":"payment.failed","type":"payment.paid","data":{"order":"A1"}}`, "duplicate name"},
		"duplicate order": {`{"type":"payment.paid","data":{"order":"A1","order":"A2"}}`, "duplicate name"},
		"escaped twin":    {`{"type":"payment.paid","data":{"order":"A1","\u006frder":"A2"}}`, "duplicate name"},
		"two objects":     {`{"type":"stock.low"}{"type":"payment.paid","data":{"order":"A1"}}`, "something follows"},
		"bad UTF-8":       {"{\"type\":\"payment.paid\",\"data\":{\"order\":\"A1\",\"reason\":\"\xff\"}}", "invalid JSON"},
		"no event":        {specBody, "no type, and no status"},
		"no order":        {`{"type":"payment.paid","data":{}}`, "names no order: looked at order, order_id"},
		"no data":         {`{"type":"payment.paid","data":null}`, "names no order"},
		"too deep":        {`{"data":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "nested deeper"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := open(t, standard.Options{}, c.body)
			if !errors.Is(err, webhook.ErrUnreadable) || errors.Is(err, webhook.ErrUnverified) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v; want %q", e, err, c.want)
			}
		})
	}
	if _, err := open(t, standard.Options{Order: "data.cart"}, `{"type":"payment.paid","data":{"order":"A1"}}`); err == nil ||
		!strings.Contains(err.Error(), "looked at data.cart") {
		t.Errorf("got %v, want the configured path named", err)
	}
}
