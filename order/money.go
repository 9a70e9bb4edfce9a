package order

import (
	"errors"
	"fmt"
	"strings"
)

// IsCurrency says whether s has the form of an ISO 4217 code: three capital
// letters. Whether the code is assigned is not checked, because the list grows.
func IsCurrency(s string) bool {
	return len(s) == 3 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' && s[2] >= 'A' && s[2] <= 'Z'
}

// Decimals says how many decimals a currency's minor unit has (ISO 4217,
// list one). Unlisted currencies have two.
func Decimals(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

// ParseDecimal reads an amount in major units ("99.00") as minor units of a
// currency, exactly: no float is involved. Digits beyond the currency's
// decimals must be zeros. Signs, exponents and spaces are refused.
func ParseDecimal(s, currency string) (int64, error) {
	whole, fraction, dotted := strings.Cut(s, ".")
	if whole == "" || dotted && fraction == "" {
		return 0, errors.New("order: amount is not a decimal number")
	}
	decimals := Decimals(currency)
	for len(fraction) > decimals && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if len(fraction) > decimals {
		return 0, errors.New("order: amount has more decimals than its currency")
	}
	return ParseMinor(whole + fraction + strings.Repeat("0", decimals-len(fraction)))
}

// ParseMinor reads an amount in minor units: digits only, at most [MaxAmount].
func ParseMinor(s string) (int64, error) {
	if s == "" {
		return 0, errors.New("order: amount is empty")
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, errors.New("order: amount is not a whole number of minor units")
		}
		if n = n*10 + int64(s[i]-'0'); n > MaxAmount {
			return 0, errors.New("order: amount is too large")
		}
	}
	return n, nil
}

// FormatDecimal writes an amount in minor units in major ones, as [ParseDecimal]
// reads it. The amount must not be negative.
func FormatDecimal(amount int64, currency string) string {
	decimals := Decimals(currency)
	digits := fmt.Sprintf("%0*d", decimals+1, amount)
	if decimals == 0 {
		return digits
	}
	point := len(digits) - decimals
	return digits[:point] + "." + digits[point:]
}
