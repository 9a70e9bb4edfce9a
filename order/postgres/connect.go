package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/paybell/paybell/order"
)

const (
	oldestServer = 130000 // server_version_num
	defaultConns = 8

	connectTime = 5 * time.Second  // to come by one connection
	writeTime   = 15 * time.Second // for a transaction, with waiting for a connection
	readTime    = 10 * time.Second // for anything else, likewise
	pingTime    = 2 * time.Second  // for a connection that has been idle to show that it is alive
)

// session are settings of every connection, unless the URL has others. The
// limits free what a gateway holds that has lost its way. The plans must not
// depend on what the server happened to know of tables when they were small:
// each statement has one good plan, along indexes.
var session = map[string]string{
	"application_name":                    "paybell",
	"search_path":                         "paybell",
	"statement_timeout":                   "10s",
	"lock_timeout":                        "5s",
	"idle_in_transaction_session_timeout": "5s",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
	"plan_cache_mode":                     "force_generic_plan",
	"enable_seqscan":                      "off",
	"enable_hashjoin":                     "off",
	"enable_mergejoin":                    "off",
	"jit":                                 "off",
}

// prepareConn makes a new connection fit for a ledger, or refuses it.
func prepareConn(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var encoding, fsync, pages, commit string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
		current_setting('fsync'), current_setting('full_page_writes'),
		set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)`,
	).Scan(&version, &encoding, &fsync, &pages, &commit)
	switch {
	case err != nil:
		return err
	case version < oldestServer:
		return fmt.Errorf("%w: its version is %d, older than %d", ErrUnfit, version/10000, oldestServer/10000)
	case encoding != "UTF8":
		return fmt.Errorf("%w: its encoding is %s, not UTF8", ErrUnfit, encoding)
	case fsync != "on" || pages != "on":
		return fmt.Errorf("%w: the server runs with fsync=%s and full_page_writes=%s; both must be on, or a crash loses payments", ErrUnfit, fsync, pages)
	}
	return nil
}

// warning is under what a connection keeps the last warning of the server.
const warning = "paybell warning"

// noteWarning keeps warnings, of which one is serious: that a commit did not
// wait for a synchronous standby, and may be lost with the server.
func noteWarning(conn *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		conn.CustomData()[warning] = n.Message
	}
}

// run lends a connection to use, for a time at most.
func (s *Store) run(ctx context.Context, limit time.Duration, use func(context.Context, *pgxpool.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return s.unreached(ctx, err)
	}
	defer conn.Release()
	err = use(ctx, conn)
	if stale(err) {
		conn.Conn().Close(context.WithoutCancel(ctx))
		s.pool.Reset() // its fellows lead to the same server
	}
	return explain(s.config, err)
}

// A lane is places to wait for, one in each of its channels, from the narrowest on.
type lane []chan struct{}

// share lends a connection to what must leave some to others: to all but
// transactions of the ledger.
func (s *Store) share(ctx context.Context, l lane, use func(context.Context, *pgxpool.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	for _, places := range l {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		case <-ctx.Done():
			return s.unreached(ctx, context.Cause(ctx))
		}
	}
	return s.run(ctx, readTime, use)
}

// unreached is an error of coming by a connection: nothing was done.
func (s *Store) unreached(ctx context.Context, err error) error {
	switch {
	case s.closed.Load():
		return ErrClosed
	case errors.Is(err, ErrUnfit):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("waiting for a connection: %w", context.Canceled)
	}
	if err = explain(s.config, err); errors.Is(err, order.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", order.ErrUnavailable, err) // a gateway that runs goes on when it is mended
}

// SQLSTATE codes (PostgreSQL, appendix A).
const (
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	readOnly              = "25006"
	divisionByZero        = "22012"
	shutdowns             = "57P" // 57P01 to 57P05
	invalidPassword       = "28P01"
	invalidAuthorization  = "28000"
	invalidCatalogName    = "3D000"
	undefinedObject       = "42704"
	invalidParameterValue = "22023"
	insufficientPrivilege = "42501"
)

func sqlState(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// stale says whether an error shows that connections lead to a server that is
// going or that takes no writes any more.
func stale(err error) bool {
	state := sqlState(err)
	return state == readOnly || strings.HasPrefix(state, shutdowns)
}
