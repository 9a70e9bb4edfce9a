package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/paybell/paybell/order"
)

// ErrNotEmpty means that a ledger into which another was to be copied has
// something in it.
var ErrNotEmpty = errors.New("postgres: ledger is not empty")

// An Import fills an empty ledger with all that another one kept. It is one
// transaction: nobody sees a part of it, and one that fails leaves the ledger
// empty. Gateways that run on the ledger meanwhile answer 503.
type Import struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

// BeginImport makes the ledger at a URL if there is none. One that has anything in
// it is ErrNotEmpty. Whoever begins must end with Commit or Abort.
func BeginImport(ctx context.Context, url string) (*Import, error) {
	i, err := beginImport(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", Address(url), err)
	}
	return i, nil
}

func beginImport(ctx context.Context, url string) (*Import, error) {
	config, err := parse(url)
	if err != nil {
		return nil, fmt.Errorf("the URL %w", err)
	}
	if _, err := migrateAt(ctx, url, mustBeEmpty); err != nil {
		return nil, err
	}
	for _, limit := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		config.ConnConfig.RuntimeParams[limit] = "0" // it takes what it takes
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, explain(config.ConnConfig, err)
	}
	i := &Import{conn: conn}
	if err := i.start(ctx); err != nil {
		i.Abort()
		return nil, explain(config.ConnConfig, err)
	}
	return i, nil
}

func (i *Import) start(ctx context.Context) (err error) {
	if err := prepareConn(ctx, i.conn); err != nil {
		return err
	}
	if i.tx, err = i.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}); err != nil {
		return err
	}
	if _, err := i.tx.Exec(ctx, `LOCK TABLE idempotency, events, orders, shard_heads, told, fetches, revocation_head IN EXCLUSIVE MODE`); err != nil {
		return err
	}
	return empty(ctx, i.tx)
}

// mustBeEmpty looks before anything is locked, for which a role needs more rights.
func mustBeEmpty(ctx context.Context, conn *pgx.Conn, _ string) error { return empty(ctx, conn) }

func empty(ctx context.Context, conn queryer) error {
	var is bool
	err := conn.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM idempotency) AND NOT EXISTS (SELECT FROM callbacks)
		AND NOT EXISTS (SELECT FROM orders) AND NOT EXISTS (SELECT FROM told)
		AND NOT EXISTS (SELECT FROM fetches) AND NOT EXISTS (SELECT FROM revocations)`).Scan(&is)
	if err == nil && !is {
		err = ErrNotEmpty
	}
	return err
}

// Abort leaves the ledger empty. After Commit it does nothing but close the
// connection.
func (i *Import) Abort() { i.conn.Close(context.Background()) }

// Add takes in a part of the other ledger.
func (i *Import) Add(ctx context.Context, p order.Part) error {
	return errors.Join(
		add(ctx, i, "idempotency", p.Keys, []string{"key", "fingerprint", "expires_at"}, func(k order.KeptKey) []any {
			return []any{[]byte(k.Key), clean(k.Fingerprint), k.Expires}
		}),
		add(ctx, i, "callbacks", p.Callbacks, []string{"id", "source", "received_at", "quarantine", "duplicate", "body"}, func(c order.KeptCallback) []any {
			return []any{c.Number, clean(c.Source), stamp(c.ReceivedAt), clean(c.Quarantine), c.Duplicate, c.Body}
		}),
		add(ctx, i, "events", p.Events, []string{"source", "id", "callback", "place", "counts_for", "order_id", "payment", "ref", "kind", "status",
			"amount", "currency", "method", "reason", "action_url", "at", "livemode", "type"}, func(k order.KeptEvent) []any {
			e := asStored(k.Event)
			return []any{e.Source, e.ID, k.Callback, k.Place, k.CountsFor, e.Order, e.Payment, e.Ref, string(e.Kind), string(e.Status),
				e.Amount, e.Currency, e.Method, e.Reason, e.ActionURL, stamp(e.At), e.Livemode, e.Type}
		}),
		add(ctx, i, "repeats", p.Repeats, []string{"source", "event", "callback", "place"}, func(r order.KeptRepeat) []any {
			return []any{r.Source, r.ID, r.Callback, r.Place}
		}),
		add(ctx, i, "payments", p.Payments, []string{"source", "payment", "order_id", "at", "id"}, func(p order.KeptPayment) []any {
			return []any{p.Source, p.Payment, p.Order, p.At, p.ID}
		}),
		addOrders(ctx, i, p.Orders),
		add(ctx, i, "changes", p.Changes, []string{"shard", "seq", "order_id", "version", "previous", "state"}, func(c order.KeptChange) []any {
			return []any{c.Shard, c.Seq, c.Order, c.Version, c.Previous, c.State}
		}),
		add(ctx, i, "told", p.Told, []string{"order_id", "version", "transport", "subject", "first_at", "count"}, func(t order.Told) []any {
			return []any{t.Order, t.Version, t.Transport, clean(t.Subject), stamp(t.At), t.Count}
		}),
		add(ctx, i, "fetches", p.Fetches, []string{"source", "ref", "asked", "tries", "since", "due_at"}, func(f order.KeptFetch) []any {
			return []any{clean(f.Source), clean(f.Ref), f.Asked, f.Tries, f.Since, f.DueAt}
		}),
		add(ctx, i, "revocations", p.Revocations, []string{"seq", "id", "kind", "value", "reason", "at", "expires_at"}, func(r order.Revocation) []any {
			return []any{r.Seq, r.ID, string(r.Kind), r.Value, r.Reason, r.At, stamp(r.Expires)}
		}))
}

func addOrders(ctx context.Context, i *Import, orders []order.KeptOrder) error {
	terms := make(map[string]string, len(orders))
	for _, o := range orders {
		text, err := writeTerms(o.Terms)
		if err != nil {
			return err
		}
		terms[o.Order] = text
	}
	return add(ctx, i, "orders", orders, []string{"order_id", "shard", "version", "seq", "state", "terms", "due_at"}, func(o order.KeptOrder) []any {
		return []any{o.Order, order.ShardOf(o.Order), o.Version, o.Seq, o.State, terms[o.Order], stamp(o.DueAt)}
	})
}

// add copies rows into a table. After an error the transaction takes no more.
func add[R any](ctx context.Context, i *Import, table string, rows []R, columns []string, values func(R) []any) error {
	if len(rows) == 0 {
		return nil
	}
	source := pgx.CopyFromSlice(len(rows), func(n int) ([]any, error) { return values(rows[n]), nil })
	if _, err := i.tx.CopyFrom(ctx, pgx.Identifier{table}, columns, source); err != nil {
		return fmt.Errorf("postgres: copy into %s: %w", table, err)
	}
	return nil
}

// Commit gives the ledger the other one's epoch, so that clients notice nothing,
// checks that it has what was counted, and that its journals have no holes, and
// makes it all durable. After an error the ledger is empty as before, unless it is an
// ErrUnsure. The end of ctx interrupts all but the commit itself.
func (i *Import) Commit(ctx context.Context, epoch string, want order.Count) error {
	defer i.Abort()
	if err := i.finish(ctx, epoch, want); err != nil {
		return fmt.Errorf("postgres: nothing was copied: %w", explain(i.conn.Config(), err))
	}
	ctx = context.WithoutCancel(ctx)
	delete(i.conn.PgConn().CustomData(), warning)
	err := i.tx.Commit(ctx)
	if text, warned := i.conn.PgConn().CustomData()[warning]; warned && err == nil {
		err = fmt.Errorf("%v", text)
	}
	if err != nil {
		return fmt.Errorf("postgres: %w: %w", ErrUnsure, err)
	}
	_, err = i.conn.Exec(ctx, `ANALYZE callbacks, events, payments, orders, changes`)
	if err != nil {
		return fmt.Errorf("postgres: the copy is complete, but not analyzed: %w", err)
	}
	return nil
}

func (i *Import) finish(ctx context.Context, epoch string, want order.Count) error {
	got, err := count(ctx, i.tx)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("there are %+v rows, not %+v", got, want)
	}
	_, err = i.tx.Exec(ctx, `UPDATE shard_heads h SET seq = c.seq
		FROM (SELECT shard, max(seq) seq FROM changes GROUP BY shard) c WHERE h.shard = c.shard`)
	if err != nil {
		return err
	}
	var wrong int
	err = i.tx.QueryRow(ctx, `SELECT count(*) FROM shard_heads h WHERE h.seq <> (SELECT count(*) FROM changes c WHERE c.shard = h.shard)`).Scan(&wrong)
	if err == nil && wrong > 0 {
		return fmt.Errorf("the journals of %d shards have holes", wrong)
	}
	if err == nil {
		_, err = i.tx.Exec(ctx, `SELECT setval('batches', (SELECT coalesce(max(id), 0) >> 16 FROM callbacks) + 1)`)
	}
	if err == nil {
		_, err = i.tx.Exec(ctx, `UPDATE revocation_head SET seq = (SELECT coalesce(max(seq), 0) FROM revocations)`)
	}
	if err == nil {
		_, err = i.tx.Exec(ctx, `UPDATE meta SET value = $1 WHERE key = 'epoch'`, epoch)
	}
	return err
}

func count(ctx context.Context, conn queryer) (c order.Count, err error) {
	err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM idempotency), (SELECT count(*) FROM callbacks),
		(SELECT count(*) FROM events), (SELECT count(*) FROM repeats), (SELECT count(*) FROM payments),
		(SELECT count(*) FROM orders), (SELECT count(*) FROM changes), (SELECT count(*) FROM told),
		(SELECT count(*) FROM fetches), (SELECT count(*) FROM revocations)`,
	).Scan(&c.Keys, &c.Callbacks, &c.Events, &c.Repeats, &c.Payments, &c.Orders, &c.Changes, &c.Told, &c.Fetches, &c.Revocations)
	return c, err
}
