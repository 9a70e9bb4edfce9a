package main

import (
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/guarded"
	"github.com/paybell/paybell/internal/guarded/guardedtest"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/mollie"
)

// TestACustomerSeesWhatHadToBeFetched: Mollie's webhook says only that there is
// news, Mollie is down at first, and the customer who waits sees the payment.
func TestACustomerSeesWhatHadToBeFetched(t *testing.T) {
	const payment = "tr_5B8cwPMGnU6qLbRvo7qEZo"
	paid, err := os.ReadFile("../../webhook/mollie/testdata/fetched/paid.answer")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	api := guardedtest.Serve(t, guarded.Options{Hosts: []string{mollie.Host}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Write(paid)
	}))
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "paybell.db"), func(c *config) {
		c.Sources["mollie"] = sourceConfig{Provider: "mollie", Options: mollie.Options{
			Secrets: []string{"7f3c9d2be81a46509c7d1f0b"}, APIKey: "test_7Qv2Lm9Xc4Tn1Wd6B8Rp2Yh5Jf0Gs3", Client: api,
		}}
	})
	customer := gw.watch("A1001", gw.session("A1001"))
	customer.want("snapshot", 1, order.Created)
	if status := gw.deliver("mollie", webhook.Simulation{Payment: payment, Order: "A1001", Status: order.Paid, At: time.Now()}); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	customer.want("update", 2, order.Paid)
	gw.untilMetric(`paybell_fetches_total{outcome="failed",source="mollie"} 1`)
	gw.untilMetric(`paybell_fetches_total{outcome="fetched",source="mollie"} 1`)
}
