package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/paybell/paybell/order"
)

// An sseEvent is one message of a stream of server-sent events, or a bare
// retry field, which counts without one.
type sseEvent struct {
	name, data string
	retry      time.Duration // 0: the message did not say
}

// maxEventBytes is far above what a gateway sends.
const maxEventBytes = 1 << 20

// readEvents reads server-sent events (WHATWG HTML, 9.2.6) until the stream
// ends, which is nil, or each returns an error. heard is called for every line,
// heartbeats among them. A message that the end cuts off is not delivered.
func readEvents(r io.Reader, heard func(), each func(sseEvent) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEventBytes)
	var e sseEvent
	var data []string
	for lines.Scan() {
		heard()
		line := lines.Text() // without \n and \r\n; gateways send no bare \r
		if line == "" {
			e.data = strings.Join(data, "\n")
			if data == nil {
				e.name = ""
			}
			if data != nil || e.retry > 0 {
				if err := each(e); err != nil {
					return err
				}
			}
			e, data = sseEvent{}, nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "data":
			data = append(data, value)
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
				e.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return lines.Err()
}

// stateLine shows a state to a person.
func stateLine(s order.State) string {
	at := "-"
	if !s.UpdatedAt.IsZero() {
		at = s.UpdatedAt.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	parts := []string{at, "v" + strconv.FormatInt(s.Version, 10), string(s.Status)}
	if s.Currency != "" {
		parts = append(parts, formatMoney(s.Paid, s.Currency)+" of "+formatMoney(s.Amount, s.Currency)+" "+s.Currency)
	}
	if s.Refunded > 0 {
		parts = append(parts, "refunded "+formatMoney(s.Refunded, s.Currency))
	}
	for _, detail := range []struct {
		there bool
		text  string
	}{
		{s.Method != "", s.Method},
		{s.Reason != "", "reason " + s.Reason},
		{s.ActionURL != "", "action " + s.ActionURL},
		{s.Overpaid, "overpaid"},
		{s.Disputed, "disputed"},
		{!s.Livemode, "test"},
		{s.Final, "final"},
	} {
		if detail.there {
			parts = append(parts, detail.text)
		}
	}
	return printable(strings.Join(parts, "  "))
}

// formatMoney writes minor units with the currency's decimals.
func formatMoney(amount int64, currency string) string {
	decimals := order.Decimals(currency)
	if decimals == 0 {
		return strconv.FormatInt(amount, 10)
	}
	text := fmt.Sprintf("%0*d", decimals+1, amount)
	return text[:len(text)-decimals] + "." + text[len(text)-decimals:]
}

// printable keeps what a provider or server wrote from commanding the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// problemOf says what an answer's problem document (RFC 9457) says.
func problemOf(answer *http.Response, body []byte) string {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	text := "answered " + answer.Status
	if err := json.Unmarshal(body, &p); err != nil || p.Title == "" {
		return text
	}
	return printable(strings.TrimSuffix(text+": "+p.Title+". "+p.Detail, ". "))
}
