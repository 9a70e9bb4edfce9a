package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/paybell/paybell/order"
)

// stamp is how a time is stored: in microseconds, NULL for none.
func stamp(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}
}

func fromStamp(t pgtype.Timestamptz) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return t.Time.UTC()
}

// micro is a time as reading it back finds it. The server's microseconds are
// whole ones of a time before 1970 too, and pgx cuts as time.UnixMicro does.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// clean is a text as PostgreSQL can hold it: UTF-8 without the character 0, which
// a stranger may have put there. Ids never have it.
func clean(text string) string {
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// asStored is what reading an event back finds.
func asStored(e order.Event) order.Event {
	e.At = micro(e.At)
	e.Status, e.Method, e.Reason = order.Status(clean(string(e.Status))), clean(e.Method), clean(e.Reason)
	e.ActionURL, e.Type = clean(e.ActionURL), clean(e.Type)
	return e
}

// eventColumns are the columns of an event that scanEvent reads: all that it
// says, and the order for which it counts.
const eventColumns = `e.source, e.id, e.counts_for, e.payment, e.ref, e.kind, e.status, e.amount, e.currency,
	e.method, e.reason, e.action_url, e.at, e.livemode, e.type`

// scanEvent reads an event and the columns that stand before it.
func scanEvent(rows pgx.Rows, e *order.Event, before ...any) error {
	var at pgtype.Timestamptz
	err := rows.Scan(append(before, &e.Source, &e.ID, &e.Order, &e.Payment, &e.Ref, (*string)(&e.Kind), (*string)(&e.Status),
		&e.Amount, &e.Currency, &e.Method, &e.Reason, &e.ActionURL, &at, &e.Livemode, &e.Type)...)
	e.At = fromStamp(at)
	return err
}

// readState reads a state as it was stored. Its epoch is this ledger's, which
// a restored backup does not share with what it holds.
func readState(stored, epoch string) (order.State, error) {
	s, err := order.ReadState(stored)
	if err != nil {
		return s, fmt.Errorf("stored state: %w", err)
	}
	s.Epoch = epoch
	return s, nil
}

func readTerms(stored string) (terms order.Terms, err error) {
	if stored == "" {
		return terms, nil
	}
	if err := json.Unmarshal([]byte(stored), &terms); err != nil {
		return terms, fmt.Errorf("stored terms: %w", err)
	}
	return terms, nil
}

func writeTerms(terms order.Terms) (string, error) {
	if terms == (order.Terms{}) {
		return "", nil
	}
	text, err := json.Marshal(terms)
	return string(text), err
}

// each calls scan for every row of an answer.
func each(rows pgx.Rows, scan func() error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(); err != nil {
			return err
		}
	}
	return rows.Err()
}
