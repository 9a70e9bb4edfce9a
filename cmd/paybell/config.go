package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/bus/redis"
	"github.com/paybell/paybell/hub"
)

// A config is the whole configuration of a gateway: one YAML file, with
// ${VARIABLES} and file: filled in, PAYBELL_ variables on top, defaults below,
// checked once. The yaml tags are what an operator writes.
type config struct {
	Listen    string `yaml:"listen"`     // HOST:PORT for customers, backends and providers
	Admin     string `yaml:"admin"`      // HOST:PORT for the operator alone
	PublicURL string `yaml:"public_url"` // as the world reaches Listen, without a slash at the end; may be empty
	Ledger    ledger `yaml:"ledger"`     // sqlite:PATH or postgres://…
	Bus       busURL `yaml:"bus"`        // redis://… and its kin; empty: the only node

	ClusterSecret secret        `yaml:"cluster_secret"`
	Origins       []string      `yaml:"origins"` // exact, normalised: scheme://host[:port]
	TLS           tlsConfig     `yaml:"tls"`
	Drain         time.Duration `yaml:"drain"` // how long a stop takes: half of it not ready, half to send clients away

	Limits         limitsConfig `yaml:"limits"`
	TrustedProxies []string     `yaml:"trusted_proxies"` // addresses and networks whose X-Forwarded-For is believed

	Hosted hostedConfig `yaml:"hosted"`

	Auth    authConfig              `yaml:"auth"`
	Sources map[string]sourceConfig `yaml:"sources"`

	commitBatch int // how many writes may share a commit; 0: as many as usual

	from origins // where each value came from, by path
	file string  // for people; "" when there was none
}

// A tlsConfig names the PEM files of the public listener; empty: plain HTTP.
type tlsConfig struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// A limitsConfig says how much of the node clients may take, as [hub.Limits] does;
// -1 is no limit. What depends on how many descriptors the process may open is 0
// when nobody sets it.
type limitsConfig struct {
	Connections  int `yaml:"connections"`
	PerToken     int `yaml:"per_token"`
	PerAddress   int `yaml:"per_address"` // set, it counts loopback addresses too
	Rate         int `yaml:"rate"`
	Queue        int `yaml:"queue"`
	Orders       int `yaml:"orders"`
	MessageBytes int `yaml:"message_bytes"`
	Reserve      int `yaml:"reserve"` // descriptors that waiting clients leave to webhooks and all other requests
}

// A hostedConfig is about /pay/{order}, the waiting page for shops without their own.
type hostedConfig struct {
	Enabled        bool     `yaml:"enabled"`
	Name           string   `yaml:"name"`            // the shop's, for its customers; may be empty
	Back           string   `yaml:"back"`            // where the shop is, as a link; may be empty
	FrameAncestors []string `yaml:"frame_ancestors"` // origins whose pages may hold it in a frame
}

// An authConfig says who may watch orders, and which backends may register them.
type authConfig struct {
	Issuer    string      `yaml:"issuer"`
	Audience  string      `yaml:"audience"`
	TokenType string      `yaml:"token_type"` // the header "typ" that tokens must have; empty: none, JWT or paybell+jwt
	Keys      []keyConfig `yaml:"keys"`
	APIKeys   []secret    `yaml:"api_keys"`
}

// A keyConfig is one key that tokens are signed with. Exactly one of Secret,
// PublicKey, PrivateKey and JWKS is set.
type keyConfig struct {
	ID         string     `yaml:"id"`
	Algorithm  string     `yaml:"algorithm"`
	Secret     secret     `yaml:"secret"`
	PublicKey  fileText   `yaml:"public_key"`  // PEM
	PrivateKey secret     `yaml:"private_key"` // PEM
	JWKS       addressURL `yaml:"jwks"`
}

// defaults is what holds for everything that nobody sets.
func defaults() *config {
	l := hub.DefaultLimits()
	return &config{
		Listen: ":8080",
		Admin:  "127.0.0.1:9090",
		Ledger: "sqlite:paybell.db",
		Drain:  10 * time.Second,
		Limits: limitsConfig{
			PerToken: l.PerToken, PerAddress: l.PerAddress, Rate: l.Rate, Queue: l.Queue,
			Orders: l.Orders, MessageBytes: l.MessageBytes,
		},
		Auth: authConfig{Audience: "paybell"},
		from: origins{},
	}
}

// sets says whether the file or a variable sets the value at a path.
func (c *config) sets(path string) bool {
	_, ok := c.from[path]
	return ok
}

// loadConfig reads the configuration file at path, with the environment given
// as by os.Environ. The error holds all mistakes that were found, each with its
// file and line or its variable, and no value that could be secret.
func loadConfig(path string, environ []string) (*config, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no configuration at %s; --config names another, and 'paybell demo' needs none", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return parseConfig(path, content, environ)
}

func parseConfig(path string, content []byte, environ []string) (*config, error) {
	c := defaults()
	c.file = path
	env := environment(environ)
	d := &decoder{file: path, dir: filepath.Dir(path), env: env, referred: map[string]bool{}, from: c.from}
	d.document(content, c)
	d.override(c)
	if len(d.mistakes) == 0 {
		d.mistakes = c.check()
	}
	if len(d.mistakes) > 0 {
		return nil, configError{d.mistakes}
	}
	return c, nil
}

// environment reads the form of os.Environ.
func environment(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	return env
}

// mask is what is shown in place of a secret, whatever its length.
const mask = "********"

// A secret is text that is never shown: printed, marshaled or logged, it is a
// mask. In the configuration it may be "file:PATH".
type secret string

func (secret) String() string               { return mask }
func (secret) GoString() string             { return mask }
func (secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// An addressURL is a URL that is shown without its user, query and fragment,
// which may hold a key.
type addressURL string

func (a addressURL) String() string {
	u, err := url.Parse(string(a))
	if err != nil || u.Host == "" {
		return mask
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += mask + "@"
	}
	shown += u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?" + mask
	}
	if u.Fragment != "" {
		shown += "#" + mask
	}
	return shown
}

func (a addressURL) GoString() string             { return strconv.Quote(a.String()) }
func (a addressURL) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// A busURL is shown without user, password and parameters.
type busURL string

func (u busURL) String() string {
	if u == "" {
		return ""
	}
	return redis.Redacted(string(u))
}

func (u busURL) GoString() string             { return strconv.Quote(u.String()) }
func (u busURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// reveal gives secrets out to the part that needs them.
func reveal(secrets []secret) []string {
	var plain []string
	for _, s := range secrets {
		plain = append(plain, string(s))
	}
	return plain
}

// A fileText is public text that may be "file:PATH" in the configuration.
type fileText string

// origins says where values came from, by their path: "auth.keys[0].secret".
type origins map[string]origin

// An origin is a line of the file, or the name of a variable.
type origin struct {
	line      int
	variables []string // that were filled in, or that set the value
}

// A mistake is one thing that is wrong with a configuration.
type mistake struct {
	at   string // "paybell.yaml:12", "paybell.yaml" or the name of a variable
	line int
	text string
}

// A configError is all that is wrong with a configuration.
type configError struct{ mistakes []mistake }

func (e configError) Error() string {
	slices.SortStableFunc(e.mistakes, func(a, b mistake) int { return a.line - b.line })
	lines := make([]string, len(e.mistakes))
	for i, m := range e.mistakes {
		lines[i] = m.at + ": " + m.text
	}
	if len(lines) == 1 {
		return lines[0]
	}
	return fmt.Sprintf("%d mistakes in the configuration:\n  %s", len(lines), strings.Join(lines, "\n  "))
}
