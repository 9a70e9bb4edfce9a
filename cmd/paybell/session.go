package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

// A session is what the backend asks for in POST /v1/sessions.
type session struct {
	order   string
	subject string
	life    time.Duration // of the token; 0: the default
	terms   order.Terms
}

var sessionFields = []string{
	"order", "amount", "currency", "expires_in", "subject", "return_url", "expires_at", "livemode",
}

// readSession reads the body of POST /v1/sessions. Its errors are for the
// backend's developer.
func readSession(body []byte) (session, error) {
	var s session
	data, err := strictjson.ParseObject(body)
	if err != nil {
		return s, fmt.Errorf("the body must be a JSON object: %w", err)
	}
	if err := checkFields(data, sessionFields); err != nil {
		return s, err
	}
	if s.order, err = textField(data, "order"); err != nil {
		return s, err
	}
	if err := order.CheckID(s.order); err != nil {
		return s, fmt.Errorf("order %w", err)
	}
	if s.subject, err = textField(data, "subject"); err != nil {
		return s, err
	}
	if len(s.subject) > order.MaxIDLength {
		return s, fmt.Errorf("subject is longer than %d bytes", order.MaxIDLength)
	}
	if data["expires_in"] != nil {
		seconds, ok := data.Int("expires_in")
		if !ok || seconds < 1 || seconds > 900 {
			return s, errors.New("expires_in is the token's life in seconds, from 1 to 900")
		}
		s.life = time.Duration(seconds) * time.Second
	}
	s.terms, err = readTerms(data)
	return s, err
}

func readTerms(data strictjson.Object) (t order.Terms, err error) {
	if t.Currency, err = textField(data, "currency"); err != nil {
		return t, err
	}
	if (data["amount"] == nil) != (t.Currency == "") {
		return t, errors.New("amount and currency belong together")
	}
	if t.Currency != "" {
		var ok bool
		if t.Amount, ok = data.Int("amount"); !ok || t.Amount < 1 || t.Amount > order.MaxAmount {
			return t, errors.New("amount is a whole number of the currency's minor units, above zero: 9900 for CNY 99.00")
		}
		if !order.IsCurrency(t.Currency) {
			return t, errors.New(`currency is an ISO 4217 code in capitals, such as "CNY"`)
		}
	}
	if data["livemode"] != nil {
		live, ok := data["livemode"].(bool)
		if !ok {
			return t, errors.New("livemode is true or false")
		}
		if t.Mode = order.Test; live {
			t.Mode = order.Live
		}
	}
	if t.ReturnURL, err = textField(data, "return_url"); err != nil {
		return t, err
	}
	if t.ReturnURL != "" {
		if err := checkLink(t.ReturnURL); err != nil {
			return t, fmt.Errorf("return_url %w", err)
		}
		if len(t.ReturnURL) > order.MaxURLLength {
			return t, fmt.Errorf("return_url is longer than %d bytes", order.MaxURLLength)
		}
	}
	expires, err := textField(data, "expires_at")
	if err != nil || expires == "" {
		return t, err
	}
	if t.ExpiresAt, err = time.Parse(time.RFC3339, expires); err != nil {
		return t, errors.New("expires_at is when the order ends, in RFC 3339: 2026-11-23T08:00:00Z")
	}
	t.ExpiresAt = t.ExpiresAt.UTC().Truncate(time.Second)
	if year := t.ExpiresAt.Year(); year < 1970 || year > 9999 {
		return t, errors.New("expires_at is outside the years 1970 to 9999, in UTC")
	}
	return t, t.Check()
}

// checkFields refuses fields that are not known, the alphabet's first first.
func checkFields(data strictjson.Object, known []string) error {
	for _, name := range sortedKeys(data) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown field %q%s", name, didYouMean(name, known))
		}
	}
	return nil
}

// textField reads a string that may be missing or null.
func textField(data strictjson.Object, name string) (string, error) {
	if data[name] == nil {
		return "", nil
	}
	s, ok := data[name].(string)
	if !ok {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return s, nil
}
