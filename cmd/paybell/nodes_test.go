package main

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/paybell/paybell/order/sqlite"
)

// startNodes starts gateways that share a ledger.
func startNodes(t *testing.T, number int) (nodes []*testGateway) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "paybell.db")
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	for i := range number {
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
func TestRevocationReachesEveryNode(t *testing.T) {
	nodes := startNodes(t, 3)
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
	nodes := startNodes(t, 3)
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
