package custom

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/paybell/paybell/webhook"
)

// The checks of a configuration. Each error names the field and the mend; the
// checks also fill in the defaults.

// oneOf checks a setting of few values, the first of which is the default.
func oneOf(field string, value *string, choices ...string) error {
	if *value == "" {
		*value = choices[0]
	}
	if !slices.Contains(choices, *value) {
		return fmt.Errorf("custom: %s is %q: write one of %s", field, *value, strings.Join(choices, ", "))
	}
	return nil
}

func headerName(field, name string) error {
	if name == "" || strings.ContainsAny(name, " \t\r\n:{},;") {
		return fmt.Errorf("custom: %s is not the name of a header, such as X-Signature", field)
	}
	return nil
}

func (v *Verify) check() (template, error) {
	err := cmp.Or(
		oneOf("verify.encoding", &v.Encoding, "hex", "base64", "base64url"),
		oneOf("verify.secret_encoding", &v.SecretEncoding, "text", "hex", "base64"),
		oneOf("verify.ecdsa", &v.ECDSA, "asn1", "raw"),
		headerName("verify.header", v.Header),
	)
	if err != nil {
		return nil, err
	}
	if v.Field != "" && v.Separator == "" {
		v.Separator = ","
	}
	if v.URL != "" {
		if u, err := url.Parse(v.URL); err != nil || u.Scheme == "" || u.Host == "" {
			return nil, errors.New("custom: verify.url is not a full address: write it as registered with the sender, https://…")
		}
	}
	t, err := parseTemplate(v.Signed)
	if err != nil {
		return nil, fmt.Errorf("custom: verify.signed %w", err)
	}
	if !t.has("body") {
		return nil, errors.New("custom: verify.signed has no {body}: whoever saw one request could send " +
			"any other; a sender that does not sign the body cannot be believed")
	}
	if err := cmp.Or(v.Timestamp.check(v, t), v.ID.check(t), t.unambiguous()); err != nil {
		return nil, err
	}
	return t, nil
}

func (s *Timestamp) check(v *Verify, t template) error {
	given := 0
	for _, where := range []string{s.Header, s.Field, s.Path} {
		if where != "" {
			given++
		}
	}
	signed := t.has("timestamp")
	switch {
	case given > 1:
		return errors.New("custom: verify.timestamp has more than one of header, field and path: keep one")
	case given == 0 && signed:
		return errors.New("custom: verify.signed has {timestamp}: say in verify.timestamp which header or field has it")
	case given == 0 && *s != Timestamp{}:
		return errors.New("custom: verify.timestamp says nothing of where the time is: set header, field or path")
	case given == 0:
		return nil
	case s.Tolerance < 0:
		return errors.New("custom: verify.timestamp.tolerance is negative: leave it out for 5m")
	case s.Field != "" && v.Field == "":
		return errors.New("custom: verify.timestamp.field needs pairs: set verify.field to the name of the signatures")
	case s.Path != "" && signed:
		return errors.New("custom: verify.signed has {timestamp}, which is part of the body by verify.timestamp.path: take it out")
	case s.Path != "" && s.Tolerance == 0:
		return errors.New("custom: verify.timestamp.tolerance is needed with path: many senders repeat the event's time for days of retries")
	case s.Path == "" && !signed:
		return errors.New("custom: verify.timestamp is not signed, so that anybody could change it: put {timestamp} into verify.signed, or take it out")
	}
	if s.Tolerance == 0 {
		s.Tolerance = webhook.DefaultTolerance
	}
	if s.Header != "" {
		if err := headerName("verify.timestamp.header", s.Header); err != nil {
			return err
		}
	}
	return cmp.Or(
		path("verify.timestamp.path", s.Path),
		oneOf("verify.timestamp.unit", &s.Unit, "s", "ms", "rfc3339"),
	)
}

func (id ID) check(t template) error {
	switch signed := t.has("id"); {
	case id.Header == "" && signed:
		return errors.New("custom: verify.signed has {id}: say in verify.id.header which header has it")
	case id.Header == "":
		return nil
	case !signed:
		return errors.New("custom: verify.id.header is not signed, so that a repeated request could look new: " +
			"put {id} into verify.signed, or use event.id")
	}
	return headerName("verify.id.header", id.Header)
}

// unambiguous refuses a text that could be told as another time or id: both
// must end where text of the template or the body, a JSON object, begins.
func (t template) unambiguous() error {
	for i := 1; i < len(t); i++ {
		for _, pair := range [][2]string{{t[i-1].part, t[i].part}, {t[i].part, t[i-1].part}} {
			if (pair[0] == "timestamp" || pair[0] == "id") && pair[1] != "" && pair[1] != "body" {
				return fmt.Errorf("custom: verify.signed has {%s} and {%s} without text between: "+
					"where one ends cannot be told", t[i-1].part, t[i].part)
			}
		}
	}
	return nil
}

// path checks a dotted path, or that there is none.
func path(field, p string) error {
	if p != "" && (slices.Contains(strings.Split(p, "."), "") || strings.ContainsAny(p, "[]") || strings.ContainsAny(p[:1], "$=!")) {
		return fmt.Errorf("custom: %s is not a dotted path, such as data.items.0.id", field)
	}
	return nil
}

// pathOrConstant checks a path, or "=" and a constant.
func pathOrConstant(field, p string) error {
	if constant, ok := strings.CutPrefix(p, "="); ok {
		if constant == "" {
			return fmt.Errorf("custom: %s is an empty constant: write =CNY, or a path", field)
		}
		return nil
	}
	return path(field, p)
}

func (e *Event) check() error {
	switch {
	case e.Order == "" && e.Payment == "":
		return errors.New("custom: event.order is empty: say at which path the order's id is (or event.payment)")
	case e.Status == "":
		return errors.New("custom: event.status is empty: say at which path the status is")
	case len(e.Statuses) == 0:
		return errors.New("custom: event.statuses is empty: say what the sender's statuses mean, such as {PAID: paid}")
	case e.Amount == "" && e.Currency != "":
		return errors.New("custom: event.currency without event.amount: set both or neither")
	case e.Amount != "" && e.Currency == "":
		return errors.New("custom: event.amount without event.currency: add a path, or a constant such as =CNY")
	}
	for _, status := range slices.Sorted(maps.Keys(e.Statuses)) {
		target := e.Statuses[status]
		if _, ok := senses[target]; !ok {
			return fmt.Errorf("custom: event.statuses: %s means %q, which is not known: write one of %s",
				status, target, strings.Join(slices.Sorted(maps.Keys(senses)), ", "))
		}
		if e.Amount == "" && (target == "refunded" || target == "partially_refunded") {
			return fmt.Errorf("custom: event.statuses: %s is a refund, which needs its amount: set event.amount", status)
		}
	}
	return cmp.Or(
		oneOf("event.amount_unit", &e.AmountUnit, "minor", "major"),
		oneOf("event.time_unit", &e.TimeUnit, "rfc3339", "s", "ms"),
		path("event.id", e.ID),
		path("event.order", e.Order),
		path("event.payment", e.Payment),
		path("event.ref", e.Ref),
		path("event.status", e.Status),
		path("event.amount", e.Amount),
		path("event.reason", e.Reason),
		path("event.action_url", e.ActionURL),
		path("event.time", e.Time),
		pathOrConstant("event.currency", e.Currency),
		pathOrConstant("event.method", e.Method),
		pathOrConstant("event.livemode", strings.TrimPrefix(e.Livemode, "!")),
		pathOrConstant("event.type", e.Type),
	)
}

func (a *Answer) check() error {
	if a.Status == 0 {
		a.Status = 200
	}
	if a.ContentType == "" {
		a.ContentType = "text/plain; charset=utf-8"
	}
	if a.Status < 200 || a.Status > 299 {
		return fmt.Errorf("custom: answer.status is %d, which would make the sender come again: write 200 to 299", a.Status)
	}
	if strings.ContainsAny(a.ContentType, "\r\n") {
		return errors.New("custom: answer.content_type has a line break: take it out")
	}
	return nil
}
