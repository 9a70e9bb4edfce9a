package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
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

// eventColumns are the columns of an event that scanEvent reads.
const eventColumns = `e.source, e.id, e.order_id, e.payment, e.ref, e.kind, e.status, e.amount, e.currency,
	e.method, e.reason, e.action_url, e.at, e.livemode, e.type`

// scanEvent reads an event, and the columns that stand before it.
func scanEvent(rows *sql.Rows, e *order.Event, before ...any) error {
	var at sql.NullInt64
	err := rows.Scan(append(before, &e.Source, &e.ID, &e.Order, &e.Payment, &e.Ref, (*string)(&e.Kind), (*string)(&e.Status),
		&e.Amount, &e.Currency, &e.Method, &e.Reason, &e.ActionURL, &at, &e.Livemode, &e.Type)...)
	e.At = fromMicros(at)
	return err
}

// readState reads a state as it was stored. Its epoch is this ledger's, which
// a restored backup does not share with what it holds.
func readState(stored []byte, epoch string) (order.State, error) {
	var s order.State
	if err := json.Unmarshal(stored, &s); err != nil {
		return s, fmt.Errorf("%w: stored state: %w", order.ErrBroken, err)
	}
	s.Epoch = epoch
	return s, nil
}

// names is a list of texts as one parameter, for json_each.
func names(list []string) (string, error) {
	b, err := json.Marshal(list)
	return string(b), err
}
