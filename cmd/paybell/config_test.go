package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	goodAuth    = "auth: {keys: [{id: k1, algorithm: HS256, secret: 5d3c0b1f8a7e4c2d9b6f0a1e3c5d7f9b}]}\n"
	goodSources = "sources: {shop: {provider: standard, secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}}\n"
	good        = goodAuth + goodSources

	onPostgres        = "ledger: postgres://paybell@db/paybell\n"
	clusterSecretLine = "cluster_secret: '" + clusterSecret + "'\n"
)

// parse reads a configuration with an environment of its own.
func parse(content string, environ ...string) (*config, error) {
	return parseConfig("paybell.yaml", []byte(content), environ)
}

func mustParse(t *testing.T, content string, environ ...string) *config {
	t.Helper()
	c, err := parse(content, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var allProviders = strings.Join(sortedKeys(providers), ", ")

func TestConfigMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		environ []string
		want    string // the whole error
	}{
		"unknown key": {good + "lisen: :1\n", nil,
			`paybell.yaml:3: unknown key "lisen"; did you mean "listen"?`},
		"unknown key like no other": {good + "verbosity: 3\n", nil,
			`paybell.yaml:3: unknown key "verbosity"`},
		"unknown key deep in a custom source": {goodAuth + "sources:\n  bank:\n    provider: custom\n    secrets: [x]\n    verify: {algoritm: hmac-sha256}\n", nil,
			`paybell.yaml:6: unknown key "algoritm" in sources.bank.verify; did you mean "algorithm"?`},
		"key twice": {good + "listen: :1\nlisten: :2\n", nil,
			`paybell.yaml:4: key "listen" is already on line 3`},
		"no space after the colon": {"auth: {keys: [{id: k1, secret:5d3c0b1f}]}\n" + goodSources, nil,
			`paybell.yaml:1: unknown key (not a name) in auth.keys[0]; a space belongs after the colon of "secret"`},
		"key that is a list": {good + "? [a]\n: b\n", nil,
			`paybell.yaml:3: a key is not a name`},
		"number for text": {good + "issuer: 7\nlisten: 8080\n", nil,
			"2 mistakes in the configuration:\n  paybell.yaml:3: unknown key \"issuer\"\n" +
				`  paybell.yaml:4: listen must be text, not a number; put it in quotes`},
		"truth value for text": {good + "listen: true\n", nil,
			`paybell.yaml:3: listen must be text, not true or false; put it in quotes`},
		"date for text": {good + "listen: 2026-11-23\n", nil,
			`paybell.yaml:3: listen must be text, not a date; put it in quotes`},
		"list for text": {good + "listen: [a]\n", nil,
			`paybell.yaml:3: listen must be text, not a list`},
		"text for list": {good + "origins: https://shop.example.com\n", nil,
			`paybell.yaml:3: origins must be a list, not text`},
		"text for keys": {good + "tls: cert.pem\n", nil,
			`paybell.yaml:3: tls must be keys with values, not text`},
		"keys for a list": {"auth: {keys: {id: k1}}\n" + goodSources, nil,
			`paybell.yaml:1: auth.keys must be a list, not keys with values`},
		"text for a number": {goodAuth + "sources: {bank: {provider: custom, secrets: [x], answer: {status: fine}}}", nil,
			`paybell.yaml:2: sources.bank.answer.status must be a whole number, not text`},
		"number too large": {goodAuth + "sources: {bank: {provider: custom, secrets: [x], answer: {status: 99999999999}}}", nil,
			`paybell.yaml:2: sources.bank.answer.status must be a whole number`},
		"not a duration": {good + "drain: soon\n", nil,
			`paybell.yaml:3: drain is not a duration such as 10s or 5m`},
		"number for duration": {good + "drain: 10\n", nil,
			`paybell.yaml:3: drain must be a duration such as 10s, not a number`},
		"no value": {good + "origins:\n", nil,
			`paybell.yaml:3: origins has no value; give it one or leave it out`},
		"a list at the top":  {"- a\n", nil, `paybell.yaml:1: the configuration must be keys with values, not a list`},
		"not YAML":           {"listen: [\n", nil, `paybell.yaml:1: not valid YAML: did not find expected node content`},
		"broken, variables":  {"listen: [\n", []string{"PAYBELL_TOKEN_SECRET=x"}, `paybell.yaml:1: not valid YAML: did not find expected node content`},
		"tab":                {"auth:\n\tkeys: []\n", nil, `paybell.yaml:2: not valid YAML: found character that cannot start any token`},
		"unknown anchor":     {"listen: *x\n", nil, `paybell.yaml: not valid YAML: a value that begins with * must be in quotes`},
		"two documents":      {good + "---\nlisten: :1\n", nil, `paybell.yaml: more than one YAML document; the configuration is a single one`},
		"empty":              {"", nil, "2 mistakes in the configuration:\n  paybell.yaml: auth.keys is missing: without a key no token could be checked, and nobody could watch an order\n  paybell.yaml: sources is missing: without a source no provider could tell of a payment"},
		"variable not set":   {good + "listen: ${ADDRESS}\n", nil, `paybell.yaml:3: listen needs the environment variable ADDRESS, which is not set`},
		"variable empty":     {good + "listen: ${ADDRESS}\n", []string{"ADDRESS="}, `paybell.yaml:3: listen needs the environment variable ADDRESS, which is empty`},
		"variable not ended": {good + "listen: \"${ADDRESS\"\n", nil, `paybell.yaml:3: listen has a ${ without a variable's name and a }; a dollar sign is written $$`},
		"variable with a default": {good + "listen: \"${ADDRESS:-x}\"\n", nil,
			`paybell.yaml:3: listen has a ${ without a variable's name and a }; a dollar sign is written $$`},
		"unknown override": {good, []string{"PAYBELL_AUTH_ISUER=x"},
			`PAYBELL_AUTH_ISUER: unknown variable, and the configuration does not refer to it; did you mean "PAYBELL_AUTH_ISSUER"?`},
		"override of a list of keys": {good, []string{"PAYBELL_SOURCES=x"},
			`PAYBELL_SOURCES: unknown variable, and the configuration does not refer to it`},
		"override that is no duration": {good, []string{"PAYBELL_DRAIN=soon"}, `PAYBELL_DRAIN: is not a duration such as 10s or 5m`},
		"override that is empty":       {good, []string{"PAYBELL_LISTEN= "}, `PAYBELL_LISTEN: is empty; unset it or give it a value`},
		"override that is wrong":       {good, []string{"PAYBELL_LISTEN=8080"}, `PAYBELL_LISTEN: listen is not HOST:PORT, such as 127.0.0.1:8080 or :8080`},
		"override with a wrong item":   {good, []string{"PAYBELL_ORIGINS=https://a.example,*"}, `PAYBELL_ORIGINS: origins the value of PAYBELL_ORIGINS would let in pages of strangers; name each origin exactly`},
		"override with a file that is not there": {good, []string{"PAYBELL_AUTH_API_KEYS=file:/nowhere/key"},
			`PAYBELL_AUTH_API_KEYS: cannot be read: open /nowhere/key: no such file or directory`},
		"secret file that is not there": {good + "cluster_secret: file:/nowhere/key\n", nil,
			`paybell.yaml:3: cluster_secret cannot be read: open /nowhere/key: no such file or directory`},

		"no port":       {good + "listen: localhost\n", nil, `paybell.yaml:3: listen is not HOST:PORT, such as 127.0.0.1:8080 or :8080`},
		"port too high": {good + "admin: :70000\n", nil, `paybell.yaml:3: admin has a port that is not a number up to 65535`},
		"admin in public": {good + "admin: :8080\n", nil,
			`paybell.yaml:3: admin is the same address as listen; the operator's pages must not be public`},
		"public URL":        {good + "public_url: pay.example.com\n", nil, `paybell.yaml:3: public_url is not an address such as https://pay.example.com`},
		"half of TLS":       {good + "tls: {cert: a.pem}\n", nil, `paybell.yaml:3: tls needs both cert and key`},
		"endless drain":     {good + "drain: 1h\n", nil, `paybell.yaml:3: drain must be from 0s to 10m0s`},
		"port of postgres":  {good + clusterSecretLine + "ledger: postgres://u:hunter2@db:hunter2/paybell\n", nil, `paybell.yaml:4: ledger has a host that is not HOST or HOST:PORT; in a password, write what is not a letter or digit as %XX`},
		"pool of postgres":  {good + clusterSecretLine + "ledger: postgres://u:hunter2@db/paybell?pool_max_conns=1\n", nil, `paybell.yaml:4: ledger has a pool_max_conns below 2: one connection is for writes alone`},
		"ledger of no kind": {good + "ledger: paybell.db\n", nil, `paybell.yaml:3: ledger is neither sqlite:PATH, such as sqlite:/var/lib/paybell/paybell.db, nor postgres://USER@HOST/DATABASE`},
		"bus without a secret": {good + onPostgres + "bus: redis://:hunter2@localhost\n", nil,
			`paybell.yaml: cluster_secret is missing: with a bus or a PostgreSQL ledger, all nodes need the same one; make it with: openssl rand -hex 32`},
		"bus with a short secret": {good + onPostgres + "cluster_secret: hunter2\nbus: redis://:hunter2@localhost\n", nil,
			`paybell.yaml:4: cluster_secret is shorter than 32 bytes; make one with: openssl rand -hex 32`},
		"bus of no kind": {good + onPostgres + clusterSecretLine + "bus: nats://:hunter2@localhost\n", nil,
			`paybell.yaml:5: bus must begin with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://`},
		"bus with SQLite, where each node has a ledger of its own": {good + "ledger: sqlite:a.db\n" + clusterSecretLine + "bus: redis://localhost\n", nil,
			`paybell.yaml:5: bus needs ledger: postgres://…, since nodes that tell each other of changes share a ledger`},
		"bus with the ledger that nobody chose": {good + clusterSecretLine + "bus: redis://localhost\n", nil,
			`paybell.yaml:4: bus needs ledger: postgres://…, since nodes that tell each other of changes share a ledger`},
		"tickets of nodes without a common secret": {good + onPostgres, nil,
			`paybell.yaml: cluster_secret is missing: with a bus or a PostgreSQL ledger, all nodes need the same one; make it with: openssl rand -hex 32`},
		"tickets sealed with a short secret": {good + "cluster_secret: x\n", nil,
			`paybell.yaml:3: cluster_secret is shorter than 32 bytes; make one with: openssl rand -hex 32`},

		"any origin":           {good + "origins: ['*']\n", nil, `paybell.yaml:3: origins[0] "*" would let in pages of strangers; name each origin exactly`},
		"null origin":          {good + "origins: ['null']\n", nil, `paybell.yaml:3: origins[0] "null" would let in pages of strangers; name each origin exactly`},
		"wildcard origin":      {good + "origins: ['https://*.example.com']\n", nil, `paybell.yaml:3: origins[0] "https://*.example.com" would let in pages of strangers; name each origin exactly`},
		"origin without host":  {good + "origins: [shop.example.com]\n", nil, `paybell.yaml:3: origins[0] "shop.example.com" is not scheme://host[:port], such as https://shop.example.com`},
		"origin of a file":     {good + "origins: ['ftp://a.example']\n", nil, `paybell.yaml:3: origins[0] "ftp://a.example" must begin with https:// or http://`},
		"origin with a path":   {good + "origins: ['https://a.example/shop']\n", nil, `paybell.yaml:3: origins[0] "https://a.example/shop" must end after the host and port`},
		"origin with a query":  {good + "origins: ['https://a.example?']\n", nil, `paybell.yaml:3: origins[0] "https://a.example?" must end after the host and port`},
		"origin with a user":   {good + "origins: ['https://u@a.example']\n", nil, `paybell.yaml:3: origins[0] "https://u@a.example" must end after the host and port`},
		"origin not ASCII":     {good + "origins: ['https://bücher.example']\n", nil, `paybell.yaml:3: origins[0] "https://bücher.example" must be written as browsers send it, with xn-- names for letters beyond ASCII`},
		"origin port too high": {good + "origins: ['https://a.example:70000']\n", nil, `paybell.yaml:3: origins[0] "https://a.example:70000" has a port above 65535`},

		"limit of 0":            {good + "limits: {per_token: 0}\n", nil, `paybell.yaml:3: limits.per_token must be 1 or more, or -1 for no limit; leave it out for the default`},
		"limit below none":      {good + "limits:\n  rate: -2\n", nil, `paybell.yaml:4: limits.rate must be 1 or more, or -1 for no limit; leave it out for the default`},
		"limit in words":        {good + "limits: {orders: few}\n", nil, `paybell.yaml:3: limits.orders must be a whole number, not text`},
		"limit of no kind":      {good + "limits: {per_tokens: 3}\n", nil, `paybell.yaml:3: unknown key "per_tokens" in limits; did you mean "per_token"?`},
		"limit in a variable":   {good, []string{"PAYBELL_LIMITS_QUEUE=0"}, `PAYBELL_LIMITS_QUEUE: limits.queue must be 1 or more, or -1 for no limit; leave it out for the default`},
		"small reserve":         {good + "limits: {reserve: 0}\n", nil, `paybell.yaml:3: limits.reserve must be 16 or more; leave it out for the default`},
		"small messages":        {good + "limits: {message_bytes: 1000}\n", nil, `paybell.yaml:3: limits.message_bytes must be from 4608, for a token needs as many, to 1048576`},
		"proxy by name":         {good + "trusted_proxies: [10.0.0.1, nginx]\n", nil, `paybell.yaml:3: trusted_proxies[1] "nginx" is not an address or a network, such as 192.0.2.7 or 10.0.0.0/8`},
		"everybody a proxy":     {good + "trusted_proxies: [0.0.0.0/0]\n", nil, `paybell.yaml:3: trusted_proxies[0] "0.0.0.0/0" would take every client's word for its address; name the proxies' own networks`},
		"proxies in a variable": {good, []string{"PAYBELL_TRUSTED_PROXIES=::1,x"}, `PAYBELL_TRUSTED_PROXIES: trusted_proxies the value of PAYBELL_TRUSTED_PROXIES is not an address or a network, such as 192.0.2.7 or 10.0.0.0/8`},

		"page without an address": {good + "hosted: {enabled: true}\n", nil, `2 mistakes in the configuration:
  paybell.yaml:3: hosted.enabled needs public_url, the address at which customers see the page
  paybell.yaml:3: hosted.enabled needs cluster_secret, with which customers' pages stay good when the gateway starts anew; make it with: openssl rand -hex 32`},
		"page with a bad link":  {good + "hosted: {back: 'http://shop.example'}\n", nil, `paybell.yaml:3: hosted.back "http://shop.example" is not an absolute https URL (http is for addresses of this machine)`},
		"page with a long name": {good + "hosted: {name: " + strings.Repeat("名", 61) + "}\n", nil, `paybell.yaml:3: hosted.name is longer than 60 characters`},
		"page in a frame of all": {good + "hosted: {frame_ancestors: ['https://a.example', '*']}\n", nil,
			`paybell.yaml:3: hosted.frame_ancestors[1] "*" is not the origin of a page, such as https://shop.example.com`},
		"page in a frame of a policy": {good + "hosted: {frame_ancestors: ['https://a;script-src']}\n", nil,
			`paybell.yaml:3: hosted.frame_ancestors[0] "https://a;script-src" is not the origin of a page, such as https://shop.example.com`},

		"no key":          {"auth: {issuer: x}\n" + goodSources, nil, `paybell.yaml:1: auth.keys is missing: without a key no token could be checked, and nobody could watch an order`},
		"empty API key":   {"auth: {keys: [{id: k1, algorithm: HS256, secret: x}], api_keys: [' ']}\n" + goodSources, nil, `paybell.yaml:1: auth.api_keys[0] is empty`},
		"no source":       {goodAuth, nil, `paybell.yaml: sources is missing: without a source no provider could tell of a payment`},
		"no secrets":      {goodAuth + "sources:\n  shop: {provider: standard}\n", nil, `paybell.yaml:3: sources.shop has no secrets: anybody could say that an order is paid; name the secret as ${VARIABLE} or file:PATH`},
		"empty secret":    {goodAuth + "sources:\n  shop: {provider: standard, secrets: ['']}\n", nil, `paybell.yaml:3: sources.shop.secrets[0] is empty`},
		"no provider":     {goodAuth + "sources:\n  shop: {secrets: [x]}\n", nil, `paybell.yaml:3: sources.shop has no provider; there are ` + allProviders},
		"wrong provider":  {goodAuth + "sources:\n  shop: {provider: strip, secrets: [x]}\n", nil, `paybell.yaml:3: sources.shop.provider "strip" is not a provider; did you mean "stripe"?`},
		"absent provider": {goodAuth + "sources:\n  shop: {provider: zzz, secrets: [x]}\n", nil, `paybell.yaml:3: sources.shop.provider "zzz" is not a provider; there are ` + allProviders},
		"key of another provider": {goodAuth + "sources:\n  shop: {provider: standard, secrets: [x], account: a}\n", nil,
			`paybell.yaml:3: sources.shop.account is not for provider standard, which takes secrets, public_keys, order, tolerance`},
		"a key that no source has": {goodAuth + "sources:\n  shop:\n    provider: standard\n    secretz: [x]\n", nil,
			`paybell.yaml:5: unknown key "secretz" in sources.shop; did you mean "secrets"?`},
		"mode": {goodAuth + "sources:\n  shop: {mode: sandbox, secrets: [x], provider: standard}\n", nil,
			`paybell.yaml:3: sources.shop.mode is neither live nor test`},
		"negative tolerance": {goodAuth + "sources:\n  shop: {provider: standard, secrets: [x], tolerance: -1s}\n", nil, `paybell.yaml:3: sources.shop.tolerance is negative`},
		"source name":        {goodAuth + "sources:\n  Shop: {provider: standard, secrets: [x]}\n", nil, `paybell.yaml:2: sources has a source "Shop", a name that is not 1 to 64 of a-z, 0-9, - and _, a letter or digit first`},
		"reserved source":    {goodAuth + "sources:\n  backend: {provider: standard, secrets: [x]}\n", nil, `paybell.yaml:3: sources.backend has the name that events of the merchant's own backend have; choose another`},
		"gateway's source":   {goodAuth + "sources:\n  paybell: {provider: standard, secrets: [x]}\n", nil, `paybell.yaml:3: sources.paybell has the name of the gateway's own events; choose another`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(test.content, test.environ...)
			if err == nil {
				t.Fatalf("no error, want\n%s", test.want)
			}
			if err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestConfigFillsInVariablesAndFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(clusterSecret+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "paybell.yaml")
	content := good + "listen: \"${HOST}:${PORT}\"\npublic_url: https://pay.example.com/a$$b$c/\ncluster_secret: file:key\n" +
		"drain: ${DRAIN}\ntls: {cert: &pem a.pem, key: *pem}\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	// The values of variables are not looked through again.
	c, err := loadConfig(path, []string{"HOST=127.0.0.1", "PORT=81", "DRAIN=3s", "PAYBELL_AUTH_ISSUER=${HOST}"})
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]string{
		"listen":         {c.Listen, "127.0.0.1:81"},
		"public_url":     {c.PublicURL, "https://pay.example.com/a$b$c"},
		"cluster_secret": {string(c.ClusterSecret), clusterSecret},
		"tls.key":        {c.TLS.Key, "a.pem"},
		"auth.issuer":    {c.Auth.Issuer, "${HOST}"},
		"auth.audience":  {c.Auth.Audience, "paybell"},
		"ledger":         {c.Ledger.path(), "paybell.db"},
		"drain":          {c.Drain.String(), "3s"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
		}
	}
}

func TestConfigRefusesEmptyAndHugeSecretFiles(t *testing.T) {
	for name, size := range map[string]int{"empty": 0, "huge": maxFileBytes + 1} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := parse(good + "cluster_secret: file:" + path + "\n")
		if err == nil || !strings.Contains(err.Error(), "which is empty or larger than 64 KiB") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigOverrides(t *testing.T) {
	c := mustParse(t, good+"listen: :1\norigins: [https://old.example]\n",
		"PAYBELL_LISTEN=:2", "PAYBELL_ADMIN=:3", "PAYBELL_DRAIN=1m", "PAYBELL_TLS_CERT=c", "PAYBELL_TLS_KEY=k",
		"PAYBELL_ORIGINS=https://a.example, http://b.example:8080", "PAYBELL_AUTH_API_KEYS=k1,k2", "PAYBELL_AUTH_TOKEN_TYPE=at",
		"PAYBELL_LIMITS_CONNECTIONS=700", "PAYBELL_LIMITS_PER_ADDRESS=-1", "PAYBELL_TRUSTED_PROXIES=10.0.0.0/8, ::1",
		// Not the gateway's:
		"PAYBELL_URL=x", "PAYBELL_TOKEN=y", "PAYBELL_CONFIG=z", "HOME=/", "=C:=odd",
		"PAYBELL_SERVICE_HOST=10.0.0.1", "PAYBELL_SERVICE_PORT_HTTP=80", "PAYBELL_PORT=tcp://10.0.0.1:80", "PAYBELL_PORT_80_TCP_ADDR=10.0.0.1")
	got := fmt.Sprint(c.Listen, c.Admin, c.Drain, c.TLS, c.Origins, reveal(c.Auth.APIKeys), c.Auth.TokenType,
		c.Limits.Connections, c.Limits.PerAddress, c.TrustedProxies)
	want := ":2:31m0s{c k}[https://a.example http://b.example:8080][k1 k2]at700-1[10.0.0.0/8::1]"
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestConfigOfAHostedPage(t *testing.T) {
	c := mustParse(t, good+"public_url: https://pay.example.com/\ncluster_secret: "+clusterSecret+"\norigins: [https://shop.example]\n"+
		"hosted: {name: Bell, frame_ancestors: ['https://Shop.Example:443/']}\n", "PAYBELL_HOSTED_ENABLED=true", "PAYBELL_HOSTED_BACK=http://localhost:3000/")
	if h := c.Hosted; !h.Enabled || h.Name != "Bell" || h.Back != "http://localhost:3000/" || fmt.Sprint(h.FrameAncestors) != "[https://shop.example]" {
		t.Errorf("%+v", h)
	}
	if got := fmt.Sprint(c.pageOrigins(), c.Origins); got != "[https://shop.example https://pay.example.com] [https://shop.example]" {
		t.Errorf("these may connect: %s", got)
	}
	var said strings.Builder
	if err := c.summarize(&said); err != nil || !strings.Contains(said.String(), "page      https://pay.example.com/pay/{order}\n") {
		t.Errorf("%v, %s", err, said.String())
	}
}

func TestConfigMayReferToItsOwnVariables(t *testing.T) {
	c := mustParse(t, goodSources+`auth: {keys: [{id: k1, algorithm: HS256, secret: "${PAYBELL_TOKEN_SECRET}"}]}`, "PAYBELL_TOKEN_SECRET=abc")
	if got := string(c.Auth.Keys[0].Secret); got != "abc" {
		t.Errorf("secret is %q", got)
	}
}

func TestPrintShowsWhereValuesComeFrom(t *testing.T) {
	c := mustParse(t, strings.TrimSuffix(goodAuth, "\n")+`
sources:
  bank:
    provider: custom
    secrets: ["${HOOK}"]
    verify: {algorithm: hmac-sha256, header: X-S, signed: "{body}", timestamp: {header: X-T, tolerance: 90s}}
    event: {statuses: {OK: paid}}
    answer: {status: 202}
`, "HOOK=x", "PAYBELL_ORIGINS=https://a.example")
	var out bytes.Buffer
	if err := c.print(&out); err != nil {
		t.Fatal(err)
	}
	want := `listen: :8080 # default
admin: 127.0.0.1:9090 # default
ledger: sqlite:paybell.db # default
origins:
  - https://a.example # PAYBELL_ORIGINS
drain: 10s # default
limits:
  per_token: 20 # default
  per_address: 1000 # default
  rate: 5000 # default
  queue: 1000 # default
  orders: 100 # default
  message_bytes: 8192 # default
auth:
  audience: paybell # default
  keys:
    - id: k1 # line 1
      algorithm: HS256 # line 1
      secret: '********' # line 1
sources:
  bank:
    provider: custom # line 4
    secrets:
      - '********' # line 5, HOOK
    verify:
      algorithm: hmac-sha256 # line 6
      header: X-S # line 6
      signed: '{body}' # line 6
      timestamp:
        header: X-T # line 6
        tolerance: 1m30s # line 6
    event:
      statuses:
        OK: paid # line 7
    answer:
      status: 202 # line 8
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestDrainMayBeNothing(t *testing.T) {
	c := mustParse(t, good+"drain: 0s\n")
	var out bytes.Buffer
	if err := c.print(&out); err != nil || c.Drain != 0 || !strings.Contains(out.String(), "drain: 0s # line 3") {
		t.Errorf("drain %v, %v:\n%s", c.Drain, err, out.String())
	}
	if d := defaults().Drain; d != 10*time.Second {
		t.Errorf("default drain %v", d)
	}
}

func TestUnreadableConfig(t *testing.T) {
	if _, err := loadConfig(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "read the configuration") {
		t.Errorf("a folder as configuration: %v", err)
	}
}

func TestConfigCheckTellsTheSameOnce(t *testing.T) {
	c := mustParse(t, good+"tls: {cert: nowhere, key: nowhere}\n")
	err := c.tryParts()
	if err == nil || err.Error() != "paybell.yaml:3: tls: open nowhere: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

func FuzzConfigNeverPanics(f *testing.F) {
	f.Add(good)
	f.Add("a: &a [*a]\n")
	f.Add("sources: {? {a: b} : c}\n<<: {listen: x}\n")
	f.Fuzz(func(t *testing.T, content string) {
		c, err := parse(content)
		if err == nil {
			if err := c.print(&bytes.Buffer{}); err != nil {
				t.Errorf("accepted, and cannot be printed: %v", err)
			}
		}
	})
}

// TestWhatTheDocsShowOfALedgerCanBePasted: each block by itself.
func TestWhatTheDocsShowOfALedgerCanBePasted(t *testing.T) {
	for _, page := range []string{"../../docs/ledger.md", "../../docs/bus.md"} {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(content), -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows none", page)
		}
		for _, block := range blocks {
			text := block[1]
			if !strings.Contains(text, "ledger:") {
				text += onPostgres
			}
			if _, err := parse(good+text, "PAYBELL_CLUSTER_SECRET="+clusterSecret, "DATABASE_PASSWORD=p%40ss", "REDIS_PASSWORD=x"); err != nil {
				t.Errorf("%s shows\n%s%v", page, block[1], err)
			}
		}
	}
}
