package webhook

import (
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
)

func TestTimeReadsWhatSendersWrite(t *testing.T) {
	want := time.Date(2026, 11, 23, 7, 59, 50, 0, time.UTC)
	for _, text := range []string{
		"2026-11-23T07:59:50Z", "2026-11-23T07:59:50+00:00", "2026-11-23T15:59:50+0800", "2026-11-23T07:59:50", "2026-11-23 07:59:50", "2026-11-23T07:59:50.000Z",
	} {
		if got := Time(strictjson.Object{"none": nil, "at": text}, "none", "at"); !got.Equal(want) {
			t.Errorf("%s: got %v", text, got)
		}
	}
	for _, text := range []string{"", "yesterday", "2014-04-08T17:01::06.000Z", "0000-01-01T00:00:00Z"} {
		if got := Time(strictjson.Object{"at": text}, "at"); !got.IsZero() {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestUnixTimeTellsSecondsFromMilliseconds(t *testing.T) {
	want := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for _, number := range []strictjson.Number{"1795420800", "1795420800000"} {
		if got := UnixTime(strictjson.Object{"at": number}, "none", "at"); !got.Equal(want) {
			t.Errorf("%s: got %v", number, got)
		}
	}
	for _, value := range []strictjson.Value{nil, "1795420800", strictjson.Number("-1"), strictjson.Number("1e9"), strictjson.Number("999999999999999999")} {
		if got := UnixTime(strictjson.Object{"at": value}, "at"); !got.IsZero() {
			t.Errorf("%v: got %v", value, got)
		}
	}
}

func TestMoneyIsBothOrNeither(t *testing.T) {
	for _, c := range []struct {
		o        strictjson.Object
		amount   int64
		currency string
		want     string
	}{
		{strictjson.Object{"a": strictjson.Number("99.00"), "c": "eur"}, 9900, "EUR", ""},
		{strictjson.Object{"a": "5000", "c": "JPY"}, 5000, "JPY", ""},
		{strictjson.Object{"c": "EUR"}, 0, "", ""},
		{strictjson.Object{"a": strictjson.Number("1")}, 0, "", "c: currency is not"},
		{strictjson.Object{"a": strictjson.Number("0.5"), "c": "JPY"}, 0, "", "a: amount has more decimals"},
	} {
		amount, currency, err := Money(c.o, "a", "c")
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: got %v, want %q", c.o, err, c.want)
			}
		} else if err != nil || amount != c.amount || currency != c.currency {
			t.Errorf("%v: got %d %s, %v", c.o, amount, currency, err)
		}
	}
}

func TestSameTokenTakesWholeTokensOnly(t *testing.T) {
	tokens := [][]byte{[]byte("first-token"), []byte("second-token")}
	for text, want := range map[string]bool{"first-token": true, "second-token": true, "first-toke": false, "first-tokens": false, "": false, "FIRST-TOKEN": false} {
		if SameToken(text, tokens) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
	if SameToken("", nil) {
		t.Error("no token at all matches")
	}
}
