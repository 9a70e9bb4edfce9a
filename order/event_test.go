package order_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/paybell/paybell/order"
)

func long(n int) string { return strings.Repeat("x", n) }

func TestEventCheck(t *testing.T) {
	good := pay(1, order.Paid, 9900)
	for what, change := range map[string]with{
		"as a provider sends it": func(*order.Event) {},
		"the longest ids":        func(e *order.Event) { e.ID, e.Order, e.Payment, e.Ref = long(256), long(128), long(128), long(128) },
		"the longest texts": func(e *order.Event) {
			e.Method, e.Reason, e.ActionURL, e.Type = long(128), long(512), long(2048), long(128)
		},
		"no order, found by payment":   func(e *order.Event) { e.Order = "" },
		"no time":                      untimed,
		"a time before 1970":           func(e *order.Event) { e.At = time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC) },
		"neither amount nor currency":  func(e *order.Event) { e.Amount, e.Currency = 0, "" },
		"zero of a currency":           func(e *order.Event) { e.Amount = 0 },
		"the largest amount":           func(e *order.Event) { e.Amount = order.MaxAmount },
		"any text in a reason":         because("Karte abgelehnt: \"余额不足\"\n"),
		"a note without a status":      func(e *order.Event) { e.Kind, e.Status = order.KindNote, "" },
		"a note with the status it is": func(e *order.Event) { e.Kind, e.Status = order.KindNote, "processing" },
	} {
		e := good
		change(&e)
		if err := e.Check(); err != nil {
			t.Errorf("%s is refused: %v", what, err)
		}
	}
	for what, change := range map[string]with{
		"without a source":           source(""),
		"without an id":              func(e *order.Event) { e.ID = "" },
		"too long an id":             func(e *order.Event) { e.ID = long(257) },
		"a space in the id":          func(e *order.Event) { e.ID = "e 1" },
		"a line break in the order":  func(e *order.Event) { e.Order = "A1\n" },
		"too long an order":          func(e *order.Event) { e.Order = long(129) },
		"a payment beyond ASCII":     payment("pi_ü"),
		"too long a reference":       ref(long(129)),
		"a negative amount":          func(e *order.Event) { e.Amount = -1 },
		"too large an amount":        func(e *order.Event) { e.Amount = order.MaxAmount + 1 },
		"an amount of no currency":   currency(""),
		"a currency in lower case":   currency("eur"),
		"too long a method":          method(long(129)),
		"too long a reason":          because(long(513)),
		"too long an action URL":     goOn(long(2049)),
		"too long a type":            func(e *order.Event) { e.Type = long(129) },
		"a method that is no UTF-8":  method("\xff"),
		"a reason that is no UTF-8":  because("\xc3"),
		"a URL that is no UTF-8":     goOn("https://\x80"),
		"a type that is no UTF-8":    func(e *order.Event) { e.Type = "\xed\xa0\x80" },
		"a time that JSON cannot":    func(e *order.Event) { e.At = time.UnixMilli(1700000000000000) },
		"a time before there was":    func(e *order.Event) { e.At = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a kind that is not":         func(e *order.Event) { e.Kind = "transfer" },
		"without a kind":             func(e *order.Event) { e.Kind = "" },
		"a note with a long status":  func(e *order.Event) { e.Kind, e.Status = order.KindNote, order.Status(long(129)) },
		"a note with a wild status":  func(e *order.Event) { e.Kind, e.Status = order.KindNote, "\xff" },
		"a payment without a status": func(e *order.Event) { e.Status = "" },
	} {
		e := good
		change(&e)
		if err := e.Check(); err == nil {
			t.Errorf("%s is accepted", what)
		} else if !strings.HasPrefix(err.Error(), "order: ") || len(err.Error()) > 300 {
			t.Errorf("%s: error text is %q", what, err)
		}
	}
}

// TestEventCheckKnowsWhatEachKindCanSay tries every kind with every status.
func TestEventCheckKnowsWhatEachKindCanSay(t *testing.T) {
	says := map[order.Kind][]order.Status{
		order.KindPayment: {"created", "pending", "requires_action", "authorized", "paid", "failed", "canceled", "expired"},
		order.KindRefund:  {"pending", "refunded", "failed"},
		order.KindDispute: {"disputed", "won", "lost"},
		order.KindOrder:   {"canceled", "expired"},
	}
	for kind, can := range says {
		for _, status := range []order.Status{
			"", "created", "pending", "requires_action", "authorized", "partially_paid", "paid", "failed", "canceled", "expired",
			"partially_refunded", "refunded", "review", "disputed", "won", "lost", "Paid", "succeeded",
		} {
			err := event(1, kind, status, 100).Check()
			if want := slices.Contains(can, status); want != (err == nil) {
				t.Errorf("%s %q: %v", kind, status, err)
			}
		}
	}
}

func TestEventSame(t *testing.T) {
	told := pay(1, order.Paid, 9900, method("card"))
	stored := told
	stored.At = told.At.Add(999).In(time.FixedZone("", 3600))
	if !told.Same(told) || !told.Same(stored) || !stored.Same(told) || !(order.Event{}).Same(order.Event{}) {
		t.Errorf("%+v is not the same as %+v", told, stored)
	}
	for _, change := range []with{
		source("other"), payment("p9"), ref("r9"), currency("USD"), method("cash"), because("x"), goOn("https://shop.example"), testMode, untimed,
		func(e *order.Event) { e.ID = "other" }, func(e *order.Event) { e.Order = "other" }, func(e *order.Event) { e.Amount++ },
		func(e *order.Event) { e.Kind = order.KindNote }, func(e *order.Event) { e.Status = order.Failed },
		func(e *order.Event) { e.At = e.At.Add(time.Microsecond) }, func(e *order.Event) { e.Type = "other" },
	} {
		other := told
		change(&other)
		if told.Same(other) || other.Same(told) {
			t.Errorf("%+v is the same as %+v", told, other)
		}
	}
}

func TestCheckID(t *testing.T) {
	for id, want := range map[string]bool{
		"A1001": true, "a": true, "~": true, "!": true, "...": true, ".a": true, "a/b?c=%2e#d": true, "{}\"\\<>&'": true, long(128): true,
		"": false, ".": false, "..": false, "/": false, " ": false, "a b": false, "a\t": false, "a\n": false, "\x00": false, "\x7f": false, "ä": false, "订单": false,
		"\xff": false, long(129): false,
	} {
		if err := order.CheckID(id); (err == nil) != want {
			t.Errorf("CheckID(%.20q): %v", id, err)
		}
	}
}

func FuzzCheckID(f *testing.F) {
	for _, id := range []string{"A1001", "", ".", "..", "/", "a b", "ü", long(129)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		plain := strings.IndexFunc(id, func(r rune) bool { return r < 0x21 || r > 0x7e }) < 0
		want := plain && len(id) >= 1 && len(id) <= 128 && id != "." && id != ".." && id != "/"
		err := order.CheckID(id)
		if want != (err == nil) {
			t.Errorf("CheckID(%q): %v", id, err)
		}
		if err != nil && len(id) > 4 && strings.Contains(err.Error(), id) && !strings.Contains("is empty is longer than 128 bytes is a path has a character other than printable ASCII", id) {
			t.Errorf("the error quotes the id: %q", err)
		}
	})
}

// FuzzEventCheck holds what passes to what others rely on: it is bounded, it is
// text, it folds, and JSON carries it there and back.
func FuzzEventCheck(f *testing.F) {
	f.Add("stripe", "evt_1", "A1", "pi_1", "", "payment", "paid", int64(9900), "EUR", "card", "", "", int64(1e9), "payment.paid")
	f.Add("shop", "e", "", "", "r1", "refund", "refunded", int64(-1), "", "\xff", "x", "https://", int64(1e18), "")
	f.Add("shop", "e", "A", "", "", "note", "\xff", int64(0), "", "", "", "", int64(-1e18), "")
	f.Fuzz(func(t *testing.T, source, id, about, payment, ref, kind, status string, amount int64, currency, method, reason, url string, at int64, typ string) {
		e := order.Event{
			Source: source, ID: id, Order: about, Payment: payment, Ref: ref, Kind: order.Kind(kind), Status: order.Status(status), Amount: amount,
			Currency: currency, Method: method, Reason: reason, ActionURL: url, At: time.Unix(at, 0).UTC(), Type: typ,
		}
		if e.Check() != nil {
			return
		}
		size := 0
		for _, text := range []string{e.ID, e.Order, e.Payment, e.Ref, string(e.Status), e.Currency, e.Method, e.Reason, e.ActionURL, e.Type} {
			size += len(text)
			if !utf8.ValidString(text) {
				t.Errorf("%q passed", text)
			}
		}
		if size > 4096 || e.Amount < 0 || e.Amount > order.MaxAmount {
			t.Errorf("%d bytes and the amount %d passed", size, e.Amount)
		}
		order.Fold("A1", live, events{e})
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back order.Event
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if back.Source = e.Source; back != e { // the source is the configuration's, not the stranger's
			t.Errorf("%s reads back as %+v", text, back)
		}
	})
}
