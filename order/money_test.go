package order_test

import (
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
)

func TestDecimals(t *testing.T) {
	for decimals, currencies := range map[int][]string{
		0: {"JPY", "KRW", "VND", "CLP", "ISK", "XOF", "XAF", "XPF", "BIF", "DJF", "GNF", "KMF", "PYG", "RWF", "UGX", "UYI", "VUV"},
		2: {"EUR", "USD", "CNY", "GBP", "BRL", "HUF", "TWD", "IDR", "UYU", "MGA", "XYZ", "", "jpy"},
		3: {"KWD", "BHD", "IQD", "JOD", "LYD", "OMR", "TND"},
		4: {"CLF", "UYW"},
	} {
		for _, currency := range currencies {
			if got := order.Decimals(currency); got != decimals {
				t.Errorf("%s has %d decimals, want %d", currency, got, decimals)
			}
		}
	}
}

// TestDecimalsOfEveryCurrency holds testdata/decimals.json, ISO 4217's list one, by
// which the client's tests check what the hosted page shows.
func TestDecimalsOfEveryCurrency(t *testing.T) {
	content, err := os.ReadFile("testdata/decimals.json")
	if err != nil {
		t.Fatal(err)
	}
	var wanted map[string]int
	if err := json.Unmarshal(content, &wanted); err != nil || len(wanted) < 150 {
		t.Fatalf("%d currencies, %v", len(wanted), err)
	}
	for currency, decimals := range wanted {
		if got := order.Decimals(currency); got != decimals {
			t.Errorf("%s has %d decimals, want %d", currency, got, decimals)
		}
	}
}

func TestIsCurrency(t *testing.T) {
	for s, want := range map[string]bool{
		"EUR": true, "XYZ": true, "AAA": true, "ZZZ": true,
		"": false, "EU": false, "EURO": false, "eur": false, "Eur": false, "E R": false, "EU1": false, "ÄU": false, "@AB": false, "AB[": false,
		"[UR": false, "E[R": false, "E@R": false, "EU@": false,
	} {
		if got := order.IsCurrency(s); got != want {
			t.Errorf("IsCurrency(%q) is %v", s, got)
		}
	}
}

const refused = -1

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		text, currency string
		want           int64
	}{
		{"99.00", "EUR", 9900}, {"99", "EUR", 9900}, {"99.0", "EUR", 9900}, {"99.5", "EUR", 9950}, {"0.01", "EUR", 1},
		{"99.0000", "EUR", 9900}, {"99.990", "EUR", 9999}, {"99.001", "EUR", refused}, {"0", "EUR", 0}, {"0.00", "EUR", 0},
		{"00099.10", "EUR", 9910}, {"19.99", "EUR", 1999}, {"1.15", "EUR", 115}, {"4.35", "EUR", 435}, // which floats miss
		{"500", "JPY", 500}, {"500.00", "JPY", 500}, {"500.1", "JPY", refused}, {"0.5", "JPY", refused},
		{"1.234", "KWD", 1234}, {"1.2", "KWD", 1200}, {"1", "KWD", 1000}, {"1.2340", "KWD", 1234}, {"1.2345", "KWD", refused},
		{"1.2345", "CLF", 12345},
		{"9999999999999.99", "EUR", order.MaxAmount}, {"10000000000000.00", "EUR", refused}, {"10000000000000", "EUR", refused},
		{"999999999999999", "JPY", order.MaxAmount}, {"1000000000000000", "JPY", refused},
		{"999999999999.999", "KWD", order.MaxAmount}, {"1000000000000", "KWD", refused},
		{"99999999999999999999999999999999", "EUR", refused}, {"18446744073709551616", "JPY", refused}, {"18446744073709551616.00", "EUR", refused},
		{"0000000000000000000000000000001", "JPY", 1}, {"1." + strings.Repeat("0", 5000), "EUR", 100},
		{"", "EUR", refused}, {".", "EUR", refused}, {".5", "EUR", refused}, {"5.", "EUR", refused}, {"1.2.3", "EUR", refused}, {"1..2", "EUR", refused},
		{"-1", "EUR", refused}, {"+1", "EUR", refused}, {"-0", "EUR", refused}, {"1.-5", "EUR", refused}, {"1.+5", "EUR", refused},
		{"1e2", "EUR", refused}, {"1E2", "EUR", refused}, {"1.0e1", "EUR", refused}, {"0x10", "EUR", refused}, {"1_000", "EUR", refused},
		{" 1", "EUR", refused}, {"1 ", "EUR", refused}, {"1. 0", "EUR", refused}, {"1,00", "EUR", refused}, {"1,000.00", "EUR", refused}, {"1'000", "EUR", refused},
		{"NaN", "EUR", refused}, {"Inf", "EUR", refused}, {"€1", "EUR", refused}, {"١", "EUR", refused}, {"１", "EUR", refused}, {"1\x00", "EUR", refused},
	} {
		got, err := order.ParseDecimal(c.text, c.currency)
		if c.want == refused && err == nil || c.want != refused && (err != nil || got != c.want) {
			t.Errorf("ParseDecimal(%.40q, %s) is %d, %v; want %d", c.text, c.currency, got, err, c.want)
		}
		if err != nil && (got != 0 || !strings.HasPrefix(err.Error(), "order: ") || len(c.text) > 3 && strings.Contains(err.Error(), c.text)) {
			t.Errorf("ParseDecimal(%.40q, %s) is %d with error %q", c.text, c.currency, got, err)
		}
	}
}

func TestParseMinor(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "9900": 9900, "00100": 100, "999999999999999": order.MaxAmount, "0000000000000000000000001": 1,
		"1000000000000000": refused, "9223372036854775807": refused, "9223372036854775808": refused, "18446744073709551716": refused,
		"": refused, "-1": refused, "+1": refused, "-0": refused, "1.0": refused, "1e3": refused, "1_0": refused, " 1": refused, "1\n": refused,
		"99/": refused, "99:": refused, "٣": refused,
	} {
		got, err := order.ParseMinor(text)
		if want == refused && (err == nil || got != 0) || want != refused && (err != nil || got != want) {
			t.Errorf("ParseMinor(%q) is %d, %v; want %d", text, got, err, want)
		}
	}
}

// FuzzParseDecimal compares to exact fractions.
func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"99.00", "0.01", "1e5", "-1", "1/3", ".5", "5.", "0x1p4", "9999999999999.99", "1_0", "99999999999999999999"} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(1))
		f.Add(s, uint8(2))
	}
	f.Fuzz(func(t *testing.T, s string, which uint8) {
		currency := []string{"EUR", "JPY", "KWD", "CLF"}[which%4]
		want := int64(refused)
		whole, fraction, dotted := strings.Cut(s, ".")
		digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
		if digits(whole) && (!dotted || digits(fraction)) {
			exact, ok := new(big.Rat).SetString(s)
			if !ok {
				t.Fatalf("%q is no number to math/big", s)
			}
			scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(order.Decimals(currency))), nil)
			exact.Mul(exact, new(big.Rat).SetInt(scale))
			if exact.IsInt() && exact.Cmp(new(big.Rat).SetInt64(order.MaxAmount)) <= 0 {
				want = exact.Num().Int64()
			}
		}
		got, err := order.ParseDecimal(s, currency)
		if want == refused && err == nil || want != refused && (err != nil || got != want) {
			t.Errorf("ParseDecimal(%q, %s) is %d, %v; want %d", s, currency, got, err, want)
		}
		if minor, err := order.ParseMinor(s); err == nil && (dotted || minor < 0 || minor > order.MaxAmount) {
			t.Errorf("ParseMinor(%q) is %d", s, minor)
		}
	})
}

func TestFormatDecimalIsReadBack(t *testing.T) {
	for _, c := range []struct {
		amount   int64
		currency string
		want     string
	}{
		{9900, "EUR", "99.00"}, {5, "EUR", "0.05"}, {0, "EUR", "0.00"}, {9900, "JPY", "9900"}, {0, "KRW", "0"}, {1234, "KWD", "1.234"},
		{7, "BHD", "0.007"}, {order.MaxAmount, "CLF", "99999999999.9999"},
	} {
		text := order.FormatDecimal(c.amount, c.currency)
		if back, err := order.ParseDecimal(text, c.currency); text != c.want || back != c.amount || err != nil {
			t.Errorf("%d %s is %s, and %d again (%v); want %s", c.amount, c.currency, text, back, err, c.want)
		}
	}
}
