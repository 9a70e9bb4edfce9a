package postgres

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// parameters are what may follow the question mark of a URL, besides what session
// has. Whatever else a session can be told goes into options: a name that the
// server does not know would be found out at the first connection only.
var parameters = []string{
	"channel_binding", "client_encoding", "connect_timeout", "database", "dbname", "default_query_exec_mode", "default_transaction_read_only",
	"description_cache_capacity", "host", "krbspn", "krbsrvname", "max_protocol_version", "min_protocol_version", "options", "passfile",
	"password", "pool_health_check_period", "pool_max_conn_idle_time", "pool_max_conn_lifetime", "pool_max_conn_lifetime_jitter",
	"pool_max_conns", "pool_min_conns", "pool_min_idle_conns", "pool_ping_timeout", "port", "require_auth", "role", "service", "servicefile",
	"sslcert", "sslcertmode", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert", "sslsni", "statement_cache_capacity",
	"synchronous_commit", "target_session_attrs", "tcp_user_timeout", "timezone", "user", "work_mem",
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

// Check says what is wrong with the URL of a ledger, or nil: "has a parameter …". It
// connects to nothing, and shows nothing of the URL that could be secret.
func Check(text string) error {
	_, err := parse(text)
	return err
}

var (
	errNoURL  = errors.New("is not a URL; in a password, write what is not a letter or digit as %XX")
	errNoHost = errors.New("has a host that is not HOST or HOST:PORT; in a password, write what is not a letter or digit as %XX")
)

// parse reads a URL. Its errors show nothing of it, because any part may be one of
// a password with signs that end it.
func parse(text string) (*pgxpool.Config, error) {
	values, err := dissect(text)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("is not understood: %s", withoutSecrets(err))
	}
	if !values.Has("pool_max_conns") {
		config.MaxConns = defaultConns
	}
	if config.MaxConns < 2 {
		return nil, errors.New("has a pool_max_conns below 2: one connection is for writes alone")
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
		return nil, errors.New("has a search_path that is not the name of one schema, in small letters")
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout > connectTime {
		c.ConnectTimeout = connectTime
	}
	if c.ValidateConnect == nil {
		c.ValidateConnect = takesWrites
	}
	c.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}).DialContext
	c.OnNotice = noteWarning
	config.AfterConnect = prepareConn
	return config, nil
}

// dissect returns the parameters of a URL that can be read in one way only. Others
// would find a user, host or database in a password that is not escaped, show it,
// and look it up.
func dissect(text string) (url.Values, error) {
	if !IsURL(text) {
		return nil, errors.New("does not begin with postgres://")
	}
	_, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	user, hosts, found := strings.Cut(authority, "@")
	if !found {
		user, hosts = "", authority
	}
	if strings.Contains(hosts, "@") || strings.ContainsAny(rest, "@#") {
		return nil, errNoURL
	}
	// net/url takes one host only.
	u, err := url.Parse("postgres://" + user + "@host" + rest)
	if err != nil || strings.Contains(strings.TrimPrefix(u.EscapedPath(), "/"), "/") {
		return nil, errNoURL
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host != "" && !hostAndPort.MatchString(host) {
			return nil, errNoHost
		}
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("has parameters that cannot be read")
	}
	for name := range values {
		if _, known := session[name]; !known && !slices.Contains(parameters, name) {
			all := slices.Sorted(maps.Keys(session))
			all = slices.Concat(all, parameters)
			slices.Sort(all)
			return nil, fmt.Errorf("has a parameter that means nothing here; there are %s. Other settings of the session go into options=-c%%20NAME=VALUE", strings.Join(all, ", "))
		}
	}
	return values, nil
}

var (
	// hostAndPort is a name, an IPv4 address or an IPv6 address in brackets.
	hostAndPort = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9._-]+)?\])(:[0-9]{1,5})?$`)
	schemaName  = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
)

// withoutSecrets is what pgx says of a URL that it does not understand, without
// the URL, and without what is in quotes, which may be a part of it.
func withoutSecrets(err error) string {
	text := err.Error()
	if parse := (*pgconn.ParseConfigError)(nil); errors.As(err, &parse) {
		_, after, found := strings.Cut(text, "`: ")
		if !found {
			return "pgx does not say why"
		}
		text = after
	}
	return quoted.ReplaceAllString(text, "…")
}

var quoted = regexp.MustCompile("\"[^\"]*\"|`[^`]*`|'[^']*'")
