package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// An eventAnswer is what POST /v1/orders/{order}/events returns.
type eventAnswer struct {
	EventID   string `json:"event_id"`
	Duplicate bool
	Order     order.State
}

// vouch posts an event of the merchant's backend.
func (gw *testGateway) vouch(want int, id, body string, headers ...string) eventAnswer {
	gw.t.Helper()
	return decode[eventAnswer](gw.t, gw.backend(want, "POST", "/v1/orders/"+url.PathEscape(id)+"/events", body, headers...))
}

// timeline reads an order's timeline.
func (gw *testGateway) timeline(id string) (order.Timeline, []order.TimelineChange) {
	gw.t.Helper()
	t := decode[order.Timeline](gw.t, gw.backend(http.StatusOK, "GET", "/v1/orders/"+url.PathEscape(id)+"/timeline", ""))
	return t, t.Changes
}

// state is an order's state in the ledger.
func (gw *testGateway) state(id string) order.State {
	gw.t.Helper()
	states, err := gw.gateway.ledger.States(gw.t.Context(), []string{id})
	if err != nil {
		gw.t.Fatal(err)
	}
	return states[0]
}

func TestBackendEventCountsOnce(t *testing.T) {
	gw := startGateway(t)
	w := gw.watch("A1001", gw.session("A1001"))
	w.want("snapshot", 1, order.Created)
	cash := `{"id":"cash-17","status":"paid","amount":9900,"currency":"EUR","payment":"till-4","method":"cash"}`
	a := gw.vouch(http.StatusCreated, "A1001", cash)
	if a.EventID != "cash-17" || a.Duplicate || a.Order.Status != order.Paid || a.Order.Version != 2 || a.Order.Method != "cash" {
		t.Errorf("first: %+v", a)
	}
	w.want("update", 2, order.Paid)
	if a = gw.vouch(http.StatusOK, "A1001", cash); a.EventID != "cash-17" || !a.Duplicate || a.Order.Version != 2 || a.Order.Paid != 9900 {
		t.Errorf("again: %+v", a)
	}
}

func TestBackendEventIsNamedByIDThenKeyThenContent(t *testing.T) {
	gw := startGateway(t)
	const body = `{"status":"pending","payment":"p1"}`
	byContent := gw.vouch(http.StatusCreated, "A1", body)
	if again := gw.vouch(http.StatusOK, "A1", body); again.EventID != byContent.EventID {
		t.Errorf("the same content is named %s and %s", byContent.EventID, again.EventID)
	}
	byKey := gw.vouch(http.StatusCreated, "A1", body, "Idempotency-Key", "k1")
	if again := gw.vouch(http.StatusOK, "A1", body, "Idempotency-Key", "k1"); again.EventID != byKey.EventID {
		t.Errorf("the same key names %s and %s", byKey.EventID, again.EventID)
	}
	withID := `{"id":"e1",` + body[1:]
	if a := gw.vouch(http.StatusCreated, "A1", withID, "Idempotency-Key", "k2"); a.EventID != "e1" {
		t.Errorf("with an id it is named %s", a.EventID)
	}
	if a := gw.vouch(http.StatusOK, "A1", withID, "Idempotency-Key", "k3"); !a.Duplicate {
		t.Error("the same id under another key counted again")
	}
	gw.vouch(http.StatusCreated, "A2", body) // what is not named by an id belongs to its order
	gw.vouch(http.StatusCreated, "A2", body, "Idempotency-Key", "k1")
}

func TestBackendEventOfOneOrderNeverHidesAnothers(t *testing.T) {
	gw := startGateway(t)
	const paid = `{"status":"paid","amount":5,"currency":"EUR"}`
	gw.vouch(http.StatusCreated, "A:B", paid, "Idempotency-Key", "C")
	if a := gw.vouch(http.StatusCreated, "A", paid, "Idempotency-Key", "B:C"); a.Order.Status != order.Paid {
		t.Errorf("an id with a colon took another order's event: %+v", a)
	}
	long := strings.Repeat("x", order.MaxIDLength)
	gw.vouch(http.StatusCreated, long, paid, "Idempotency-Key", long)

	gw.vouch(http.StatusCreated, "A1", `{"id":"paid","status":"paid"}`)
	gw.fails(http.StatusConflict, "event-id-taken", "POST", "/v1/orders/A2/events", `{"id":"paid","status":"paid"}`)
	if s := gw.state("A2"); s.Status != order.Created {
		t.Errorf("the refused event made the order %s", s.Status)
	}
}

func TestBackendEventSaysWhatIsWrong(t *testing.T) {
	gw := startGateway(t)
	for body, want := range map[string]string{
		``:                                "must be a JSON object",
		`{}`:                              "status is one of",
		`{"status":"payed"}`:              "status is one of",
		`{"type":"payment.pondered"}`:     "status must say what happened",
		`{"status":"paid","order":"A2"}`:  "the body names another order than the address",
		`{"status":"paid","order":{}}`:    "the body names another order than the address",
		`{"status":"paid","ammount":100}`: `unknown field "ammount"; did you mean "amount"?`,
		`{"status":"paid","id":17}`:       "id is not a string",
		`{"status":"paid","id":"a b"}`:    "printable ASCII",
		`{"status":"paid","amount":5}`:    "amount without a currency",
		`{"status":"paid","amount":5.5,"currency":"EUR"}`:                "minor units",
		`{"status":"paid","amount":-5,"currency":"EUR"}`:                 "amount",
		`{"status":"paid","amount":5,"currency":"Euro"}`:                 "currency is not a code of three letters",
		`{"status":"paid","livemode":"yes"}`:                             "livemode is neither true nor false",
		`{"status":"paid","occurred_at":"now"}`:                          "RFC 3339",
		`{"status":"paid","id":"` + strings.Repeat("x", 257) + `"}`:      "longer than 256 bytes",
		`{"status":"paid","payment":"` + strings.Repeat("x", 129) + `"}`: "longer than 128 bytes",
	} {
		if p := gw.fails(http.StatusBadRequest, "bad-request", "POST", "/v1/orders/A1/events", body); !strings.Contains(p.Detail, want) {
			t.Errorf("%s: the detail is %q, want %q in it", body, p.Detail, want)
		}
	}
	if s := gw.state("A1"); s.Version != 0 {
		t.Errorf("a refused event made the order %s", s.Status)
	}
}

func TestOrderIDsOfAllCharactersHaveAnAddress(t *testing.T) {
	gw := startGateway(t)
	for _, id := range []string{"A/1", "A//1", "A/../B", "A%2F1", "a+b", "a?b=c#d", `"\<>&'`, "~", "%", "events", "..;", "A/events", strings.Repeat("z", 128)} {
		gw.session(id)
		if a := gw.vouch(http.StatusCreated, id, `{"status":"paid"}`); a.Order.Order != id || a.Order.Status != order.Paid {
			t.Errorf("%q: %+v", id, a)
		}
		if tl, changes := gw.timeline(id); tl.Order != id || len(changes) != 2 {
			t.Errorf("%q: the timeline is of %q with %d changes", id, tl.Order, len(changes))
		}
	}
}

func TestBackendWithdrawsAnOrder(t *testing.T) {
	gw := startGateway(t)
	gw.session("A1")
	if a := gw.vouch(http.StatusCreated, "A1", `{"type":"order.canceled"}`); a.Order.Status != order.Canceled || !a.Order.Final {
		t.Errorf("withdrawn: %+v", a.Order)
	}
	a := gw.vouch(http.StatusCreated, "A1", `{"status":"paid","amount":9900,"currency":"EUR","payment":"p1"}`)
	if a.Order.Status != order.Paid {
		t.Errorf("money that came all the same: %+v", a.Order)
	}
}

func TestTimelineTellsTheWholeStory(t *testing.T) {
	gw := startGateway(t)
	w := gw.watch("A1", gw.session("A1"))
	w.want("snapshot", 1, order.Created)
	paid := webhook.Simulation{ID: "evt_1", Order: "A1", Status: order.Paid}
	gw.deliver("stripe", paid)
	w.want("update", 2, order.Paid)
	gw.deliver("stripe", paid)
	gw.vouch(http.StatusCreated, "A1", `{"id":"r1","type":"refund.succeeded","payment":"p9","amount":1,"currency":"EUR"}`)
	w.want("update", 3, order.PartiallyRefunded)
	gw.quarantine("A1")

	deadline := time.Now().Add(patience)
	tl, changes := gw.timeline("A1")
	for ; len(tl.Told) < 3 && time.Now().Before(deadline); tl, changes = gw.timeline("A1") {
		time.Sleep(50 * time.Millisecond) // who was told is noted once a second
	}
	if tl.Terms == nil || tl.Terms.Amount != 9900 || tl.Terms.Currency != "EUR" {
		t.Errorf("the terms are %+v", tl.Terms)
	}
	var story []string
	for _, c := range tl.Callbacks {
		story = append(story, fmt.Sprint(c.Source, c.Events[0].ID, c.Duplicate))
	}
	if got, want := strings.Join(story, " "), "stripeevt_1false stripeevt_1true backendr1false"; got != want {
		t.Errorf("the callbacks are %s, want %s", got, want)
	}
	for i, c := range changes {
		if c.State.Version != int64(i+1) || c.Seq != int64(i+1) {
			t.Errorf("change %d is %+v", i, c)
		}
	}
	if len(tl.Told) != 3 {
		t.Fatalf("told: %+v", tl.Told)
	}
	for i, told := range tl.Told {
		if told.Version != int64(i+1) || told.Transport != "sse" || told.Count != 1 || told.At.IsZero() {
			t.Errorf("told %d: %+v", i, told)
		}
	}
	_, metrics := gw.do("GET", gw.admin+"/metrics", "", "")
	if want := `paybell_webhooks_total{outcome="quarantined",source="shop"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("the metrics lack %s", want)
	}
}

func TestTimelineOfAnOrderNobodyHeardOf(t *testing.T) {
	gw := startGateway(t)
	content := gw.backend(http.StatusOK, "GET", "/v1/orders/A1/timeline", "")
	if want := `{"order":"A1","terms":null,"callbacks":[],"changes":[],"told":[]}` + "\n"; content != want {
		t.Errorf("answered %s, want %s", content, want)
	}
}

// quarantine delivers a genuinely signed webhook that makes no sense.
func (gw *testGateway) quarantine(id string) {
	gw.t.Helper()
	signed := gw.sign("shop", fmt.Sprintf(`{"type":"payment.paid","data":{"order":%q,"amount":"a lot","currency":"EUR"}}`, id))
	if status := gw.post("shop", signed); status != http.StatusOK {
		gw.t.Fatalf("the unreadable webhook was answered %d", status)
	}
}

// sign makes a genuine webhook of any body, from the source stripe or shop.
func (gw *testGateway) sign(source, body string) webhook.Request {
	at := strconv.FormatInt(time.Now().Unix(), 10)
	plain := gw.config.Sources[source].secrets()[0]
	header := http.Header{"Content-Type": {"application/json"}}
	if source == "stripe" {
		code := webhook.HMAC(sha256.New, []byte(plain), []byte(at+"."+body))
		header.Set("Stripe-Signature", "t="+at+",v1="+hex.EncodeToString(code))
	} else {
		secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(plain, "whsec_"))
		if err != nil {
			gw.t.Fatal(err)
		}
		id := "evt-" + rand.Text()
		code := webhook.HMAC(sha256.New, secret, []byte(id+"."+at+"."+body))
		header.Set("Webhook-Id", id)
		header.Set("Webhook-Timestamp", at)
		header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(code))
	}
	return webhook.Request{Method: http.MethodPost, Header: header, Body: []byte(body)}
}

func TestEventIDWithOtherContentIsNotADuplicate(t *testing.T) {
	gw := startGateway(t)
	const first = `{"id":"cash-17","status":"pending","amount":9900,"currency":"EUR","payment":"till-4","ref":"r1","method":"cash",
		"reason":"counting","action_url":"https://shop.example/till","livemode":true,"occurred_at":"2026-11-23T08:00:00.123456789Z"}`
	gw.vouch(http.StatusCreated, "A1", first)
	for what, pair := range map[string][2]string{
		"status":      {`"pending"`, `"paid"`},
		"type":        {`"pending"`, `"pending","type":"payment.pending"`},
		"amount":      {`9900`, `9901`},
		"currency":    {`EUR`, `USD`},
		"payment":     {`till-4`, `till-5`},
		"ref":         {`r1`, `r2`},
		"method":      {`"cash"`, `"card"`},
		"reason":      {`counting`, `weighing`},
		"action_url":  {`/till`, `/desk`},
		"livemode":    {`true`, `false`},
		"occurred_at": {`08:00:00`, `08:00:01`},
		"no_time":     {`,"occurred_at":"2026-11-23T08:00:00.123456789Z"`, ``},
	} {
		t.Run(what, func(t *testing.T) {
			other := strings.Replace(first, pair[0], pair[1], 1)
			if other == first {
				t.Fatal("nothing is other")
			}
			for range 2 {
				gw.fails(http.StatusConflict, "event-id-taken", "POST", "/v1/orders/A1/events", other, "Idempotency-Key", what)
			}
		})
	}
	if s := gw.state("A1"); s.Status != order.Pending || s.Paid != 0 {
		t.Errorf("an event that was refused made the order %+v", s)
	}
	for what, same := range map[string]string{
		"again":        first,
		"another form": strings.Join(strings.Fields(first), " "),
		"another zone": strings.Replace(first, "08:00:00.123456789Z", "09:00:00.123456+01:00", 1),
		"other case":   strings.Replace(first, "EUR", "eur", 1),
	} {
		if a := gw.vouch(http.StatusOK, "A1", same); !a.Duplicate {
			t.Errorf("%s: %+v", what, a)
		}
	}
}
