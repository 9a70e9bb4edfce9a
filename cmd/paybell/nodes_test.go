package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order/postgres"
	"github.com/paybell/paybell/order/sqlite"
)

// overNodes runs a test with three gateways that share a ledger: in one database,
// and in one process, which is the only way to share a SQLite file.
func overNodes(t *testing.T, test func(t *testing.T, nodes []*testGateway)) {
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "paybell.db")
		st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		test(t, startNodes(t, path, st, st, st))
	})
	t.Run("postgres", func(t *testing.T) {
		server := rig.StartPostgres(t)
		var stores []store
		for range 3 {
			st, err := postgres.Open(t.Context(), server.URL("postgres"), postgres.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { st.Close() })
			stores = append(stores, st)
		}
		test(t, startNodes(t, "", stores...))
	})
}

// startNodes starts a gateway over each store. They take the same tokens, and each
// other's tickets.
func startNodes(t *testing.T, path string, stores ...store) (nodes []*testGateway) {
	t.Helper()
	for i, st := range stores {
		nodes = append(nodes, startNode(t, path, st, func(c *config) {
			c.ClusterSecret = "kX2mP9vR4tY7wQ1zL6nB3cD8fG5hJ0sA"
			if i > 0 {
				c.Auth = nodes[0].config.Auth
			}
		}))
	}
	return nodes
}

// TestRevocationReachesEveryNode within 5 s is what is promised; a node looks
// every second.
func TestRevocationReachesEveryNode(t *testing.T) { overNodes(t, revocationReachesEveryNode) }

func revocationReachesEveryNode(t *testing.T, nodes []*testGateway) {
	token := nodes[0].sessionOf("u42", "A1")
	var watches []*openWatch
	for _, node := range nodes {
		w := node.watch("A1", token)
		w.next("snapshot")
		watches = append(watches, w)
	}
	nodes[1].revoke(`{"subject":"u42"}`)
	for i, w := range watches {
		if bye := w.next("goodbye"); !strings.Contains(bye, "token_revoked") {
			t.Errorf("node %d ended the stream with %s", i, bye)
		}
		nodes[i].polls(token, "A1", "token-revoked")
	}
	renewed := nodes[2].sessionOf("u42", "A1")
	for _, node := range nodes {
		node.polls(renewed, "A1", "")
	}
}

func TestTicketOpensOneStreamOnWhicheverNode(t *testing.T) {
	overNodes(t, ticketOpensOneStreamOnWhicheverNode)
}

func ticketOpensOneStreamOnWhicheverNode(t *testing.T, nodes []*testGateway) {
	token := nodes[0].session("A1")
	for range 10 {
		response, content := nodes[0].do("POST", "/v1/tickets", token, "")
		if response.StatusCode != http.StatusCreated {
			t.Fatalf("answered %d %s", response.StatusCode, content)
		}
		ticket := decode[struct{ Ticket string }](t, content).Ticket
		var good atomic.Int32
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				request, err := http.NewRequestWithContext(ctx, "GET", nodes[i%3].base+"/v1/sse?ticket="+ticket, nil)
				if err != nil {
					t.Error(err)
					return
				}
				answer, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				defer answer.Body.Close()
				switch answer.StatusCode {
				case http.StatusOK:
					good.Add(1)
				case http.StatusUnauthorized:
					body, _ := io.ReadAll(answer.Body)
					wantProblem(t, answer, string(body), http.StatusUnauthorized, "ticket-invalid")
				default:
					t.Errorf("answered %d", answer.StatusCode)
				}
			})
		}
		if all.Wait(); good.Load() != 1 {
			t.Fatalf("a ticket opened %d streams", good.Load())
		}
	}
}

// TestNodesLearnHowManyTheyAre, by the limits that they share.
func TestNodesLearnHowManyTheyAre(t *testing.T) {
	server := rig.StartPostgres(t)
	var stores []*postgres.Store
	var shares [2]atomic.Int64
	var running [2]sync.WaitGroup
	var stops []context.CancelFunc
	for i := range shares {
		st, err := postgres.Open(t.Context(), server.URL("postgres"), postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		stores = append(stores, st)
		ctx, stop := context.WithCancel(t.Context())
		stops = append(stops, stop)
		h := heartbeat{nodes: st, share: func(nodes int) { shares[i].Store(int64(nodes)) }, log: slog.New(slog.DiscardHandler)}
		running[i].Go(func() { h.run(ctx) })
	}
	for i := range shares {
		wantSoon(t, "both count both", func() bool { return shares[i].Load() == 2 })
	}
	stops[1]()
	running[1].Wait()
	wantSoon(t, "the other is gone", func() bool { return shares[0].Load() == 1 })

	if n, err := stores[1].Beat(t.Context(), "silent", beatsWithin); err != nil || n != 2 {
		t.Errorf("%d nodes run, %v", n, err)
	}
	if n, err := stores[1].Beat(t.Context(), "late", time.Nanosecond); err != nil || n != 1 {
		t.Errorf("of others that were silent for a nanosecond, %d run with this one, %v", n, err)
	}
	stops[0]()
	running[0].Wait()
}

// TestANodeThatMayNotBeatSaysSo once, as its share of the limits is too large.
func TestANodeThatMayNotBeatSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, stop := context.WithTimeout(t.Context(), 3*beatEvery)
		defer stop()
		heartbeat{nodes: deniedNodes{}, log: slog.New(slog.NewTextHandler(&log, nil))}.run(ctx)
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "permission denied") {
			t.Errorf("the log is %q", got)
		}
	})
}

// deniedNodes are of a database that lets nobody write them.
type deniedNodes struct{}

func (deniedNodes) Beat(context.Context, string, time.Duration) (int, error) {
	return 0, errors.New("permission denied")
}

func (deniedNodes) Leave(context.Context, string) error { return errors.New("permission denied") }

func wantSoon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
