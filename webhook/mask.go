package webhook

import "slices"

// Card numbers have 13 to 19 digits (ISO/IEC 7812-1), often written in groups.
const (
	minCardDigits = 13
	maxCardDigits = 19
)

// Mask returns a body in which card numbers are unreadable but for the first six
// and the last four digits, which PCI DSS (3.4) allows to be shown. What it takes
// for one is 13 to 19 digits, perhaps in groups with a space or a dash between,
// whose check digit is right (Luhn). Digits that are part of a longer run are
// left alone. It returns the same slice when there is nothing to mask.
func Mask(body []byte) []byte {
	masked := body
	for i := 0; i+minCardDigits <= len(body); {
		// A number that begins at i has nothing but digits and separators up to
		// here, so that of ordinary text few bytes are looked at.
		last := i + minCardDigits - 1
		if !isDigit(body[last]) && !isSeparator(body[last]) {
			i = last + 1
			continue
		}
		from, to := last, last+1
		for from > i && (isDigit(body[from-1]) || isSeparator(body[from-1])) {
			from--
		}
		for to < len(body) && (isDigit(body[to]) || isSeparator(body[to])) {
			to++
		}
		if to-from >= minCardDigits {
			masked = maskRun(masked, body, from, to)
		}
		i = to
	}
	return masked
}

// maskRun masks the numbers in body[from:to], which is all digits and
// separators.
func maskRun(masked, body []byte, from, to int) []byte {
	for at := from; at < to; {
		digits, end := card(body[at:to])
		if digits > 0 && &masked[0] == &body[0] {
			masked = slices.Clone(body)
		}
		for seen := 0; seen < digits; at++ {
			if !isDigit(body[at]) {
				continue
			}
			if seen >= 6 && seen < digits-4 {
				masked[at] = '*'
			}
			seen++
		}
		// Without a number, go on after the digits at hand: a number begins
		// where digits do.
		for end == 0 && at < to && isDigit(body[at]) {
			at++
		}
		for at < to && !isDigit(body[at]) {
			at++
		}
	}
	return masked
}

// card finds the longest number with which text begins. It returns how many
// digits it has and where it ends, or zeros.
func card(text []byte) (digits, end int) {
	// Sums as the check digit needs them (Luhn; ISO/IEC 7812-1, annex B): every
	// other digit doubled, where the last is plain, or is doubled too.
	var plain, flipped int
	n := 0
	for at := 0; at < len(text) && n < maxCardDigits && isDigit(text[at]); at++ {
		d := int(text[at] - '0')
		plain, flipped = flipped+d, plain+doubled[d]
		n++
		if at+1 < len(text) && isDigit(text[at+1]) {
			continue
		}
		if n >= minCardDigits && plain%10 == 0 {
			digits, end = n, at+1
		}
		if at+1 < len(text) && isSeparator(text[at+1]) {
			at++
		}
	}
	return digits, end
}

// doubled is twice a digit, its own digits added up.
var doubled = [10]int{0, 2, 4, 6, 8, 1, 3, 5, 7, 9}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isSeparator says whether c may stand between two groups of a number's digits.
func isSeparator(c byte) bool { return c == ' ' || c == '-' }
