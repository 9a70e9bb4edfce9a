package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canaries are secrets wherever a configuration can hold one.
var canaries = []string{"canary0token", "canary1api", "canary2hook", "canary3cluster", "canary4private", "canary5misplaced", "canary6env"}

func TestSecretsAreNeverShown(t *testing.T) {
	content := `
cluster_secret: canary3cluster, as long as it must be
auth:
  keys:
    - {id: k1, algorithm: HS256, secret: canary0token}
    - {id: k2, algorithm: EdDSA, private_key: canary4private}
  api_keys: [canary1api, "${SECRET}"]
sources:
  shop: {provider: standard, secrets: [canary2hook]}
  stripe: {provider: stripe, secrets: [canary2hook]}
  bank: {provider: custom, secrets: [canary2hook], verify: {algorithm: hmac-sha256, header: X-S, signed: "{body}"}}
`
	environ := []string{"SECRET=canary6env"}
	c := mustParse(t, content, environ...)
	var out bytes.Buffer
	if err := c.print(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), mask) {
		t.Fatalf("nothing is masked:\n%s", out.String())
	}
	if err := c.summarize(&out); err != nil {
		t.Fatal(err)
	}
	err := c.tryParts()
	if err == nil {
		t.Fatal("such short secrets were taken")
	}
	fmt.Fprintf(&out, "%v %+v %#v %v", *c, c.Auth, c.Sources, err)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "auth", c.Auth)

	for _, wrong := range []string{
		content + "lisen: x\n",
		content + "listen: canary5misplaced\n",
		content + "ledger: postgres://u:canary5misplaced@db:x\n",
		content + "ledger: postgres://u:canary5misplaced/x@db\n",
		content + "ledger: 'postgres://u@db/x?sslmode=canary5misplaced'\n",
		content + "ledger: 'postgres://u@db/x?pool_max_conns=canary5misplaced'\n",
		content + "ledger: 'postgres://u@db/x?search_path=canary5misplaced,b'\n",
		content + "ledger: pg://u:canary5misplaced@db\n",
		content + "ledger: postgres://u:p@canary5misplaced@db/x\n",
		content + "ledger: postgres://u:a:p@ss/canary5misplaced@db/x\n",
		content + "ledger: postgres://u:12/canary5misplaced@db/x\n",
		content + "ledger: 'postgres://u:12?canary5misplaced@db/x'\n",
		content + "ledger: 'postgres://u@db/x?canary5misplaced=4'\n",
		content + "bus: redis://:canary5misplaced@db\n",
		content + "bus: redis://:canary5misplaced/part2@cache\n",
		content + "bus: redis://:canary5misplaced?part2@cache\n",
		content + "bus: redis://:12/canary5misplaced@cache\n",
		content + "bus: redis+sentinel://u:1234/canary5misplaced@h:26379\n",
		content + "origins: ['${SECRET}']\n",
		content + "origins: ['${SECRET']\n",
		content + "public_url: https://u:canary5misplaced@pay.example.com\n",
		content + "drain: canary5misplaced\n",
		content + "tls: canary5misplaced\n",
		content + "  odd: {provider: \"${SECRET}\", secrets: [x]}\n",
		content + "  odd: {provider: standard, secrets: canary5misplaced}\n",
		content + "  odd: {provider: standard, secrets: {canary5misplaced-which-is-too-long-for-a-key: x}}\n",
		content + "  odd: {provider: standard, secret:canary5misplaced}\n",
		content + "  canary5misplaced-which-is-too-long-for-a-Key: {provider: standard, secrets: [x]}\n",
		content + "{canary5misplaced",
	} {
		_, err := parse(wrong, append(environ, "PAYBELL_LISTEN_ON=canary6env")...)
		if err == nil {
			t.Errorf("accepted:\n%s", wrong)
		}
		fmt.Fprintln(&out, err)
		_, err = parse(wrong, environ...)
		fmt.Fprintln(&out, err)
	}
	for _, canary := range canaries {
		if i := strings.Index(out.String(), canary); i >= 0 {
			t.Errorf("%s is shown: …%s…", canary, out.String()[max(0, i-80):i+len(canary)])
		}
	}
}

// TestUnquotedSecretIsNotQuotedBack has what YAML takes for something else than
// text, and what makes its reader give up next to a secret.
func TestUnquotedSecretIsNotQuotedBack(t *testing.T) {
	const canary = "S3cr3tV4lue"
	for _, value := range []string{
		"*" + canary, "&" + canary, "!" + canary, "!!" + canary, "!<" + canary, "!" + canary + "!x y", "!%zz" + canary, "%" + canary, "@" + canary, "`" + canary,
		"|" + canary, ">" + canary, "{" + canary + "}", "{" + canary, "[" + canary + "]", "[" + canary, "? " + canary, "- " + canary,
		canary + ": x", "x: " + canary, "'" + canary, `"` + canary, `"\q` + canary + `"`, `"\ud800` + canary + `"`, "'a' " + canary, "*a\nb: *" + canary,
		canary + "\n\t- x", canary + "\n x: y", "\x01" + canary, "\xff" + canary, "!!binary " + canary, "!!int " + canary, "!!float " + canary, "!!null " + canary,
		"&a [*a, *" + canary + "]", "<<: " + canary, canary + "\n--- *" + canary, canary + "\n%TAG ! " + canary, canary + "\n...\n%" + canary,
	} {
		for _, content := range []string{good + "cluster_secret: " + value + "\n", "%" + value + "\n---\n" + good} {
			if _, err := parse(content); err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%q: %v", value, err)
			}
		}
	}
	for value, want := range map[string]string{
		"*" + canary:                       "paybell.yaml: not valid YAML: a value that begins with * must be in quotes",
		"!" + canary:                       "paybell.yaml:3: cluster_secret must be text, not a tag, which begins with !; put it in quotes",
		"&" + canary:                       "paybell.yaml:3: cluster_secret has no value; give it one or leave it out",
		"x,012345678901234567890" + canary: "", // outside braces a comma is a letter like others
	} {
		if _, err := parse(good + "cluster_secret: " + value + "\n"); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%q: got %v, want %s", value, err, want)
		}
	}
	_, err := parse("auth: {keys: [{id: k1, algorithm: HS256, secret: 5d3c0b1f," + canary + "}]}\n" + goodSources)
	if want := "paybell.yaml:1: there is a comma in auth.keys[0] without a key and a value after it; a text with a comma must be in quotes"; err == nil || err.Error() != want {
		t.Errorf("a comma in a secret: got %v, want %s", err, want)
	}
}

func TestKeyInAKeySetsURLIsNotShown(t *testing.T) {
	const canary = "S3cr3tV4lue"
	for text, want := range map[string]string{
		"https://idp.example/keys":                         "https://idp.example/keys",
		"https://idp.example:8443/a%2Fb?key=" + canary:     "https://idp.example:8443/a%2Fb?********",
		"https://u:" + canary + "@idp.example/":            "https://********@idp.example/",
		"https://" + canary + "@idp.example?a&b#" + canary: "https://********@idp.example?********#********",
		"https:" + canary:                                  mask,
		"https://idp.example/%zz?" + canary:                mask,
		canary:                                             mask,
	} {
		c := mustParse(t, "auth: {keys: [{algorithm: RS256, jwks: '"+text+"'}]}\n"+goodSources)
		var out bytes.Buffer
		if err := c.print(&out); err != nil || !strings.Contains(out.String(), "jwks: "+want+" #") && !strings.Contains(out.String(), "jwks: '"+want+"' #") {
			t.Errorf("%s, want %s: %v in\n%s", text, want, err, &out)
		}
		c.summarize(&out)
		fmt.Fprintf(&out, "%v %+v %#v %v", *c, c.Auth, c.Auth.Keys, c.tryParts())
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "auth", c.Auth)
		if strings.Contains(out.String(), canary) {
			t.Errorf("%s is shown:\n%s", text, &out)
		}
	}
}

func TestPasswordOfTheDatabaseIsNotShown(t *testing.T) {
	const canary = "S3cr3tV4lue"
	for text, want := range map[string]string{
		"postgres://paybell:" + canary + "@db.example/paybell?sslmode=disable":                         "postgres://db.example:5432/paybell",
		"postgresql://db.example:6432/paybell?user=paybell&password=" + canary:                         "postgres://db.example:6432/paybell",
		"postgres://paybell:" + canary + "@a.example:5432,b.example:5433/paybell?pool_max_conns=4":     "postgres://a.example:5432,b.example:5433/paybell",
		"postgres://paybell:" + canary + "%40" + canary + "@db.example/pay%20bell?sslmode=verify-full": "postgres://db.example:5432/pay%20bell",
	} {
		c := mustParse(t, good+clusterSecretLine+"ledger: '"+text+"'\n")
		var out bytes.Buffer
		if err := c.print(&out); err != nil || !strings.Contains(out.String(), "ledger: "+want+" #") {
			t.Errorf("%s, want %s: %v in\n%s", text, want, err, &out)
		}
		c.summarize(&out)
		fmt.Fprintf(&out, "%v %+v %#v %#v %v", *c, *c, *c, c.Ledger, c.tryParts())
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "ledger", c.Ledger)
		if strings.Contains(out.String(), canary) {
			t.Errorf("%s is shown:\n%s", text, &out)
		}
	}
}

// TestAPasswordThatIsNotEscapedIsNotShown by any command that is given the URL of
// a ledger, by a flag or a configuration.
func TestAPasswordThatIsNotEscapedIsNotShown(t *testing.T) {
	const canary = "S3cr3tV4lue"
	for _, url := range []string{
		"postgres://gateway:p@" + canary + "@127.0.0.1:1/paybell",
		"postgres://gateway:gw:p@ss/" + canary + "@127.0.0.1:1/paybell",
		"postgres://gateway:12/" + canary + "@127.0.0.1:1/paybell",
		"postgres://gateway:12?" + canary + "@127.0.0.1:1/paybell",
		"postgres://gateway:12#" + canary + "@127.0.0.1:1/paybell",
		"host=127.0.0.1 port=1 user=gateway password=" + canary,
	} {
		file := filepath.Join(t.TempDir(), "paybell.yaml")
		if err := os.WriteFile(file, []byte(good+clusterSecretLine+"ledger: '"+url+"'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{
			{"ledger", "status", "--ledger", url}, {"ledger", "migrate", "--ledger", url}, {"ledger", "new-epoch", "--ledger", url},
			{"ledger", "copy", "--from", url, "--to", url}, {"ledger", "copy", "--from", "sqlite:none.db", "--to", url},
			{"config", "check", "-c", file}, {"config", "print", "-c", file}, {"serve", "-c", file}, {"ledger", "status", "-c", file},
		} {
			var out bytes.Buffer
			if code := run(t.Context(), command, &out, &out); code == exitDone || strings.Contains(out.String(), canary) {
				t.Errorf("paybell %s ended with %d:\n%s", strings.Join(command, " "), code, &out)
			}
			if !strings.HasPrefix(url, "host=") && !strings.Contains(out.String(), "in a password, write what is not a letter or digit as %XX") {
				t.Errorf("paybell %s does not say what to do:\n%s", strings.Join(command, " "), &out)
			}
		}
	}
}

func TestAMisspeltParameterFailsTheCheck(t *testing.T) {
	_, err := parse(good + clusterSecretLine + "ledger: 'postgres://u@db/x?pool_max_conn=4'\n")
	if err == nil || !strings.Contains(err.Error(), "ledger has a parameter that means nothing here; there are ") || !strings.Contains(err.Error(), " pool_max_conns, ") {
		t.Error(err)
	}
}
