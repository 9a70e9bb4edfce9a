package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A kind is how several servers make one Redis.
type kind int

const (
	standalone kind = iota
	sentinel
	cluster
)

var schemes = map[string]struct {
	kind kind
	tls  bool
	port string
}{
	"redis":           {standalone, false, "6379"},
	"rediss":          {standalone, true, "6379"},
	"redis+sentinel":  {sentinel, false, "26379"},
	"rediss+sentinel": {sentinel, true, "26379"},
	"redis+cluster":   {cluster, false, "6379"},
	"rediss+cluster":  {cluster, true, "6379"},
}

// An address is what a URL says.
type address struct {
	scheme         string
	kind           kind
	hosts          []string // host:port
	user, password string
	master         string // of a sentinel
	db             int
	prefix         string // of channels
	sharded        bool
	sentinelUser   string
	sentinelPass   string
	tls            *tls.Config // nil: none; without a server's name: the host's
}

// String is the address as an operator may see it: without user and password.
func (a address) String() string {
	s := a.scheme + "://" + strings.Join(a.hosts, ",")
	if a.master != "" {
		s += "/" + a.master
	}
	return s
}

// channel is where the hints of a shard are. The braces decide on its slot.
func (a address) channel(shard int) string { return a.prefix + ":{" + strconv.Itoa(shard) + "}" }

// Check says what is wrong with a URL, or nil: "must begin with redis://…". It shows
// nothing of it that could be secret.
func Check(url string) error {
	_, err := parseURL(url)
	return err
}

// Redacted is a URL without user, password and parameters.
func Redacted(url string) string {
	a, err := parseURL(url)
	if err != nil {
		return "********"
	}
	return a.String()
}

var errNoURL = errors.New("is not a URL; in a password, write what is not a letter or digit as %XX")

// parseURL reads a URL. Its errors show nothing of it, because any part may be one of
// a password with signs that end it.
func parseURL(text string) (a address, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	s, known := schemes[scheme]
	if !ok || !known {
		return a, errors.New("must begin with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://")
	}
	a = address{scheme: scheme, kind: s.kind, prefix: "paybell"}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	if strings.Contains(rest, "@") {
		return a, errNoURL // what was taken for a host or a path is a password
	}
	at := strings.LastIndexByte(authority, '@')
	// net/url takes one host only.
	u, err := url.Parse("redis://" + authority[:at+1] + "host" + rest)
	if err != nil || u.Fragment != "" {
		return a, errNoURL
	}
	a.user = u.User.Username()
	a.password, _ = u.User.Password()
	if a.hosts, err = parseHosts(authority[at+1:], s.port, a.kind); err != nil {
		return a, err
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return a, errors.New("has parameters that cannot be read")
	}
	p := parameters{values: values}
	a.path(strings.TrimPrefix(u.Path, "/"), &p)
	a.parameters(s.tls, &p)
	return a, p.end()
}

func parseHosts(list, port string, k kind) ([]string, error) {
	hosts := strings.Split(list, ",")
	for i, h := range hosts {
		host, p, err := net.SplitHostPort(h)
		if err != nil {
			host, p = strings.Trim(h, "[]"), port
		}
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 || host == "" {
			return nil, errors.New("has a host that is not HOST or HOST:PORT; in a password, write what is not a letter or digit as %XX")
		}
		hosts[i] = net.JoinHostPort(host, p)
	}
	if k == standalone && len(hosts) > 1 {
		return nil, errors.New("names several hosts; write redis+sentinel:// or redis+cluster:// for these")
	}
	return hosts, nil
}

// path reads what comes after the hosts: a database, or the name of a master.
func (a *address) path(path string, p *parameters) {
	db := path
	if a.kind == sentinel {
		a.master, db = path, p.text("db")
		if path == "" || strings.Contains(path, "/") {
			p.fail("must name the master that the sentinels watch: redis+sentinel://HOST:26379,HOST:26379/MASTER")
		}
	}
	if db == "" {
		return
	}
	n, err := strconv.ParseUint(db, 10, 16)
	switch {
	case err != nil:
		p.fail("has a database that is not a number")
	case a.kind == cluster && n != 0:
		p.fail("names a database, and a cluster has none")
	}
	a.db = int(n)
}

func (a *address) parameters(secure bool, p *parameters) {
	if prefix := p.text("prefix"); prefix != "" {
		a.prefix = prefix
		if strings.ContainsAny(prefix, "{}*?[]\\ \r\n") || len(prefix) > 64 {
			p.fail("has a prefix with one of {}*?[]\\ or a space, or of more than 64 bytes")
		}
	}
	switch mode := p.text("pubsub"); {
	case mode == "sharded" && a.kind == cluster:
		a.sharded = true
	case mode != "" && (mode != "classic" || a.kind != cluster):
		p.fail("has a pubsub that is neither classic nor sharded, or no cluster")
	}
	if a.kind == sentinel {
		a.sentinelUser, a.sentinelPass = p.text("sentinel_user"), p.text("sentinel_password")
	}
	if !secure {
		return
	}
	a.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: p.text("server_name")}
	if file := p.text("ca"); file != "" {
		a.tls.RootCAs = x509.NewCertPool()
		pem, err := os.ReadFile(file)
		if err != nil || !a.tls.RootCAs.AppendCertsFromPEM(pem) {
			p.fail("names a ca that is not a file of PEM certificates that can be read")
		}
	}
	if cert, key := p.text("cert"), p.text("key"); cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			p.fail("names a cert and key that are not PEM files that fit each other and can be read")
		}
		a.tls.Certificates = []tls.Certificate{pair}
	}
}

// parameters are what a URL has after its question mark. The first mistake counts.
type parameters struct {
	values url.Values
	known  []string
	err    error
}

func (p *parameters) fail(text string) {
	if p.err == nil {
		p.err = errors.New(text)
	}
}

func (p *parameters) text(name string) string {
	p.known = append(p.known, name)
	if len(p.values[name]) > 1 {
		p.fail("has " + name + " twice")
	}
	return p.values.Get(name)
}

func (p *parameters) end() error {
	for name := range p.values {
		if !slices.Contains(p.known, name) {
			p.fail("has a parameter that means nothing here; there are " + strings.Join(p.known, ", "))
		}
	}
	return p.err
}
