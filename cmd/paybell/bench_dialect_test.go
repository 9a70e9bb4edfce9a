package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/paybell/paybell/bench"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/standard"
	"github.com/paybell/paybell/webhook/stripe"
)

// benchConfig is a configuration with one source.
func benchConfig(t *testing.T, provider string, key secret) *config {
	t.Helper()
	c := demoConfig(0, "")
	source := sourceConfig{Provider: provider, Options: stripe.Options{Secrets: []string{string(key)}}}
	if provider == "standard" {
		source.Options = standard.Options{Secrets: []string{string(key)}}
	}
	c.Sources = map[string]sourceConfig{"bench": source}
	return c
}

// TestTheLoadSignsAsProvidersDo holds the load's own signer against the one that
// all else uses.
func TestTheLoadSignsAsProvidersDo(t *testing.T) {
	for provider, key := range map[string]secret{"standard": standardSecret(), "stripe": "whsec_of_a_pretended_account"} {
		c := benchConfig(t, provider, key)
		signer, err := newBenchSigner(c)
		if err != nil {
			t.Fatal(err)
		}
		built, err := c.Sources["bench"].build()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // a signer is used again and again
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(signer.sign(nil, "evt-1", "A1001", "1"))))
			if err != nil {
				t.Fatalf("%s: %v", provider, err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || r.Method != "POST" || r.URL.Path != "/webhooks/bench" {
				t.Fatalf("%s: %s %s, %v", provider, r.Method, r.URL, err)
			}
			got, err := built.Open(webhook.Request{Method: r.Method, URL: "http://bench/webhooks/bench", Header: r.Header, Body: body, At: time.Now()})
			if err != nil || len(got) != 1 {
				t.Fatalf("%s: %d events, %v", provider, len(got), err)
			}
			signed, err := built.(webhook.Simulator).Simulate(webhook.Simulation{
				ID: "evt-1", Order: "A1001", Payment: "A1001-1", Status: order.Paid, Amount: 1, Currency: "EUR", Method: "card", At: got[0].At, Live: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			want, err := built.Open(signed)
			if err == nil && provider == "standard" {
				want[0].Payment, want[0].Ref = "pay-A1001", "1"
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: the load says\n%+v, and the simulator\n%+v, %v", provider, got, want, err)
			}
		}
	}
}

// TestTheLoadUnderstandsTheHub feeds it the messages that clients are tested with.
func TestTheLoadUnderstandsTheHub(t *testing.T) {
	for name, want := range map[string]bench.Heard{
		"snapshot":       {What: bench.Up, Order: 1001, Number: 0},
		"update":         {What: bench.State, Order: 1001, Number: 100},
		"goodbye":        {What: bench.Goodbye, Order: -1, Number: 1200},
		"ping":           {},
		"token_expiring": {},
	} {
		for suffix, wire := range map[string]bench.Wire{".json": bench.WebSocket, ".sse": bench.EventStream} {
			message, err := os.ReadFile("../../hub/testdata/messages/" + name + suffix)
			if err != nil {
				t.Fatal(err)
			}
			d := &benchDialect{wire: wire, prefix: "A"}
			if got, say := d.Hear(0, bytes.TrimSpace(message), nil); got != want || len(say) > 0 {
				t.Errorf("%s%s is heard as %+v, want %+v", name, suffix, got, want)
			}
			d.prefix = "B"
			if got, _ := d.Hear(0, bytes.TrimSpace(message), nil); got.What == bench.State && got.Order != -1 {
				t.Errorf("%s%s of a stranger's order is heard as %+v", name, suffix, got)
			}
		}
	}
}

func TestTheLoadNeedsASourceItCanSignFor(t *testing.T) {
	c := benchConfig(t, "custom", "whsec_whatever")
	if _, err := newBenchSigner(c); err == nil {
		t.Error("it would sign for a source of provider custom")
	}
}
