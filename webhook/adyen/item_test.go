package adyen_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/adyen"
	"github.com/paybell/paybell/webhook/webhooktest"
)

// The values of Adyen's own libraries' tests
// (Adyen/adyen-node-api-library, src/__tests__/hmacValidator.spec.ts).
func TestSignsAsAdyenDoes(t *testing.T) {
	const key = "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00"
	n := notice{"pspReference", "originalReference", "merchantAccount", "reference", "1000", "EUR", "CAPTURE", "true", "|"}
	text := body("false", n.item(key))
	if !strings.Contains(text, "xhpHvYq2u2Np0rstbZ6QjLGu7JWhvf7Iwaa6EviJSX0=") {
		t.Fatal(text)
	}
	events, err := newProvider(t, adyen.Options{Secrets: []string{secret, key}}).Open(post(text))
	if err != nil || events[0].Status != order.Paid || events[0].Payment != "originalReference" || events[0].Amount != 1000 {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestEverySignedFieldCounts(t *testing.T) {
	p := newProvider(t, adyen.Options{})
	genuine := body("true", recorded["paid"].item(secret))
	if _, err := p.Open(post(genuine)); err != nil {
		t.Fatal(err)
	}
	for old, changed := range map[string]string{
		`"pspReference":"NXZP`:          `"pspReference":"NXZQ`,
		`"originalReference":"Q`:        `"originalReference":"R`,
		`"PaybellCOM"`:                  `"PaybellEU"`,
		`"A1001"`:                       `"A1002"`,
		`"value":9900`:                  `"value":99`,
		`"value":9900}`:                 `"value":"9900 "}`,
		`"EUR"`:                         `"HUF"`,
		`"CAPTURE"`:                     `"REFUND"`,
		`"success":"true"`:              `"success":"false"`,
		`"hmacSignature":"`:             `"hmacSignature":"A`,
		`"hmacSignature"`:               `"hmacsignature"`,
		`"additionalData":{`:            `"additionaldata":{`,
		`"NotificationRequestItem"`:     `"notificationRequestItem"`,
		`"notificationItems"`:           `"notificationitems"`,
		`"eventCode"`:                   `"eventCode":"CAPTURE","eventCode"`,
		`"live":"true"`:                 `"live":"true","live":"false"`,
		`"originalReference":"QFQTPCQ8`: `"none":"QFQTPCQ8`,
	} {
		forged := strings.Replace(genuine, old, changed, 1)
		if forged == genuine {
			t.Errorf("%s is not in %s", old, genuine)
		}
		if events, err := p.Open(post(forged)); !errors.Is(err, webhook.ErrUnverified) || events != nil {
			t.Errorf("%s → %s: %+v, %v", old, changed, events, err)
		}
	}
	for name, text := range map[string]string{
		"another key": body("true", recorded["paid"].item(secret[2:]+"AB")),
		"empty":       "", "no items": body("true"), "null": `null`, "an item that is none": body("true", "7", "null", "{}"),
		"cut short": genuine[:len(genuine)-1], "something after it": genuine + "{}",
	} {
		if events, err := p.Open(post(text)); !errors.Is(err, webhook.ErrUnverified) || events != nil {
			t.Errorf("%s: %+v, %v", name, events, err)
		}
	}
}

// Colons are not escaped in what is signed, so that a field could be moved into
// its neighbor.
func TestFieldsCannotBeMoved(t *testing.T) {
	n := payment(func(n *notice) { n.reference = "A1001:1:EUR:CAPTURE" })
	p := newProvider(t, adyen.Options{})
	genuine := body("true", n.item(secret))
	if events, err := p.Open(post(genuine)); err != nil || events[0].Order != "A1001:1:EUR:CAPTURE" {
		t.Fatalf("%+v, %v", events, err)
	}
	moved := strings.NewReplacer(
		`"merchantReference":"A1001:1:EUR:CAPTURE"`, `"merchantReference":"A1001"`, `"value":9900`, `"value":1`,
		`"eventCode":"AUTHORISATION"`, `"eventCode":"CAPTURE:9900:EUR:AUTHORISATION"`,
	).Replace(genuine)
	if events, err := p.Open(post(moved)); !errors.Is(err, webhook.ErrUnverified) {
		t.Errorf("%+v, %v", events, err)
	}
}

// One item that is not signed, or makes no sense, must not hold up the others:
// Adyen sends nothing else until it is taken.
func TestOneItemDoesNotHoldUpTheOthers(t *testing.T) {
	p := newProvider(t, adyen.Options{})
	good := recorded["authorized"].item(secret)
	for name, bad := range map[string]string{
		"forged":     strings.Replace(recorded["paid"].item(secret), "9900", "990000", 1),
		"unreadable": recorded["unreadable_fraction_of_clp"].item(secret),
		"null":       "null",
	} {
		for _, items := range [][]string{{good, bad}, {bad, good}} {
			events, err := p.Open(post(body("true", items...)))
			if err != nil || len(events) != 1 || events[0].Status != order.Authorized {
				t.Errorf("%s: %+v, %v", name, events, err)
			}
		}
	}
	_, err := p.Open(post(body("true", recorded["unreadable_fraction_of_clp"].item(secret))))
	if !errors.Is(err, webhook.ErrUnreadable) {
		t.Error(err)
	}
}

func TestAutomaticCapture(t *testing.T) {
	p := newProvider(t, adyen.Options{Capture: "automatic"})
	for name, want := range map[string]order.Status{"authorized": order.Paid, "failed": order.Failed, "pending": order.Pending} {
		events, err := p.Open(post(body("true", recorded[name].item(secret))))
		if err != nil || events[0].Status != want || events[0].Order != "A1001" {
			t.Errorf("%s: %+v, %v", name, events, err)
		}
	}
}

func TestOtherAccountsAreNotes(t *testing.T) {
	p := newProvider(t, adyen.Options{Account: "PaybellUS"})
	events, err := p.Open(post(body("true", recorded["authorized"].item(secret))))
	if err != nil || events[0].Kind != order.KindNote {
		t.Errorf("%+v, %v", events, err)
	}
}

// The story of an order, in whatever sequence it is told.
func TestStory(t *testing.T) {
	p := newProvider(t, adyen.Options{})
	fold := func(names ...string) order.State {
		var events []order.Event
		for _, name := range names {
			n := recorded[name]
			if strings.HasPrefix(name, "dispute") {
				n.psp = "DISPUTE"
			} else if strings.Contains(name, "refund") {
				n.psp = "REFUND"
			}
			got, err := p.Open(post(body("true", n.item(secret))))
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, got...)
		}
		return order.Fold("A1001", order.Terms{Amount: 9900, Currency: "EUR"}, events)
	}
	for _, c := range []struct {
		names    []string
		status   order.Status
		disputed bool
	}{
		{[]string{"failed", "authorized"}, order.Authorized, false},
		{[]string{"authorized", "capture_refused"}, order.Authorized, false},
		{[]string{"paid", "authorized", "partial-refund"}, order.PartiallyRefunded, false},
		{[]string{"authorized", "paid", "partial-refund", "refund_failed"}, order.Paid, false},
		{[]string{"dispute", "dispute-chargeback", "paid", "authorized"}, order.Paid, true},
		{[]string{"dispute-reversed", "dispute", "paid", "authorized"}, order.Paid, false},
		{[]string{"dispute-reversed", "dispute-second", "paid", "authorized"}, order.Paid, true},
	} {
		for range 2 {
			if s := fold(c.names...); s.Status != c.status || s.Disputed != c.disputed {
				t.Errorf("%v: %+v", c.names, s)
			}
			slices.Reverse(c.names)
		}
	}
}

func TestAnswer(t *testing.T) {
	status, contentType, text := newProvider(t, adyen.Options{}).Answer(webhook.Request{})
	if status != 200 || !strings.HasPrefix(contentType, "text/plain") || string(text) != "[accepted]" {
		t.Error(status, contentType, string(text))
	}
}

func TestSimulate(t *testing.T) {
	statuses := []order.Status{order.Pending, order.Authorized, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled, order.Expired,
		order.PartiallyRefunded, order.Refunded, order.Disputed, order.Won, order.Lost}
	webhooktest.Simulations(t, newProvider(t, adyen.Options{}), statuses...)
	webhooktest.Simulations(t, newProvider(t, adyen.Options{Capture: "automatic", Account: "PaybellEU"}),
		slices.DeleteFunc(statuses, func(s order.Status) bool { return s == order.Authorized })...)
	for _, s := range []webhook.Simulation{
		{Order: "A1001", Status: order.Paid}, {Order: "A1001", Status: order.Paid, Amount: 50, Currency: "IDR"},
		{Order: "A1001", Payment: "a:b", Status: order.Paid, Currency: "EUR"},
	} {
		if _, err := newProvider(t, adyen.Options{}).Simulate(s); err == nil {
			t.Errorf("%+v", s)
		}
	}
}

func FuzzPlatform(f *testing.F) {
	webhooktest.Fuzz(f, newProvider(f, adyen.Options{}), "Hmacsignature",
		signPlatform(secret, []byte(`{"data":{},"environment":"live","type":"balancePlatform.transfer.updated"}`), now),
		signPlatform(secret, []byte(body("true", recorded["paid"].item(secret))), now))
}

// Whatever is done to standard webhooks, nothing comes of them that Adyen did
// not sign.
func FuzzItems(f *testing.F) {
	p := newProvider(f, adyen.Options{})
	told := map[order.Event]bool{}
	key := func(e order.Event) order.Event { // what of an event is signed
		return order.Event{ID: e.ID, Order: e.Order, Payment: e.Payment, Type: e.Type}
	}
	for _, n := range recorded {
		text := body("true", n.item(secret))
		f.Add([]byte(text))
		events, _ := p.Open(post(text))
		for _, e := range events {
			told[key(e)] = true
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		events, err := p.Open(post(string(text)))
		if err != nil && !errors.Is(err, webhook.ErrUnverified) && !errors.Is(err, webhook.ErrUnreadable) {
			t.Fatal(err)
		}
		for _, e := range events {
			if !told[key(e)] {
				t.Errorf("nobody signed %+v", e)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	bodies := map[string]string{"platform": `{"data":{},"environment":"live","type":"balancePlatform.transfer.updated"}`}
	for name, n := range recorded {
		bodies[name] = body("true", n.item(secret))
	}
	webhooktest.FuzzRead(f, newProvider(f, adyen.Options{}), bodies, func(body []byte) webhook.Request { return signPlatform(secret, body, now) })
}

func BenchmarkOpen(b *testing.B) {
	webhooktest.Bench(b, newProvider(b, adyen.Options{}), body("true", recorded["authorized"].item(secret)),
		func(body []byte) webhook.Request { return post(string(body)) })
}
