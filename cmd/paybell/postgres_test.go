package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// TestADatabaseComesAndGoes under a gateway: webhooks are refused while it is
// away, so that the provider comes again, and no more is needed than that it is
// back.
func TestADatabaseComesAndGoes(t *testing.T) {
	server := rig.StartPostgres(t)
	gw := startGatewayWith(t, "", func(c *config) { c.Ledger = ledger(server.Database("shop")) })
	customer := gw.watch("A1", gw.session("A1"))
	customer.want("snapshot", 1, order.Created)
	if got := gw.deliver("shop", webhook.Simulation{ID: "e1", Order: "A1", Status: order.Pending}); got != http.StatusOK {
		t.Fatalf("the webhook was answered %d", got)
	}
	customer.want("update", 2, order.Pending)
	gw.untilMetric("paybell_ready 1")

	if err := server.StopFast(); err != nil {
		t.Errorf("a fast stop: %v", err)
	}
	if got := gw.deliver("shop", webhook.Simulation{ID: "e2", Order: "A1", Status: order.Paid}); got != http.StatusServiceUnavailable {
		t.Errorf("without a database the webhook was answered %d", got)
	}
	if r, _ := gw.do("GET", "/readyz", "", ""); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without a database /readyz is %d", r.StatusCode)
	}
	if r, _ := gw.do("GET", "/livez", "", ""); r.StatusCode != http.StatusOK {
		t.Errorf("without a database /livez is %d", r.StatusCode)
	}
	gw.untilMetric("paybell_ready 0")
	server.Restart()
	if got := gw.deliver("shop", webhook.Simulation{ID: "e2", Order: "A1", Status: order.Paid}); got != http.StatusOK {
		t.Errorf("with the database back the webhook was answered %d", got)
	}
	customer.want("update", 3, order.Paid)
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		r, _ := gw.do("GET", "/readyz", "", "")
		if r.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the gateway does not become ready again")
		}
	}
	gw.untilMetric("paybell_ready 1")
	for _, want := range []string{`level=WARN msg="not ready" why="`, "level=INFO msg=ready\n"} {
		if !strings.Contains(gw.logs.String(), want) {
			t.Errorf("there is no %s in the log:\n%s", want, gw.logs)
		}
	}
	if strings.Contains(gw.logs.String(), rig.PostgresPassword) {
		t.Error("the log has the database's password")
	}
	if timeline := gw.backend(http.StatusOK, "GET", "/v1/orders/A1/timeline", ""); strings.Count(timeline, `"seq"`) != 3 {
		t.Errorf("the timeline is %s", timeline)
	}
	fmt.Fprint(t.Output(), server.SQL("shop", "SELECT 'connections: ' || count(*) FROM pg_stat_activity WHERE application_name = 'paybell'"))
}

// TestGatewaysOnOneDatabase and without a bus: a customer at one sees what a
// provider tells the other, an event counts once whichever hears it, and a new
// epoch, which a restored backup gets, reaches every screen.
func TestGatewaysOnOneDatabase(t *testing.T) {
	server := rig.StartPostgres(t)
	url := ledger(server.Database("shop"))
	node := func() *testGateway { return startGatewayWith(t, "", func(c *config) { c.Ledger = url }) }
	one, other := node(), node()
	customer := one.watch("A1", one.session("A1"))
	customer.want("snapshot", 1, order.Created)
	pending := webhook.Simulation{ID: "e1", Order: "A1", Status: order.Pending, At: time.Now()}
	for _, gw := range []*testGateway{other, one, other} {
		if got := gw.deliver("shop", pending); got != http.StatusOK {
			t.Fatalf("the webhook was answered %d", got)
		}
	}
	before := customer.want("update", 2, order.Pending)

	epoch, err := beginEpoch(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if s := customer.want("snapshot", 2, order.Pending); s.Epoch != epoch || s.Epoch == before.Epoch {
		t.Errorf("under the epoch %s the screen shows %+v", epoch, s)
	}
	if got := other.deliver("shop", webhook.Simulation{ID: "e2", Order: "A1", Status: order.Paid}); got != http.StatusOK {
		t.Errorf("the webhook was answered %d", got)
	}
	if s := customer.want("update", 3, order.Paid); s.Epoch != epoch {
		t.Errorf("the screen shows %+v", s)
	}
}
