package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
)

// notInDemo are the providers of which the demo has no source, and why.
var notInDemo = map[string]string{
	"custom":      "what it is, its configuration says",
	"mercadopago": "payments are fetched from it",
	"mollie":      "payments are fetched from it",
	"relayed":     "it passes on what another provider says",
	"unionpay":    "only UnionPay can sign",
}

// TestDemoIsPaidByEveryProvider: `paybell simulate PROVIDER` finds a running demo
// and its secrets, and pays an order of its shop.
func TestDemoIsPaidByEveryProvider(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("PAYBELL_CONFIG", "")
	t.Setenv("PAYBELL_URL", "")
	t.Chdir(t.TempDir())
	gw := startDemo(t, demoDir())
	c, err := loadConfig(demoFile(demoDir()), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name := range providers {
		_, there := c.Sources[name]
		if _, not := notInDemo[name]; there == not {
			t.Errorf("the demo has a source of %s: %v", name, there)
		}
	}
	for _, name := range sortedKeys(c.Sources) {
		t.Run(name, func(t *testing.T) {
			_, content := gw.do("POST", "/demo/orders", "", "")
			made := decode[struct{ Order, Token string }](t, content)
			watching := gw.watch(made.Order, made.Token)
			watching.want("snapshot", 1, order.Created)
			for _, forged := range []bool{true, false} {
				var out bytes.Buffer
				if code := run(t.Context(), []string{"simulate", name, "--order", made.Order, fmt.Sprintf("--bad-signature=%t", forged)}, &out, &out); code != 0 {
					t.Fatalf("forged %t: exit code %d\n%s", forged, code, out.String())
				}
			}
			watching.want("update", 2, order.Paid)
		})
	}
}

// TestSimulateTakesADemoOnlyWhereNothingElseIsMeant, and only one of whoever asks.
func TestSimulateTakesADemoOnlyWhereNothingElseIsMeant(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("PAYBELL_CONFIG", "")
	t.Chdir(t.TempDir())
	simulate := func(args ...string) string {
		var out bytes.Buffer
		run(t.Context(), append([]string{"simulate", "square", "--order", "A1", "--url", "http://127.0.0.1:1"}, args...), &out, &out)
		return out.String()
	}
	says := func(output, want string) {
		t.Helper()
		if !strings.Contains(output, want) {
			t.Errorf("it says %q, want %q", output, want)
		}
	}
	says(simulate(), "there is no configuration at paybell.yaml")

	if err := os.Mkdir(demoDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	c := demoConfig(8080, "paybell.db")
	var err error
	if c.Sources, err = demoSources(c.PublicURL); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a demo that was killed left one
		if err := writeDemoFile(demoFile(demoDir()), c); err != nil {
			t.Fatal(err)
		}
	}
	says(simulate(), "is the gateway running there?")
	says(simulate("-c", "mine.yaml"), "there is no configuration at mine.yaml")
	if err := os.WriteFile("paybell.yaml", []byte("nonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	says(simulate(), "paybell.yaml:1")
	if err := errors.Join(os.Remove("paybell.yaml"), os.Chmod(demoFile(demoDir()), 0o644)); err != nil {
		t.Fatal(err)
	}
	says(simulate(), "is open to others")
}
