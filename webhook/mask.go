package webhook

import "slices"

// Card numbers have 13 to 19 digits (ISO/IEC 7812-1), often written in groups.
const (
	minCardDigits = 13
	maxCardDigits = 19
	maxGap        = 1 // characters between two digits of one number
)

// Mask returns a body in which card numbers are unreadable but for the first six
// and the last four digits, which PCI DSS (3.4) allows to be shown. What it takes
// for one is 13 to 19 digits, perhaps grouped by spaces or dashes, whose check
// digit is right (Luhn). It returns the same slice when there are none.
func Mask(body []byte) []byte {
	masked := body
	for i := 0; i < len(body); {
		if !isDigit(body[i]) {
			i++
			continue
		}
		digits, end := number(body, i)
		if len(digits) >= minCardDigits && len(digits) <= maxCardDigits && luhn(body, digits) {
			if &masked[0] == &body[0] {
				masked = slices.Clone(body)
			}
			for _, at := range digits[6 : len(digits)-4] {
				masked[at] = '*'
			}
		}
		i = end
	}
	return masked
}

// number finds where the digits of a number are that begins at start, and where
// it ends.
func number(body []byte, start int) (digits []int, end int) {
	gap := 0
	for end = start; end < len(body); end++ {
		switch c := body[end]; {
		case isDigit(c):
			digits, gap = append(digits, end), 0
		case (c == ' ' || c == '-') && gap < maxGap:
			gap++
		default:
			return digits, end
		}
	}
	return digits, end
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// luhn checks a number's last digit (ISO/IEC 7812-1, annex B).
func luhn(body []byte, digits []int) bool {
	sum := 0
	for i, at := range digits {
		d := int(body[at] - '0')
		if (len(digits)-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
