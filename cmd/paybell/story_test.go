package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

func TestPaidWebhookReachesOpenStream(t *testing.T) {
	gw := startGateway(t)
	w := gw.watch("A1001", gw.session("A1001"))
	w.want("snapshot", 1, order.Created) // what is stored comes first

	paid := webhook.Simulation{ID: "evt_1", Order: "A1001", Status: order.Paid}
	if status := gw.deliver("stripe", paid); status != http.StatusOK {
		t.Fatalf("the webhook was answered %d", status)
	}
	s := w.want("update", 2, order.Paid)
	if s.Paid != 9900 || !s.Final || s.Method != "card" {
		t.Errorf("the paid state is %+v", s)
	}

	gw.deliver("stripe", paid) // the provider tries again
	gw.deliver("stripe", webhook.Simulation{ID: "evt_2", Order: "A1001", Status: order.Refunded})
	w.want("update", 3, order.Refunded) // and nothing came between
}

func TestWebhookBeforeSessionCounts(t *testing.T) {
	gw := startGateway(t)
	gw.deliver("shop", webhook.Simulation{ID: "e1", Order: "A1", Status: order.Paid})
	w := gw.watch("A1", gw.session("A1"))
	if s := w.want("snapshot", 1, order.Paid); s.Amount != 9900 {
		t.Errorf("the amount is %d", s.Amount)
	}
}

func TestForgedWebhookChangesNothing(t *testing.T) {
	gw := startGateway(t)
	w := gw.watch("A1", gw.session("A1"))
	w.want("snapshot", 1, order.Created)
	signed, err := gw.signers["stripe"].Simulate(webhook.Simulation{
		ID: "evt_1", Order: "A1", Payment: "pi_1", Status: order.Paid, Amount: 1, Currency: "EUR", At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(string(signed.Body), `"amount_received": 1`, `"amount_received": 9900`, 1)
	if forged == string(signed.Body) {
		t.Fatal("the body to forge has no such amount")
	}
	signed.Body = []byte(forged)
	if status := gw.post("stripe", signed); status != http.StatusUnauthorized {
		t.Errorf("a forged webhook was answered %d", status)
	}
	gw.deliver("stripe", webhook.Simulation{ID: "evt_2", Order: "A1", Status: order.Pending})
	w.want("update", 2, order.Pending)
}

func TestLongPollIsAnsweredByTheWebhook(t *testing.T) {
	gw := startGateway(t)
	token := gw.session("A1")
	response, _ := gw.do("GET", "/v1/orders/A1", token, "")
	tag := response.Header.Get("ETag")
	if response, _ := gw.do("GET", "/v1/orders/A1", token, "", "If-None-Match", tag); response.StatusCode != http.StatusNotModified {
		t.Errorf("the same tag was answered %d", response.StatusCode)
	}
	var delivery sync.WaitGroup
	defer delivery.Wait() // its own answer may come after the poll's
	delivery.Go(func() {
		for gw.gateway.hub.Clients() == 0 {
			time.Sleep(time.Millisecond)
		}
		gw.deliver("stripe", webhook.Simulation{ID: "evt_1", Order: "A1", Status: order.Paid})
	})
	response, content := gw.do("GET", "/v1/orders/A1?wait=20", token, "", "If-None-Match", tag)
	if response.StatusCode != http.StatusOK || decode[order.State](t, content).Status != order.Paid {
		t.Errorf("the long poll was answered %d: %s", response.StatusCode, content)
	}
}

func TestTicketOpensOneStream(t *testing.T) {
	gw := startGateway(t)
	token := gw.session("A1")
	_, content := gw.do("POST", "/v1/tickets", token, "")
	ticket := decode[struct{ Ticket string }](t, content).Ticket
	if response, _ := gw.do("GET", "/v1/sse?ticket=wrong", "", ""); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong ticket was answered %d", response.StatusCode)
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", gw.base+"/v1/sse?ticket="+ticket, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the ticket was answered %d", response.StatusCode)
	}
	if response, _ := gw.do("GET", "/v1/sse?ticket="+ticket, "", ""); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the ticket's second use was answered %d", response.StatusCode)
	}
}

func TestOrderExpiresByItsTerms(t *testing.T) {
	gw := startGateway(t)
	at := time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339)
	content := gw.backend(http.StatusCreated, "POST", "/v1/sessions", `{"order":"A1","amount":9900,"currency":"EUR","expires_at":"`+at+`"}`)
	w := gw.watch("A1", decode[struct{ Token string }](t, content).Token)
	w.want("snapshot", 1, order.Created)
	w.want("update", 2, order.Expired)
	gw.deliver("stripe", webhook.Simulation{ID: "evt_1", Order: "A1", Status: order.Paid}) // late, and true
	w.want("update", 3, order.Paid)
}

func TestRestartKeepsEverything(t *testing.T) {
	ledger := filepath.Join(t.TempDir(), "paybell.db")
	first := startGatewayWith(t, ledger, nil)
	epoch := first.watch("A1", first.session("A1")).want("snapshot", 1, order.Created).Epoch
	first.deliver("stripe", webhook.Simulation{ID: "evt_1", Order: "A1", Status: order.Paid})
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := startGatewayWith(t, ledger, nil)
	s := second.watch("A1", second.session("A1")).want("snapshot", 2, order.Paid)
	if s.Epoch != epoch {
		t.Errorf("the epoch was %s and is %s", epoch, s.Epoch)
	}
}

func TestShutdownSaysGoodbye(t *testing.T) {
	gw := startGateway(t)
	w := gw.watch("A1", gw.session("A1"))
	w.want("snapshot", 1, order.Created)
	if err := gw.stop(); err != nil {
		t.Fatal(err)
	}
	goodbye := decode[struct {
		Reason  string
		RetryMS int `json:"retry_ms"`
	}](t, w.next("goodbye"))
	if goodbye.Reason != "drain" || goodbye.RetryMS < 1 {
		t.Errorf("the goodbye is %+v", goodbye)
	}
}

func TestAdminShowsMetricsAndPublicDoesNot(t *testing.T) {
	gw := startGateway(t)
	gw.deliver("stripe", webhook.Simulation{ID: "evt_1", Order: "A1", Status: order.Paid})
	_, metrics := gw.do("GET", gw.admin+"/metrics", "", "")
	for _, want := range []string{
		`paybell_webhooks_total{outcome="accepted",source="stripe"} 1`, "paybell_ledger_commits_total", "go_goroutines",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline"} {
		if response, _ := gw.do("GET", path, "", ""); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s on the public listener answers %d", path, response.StatusCode)
		}
	}
	for _, base := range []string{gw.base, gw.admin} {
		for _, path := range []string{"/livez", "/readyz"} {
			if response, _ := gw.do("GET", base+path, "", ""); response.StatusCode != http.StatusOK {
				t.Errorf("%s answers %d", path, response.StatusCode)
			}
		}
	}
}

func TestPaymentOfNoKnownOrderIsKeptAndSaid(t *testing.T) {
	gw := startGateway(t)
	w := gw.watch("A1", gw.session("A1"))
	w.want("snapshot", 1, order.Created)
	if status := gw.deliver("stripe", webhook.Simulation{ID: "evt_1", Payment: "pi_1", Status: order.Paid}); status != http.StatusOK {
		t.Fatalf("the webhook was answered %d", status)
	}
	if logs := gw.logs.String(); !strings.Contains(logs, "outcome=no_order") || !strings.Contains(logs, "event=evt_1") {
		t.Errorf("the log does not say that the payment names no order: %s", logs)
	}
	gw.deliver("stripe", webhook.Simulation{ID: "evt_2", Order: "A1", Payment: "pi_1", Status: order.Pending})
	w.want("update", 2, order.Paid) // now it is known whose payment it was
}

func TestReadinessFailsBeforeClientsAreSentAway(t *testing.T) {
	t.Parallel()
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "paybell.db"), func(c *config) { c.Drain = 6 * time.Second })
	w := gw.watch("A1", gw.session("A1"))
	w.want("snapshot", 1, order.Created)
	go gw.stop()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if response, _ := gw.do("GET", "/readyz", "", ""); response.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the node says that it is ready while it stops")
		}
	}
	if status := gw.deliver("stripe", webhook.Simulation{ID: "evt_1", Order: "A1", Status: order.Paid}); status != http.StatusOK {
		t.Errorf("a webhook to a node that is no longer ready was answered %d", status)
	}
	w.want("update", 2, order.Paid)
	w.next("goodbye")
}
