package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

// A Reader reads bodies whose sender somebody else has proved, such as a relay
// that signs anew what it passes on. An adapter whose provider says all in the
// body has one.
type Reader interface {
	// Read returns the events in a body, oldest first, without Source set. Its
	// errors wrap ErrUnreadable.
	Read(body []byte) ([]order.Event, error)
}

// A Writer is a Reader that can also write a body as its provider would, as a
// [Simulator] needs it.
type Writer interface {
	Reader
	// Write returns the body that would tell what s says. For one s it is always
	// the same, whatever Late is.
	Write(s Simulation) ([]byte, error)
}

// ReadWith is a Reader's Read: [OpenWith] without the first half.
func ReadWith(body []byte, read func(body []byte) ([]order.Event, error)) ([]order.Event, error) {
	return OpenWith(Request{Body: body}, func(Request) error { return nil }, read)
}

// SameToken says whether a text is one of the tokens. It takes as long for any
// text, so that nobody learns how near he is.
func SameToken(text string, tokens [][]byte) bool {
	sum, same := sha256.Sum256([]byte(text)), false
	for _, token := range tokens {
		if want := sha256.Sum256(token); subtle.ConstantTimeCompare(sum[:], want[:]) == 1 {
			same = true
		}
	}
	return same
}

// PathsOr is [Paths], and the usual ones where the list has none.
func PathsOr(list string, usual ...string) []string {
	if paths := Paths(list); len(paths) > 0 {
		return paths
	}
	return usual
}

// Post returns a request that brings JSON, with pairs of a header's name and
// value.
func Post(body []byte, at time.Time, headers ...string) Request {
	r := Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, At: at}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// Money reads an amount in major units and its currency, at paths in o. Where no
// amount is told, there is no currency either.
func Money(o strictjson.Object, amountPath, currencyPath string) (amount int64, currency string, err error) {
	text := First(o, amountPath)
	if text == "" {
		return 0, "", nil
	}
	if currency, err = Currency(o.String(currencyPath)); err != nil {
		return 0, "", fmt.Errorf("%s: %w", currencyPath, err)
	}
	if amount, err = Minor(text, order.Decimals(currency)); err != nil {
		return 0, "", fmt.Errorf("%s: %w", amountPath, err)
	}
	return amount, currency, nil
}

// Time reads the time at the first of the paths that has one in a form that
// senders use: RFC 3339, also without a colon in the zone, without a zone (then
// it is UTC), or with a space for the T. Otherwise it is zero, which stands for
// a time that was not told: money is not refused for the form of its time.
func Time(o strictjson.Object, paths ...string) time.Time {
	text := strings.Replace(First(o, paths...), " ", "T", 1)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil && at.Year() > 0 {
			return at.UTC()
		}
	}
	return time.Time{}
}

// UnixTime reads a whole number of seconds or, where it is too great for that,
// milliseconds since 1970. Otherwise it is zero, as with [Time].
func UnixTime(o strictjson.Object, paths ...string) time.Time {
	for _, path := range paths {
		n, _ := o.Int(path)
		switch {
		case n > 0 && n < 1e11:
			return time.Unix(n, 0).UTC()
		case n > 0 && n < 1e14:
			return time.UnixMilli(n).UTC()
		}
	}
	return time.Time{}
}
