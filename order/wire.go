package order

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// ReadState reads a state's wire form. What [State.AppendJSON] writes of plain
// ASCII, as nearly every state is, costs no more than to find where each member
// begins, and the state's texts are parts of wire. Any other form is read as
// package encoding/json reads it.
func ReadState(wire string) (State, error) {
	r := reader{rest: wire}
	s := State{
		Order:     r.text(`{"order":`),
		Version:   r.number(`,"version":`),
		Epoch:     r.text(`,"epoch":`),
		Status:    Status(r.text(`,"status":`)),
		Final:     r.flag(`,"final":`),
		Amount:    r.number(`,"amount":`),
		Currency:  r.text(`,"currency":`),
		Paid:      r.number(`,"paid":`),
		Refunded:  r.number(`,"refunded":`),
		Disputed:  r.flag(`,"disputed":`),
		Overpaid:  r.flag(`,"overpaid":`),
		Method:    r.text(`,"method":`),
		Reason:    r.text(`,"reason":`),
		ActionURL: r.text(`,"action_url":`),
		Livemode:  r.flag(`,"livemode":`),
		UpdatedAt: r.time(`,"updated_at":`),
	}
	if r.take("}"); r.other || r.rest != "" {
		return readAnyState(wire)
	}
	return s, nil
}

func readAnyState(wire string) (s State, err error) {
	err = json.Unmarshal([]byte(wire), &s)
	return s, err
}

// A reader reads members in a known order and without white space. It does not
// say what is wrong with any other form, but only that it is another.
type reader struct {
	rest  string
	other bool
}

func (r *reader) take(prefix string) bool {
	rest, ok := strings.CutPrefix(r.rest, prefix)
	r.rest, r.other = rest, r.other || !ok
	return ok
}

// text reads a string of plain ASCII without escapes, or null.
func (r *reader) text(name string) string {
	r.take(name)
	if rest, null := strings.CutPrefix(r.rest, "null"); null {
		r.rest = rest
		return ""
	}
	r.take(`"`)
	for i := range len(r.rest) {
		switch c := r.rest[i]; {
		case c == '"':
			text := r.rest[:i]
			r.rest = r.rest[i+1:]
			return text
		case c < ' ' || c > '~' || c == '\\':
			r.other = true
			return ""
		}
	}
	r.other = true
	return ""
}

// number reads a whole number that is not negative.
func (r *reader) number(name string) int64 {
	r.take(name)
	digits := 0
	for digits < len(r.rest) && r.rest[digits] >= '0' && r.rest[digits] <= '9' {
		digits++
	}
	n, err := strconv.ParseInt(r.rest[:digits], 10, 64)
	r.other = r.other || err != nil || r.rest[0] == '0' && digits > 1
	r.rest = r.rest[digits:]
	return n
}

func (r *reader) flag(name string) bool {
	r.take(name)
	if rest, ok := strings.CutPrefix(r.rest, "true"); ok {
		r.rest = rest
		return true
	}
	r.take("false")
	return false
}

func (r *reader) time(name string) time.Time {
	const form = "2006-01-02T15:04:05.000Z"
	r.take(name)
	if rest, null := strings.CutPrefix(r.rest, "null"); null {
		r.rest = rest
		return time.Time{}
	}
	text := r.text("")
	t, err := time.Parse(time.RFC3339Nano, text)
	r.other = r.other || err != nil || len(text) != len(form) || text[len(text)-1] != 'Z'
	return t
}
