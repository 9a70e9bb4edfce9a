package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
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

// Address is a URL as it may be shown: without its user, password and
// parameters.
func Address(text string) string {
	config, err := parse(text)
	if err != nil {
		return "postgres://…"
	}
	c := config.ConnConfig
	hosts := []string{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))}
	for _, f := range c.Fallbacks { // other hosts, and the same one without TLS
		if host := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return "postgres://" + strings.Join(hosts, ",") + "/" + url.PathEscape(c.Database)
}

// IsURL says whether a text is the URL of a database, by its scheme.
func IsURL(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// Check says what is wrong with the URL of a ledger, or nil. It connects to
// nothing, and its errors show no part of the URL that may be secret.
func Check(text string) error {
	_, err := parse(text)
	return err
}

func parse(text string) (*pgxpool.Config, error) {
	if !IsURL(text) {
		return nil, errors.New("postgres: not a URL such as postgres://user@host/database")
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("postgres: %s", withoutSecrets(err))
	}
	_, parameters, _ := strings.Cut(text, "?")
	if !strings.Contains("&"+parameters, "&pool_max_conns=") {
		config.MaxConns = defaultConns
	}
	if config.MaxConns < 2 {
		return nil, errors.New("postgres: pool_max_conns must be 2 or more: one is for writes alone")
	}
	if config.PingTimeout == 0 {
		config.PingTimeout = pingTime
	}
	c := config.ConnConfig
	for name, value := range session {
		if _, set := c.RuntimeParams[name]; !set {
			c.RuntimeParams[name] = value
		}
	}
	if !schemaName.MatchString(c.RuntimeParams["search_path"]) {
		return nil, errors.New("postgres: search_path must name one schema, in small letters")
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout > connectTime {
		c.ConnectTimeout = connectTime
	}
	if c.ValidateConnect == nil { // a standby is behind, and takes no writes
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	c.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}).DialContext
	c.OnNotice = noteWarning
	config.AfterConnect = prepareConn
	return config, nil
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// withoutSecrets is what pgx says of a URL that it does not understand, without
// the URL, and without what is in quotes, which may be a part of it.
func withoutSecrets(err error) string {
	text := err.Error()
	if parse := (*pgconn.ParseConfigError)(nil); errors.As(err, &parse) {
		_, after, found := strings.Cut(text, "`: ")
		if !found {
			return "the URL is not understood"
		}
		text = after
	}
	return quoted.ReplaceAllString(text, "…")
}

var quoted = regexp.MustCompile("\"[^\"]*\"|`[^`]*`|'[^']*'")

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
	return fault(err)
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
	return fmt.Errorf("%w: %w", order.ErrUnavailable, err)
}

// fault marks errors of a server that is out of reach.
func fault(err error) error {
	if connect := (*pgconn.ConnectError)(nil); errors.As(err, &connect) && !errors.Is(err, order.ErrUnavailable) {
		return fmt.Errorf("%w: %w", order.ErrUnavailable, err)
	}
	return err
}

// SQLSTATE codes (PostgreSQL, appendix A).
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	readOnly             = "25006"
	divisionByZero       = "22012"
	shutdowns            = "57P" // 57P01 to 57P05
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
