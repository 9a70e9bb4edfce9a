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
	var groups []digitGroup
	for i := 0; i < len(body); {
		if !isDigit(body[i]) {
			i++
			continue
		}
		groups, i = appendGroups(groups[:0], body, i)
		for rest := groups; len(rest) > 0; {
			from, to, used := card(body, rest)
			if used > 0 && &masked[0] == &body[0] {
				masked = slices.Clone(body)
			}
			for at := from; at < to; at++ {
				if isDigit(body[at]) {
					masked[at] = '*'
				}
			}
			rest = rest[max(used, 1):]
		}
	}
	return masked
}

// A digitGroup is a run of digits: body[from:to].
type digitGroup struct{ from, to int }

// appendGroups appends the groups from start on between which there is one space
// or dash each, and returns where they end.
func appendGroups(groups []digitGroup, body []byte, start int) (all []digitGroup, end int) {
	for {
		end = start
		for end < len(body) && isDigit(body[end]) {
			end++
		}
		groups = append(groups, digitGroup{start, end})
		if end+1 >= len(body) || body[end] != ' ' && body[end] != '-' || !isDigit(body[end+1]) {
			return groups, end
		}
		start = end + 1
	}
}

// card returns the part to be masked if the first groups make a card number, and
// how many of them do; the most that can.
func card(body []byte, groups []digitGroup) (from, to, used int) {
	var digits [maxCardDigits]int // where they are
	n := 0
	for i, g := range groups {
		if n+g.to-g.from > maxCardDigits {
			break
		}
		for at := g.from; at < g.to; at++ {
			digits[n] = at
			n++
		}
		if n >= minCardDigits && luhn(body, digits[:n]) {
			from, to, used = digits[6], digits[n-4], i+1
		}
	}
	return from, to, used
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
