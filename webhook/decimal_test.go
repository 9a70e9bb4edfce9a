package webhook

import (
	"strings"
	"testing"
)

func TestMinorIsExact(t *testing.T) {
	for _, c := range []struct {
		text     string
		exponent int
		want     int64
	}{
		{"99.00", 2, 9900}, {"99", 2, 9900}, {"99.9", 2, 9990}, {"19.99", 2, 1999}, {"0.29", 2, 29}, {"1.1500", 2, 115},
		{"500", 0, 500}, {"500.00", 0, 500}, {"1.234", 3, 1234}, {"1", 3, 1000}, {"0", 2, 0}, {"0.00", 0, 0}, {"007.50", 2, 750},
		{"1.0E7", 2, 1_000_000_000}, {"1e2", 2, 10_000}, {"995e-1", 2, 9950}, {"12.50e+1", 0, 125}, {"0e64", 2, 0}, {"0.000", 2, 0},
		{"9999999999999.99", 2, 999_999_999_999_999},
	} {
		if got, err := Minor(c.text, c.exponent); err != nil || got != c.want {
			t.Errorf("%s with %d decimals: got %d, %v; want %d", c.text, c.exponent, got, err, c.want)
		}
	}
}

func TestMinorRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"": "not a decimal", ".5": "not a decimal", "5.": "not a decimal", ".": "not a decimal", "e2": "not a decimal",
		"1.234": "more decimals", "0.001": "more decimals", "1e-3": "more decimals", "1.2x4": "not a decimal",
		"-1": "not a decimal", "+1": "not a decimal", "1,000.00": "not a decimal", " 1": "not a decimal", "1.2.3": "not a decimal", "NaN": "not a decimal",
		"1e65": "an exponent", "1e": "an exponent", "1e1e1": "an exponent", "1e99999999999999999999": "an exponent",
		"10000000000000.00": "too large", "1e64": "too large", strings.Repeat("9", 10_000): "too large",
	} {
		if got, err := Minor(text, 2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %d, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzMinor(f *testing.F) {
	f.Add("19.99", 2)
	f.Add("1e-64", 3)
	f.Fuzz(func(t *testing.T, text string, exponent int) {
		if exponent < -1 || exponent > 4 {
			return
		}
		minor, err := Minor(text, exponent)
		if err == nil && minor < 0 {
			t.Errorf("%q is %d", text, minor)
		}
	})
}
