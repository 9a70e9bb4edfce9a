package main

import (
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/paybell/paybell/bench"
)

// A peer is this program again; in tests that is the test.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-peer" {
		main()
		return
	}
	os.Exit(m.Run())
}

// everyPeer runs a test for each peer. Those that nginx is needed for fail
// without it: bench/peers/setup installs it.
func everyPeer(t *testing.T, test func(t *testing.T, name string)) {
	for _, name := range names() {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

func TestTenClientsOfEveryPeerGetTheirEventAndNoOther(t *testing.T) {
	everyPeer(t, func(t *testing.T, name string) {
		report, err := bench.Run(t.Context(), subject(name), bench.Options{
			Clients: 10, SSEShare: .5, Duration: 100 * time.Millisecond, Only: []string{"idle"}, Addresses: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Failures) > 0 {
			t.Errorf("did not hold: %q", report.Failures)
		}
		for _, d := range bench.PeerDialects(name, nil) {
			if _, ok := report.Figure("idle." + d.Wire().String() + ".memory"); !ok {
				t.Errorf("the memory of clients on %s was not measured", d.Wire())
			}
		}
	})
}

func TestAPeerThatIsStoppedLeavesNothingBehind(t *testing.T) {
	everyPeer(t, func(t *testing.T, name string) {
		folder := t.TempDir()
		t.Setenv("TMPDIR", folder)
		server, err := start(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		server.Stop()
		for _, pid := range server.PIDs {
			if alive(pid) {
				t.Errorf("process %d of %v is still there", pid, server.PIDs)
			}
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}

func TestAClientWithATokenOfAnotherSecretIsNotLetIn(t *testing.T) {
	everyPeer(t, func(t *testing.T, name string) {
		if name == "nchan" {
			return // it lets everybody in
		}
		s := subject(name)
		s.Start = func(ctx context.Context, how bench.Setup) (*bench.Server, error) {
			server, err := start(ctx, name)
			if err == nil {
				server.Dialects = bench.PeerDialects(name, []byte(strings.Repeat("x", 32)))
			}
			return server, err
		}
		_, err := bench.Run(t.Context(), s, bench.Options{Clients: 10, Duration: 100 * time.Millisecond, Only: []string{"idle"}, Addresses: 1})
		if err == nil || !strings.Contains(err.Error(), "0 of 10 clients came up") {
			t.Errorf("measuring ended with: %v", err)
		}
	})
}

func TestTheCheckerWantsAValidTokenThatNamesTheOrder(t *testing.T) {
	secret, other := []byte(strings.Repeat("s", 32)), []byte(strings.Repeat("x", 32))
	soon, past := time.Now().Add(time.Hour).Unix(), time.Now().Add(-time.Hour).Unix()
	for _, c := range []struct {
		what   string
		secret []byte
		claims jwt.MapClaims
		want   int
	}{
		{"valid", secret, jwt.MapClaims{"exp": soon, "channels": []string{"A1", "A2"}}, http.StatusOK},
		{"for another order", secret, jwt.MapClaims{"exp": soon, "channels": []string{"A1"}}, http.StatusForbidden},
		{"for no order", secret, jwt.MapClaims{"exp": soon}, http.StatusForbidden},
		{"expired", secret, jwt.MapClaims{"exp": past, "channels": []string{"A2"}}, http.StatusForbidden},
		{"without an end", secret, jwt.MapClaims{"channels": []string{"A2"}}, http.StatusForbidden},
		{"of another secret", other, jwt.MapClaims{"exp": soon, "channels": []string{"A2"}}, http.StatusForbidden},
	} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c.claims).SignedString(c.secret)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/authorize", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("X-Channel-Id", "A2")
		w := httptest.NewRecorder()
		checkToken(secret).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("a token %s: %d, want %d", c.what, w.Code, c.want)
		}
	}
}

func TestMistakesOnTheCommandLineAreNamed(t *testing.T) {
	secret := strings.Repeat("s", 32)
	for _, c := range []struct {
		arguments string
		want      string
	}{
		{"-peer nochan -listen 127.0.0.1:9999 -token-secret " + secret, "centrifuge, mercure, nchan, nchan-auth"},
		{"-peer mercure -listen 0.0.0.0:9999 -token-secret " + secret, "loopback"},
		{"-peer mercure -listen 127.0.0.1:0 -token-secret " + secret, "with a port"},
		{"-peer mercure -listen 127.0.0.1:9999 -token-secret short", "32 bytes"},
		{"-peer nchan -listen 127.0.0.1:9999 -workers 0 -token-secret " + secret, "-workers"},
		{"-client 5", "-client"},
		{"-help", flag.ErrHelp.Error()},
	} {
		err := serve(t.Context(), strings.Fields(c.arguments), io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.arguments, err)
		}
	}
}

func alive(pid int) bool {
	return syscall.Kill(pid, 0) == nil
}
