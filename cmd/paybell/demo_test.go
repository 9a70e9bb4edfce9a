package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
)

// listenLoopback opens a listener that the test's end closes.
func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// startDemo runs a demo in this process. The test's end stops it.
func startDemo(t *testing.T, dir string) *testGateway {
	t.Helper()
	public, admin := listenLoopback(t), listenLoopback(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	started, out := io.Pipe()
	go func() { ended <- runDemo(ctx, public, admin, dir, out, io.Discard) }()
	if _, err := started.Read(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with: %v", err)
		}
	})
	return &testGateway{t: t, base: "http://" + public.Addr().String()}
}

func TestDemoShowsWhatTheProvidersSay(t *testing.T) {
	gw := startDemo(t, t.TempDir())
	_, content := gw.do("POST", "/demo/orders", "", "")
	made := decode[struct{ Order, Token string }](t, content)
	press := func(button string) (what []string, note string) {
		t.Helper()
		response, content := gw.do("POST", "/demo/orders/"+made.Order+"/"+button, "", "")
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s was answered %d: %s", button, response.StatusCode, content)
		}
		answer := decode[struct {
			Webhooks []sentWebhook
			Note     string
		}](t, content)
		for _, hook := range answer.Webhooks {
			what = append(what, hook.What)
		}
		return what, answer.Note
	}
	if _, note := press("cut"); note != "0 connections cut" {
		t.Errorf("cut, with nobody there: %q", note)
	}
	w := gw.watch(made.Order, made.Token)
	w.want("snapshot", 1, order.Created)
	for _, c := range []struct{ button, what, note string }{
		{"forged", "payment_intent.succeeded (forged)", ""},
		{"pay-stripe", "payment_intent.succeeded", ""},
		{"pay-backend", "payment.paid", ""},
		{"refund", "charge.refunded", ""},
		{"cut", "", "1 connection cut"},
	} {
		if what, note := press(c.button); strings.Join(what, " ") != c.what || note != c.note {
			t.Errorf("%s: %v %q, want %s %q", c.button, what, note, c.what, c.note)
		}
	}
}

func TestSecondDemoInTheSameFolderSaysHowToGoOn(t *testing.T) {
	dir := t.TempDir()
	startDemo(t, dir)
	err := runDemo(t.Context(), listenLoopback(t), listenLoopback(t), dir, io.Discard, io.Discard)
	if !errors.Is(err, sqlite.ErrInUse) || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("the second demo ended with: %v", err)
	}
}

func TestDemoIsForThisMachineAlone(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:8080": true, "127.9.9.9:1": true, "[::1]:8080": true, "localhost:8080": true, ":8080": false,
		"0.0.0.0:8080": false, "[::]:8080": false, "192.168.1.5:8080": false, "shop.example:80": false, "127.0.0.1": false, "": false,
	} {
		if got := isLoopback(address); got != want {
			t.Errorf("isLoopback(%q) is %v", address, got)
		}
	}
}
