package order_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/paybell/paybell/order"
)

func TestTermsCheck(t *testing.T) {
	east, west := time.FixedZone("", 3600), time.FixedZone("", -3600)
	for _, c := range []struct {
		name   string
		change func(*order.Terms)
		want   string // in the error; empty: the terms are good
	}{
		{"as they are", func(*order.Terms) {}, ""},
		{"nothing at all", func(t *order.Terms) { *t = order.Terms{} }, ""},
		{"an amount below zero", func(t *order.Terms) { t.Amount = -1 }, "amount"},
		{"the greatest amount", func(t *order.Terms) { t.Amount = order.MaxAmount }, ""},
		{"a greater amount", func(t *order.Terms) { t.Amount = order.MaxAmount + 1 }, "amount"},
		{"no amount of a currency", func(t *order.Terms) { t.Amount = 0 }, ""},
		{"an amount of no currency", func(t *order.Terms) { t.Currency = "" }, "without a currency"},
		{"a small currency", func(t *order.Terms) { t.Currency = "eur" }, "capital letters"},
		{"a long currency", func(t *order.Terms) { t.Currency = "EURO" }, "capital letters"},
		{"no mode", func(t *order.Terms) { t.Mode = "" }, ""},
		{"an unknown mode", func(t *order.Terms) { t.Mode = "LIVE" }, "mode"},
		{"the last second", func(t *order.Terms) { t.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }, ""},
		{"the last hour, in a zone that is ahead", func(t *order.Terms) { t.ExpiresAt = time.Date(10000, 1, 1, 0, 30, 0, 0, east) }, ""},
		{"after the last second", func(t *order.Terms) { t.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "expiry"},
		{"after it in a zone that is behind", func(t *order.Terms) { t.ExpiresAt = time.Date(9999, 12, 31, 23, 30, 0, 0, west) }, "expiry"},
		{"before the year 1", func(t *order.Terms) { t.ExpiresAt = time.Date(1, 1, 1, 0, 30, 0, 0, east) }, "expiry"},
		{"the longest URL", func(t *order.Terms) { t.ReturnURL = long(order.MaxURLLength) }, ""},
		{"a longer URL", func(t *order.Terms) { t.ReturnURL = long(order.MaxURLLength + 1) }, "return URL"},
		{"a URL that is no text", func(t *order.Terms) { t.ReturnURL = "https://shop.example/\xff" }, "UTF-8"},
	} {
		terms := live
		c.change(&terms)
		err := terms.Check()
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "order: ")) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if terms.ExpiresAt = terms.ExpiresAt.UTC(); err == nil {
			text, err := json.Marshal(terms)
			var back order.Terms
			if err != nil || json.Unmarshal(text, &back) != nil || !back.Same(terms) {
				t.Errorf("%s: read back as %+v, %v", c.name, back, err)
			}
		}
	}
}

// TestStateInJSON is the wire format that clients were promised, to the byte.
func TestStateInJSON(t *testing.T) {
	updated := time.Date(2026, 11, 23, 16, 0, 0, 123_999_999, time.FixedZone("CST", 8*3600))
	for want, s := range map[string]order.State{
		`{"order":"A1001","version":3,"epoch":"5f0c…","status":"paid","final":true,"amount":9900,"currency":"CNY",` +
			`"paid":9900,"refunded":0,"disputed":false,"overpaid":false,"method":"alipay","reason":null,"action_url":null,` +
			`"livemode":true,"updated_at":"2026-11-23T08:00:00.123Z"}`: {
			Order: "A1001", Version: 3, Epoch: "5f0c…", Status: order.Paid, Final: true, Amount: 9900, Currency: "CNY",
			Paid: 9900, Method: "alipay", Livemode: true, UpdatedAt: updated,
		},
		`{"order":"A1001","version":0,"epoch":"5f0c","status":"created","final":false,"amount":0,"currency":null,` +
			`"paid":0,"refunded":0,"disputed":false,"overpaid":false,"method":null,"reason":null,"action_url":null,` +
			`"livemode":true,"updated_at":null}`: order.Unknown("A1001", "5f0c"),
		`{"order":"\"\u003c\u003e\u0026\\","version":9223372036854775807,"epoch":"e","status":"requires_action","final":false,"amount":1,"currency":"JPY",` +
			`"paid":2,"refunded":3,"disputed":true,"overpaid":true,"method":"card","reason":"3ds\n","action_url":"https://b/?a=1\u0026b=2",` +
			`"livemode":false,"updated_at":"2026-01-02T03:04:05.000Z"}`: {
			Order: `"<>&\`, Version: 1<<63 - 1, Epoch: "e", Status: order.RequiresAction, Amount: 1, Currency: "JPY", Paid: 2, Refunded: 3,
			Disputed: true, Overpaid: true, Method: "card", Reason: "3ds\n", ActionURL: "https://b/?a=1&b=2",
			UpdatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
	} {
		if got := string(s.AppendJSON(nil)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := string(s.AppendJSON([]byte("data: "))); got != "data: "+want {
			t.Errorf("appended %s", got)
		}
		if got, err := json.Marshal(s); err != nil || string(got) != want {
			t.Errorf("Marshal gives %s, %v", got, err)
		}
	}
}

// FuzzStateJSON compares to encoding/json of the same fields.
func FuzzStateJSON(f *testing.F) {
	f.Add("A1001", "5f0c…", "paid", "CNY", "alipay", "", "https://bank.example/?a=1&b=2", int64(3), int64(9900), int64(1700000000123456789), uint8(7))
	f.Add("</script>", "\u2028", "\x00", "\xff", "\"", `\`, "😀", int64(-1), int64(0), int64(0), uint8(0))
	f.Fuzz(func(t *testing.T, id, epoch, status, currency, method, reason, url string, version, amount, at int64, flags uint8) {
		s := order.State{
			Order: id, Version: version, Epoch: epoch, Status: order.Status(status), Final: flags&1 != 0, Amount: amount, Currency: currency, Paid: amount ^ version,
			Refunded: ^amount, Disputed: flags&2 != 0, Overpaid: flags&4 != 0, Method: method, Reason: reason, ActionURL: url, Livemode: flags&8 != 0,
		}
		if flags&16 != 0 {
			s.UpdatedAt = time.Unix(0, at).In(time.FixedZone("", int(flags)*60))
		}
		got := s.AppendJSON(nil)
		if !json.Valid(got) || !utf8.Valid(got) {
			t.Fatalf("%q is no JSON", got)
		}
		if strings.ContainsAny(string(got), "<>&\n\r\u2028\u2029") {
			t.Fatalf("%q can break out of a page or a line", got)
		}
		var back order.State
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatal(err)
		}
		want := s
		want.UpdatedAt = s.UpdatedAt.UTC().Truncate(time.Millisecond)
		changeTexts(&want, func(s string) string { return collapse(strings.ToValidUTF8(s, "\ufffd")) })
		changeTexts(&back, collapse)
		if back != want {
			t.Errorf("%s\nreads back as %+v\nwant          %+v", got, back, want)
		}
		sameFields(t, got, s)
	})
}

// sameFields compares what was written to what encoding/json makes of the tags,
// but for time, which AppendJSON writes in its own way.
func sameFields(t *testing.T, written []byte, s order.State) {
	t.Helper()
	type plain order.State // has the tags, and not the method
	s.UpdatedAt = time.Time{}
	text, err := json.Marshal(plain(s))
	got, want := map[string]any{}, map[string]any{}
	if err != nil || json.Unmarshal(written, &got) != nil || json.Unmarshal(text, &want) != nil {
		t.Fatalf("%s or %s cannot be read", written, text)
	}
	for _, name := range []string{"currency", "method", "reason", "action_url"} {
		if want[name] == "" {
			want[name] = nil
		}
	}
	want["updated_at"] = got["updated_at"]
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func changeTexts(s *order.State, change func(string) string) {
	for _, text := range []*string{&s.Order, &s.Epoch, (*string)(&s.Status), &s.Currency, &s.Method, &s.Reason, &s.ActionURL} {
		*text = change(*text)
	}
}

// collapse makes runs of the replacement character one: one for each byte and
// one for all are both allowed.
func collapse(s string) string {
	for strings.Contains(s, "\ufffd\ufffd") {
		s = strings.ReplaceAll(s, "\ufffd\ufffd", "\ufffd")
	}
	return s
}

func TestStateTag(t *testing.T) {
	if got := (order.State{Epoch: "5f0c", Version: 12}).Tag(); got != "5f0c.12" {
		t.Errorf("the tag is %s", got)
	}
}

// TestSameAsIsWhatAClientSees goes through every field: a difference makes a
// new version, position and time do not.
func TestSameAsIsWhatAClientSees(t *testing.T) {
	s := state(order.Paid, 9900, 0)
	for field, change := range map[string]shown{
		"order": func(s *order.State) { s.Order = "B" }, "status": func(s *order.State) { s.Status = order.Review }, "final": notFinal,
		"amount": amount(1), "currency": in("USD"), "paid": func(s *order.State) { s.Paid++ }, "refunded": func(s *order.State) { s.Refunded++ },
		"disputed": disputed, "overpaid": overpaid, "method": paidWith("card"), "reason": reason("x"), "action_url": goesOn("https://b"), "livemode": inTestMode,
	} {
		other := s
		if change(&other); s.SameAs(other) || other.SameAs(s) {
			t.Errorf("nobody would see another %s", field)
		}
	}
	moved := s
	moved.Version, moved.Epoch, moved.UpdatedAt = 7, "e", noon
	if !s.SameAs(moved) || !moved.SameAs(s) {
		t.Error("position and time make a difference")
	}
}

func TestTermsSame(t *testing.T) {
	base := order.Terms{Amount: 9900, Currency: "EUR", ExpiresAt: noon, Mode: order.Live, ReturnURL: "https://shop.example"}
	elsewhere := base
	elsewhere.ExpiresAt = noon.In(time.FixedZone("CST", 8*3600))
	if !base.Same(base) || !base.Same(elsewhere) {
		t.Error("the same terms differ")
	}
	for field, other := range map[string]order.Terms{
		"amount": {1, "EUR", noon, order.Live, "https://shop.example"}, "currency": {9900, "USD", noon, order.Live, "https://shop.example"},
		"expiry": {9900, "EUR", noon.Add(1), order.Live, "https://shop.example"}, "mode": {9900, "EUR", noon, order.Test, "https://shop.example"},
		"return URL": {9900, "EUR", noon, order.Live, ""},
	} {
		if base.Same(other) {
			t.Errorf("another %s is the same", field)
		}
	}
}

// TestShardOfNeverChanges because it decides where every ledger keeps what it
// has: the values are FNV-1a's, 32 bits, modulo 16.
func TestShardOfNeverChanges(t *testing.T) {
	if order.Shards != 16 {
		t.Fatalf("there are %d shards", order.Shards)
	}
	for id, want := range shardsForEver {
		if got := order.ShardOf(id); got != want {
			t.Errorf("%.20q is in shard %d, want %d", id, got, want)
		}
	}
	var orders [order.Shards]int
	for i := range 16000 {
		orders[order.ShardOf(fmt.Sprint("A", i))]++
	}
	for shard, n := range orders {
		if n < 500 || n > 1500 {
			t.Errorf("shard %d has %d of 16000 orders", shard, n)
		}
	}
}

var shardsForEver = map[string]int{
	"":                                     5,  // 811c9dc5
	"a":                                    12, // e40c292c
	"foobar":                               8,  // bf9cf968
	"A1":                                   7,  // 9bd5d047
	"A1001":                                10, // 7478a14a
	"A1002":                                7,  // 73789fb7
	"ord_1":                                4,  // b0bb36d4
	"pi_3OqX":                              0,  // 7bb5b8a0
	"order-2026-11-23-000001":              9,  // 3e282ed9
	"ff8d51a2-b4a5-4bd6-9d0b-0c8a4e5a6f11": 4,  // ce202734
	"~":                                    1,  // fb0c4d61
	"0":                                    15, // 350ca8af
	long(128):                              5,
}
