//go:build linux

package fault_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
)

// TestAThirdNodeIsALineOfTheBalancersFile that is there already: with it in force,
// the third node answers when the others are gone.
func TestAThirdNodeIsALineOfTheBalancersFile(t *testing.T) {
	share(t)
	for name, start := range balancers {
		t.Run(name, func(t *testing.T) {
			share(t)
			log := newRecords(t, t.TempDir())
			var nodes []*node
			var addresses []string
			for i := range 3 {
				n := newNode(t, fmt.Sprintf("n%d", i+1), settings{trusted: []string{"127.0.0.1"}}, log.nodes)
				n.start(t)
				nodes, addresses = append(nodes, n), append(addresses, strings.TrimPrefix(n.public, "http://"))
			}
			f := &front{t: t, Proxy: start(t, addresses...)}
			nodes[0].kill()
			nodes[1].kill()
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				code := f.get(http.DefaultClient, "/v1/orders/A1", []string{"A1"}).StatusCode
				if code == http.StatusOK {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("with one node of three the balancer answers %d", code)
				}
			}
		})
	}
}

// TestWithoutNodesABalancerSaysWhenToComeAgain to providers, some of which take 502
// for a fault that stays.
func TestWithoutNodesABalancerSaysWhenToComeAgain(t *testing.T) {
	forBoth(t, "", func(t *testing.T, f *front) {
		for _, n := range f.nodes {
			n.kill()
		}
		for range 8 { // nginx leaves a node alone that refused, and then has none to ask
			for _, path := range []string{"/webhooks/shop", "/v1/sessions"} {
				response, err := http.Post(f.url()+path, "application/json", strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "No node answers") {
					t.Errorf("%s: %s, %v\n%s", path, response.Status, response.Header, body)
				}
			}
		}
	})
}

// TestNodesWithoutALedgerAreStill503 behind a balancer, which after the first such
// answers takes the nodes for gone.
func TestNodesWithoutALedgerAreStill503(t *testing.T) {
	share(t)
	for name, start := range balancers {
		t.Run(name, func(t *testing.T) {
			share(t)
			var addresses []string
			for range 2 {
				node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
				t.Cleanup(node.Close)
				addresses = append(addresses, strings.TrimPrefix(node.URL, "http://"))
			}
			f := &front{t: t, Proxy: start(t, addresses...)}
			s := newSender([]target{{name, f.url}}, nil)
			defer s.client.CloseIdleConnections()
			for i := range 20 {
				e := told{fmt.Sprint("e", i), checker.Event{Order: "A1", Payment: "p", Kind: "payment", Status: "paid", Amount: 1, Currency: currency, At: now()}}
				if code := s.send(t.Context(), f.url(), e, false); code != http.StatusServiceUnavailable {
					t.Fatalf("webhook %d was answered %d", i, code)
				}
			}
		})
	}
}

// TestTicketsAreNotInABalancersLog when it cannot reach a node, of which it does log
// what else it was asked for.
func TestTicketsAreNotInABalancersLog(t *testing.T) {
	forBoth(t, "", func(t *testing.T, f *front) {
		for _, n := range f.nodes {
			n.kill()
		}
		for range 4 {
			f.get(http.DefaultClient, "/v1/sse?ticket=canary0ticket", []string{"A1"})
			f.get(http.DefaultClient, "/v1/orders/canary1order", []string{"A1"})
		}
		if log := f.Log(); strings.Contains(log, "canary0ticket") {
			t.Errorf("the ticket is in\n%s", log)
		} else if strings.Contains(t.Name(), "nginx") && !strings.Contains(log, "canary1order") {
			t.Errorf("nothing is logged:\n%s", log)
		}
	})
}
