package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/guarded"
	"github.com/paybell/paybell/internal/guarded/guardedtest"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/mollie"
	"github.com/paybell/paybell/webhook/stripe"
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

// TestACustomerSeesWhatStripesThinEventIsAbout: such an event has no amount and no
// order. Without a key nothing is fetched, and no gateway looks for it.
func TestACustomerSeesWhatStripesThinEventIsAbout(t *testing.T) {
	const event = `{"id":"evt_65R9Ijk8dKEYZcXeRWn16R9A","object":"v2.core.event","type":"v1.payment_intent.succeeded","livemode":true,
		"created":"2026-11-23T07:59:50.000Z","related_object":{"id":"pi_3SWx","type":"payment_intent","url":"/v1/payment_intents/pi_3SWx"}}`
	const key = "rk_live_51SWx2cLkdIwHu7ixTg8Zp3Qm"
	var asked atomic.Int64
	api := guardedtest.Serve(t, guarded.Options{Hosts: []string{stripe.Host}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, `{"id":"pi_3SWx","object":"payment_intent","amount_received":9900,"currency":"eur","status":"succeeded","metadata":{"order_id":"A1001"}}`)
	}))
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "paybell.db"), func(c *config) {
		options := c.Sources["stripe"].Options.(stripe.Options)
		options.APIKey, options.Client = key, api
		c.Sources["stripe"] = sourceConfig{Provider: "stripe", Options: options}
	})
	customer := gw.watch("A1001", gw.session("A1001"))
	customer.want("snapshot", 1, order.Created)
	if status := gw.post("stripe", gw.sign("stripe", event)); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	customer.want("update", 2, order.Paid)
	gw.untilMetric(`paybell_fetches_total{outcome="failed",source="stripe"} 1`)
	if strings.Contains(gw.logs.String(), key) {
		t.Error("the key is in the log")
	}

	plain := startGateway(t)
	if status := plain.post("stripe", plain.sign("stripe", event)); status != http.StatusOK || plain.gateway.fetches != nil {
		t.Errorf("without a key it was answered %d, and fetches are %v", status, plain.gateway.fetches)
	}
}
