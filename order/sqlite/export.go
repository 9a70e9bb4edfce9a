package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paybell/paybell/order"
)

// A part is handed on once it has as many rows or bodies of as many bytes.
const (
	partRows  = 2000
	partBytes = 8 << 20
)

// Count counts all that the ledger keeps.
func (s *Store) Count(ctx context.Context) (c order.Count, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM idempotency), (SELECT count(*) FROM callbacks),
		(SELECT count(*) FROM events), (SELECT count(*) FROM repeats), (SELECT count(*) FROM payments),
		(SELECT count(*) FROM orders), (SELECT count(*) FROM changes), (SELECT count(*) FROM told),
		(SELECT count(*) FROM fetches), (SELECT count(*) FROM revocations)`,
	).Scan(&c.Keys, &c.Callbacks, &c.Events, &c.Repeats, &c.Payments, &c.Orders, &c.Changes, &c.Told, &c.Fetches, &c.Revocations)
	if err != nil {
		return c, fmt.Errorf("sqlite: count rows: %w", fault(err))
	}
	return c, nil
}

// Export hands all that the ledger keeps at one moment to take, in parts. An error
// of take ends it.
func (s *Store) Export(ctx context.Context, take func(order.Part) error) error {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fault(err)
	}
	defer tx.Rollback()
	e := &export{take: take}
	for _, kind := range exports {
		rows, err := tx.QueryContext(ctx, kind.query)
		if err == nil {
			err = e.all(rows, kind.scan)
		}
		if err != nil {
			return fmt.Errorf("sqlite: read all %s: %w", kind.name, fault(err))
		}
	}
	return e.flush()
}

// MarkMoved has Open refuse the ledger from now on, because it was copied to another
// place and goes on there: what this one would be told is not in the copy.
func (s *Store) MarkMoved(ctx context.Context, to string) error {
	w, ok := <-s.writer
	if !ok {
		return ErrClosed
	}
	defer func() { s.writer <- w }()
	_, err := w.conn.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('moved', ?) ON CONFLICT DO UPDATE SET value = excluded.value`, to)
	if err != nil {
		return fmt.Errorf("sqlite: mark it as moved: %w", fault(err))
	}
	return nil
}

// An export is a part that fills up.
type export struct {
	take  func(order.Part) error
	part  order.Part
	rows  int
	bytes int
}

func (e *export) all(rows *sql.Rows, scan func(*sql.Rows, *export) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows, e); err != nil {
			return err
		}
		if e.rows++; e.rows >= partRows || e.bytes >= partBytes {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

func (e *export) flush() error {
	part := e.part
	*e = export{take: e.take}
	if part.Count().Total() == 0 {
		return nil
	}
	return e.take(part)
}

// exports are what there is to read, and how. An event counts for the order that
// it names, or its payment's.
var exports = []struct {
	name, query string
	scan        func(*sql.Rows, *export) error
}{
	{"idempotency keys", `SELECT key, fingerprint, expires_at FROM idempotency`, exportKey},
	{"callbacks", `SELECT id, source, received_at, quarantine, duplicate, body FROM callbacks ORDER BY id`, exportCallback},
	{"events", `SELECT e.callback, e.place, e.order_id, coalesce(nullif(e.order_id, ''), p.order_id, ''), ` + eventColumns + ` FROM events e
		LEFT JOIN payments p ON e.order_id = '' AND e.payment <> '' AND p.source = e.source AND p.payment = e.payment ORDER BY e.n`, exportEvent},
	{"repeats", `SELECT e.source, e.id, r.callback, r.place FROM repeats r JOIN events e ON e.n = r.event`, exportRepeat},
	{"payments", `SELECT source, payment, order_id, at, id FROM payments`, exportPayment},
	{"orders", `SELECT o.order_id, o.version, o.seq, coalesce(c.state, ''), o.terms, o.due_at FROM orders o
		LEFT JOIN changes c ON c.shard = o.shard AND c.seq = o.seq`, exportOrder},
	{"changes", `SELECT shard, seq, order_id, version, previous, state FROM changes`, exportChange},
	{"told", `SELECT order_id, version, transport, subject, first_at, count FROM told`, exportTold},
	{"fetches", `SELECT source, ref, asked, tries, since, due_at FROM fetches`, exportFetch},
	{"revocations", `SELECT ` + revocationColumns + ` FROM revocations`, exportRevocation},
}

func exportKey(rows *sql.Rows, e *export) error {
	var k order.KeptKey
	var expires sql.NullInt64
	err := rows.Scan(&k.Key, &k.Fingerprint, &expires)
	k.Expires = fromMicros(expires)
	e.part.Keys = append(e.part.Keys, k)
	return err
}

func exportCallback(rows *sql.Rows, e *export) error {
	var c order.KeptCallback
	var received sql.NullInt64
	err := rows.Scan(&c.Number, &c.Source, &received, &c.Quarantine, &c.Duplicate, &c.Body)
	c.ReceivedAt = fromMicros(received)
	e.part.Callbacks = append(e.part.Callbacks, c)
	e.bytes += len(c.Body)
	return err
}

func exportEvent(rows *sql.Rows, e *export) error {
	var k order.KeptEvent
	err := scanEvent(rows, &k.Event, []any{&k.Callback, &k.Place, &k.Order, &k.CountsFor})
	e.part.Events = append(e.part.Events, k)
	return err
}

func exportRepeat(rows *sql.Rows, e *export) error {
	var r order.KeptRepeat
	err := rows.Scan(&r.Source, &r.ID, &r.Callback, &r.Place)
	e.part.Repeats = append(e.part.Repeats, r)
	return err
}

func exportPayment(rows *sql.Rows, e *export) error {
	var p order.KeptPayment
	var at sql.NullInt64
	err := rows.Scan(&p.Source, &p.Payment, &p.Order, &at, &p.ID)
	p.At = fromMicros(at)
	e.part.Payments = append(e.part.Payments, p)
	return err
}

func exportOrder(rows *sql.Rows, e *export) error {
	var o order.KeptOrder
	var terms sql.NullString
	var due sql.NullInt64
	err := rows.Scan(&o.Order, &o.Version, &o.Seq, &o.State, &terms, &due)
	o.DueAt = fromMicros(due)
	if err == nil && terms.Valid {
		err = json.Unmarshal([]byte(terms.String), &o.Terms)
	}
	e.part.Orders = append(e.part.Orders, o)
	return err
}

func exportChange(rows *sql.Rows, e *export) error {
	var c order.KeptChange
	err := rows.Scan(&c.Shard, &c.Seq, &c.Order, &c.Version, &c.Previous, &c.State)
	e.part.Changes = append(e.part.Changes, c)
	return err
}

func exportTold(rows *sql.Rows, e *export) error {
	var t order.Told
	var at sql.NullInt64
	err := rows.Scan(&t.Order, &t.Version, &t.Transport, &t.Subject, &at, &t.Count)
	t.At = fromMicros(at)
	e.part.Told = append(e.part.Told, t)
	return err
}

func exportFetch(rows *sql.Rows, e *export) error {
	var f order.KeptFetch
	var since, due int64
	err := rows.Scan(&f.Source, &f.Ref, &f.Asked, &f.Tries, &since, &due)
	f.Since, f.DueAt = time.UnixMicro(since).UTC(), time.UnixMicro(due).UTC()
	e.part.Fetches = append(e.part.Fetches, f)
	return err
}

func exportRevocation(rows *sql.Rows, e *export) error {
	var r order.Revocation
	err := scanRevocation(rows, &r)
	e.part.Revocations = append(e.part.Revocations, r)
	return err
}
