package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/paybell/paybell/order"
)

// ErrRefused means that a server is there and refuses what is asked of it, until
// somebody mends that.
var ErrRefused = errors.New("postgres: the server refuses")

// A refusal is an ErrRefused that begins with its cause and what mends it.
type refusal struct {
	mend string
	err  error
}

func (r *refusal) Error() string   { return r.mend + ": " + r.err.Error() }
func (r *refusal) Unwrap() []error { return []error{ErrRefused, r.err} }

// explain names the cause of an error that somebody must mend. One of coming by a
// connection for another cause is order.ErrUnavailable.
func explain(c *pgx.ConnConfig, err error) error {
	if err == nil || errors.Is(err, ErrRefused) || errors.Is(err, order.ErrUnavailable) {
		return err
	}
	if mend := mend(c, err); mend != "" {
		return &refusal{mend, err}
	}
	if connect := (*pgconn.ConnectError)(nil); errors.As(err, &connect) {
		return fmt.Errorf("%w: %w", order.ErrUnavailable, err)
	}
	return err
}

// mend says what is wrong where the server refuses, and what an operator can do
// about it, or "".
func mend(c *pgx.ConnConfig, err error) string {
	connect := (*pgconn.ConnectError)(nil)
	connecting := errors.As(err, &connect)
	switch sqlState(err) {
	case insufficientPrivilege:
		if connecting {
			return "the role may not connect to the database: GRANT CONNECT ON DATABASE " + identifier(c.Database) + " TO " + identifier(c.User)
		}
		return "the role lacks rights: " + grants(c)
	case invalidPassword, invalidAuthorization:
		return "the server does not let the user in: check user and password, in the URL or PGPASSWORD or PGPASSFILE, and the server's pg_hba.conf"
	case invalidCatalogName:
		return "the server has no such database: check the URL, or CREATE DATABASE " + identifier(c.Database) + " ENCODING 'UTF8' TEMPLATE template0"
	case undefinedObject, invalidParameterValue:
		if connecting {
			return "the server does not take a setting of the session: check the URL's parameters"
		}
	}
	if errors.Is(err, errReadOnlySessions) {
		return "the role's sessions take no writes: set default_transaction_read_only to off in the URL, the role, the database or the server"
	}
	return ""
}

// grants are what an owner does so that a gateway's role has what it needs.
func grants(c *pgx.ConnConfig) string {
	schema, role := identifier(c.RuntimeParams["search_path"]), identifier(c.User)
	return "as the owner of the tables, run 'paybell ledger migrate', then " +
		"GRANT USAGE ON SCHEMA " + schema + " TO " + role + "; " +
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schema + " TO " + role + "; " +
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA " + schema + " TO " + role
}

func identifier(name string) string {
	if schemaName.MatchString(name) {
		return name
	}
	return pgx.Identifier{name}.Sanitize()
}

// checkRights refuses a role that may not write, which would otherwise be found
// out at the first webhook.
func checkRights(ctx context.Context, conn *pgx.Conn, schema string) error {
	var missing string
	err := conn.QueryRow(ctx, `SELECT coalesce(string_agg(privilege || ' on ' || relname, ', ' ORDER BY relname, privilege), '') FROM (
		SELECT relname, privilege FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
			WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') AND relname <> 'migrations' AND NOT has_table_privilege(oid, privilege)
		UNION ALL SELECT relname, 'USAGE' FROM pg_class
			WHERE relnamespace = to_regnamespace($1) AND CASE relkind WHEN 'S' THEN NOT has_sequence_privilege(oid, 'USAGE') END) t`, schema).Scan(&missing)
	if err != nil || missing == "" {
		return err
	}
	return &refusal{"the role lacks rights: " + grants(conn.Config()), fmt.Errorf("it has no %s", missing)}
}

var (
	errReadOnlySessions = errors.New("default_transaction_read_only is on")
	errStandby          = errors.New("the server is a standby, is behind and takes no writes")
)

// takesWrites passes over servers that take none.
func takesWrites(ctx context.Context, conn *pgconn.PgConn) error {
	results, err := conn.Exec(ctx, "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')").ReadAll()
	if err != nil {
		return err
	}
	switch row := results[0].Rows[0]; {
	case string(row[0]) == "t":
		return errStandby
	case string(row[1]) == "on":
		return errReadOnlySessions
	}
	return nil
}
