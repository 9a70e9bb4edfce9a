package webhook

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/paybell/paybell/order"
)

// Tidy makes an event that was read out of a sender's texts fit for the ledger.
// A text that is too long is cut, because a payment must not be refused for
// the length of its reason; card numbers in a reason are masked, because
// customers see it; an action URL that a browser must not follow is dropped; and
// a note, which changes nothing, loses ids of a form that the ledger would
// refuse. The error says what is wrong with the rest, and quotes none of it.
// Source and ID may still be empty.
func Tidy(e order.Event) (order.Event, error) {
	e.Method = clip(masked(e.Method), order.MaxIDLength)
	e.Reason = clip(masked(e.Reason), order.MaxTextLength)
	e.Type = clip(masked(e.Type), order.MaxIDLength)
	e.ActionURL = masked(e.ActionURL)
	if e.ActionURL != "" && !followable(e.ActionURL) {
		e.ActionURL = ""
	}
	if e.Kind == order.KindNote {
		if e.Amount, e.Currency = 0, ""; e.Status != order.ToFetch {
			e.Status = ""
		}
		for _, id := range []*string{&e.Order, &e.Payment, &e.Ref} {
			if order.CheckID(*id) != nil {
				*id = ""
			}
		}
	}
	probe := e
	if probe.Source = "-"; probe.ID == "" {
		probe.ID = "-"
	}
	return e, probe.Check()
}

func masked(text string) string {
	if len(text) < minCardDigits {
		return text
	}
	return string(Mask([]byte(text)))
}

// clip returns the first n bytes of s at most, and never half a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// followable says whether a customer may be sent to a URL. Wallets have schemes
// of their own, so that only those are refused which run or show content of
// the URL itself in the shop's page.
func followable(s string) bool {
	if len(s) > order.MaxURLLength {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" &&
		!slices.Contains([]string{"javascript", "vbscript", "data", "blob", "file", "about"}, strings.ToLower(u.Scheme))
}
