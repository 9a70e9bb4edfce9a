package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/paybell/paybell/order"
)

// A Status is what can be said of a ledger at little cost.
type Status struct {
	Form, Latest int    // of the tables, and of those that this program makes; Form 0: there are none
	Server       string // its version
	Commit       string // synchronous_commit, as gateways have it
	Standbys     string // synchronous_standby_names; "" for none
	Connections  int    // of gateways, that may be seen
	Bytes        int64  // of tables and indexes

	Heads order.Heads // where Form is Latest
}

// Inspect returns the status of the ledger at a URL, and changes nothing.
func Inspect(ctx context.Context, url string) (s Status, err error) {
	err = alone(ctx, url, func(conn *pgx.Conn, schema string) error {
		s.Latest = len(migrations())
		if s.Form, err = readVersion(ctx, conn, schema); err != nil {
			return err
		}
		err := conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('synchronous_commit'),
			current_setting('synchronous_standby_names'),
			(SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()),
			(SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace($2))`,
			session["application_name"], schema).Scan(&s.Server, &s.Commit, &s.Standbys, &s.Connections, &s.Bytes)
		if err != nil || s.Form < s.Latest {
			return err
		}
		rows, err := conn.Query(ctx, selectHeads)
		if err != nil {
			return err
		}
		return each(rows, func() error { return scanHead(rows, &s.Heads) })
	})
	if err != nil {
		return s, fmt.Errorf("look at ledger %s: %w", Address(url), err)
	}
	return s, nil
}
