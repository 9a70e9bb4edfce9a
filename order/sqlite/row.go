package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
)

// micros is how a time is stored: microseconds since 1970, nil for none.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func fromMicros(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}

// eventColumns are the columns of an event that scanEvent reads: all that it
// says but its order, which may be its payment's.
const eventColumns = `e.source, e.id, e.payment, e.ref, e.kind, e.status, e.amount, e.currency,
	e.method, e.reason, e.action_url, e.at, e.livemode, e.type`

// scanEvent reads an event, and the columns that stand before and after it.
func scanEvent(rows *sql.Rows, e *order.Event, before []any, after ...any) error {
	var at sql.NullInt64
	err := rows.Scan(append(append(before, &e.Source, &e.ID, &e.Payment, &e.Ref, (*string)(&e.Kind), (*string)(&e.Status),
		&e.Amount, &e.Currency, &e.Method, &e.Reason, &e.ActionURL, &at, &e.Livemode, &e.Type), after...)...)
	e.At = fromMicros(at)
	return err
}

// readState reads a state as it was stored. Its epoch is this ledger's, which
// a restored backup does not share with what it holds.
func readState(stored, epoch string) (order.State, error) {
	s, err := order.ReadState(stored)
	if err != nil {
		return s, fmt.Errorf("%w: stored state: %w", order.ErrBroken, err)
	}
	s.Epoch = epoch
	return s, nil
}

// A row is what an order's row holds besides what its record has.
type row struct {
	seq    int64       // of its newest change, 0 for none
	events []int64     // the numbers of those that count for it
	terms  order.Terms // as they were read from text
	text   any         // nil for none
}

// storedTerms is how terms are stored. They seldom change, and what has not is
// stored as it was.
func (r row) storedTerms(terms order.Terms) (any, error) {
	if terms == r.terms {
		return r.text, nil
	}
	if terms == (order.Terms{}) {
		return nil, nil
	}
	text, err := json.Marshal(terms)
	return string(text), err
}

// appendNumbers appends a list of events as it is stored.
func appendNumbers(b []byte, list []int64) []byte {
	b = append(b, '[')
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return append(b, ']')
}

// readNumbers reads what appendNumbers wrote.
func readNumbers(stored string) (list []int64, err error) {
	inner, begun := strings.CutPrefix(stored, "[")
	inner, ended := strings.CutSuffix(inner, "]")
	if !begun || !ended {
		return nil, fmt.Errorf("%w: stored list of events", order.ErrBroken)
	}
	for inner != "" {
		var text string
		text, inner, _ = strings.Cut(inner, ",")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: stored list of events: %w", order.ErrBroken, err)
		}
		list = append(list, n)
	}
	return list, nil
}

// names is a list of texts as one parameter, for json_each.
func names(list []string) (string, error) {
	b, err := json.Marshal(list)
	return string(b), err
}
