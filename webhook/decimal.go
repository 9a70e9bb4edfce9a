package webhook

import (
	"errors"
	"strconv"
	"strings"

	"github.com/paybell/paybell/order"
)

// Minor reads an amount in major units as minor units that have so many
// decimals, exactly: no float is involved. The text is a decimal number as JSON
// writes it ("99", "99.00", "9.9e1"; some senders write great amounts with an
// exponent). Digits beyond the decimals must be zeros; signs, spaces and
// thousands' separators are refused. [order.Decimals] has the decimals of ISO
// 4217, of which some providers differ.
func Minor(text string, exponent int) (int64, error) {
	mantissa, power := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		var err error
		if power, err = strconv.Atoi(text[i+1:]); err != nil || power < -maxPower || power > maxPower {
			return 0, errors.New("amount has an exponent that no amount has")
		}
		mantissa = text[:i]
	}
	whole, fraction, dotted := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if whole == "" || dotted && fraction == "" || exponent < 0 || strings.Trim(digits, "0123456789") != "" {
		return 0, errors.New("amount is not a decimal number")
	}
	switch zeros := exponent + power - len(fraction); {
	case zeros >= 0 && strings.Trim(digits, "0") != "":
		digits += strings.Repeat("0", zeros)
	case zeros < 0:
		cut := max(0, len(digits)+zeros)
		if strings.Trim(digits[cut:], "0") != "" {
			return 0, errors.New("amount has more decimals than its currency")
		}
		if digits = digits[:cut]; digits == "" {
			digits = "0"
		}
	}
	minor, err := order.ParseMinor(digits)
	if err != nil {
		return 0, errors.New(strings.TrimPrefix(err.Error(), "order: "))
	}
	return minor, nil
}

// maxPower is far more than any amount needs, and little enough to write out.
const maxPower = 64
