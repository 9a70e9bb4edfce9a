//go:build unix

package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/doctor"
	"github.com/paybell/paybell/internal/rig"
)

// shop is the origin whose pages the gateways of these tests let in.
const shop = "https://shop.example"

// A clinic is a gateway with something before it.
type clinic struct {
	*testGateway
	address string // as customers reach it
}

func openClinic(t *testing.T, change func(*config)) *clinic {
	t.Helper()
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "paybell.db"), func(c *config) {
		c.Origins = []string{shop}
		c.TrustedProxies = []string{"127.0.0.1"}
		if change != nil {
			change(c)
		}
	})
	return &clinic{gw, gw.base}
}

// behind puts a proxy before the gateway: that of a file of deploy/, in which
// texts are replaced, each of which must be there.
func (c *clinic) behind(file string, replace ...string) {
	c.t.Helper()
	content, err := os.ReadFile(filepath.Join("../../deploy", file))
	if err != nil {
		c.t.Fatal(err)
	}
	text := string(content)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			c.t.Fatalf("%s has no %q", file, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	path := filepath.Join(c.t.TempDir(), file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	start := rig.StartNginx
	if file == "haproxy.cfg" {
		start = rig.StartHAProxy
	}
	node := strings.TrimPrefix(c.base, "http://")
	proxy := start(c.t, path, node, node)
	c.address = "http://" + proxy.Address()
	if file == "haproxy.cfg" { // which takes a node when it has found it ready
		proxy.Until(c.t, func() error {
			if a := c.get(c.address + "/v1/orders/x"); a != 401 {
				return fmt.Errorf("answered %d", a)
			}
			return nil
		})
	}
}

// get asks and returns the status; 0: there was no answer.
func (c *clinic) get(address string) int {
	answer, err := http.Get(address)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// examine examines the gateway as a customer of a shop reaches it.
func (c *clinic) examine(o doctor.Options) *doctor.Report {
	c.t.Helper()
	address, err := doctor.Check(c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	if o.Token == "" {
		minter, err := buildMinter(c.config, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		if o.Token, _, err = minter.Mint("", []string{"paybell-doctor-1"}, 10*time.Minute); err != nil {
			c.t.Fatal(err)
		}
	}
	if o.Origin == "" {
		o.Origin = shop
	}
	if o.Idle == 0 {
		o.Idle = 2 * time.Second
	}
	o.Admin = c.admin
	report, err := doctor.Examine(c.t.Context(), address, o)
	if err != nil {
		c.t.Fatal(err)
	}
	return report
}

// want fails when a report has other findings than those, by their codes.
func (c *clinic) want(r *doctor.Report, codes ...string) {
	c.t.Helper()
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Code)
	}
	slices.Sort(got)
	slices.Sort(codes)
	if !slices.Equal(got, codes) {
		var shown strings.Builder
		printReport(&shown, r, "")
		c.t.Errorf("found %v, want %v\n%s", got, codes, shown.String())
	}
}

// The configurations in deploy/ do nothing to a customer that should be mended.
func TestDoctorFindsNothingBehindWhatIsDeployed(t *testing.T) {
	for _, file := range []string{"nginx.conf", "haproxy.cfg"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			c := openClinic(t, nil)
			c.behind(file)
			idle := 45 * time.Second // a heartbeat that was missing would be noticed
			if testing.Short() {
				idle = 2 * time.Second
			}
			r := c.examine(doctor.Options{Idle: idle})
			c.want(r)
			if len(r.LeftOut) > 0 {
				t.Errorf("not examined: %q", r.LeftOut)
			}
			for _, name := range []string{"WebSocket", "SSE", "poll", "long poll", "CORS", "clocks", "addresses"} {
				if !slices.ContainsFunc(r.Facts, func(f doctor.Fact) bool { return f.Name == name }) {
					t.Errorf("nothing is said of %s: %v", name, r.Facts)
				}
			}
		})
	}
}

// Each of these is a configuration of deploy/ with one mistake in it.
func TestDoctorNamesTheFault(t *testing.T) {
	const inWS = "location = /v1/ws {"
	for _, test := range []struct {
		name    string
		file    string
		replace []string
		idle    time.Duration
		want    []string
		seen    string // in one of the findings
	}{
		{"buffering", "nginx.conf", []string{"proxy_buffering off;", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"}, 0,
			[]string{"stream-buffered"}, "SSE: not even the head of the answer within"},
		{"a short silence allowed by nginx", "nginx.conf", []string{"proxy_read_timeout 75s;", "proxy_read_timeout 5s;"}, time.Minute,
			[]string{"idle-cut", "poll-cut"}, "s of silence; the gateway's heartbeat comes every 15 to 20 s"},
		{"a short silence allowed by HAProxy", "haproxy.cfg", []string{"timeout tunnel 75s", "timeout tunnel 5s"}, 10 * time.Second,
			[]string{"idle-cut"}, "WebSocket: cut after"},
		{"no upgrade", "nginx.conf", []string{"proxy_set_header Upgrade $http_upgrade;", ""}, 0,
			[]string{"upgrade-stripped"}, "as an ordinary request: 426"},
		{"HTTP/1.0 to the gateway", "nginx.conf", []string{"proxy_http_version 1.1;", ""}, 0,
			[]string{"upgrade-stripped"}, "as an ordinary request: 426"},
		{"no sub-protocol", "nginx.conf", []string{inWS, inWS + ` proxy_set_header Sec-WebSocket-Protocol "";
			proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;`}, 0,
			[]string{"subprotocol-stripped"}, ""},
		{"compression", "nginx.conf", []string{"gzip off;", "gzip on; gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any;"}, 0,
			[]string{"stream-compressed"}, "Content-Encoding: gzip"},
		{"no Authorization", "nginx.conf", []string{"proxy_http_version 1.1;", `proxy_http_version 1.1; proxy_set_header Authorization "";`}, 0,
			[]string{"authorization-stripped"}, ""},
		{"no If-None-Match", "haproxy.cfg", []string{"http-request del-header Forwarded", "http-request del-header If-None-Match"}, 0,
			[]string{"if-none-match-stripped"}, ""},
		{"no ETag", "haproxy.cfg", []string{"http-request del-header Forwarded", "http-response del-header ETag"}, 0,
			[]string{"etag-lost"}, ""},
		{"no query", "haproxy.cfg", []string{"http-request del-header Forwarded", "http-request set-query order=paybell-doctor-1"}, 10 * time.Second,
			[]string{"poll-not-held"}, ""},
		{"another Content-Type", "haproxy.cfg", []string{"http-request del-header Forwarded", "http-response set-header Content-Type text/plain"}, 0,
			[]string{"stream-content-type"}, ""},
		{"a clock that is wrong", "haproxy.cfg", []string{"http-request del-header Forwarded", `http-response set-header Date "Mon, 23 Nov 2026 08:00:00 GMT"`}, 0,
			[]string{"clock-wrong"}, "2026-11-23 08:00:00"},
		{"no Origin of WebSockets", "nginx.conf", []string{inWS, inWS + ` proxy_set_header Origin ""; proxy_set_header X-Forwarded-For $remote_addr;
			proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;`}, 0,
			[]string{"origin-stripped"}, ""},
		{"CORS of its own", "nginx.conf", []string{"tcp_nodelay on;", "tcp_nodelay on; add_header Access-Control-Allow-Origin * always;"}, 0,
			[]string{"cors-twice"}, "https://shop.example and *"},
		{"preflights answered by the proxy", "haproxy.cfg", []string{"http-request del-header Forwarded", "http-request return status 200 if METH_OPTIONS"}, 0,
			[]string{"preflight-blocked"}, ""},
		{"another Cache-Control", "nginx.conf", []string{"tcp_nodelay on;", "tcp_nodelay on; expires 1m;"}, 0,
			[]string{"cache-control-lost"}, ""},
		{"a redirect", "nginx.conf", []string{"location = /v1/sse {", "location = /v1/sse { return 301 /v1/sse/;"}, 0,
			[]string{"redirected"}, "/v1/sse/"},
		{"webhooks refused", "nginx.conf", []string{"location /webhooks/ {", "location /webhooks/ { deny all;"}, 0,
			[]string{"blocked"}, "403 Forbidden of nginx"},
		{"no X-Forwarded-For", "nginx.conf", []string{"proxy_set_header X-Forwarded-For $remote_addr;", ""}, 0,
			[]string{"no-forwarded-for"}, ""},
		{"a path that is cut", "nginx.conf", []string{"location / {", "location / { rewrite ^/v1/orders/(.*) /orders/$1 break;"}, 0,
			[]string{"path-changed"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := openClinic(t, nil)
			c.behind(test.file, test.replace...)
			r := c.examine(doctor.Options{Idle: test.idle})
			c.want(r, test.want...)
			seen := ""
			for _, f := range r.Findings {
				seen += strings.Join(f.Seen, "\n") + "\n"
				if test.file == "nginx.conf" && f.Code != "origin-refused" && !slices.ContainsFunc(f.Mend, func(m doctor.Mend) bool { return m.Where == doctor.Nginx }) {
					t.Errorf("%s has no mend for nginx", f.Code)
				}
			}
			if !strings.Contains(seen, test.seen) {
				t.Errorf("seen is %q, without %q", seen, test.seen)
			}
		})
	}
}

// A cache gives what one customer was answered to the next.
func TestDoctorFindsACache(t *testing.T) {
	c := openClinic(t, nil)
	c.behind("nginx.conf",
		"tcp_nodelay on;", "tcp_nodelay on; proxy_cache_path "+t.TempDir()+" keys_zone=c:1m;",
		"location / {", "location / { proxy_cache c; proxy_cache_valid 200 1m; proxy_ignore_headers Cache-Control;")
	c.want(c.examine(doctor.Options{Idle: 10 * time.Second}), "cached", "poll-not-held")
}

func TestDoctorFindsThatThereIsNoGateway(t *testing.T) {
	c := openClinic(t, nil)
	c.behind("nginx.conf")
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	c.want(c.examine(doctor.Options{}), "no-gateway")
}

// The gateway's own settings count as much as those of what is before it.
func TestDoctorFindsWhatTheGatewayDoes(t *testing.T) {
	c := openClinic(t, nil)
	t.Run("another origin", func(t *testing.T) {
		r := c.examine(doctor.Options{Origin: "https://shop.example:8443"})
		c.want(r, "origin-refused", "readyz-exposed")
		f := r.Findings[0]
		if len(f.Seen) != 2 { // by fetch, and by WebSocket
			t.Errorf("seen: %q", f.Seen)
		}
		if !slices.Contains(f.Mend[0].Lines, "origins: [https://shop.example:8443]") {
			t.Errorf("the mend is %q", f.Mend)
		}
	})
	t.Run("a token of another gateway", func(t *testing.T) {
		minter, err := buildMinter(openClinic(t, nil).config, nil)
		if err != nil {
			t.Fatal(err)
		}
		foreign, _, err := minter.Mint("", []string{"A1"}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		c.want(c.examine(doctor.Options{Token: foreign}), "token-refused", "readyz-exposed")
		c.want(c.examine(doctor.Options{Token: "none"}), "token-refused", "readyz-exposed")
	})
}

// A proxy that trusted_proxies does not name is all customers in one.
func TestDoctorFindsAProxyThatNobodyNamed(t *testing.T) {
	c := openClinic(t, func(c *config) {
		c.TrustedProxies = nil
		c.from = origins{"limits.per_address": origin{}} // so that this machine's own addresses count
	})
	c.behind("nginx.conf")
	c.want(c.examine(doctor.Options{}), "unnamed-proxy")
}

// What is the operator's alone must not be let through.
func TestDoctorFindsTheAdminAddressInPublic(t *testing.T) {
	c := openClinic(t, nil)
	c.behind("nginx.conf", "location = /readyz {", "location = /metrics { proxy_pass "+c.admin+"; }\nlocation = /readyz {")
	c.want(c.examine(doctor.Options{}), "admin-exposed")
}

// A gateway that stops meanwhile says so, and is not taken for a proxy that cuts.
func TestDoctorHearsAGoodbye(t *testing.T) {
	c := openClinic(t, nil)
	stop := sync.OnceFunc(func() { go c.stop() })
	r := c.examine(doctor.Options{Idle: time.Minute, Tell: func(text string) {
		if strings.HasPrefix(text, "quiet for") {
			stop()
		}
	}})
	c.want(r, "goodbye", "readyz-exposed")
	if seen := strings.Join(r.Findings[0].Seen, "\n"); !strings.Contains(seen, "WebSocket: drain") || !strings.Contains(seen, "SSE: drain") {
		t.Errorf("seen: %s", seen)
	}
}

// Nobody's order leaves nothing in the ledger.
func TestDoctorLeavesNothingInTheLedger(t *testing.T) {
	c := openClinic(t, nil)
	before := c.rows()
	c.want(c.examine(doctor.Options{}), "readyz-exposed")
	if err := c.stop(); err != nil { // which writes what is still to be written
		t.Fatal(err)
	}
	if after := c.rows(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// rows are the tables of the ledger and how many rows each has.
func (c *clinic) rows() string {
	c.t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(string(c.config.Ledger), "sqlite:"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	tables, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
	if err != nil {
		c.t.Fatal(err)
	}
	defer tables.Close()
	var text strings.Builder
	for tables.Next() {
		var name string
		var n int
		if err := tables.Scan(&name); err != nil {
			c.t.Fatal(err)
		}
		if err := db.QueryRow("SELECT count(*) FROM " + name).Scan(&n); err != nil {
			c.t.Fatal(err)
		}
		fmt.Fprintln(&text, name, n)
	}
	return text.String()
}
