package custom

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// targets are what the statuses of a simulation are called in a configuration,
// where they are not called the same.
var targets = map[order.Status][]string{
	order.PartiallyPaid:     {"paid"},
	order.Refunded:          {"refunded", "partially_refunded"},
	order.PartiallyRefunded: {"partially_refunded", "refunded"},
	order.Canceled:          {"canceled", "order_canceled"},
	order.Expired:           {"expired", "order_expired"},
}

// Simulate implements [webhook.Simulator] for the hmac algorithms: with public
// keys, only the sender can sign. The body has what the configuration names, and
// nothing else.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	if p.sign == nil {
		return webhook.Request{}, fmt.Errorf("custom: cannot sign with %s: only the sender has the private key", p.verify.Algorithm)
	}
	if p.verify.URL == "" && p.signed.usesURL() {
		return webhook.Request{}, errors.New("custom: the address is signed: set verify.url to simulate")
	}
	body, err := p.simulatedBody(s)
	if err != nil {
		return webhook.Request{}, err
	}
	r := webhook.Request{
		Method: http.MethodPost,
		URL:    p.verify.URL,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   body,
		At:     s.SignedAt(),
	}
	for _, part := range p.signed {
		if part.part == "header" && r.Header.Get(part.name) == "" {
			r.Header.Set(part.name, "simulated")
		}
	}
	v, timestamp := p.verify, writeTime(s.SignedAt(), p.verify.Timestamp.Unit)
	if v.ID.Header != "" {
		if err := p.signed.holds(s.ID); err != nil {
			return webhook.Request{}, fmt.Errorf("custom: %w", err)
		}
		r.Header.Set(v.ID.Header, s.ID)
	}
	if v.Timestamp.Header != "" {
		r.Header.Set(v.Timestamp.Header, timestamp)
	}
	text, err := p.signed.fill(signing{r, p.address(r), timestamp, s.ID})
	if err != nil {
		return webhook.Request{}, fmt.Errorf("custom: %w", err)
	}
	signature := v.Prefix + encodeSignature(p.sign(text), v.Encoding)
	if v.Field != "" {
		signature = v.Field + "=" + signature
	}
	if v.Timestamp.Field != "" {
		signature = v.Timestamp.Field + "=" + timestamp + v.Separator + signature
	}
	r.Header.Set(v.Header, signature)
	return r, nil
}

func (p *Provider) simulatedBody(s webhook.Simulation) ([]byte, error) {
	c := p.event
	status, ok := p.sentStatus(s.Status)
	if !ok {
		return nil, fmt.Errorf("custom: event.statuses has none that means %s", s.Status)
	}
	values := map[string]any{}
	texts := []struct{ path, value string }{
		{c.ID, s.ID}, {c.Order, s.Order}, {c.Payment, s.Payment}, {c.Method, s.Method},
	}
	for _, t := range texts {
		if t.path != "" && t.value != "" && !strings.HasPrefix(t.path, "=") {
			values[t.path] = t.value
		}
	}
	if c.Amount != "" && s.Currency != "" {
		if constant, ok := strings.CutPrefix(c.Currency, "="); !ok {
			values[c.Currency] = s.Currency
		} else if !strings.EqualFold(constant, s.Currency) {
			return nil, fmt.Errorf("custom: this source's currency is always %s", constant)
		}
		if values[c.Amount] = any(s.Amount); c.AmountUnit == "major" {
			values[c.Amount] = order.FormatDecimal(s.Amount, strings.ToUpper(s.Currency))
		}
	}
	if c.Time != "" {
		values[c.Time] = jsonTime(s.At, c.TimeUnit)
	}
	if at := p.verify.Timestamp; at.Path != "" {
		values[at.Path] = jsonTime(s.SignedAt(), at.Unit)
	}
	if live, inverted := strings.CutPrefix(c.Livemode, "!"); live != "" && live[0] != '=' {
		values[live] = s.Live != inverted
	}
	values[c.Status] = status
	root := map[string]any{}
	for _, path := range slices.Sorted(maps.Keys(values)) {
		if err := put(root, path, values[path]); err != nil {
			return nil, err
		}
	}
	return json.Marshal(root)
}

// sentStatus returns the first of the sender's statuses that means s.
func (p *Provider) sentStatus(s order.Status) (string, bool) {
	wanted := targets[s]
	if wanted == nil {
		wanted = []string{string(s)}
	}
	for _, target := range wanted {
		for _, sent := range slices.Sorted(maps.Keys(p.event.Statuses)) {
			if p.event.Statuses[sent] == target {
				return sent, true
			}
		}
	}
	return "", false
}

// put sets what a path leads to; a path comes after those that it begins with.
// Numbers in a path become names of objects, which read the same.
func put(root map[string]any, path string, value any) error {
	at, names := root, strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		if at[name] == nil {
			at[name] = map[string]any{}
		}
		inner, ok := at[name].(map[string]any)
		if !ok {
			return fmt.Errorf("custom: cannot simulate: the path %s leads through a value", path)
		}
		at = inner
	}
	at[names[len(names)-1]] = value
	return nil
}

func writeTime(at time.Time, unit string) string {
	switch cmp.Or(unit, "s") {
	case "ms":
		return strconv.FormatInt(at.UnixMilli(), 10)
	case "rfc3339":
		return at.UTC().Format(time.RFC3339Nano)
	}
	return strconv.FormatInt(at.Unix(), 10)
}

// jsonTime is a number, or for rfc3339 a string.
func jsonTime(at time.Time, unit string) any {
	if unit == "rfc3339" {
		return writeTime(at, unit)
	}
	return json.Number(writeTime(at, unit))
}
