package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
	"github.com/paybell/paybell/webhook"
)

// benchGateway starts a gateway as production runs it, and returns it with what
// signs for its source.
func benchGateway(b *testing.B) (*gateway, string, webhook.Simulator) {
	b.Helper()
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	c := demoConfig(public.Addr().(*net.TCPAddr).Port, filepath.Join(b.TempDir(), "paybell.db"))
	st, err := sqlite.Open(b.Context(), c.ledgerPath(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	g, err := newGateway(c, st, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	provider, err := newStripe(c.Sources["stripe"])
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- g.run(b.Context(), public, admin) }()
	b.Cleanup(func() { // the context has ended by now
		if err := <-ended; err != nil {
			b.Error(err)
		}
		st.Close()
	})
	return g, c.PublicURL, provider.(webhook.Simulator)
}

// post signs and sends one webhook, and fails unless it was recorded.
func postPaid(b *testing.B, client *http.Client, base string, signer webhook.Simulator, id string) {
	signed, err := signer.Simulate(webhook.Simulation{
		ID: "evt_" + id, Order: id, Payment: "pi_" + id, Status: order.Paid,
		Amount: 9900, Currency: "EUR", Method: "card", At: time.Now(), Live: true,
	})
	if err != nil {
		b.Error(err)
		return
	}
	request, err := http.NewRequest("POST", base+"/webhooks/stripe", bytes.NewReader(signed.Body))
	if err != nil {
		b.Error(err)
		return
	}
	request.Header = signed.Header
	response, err := client.Do(request)
	if err != nil {
		b.Error(err)
		return
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		b.Errorf("answered %d", response.StatusCode)
	}
}

// BenchmarkWebhookToStream is one customer at a time: from the moment a signed
// webhook is sent until its state has come out of the customer's SSE stream.
func BenchmarkWebhookToStream(b *testing.B) {
	g, base, signer := benchGateway(b)
	m, err := newMerchant(g.config, g.ledger, g.log)
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		id := fmt.Sprint("A", i)
		token, _, err := m.minter.Mint("", []string{id}, 0)
		if err != nil {
			b.Fatal(err)
		}
		request, err := http.NewRequestWithContext(b.Context(), "GET", base+"/v1/sse?order="+id, nil)
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		shown := make(chan time.Time, 2)
		go readEvents(response.Body, func() {}, func(e sseEvent) error {
			if e.name != "" {
				shown <- time.Now()
			}
			return nil
		})
		<-shown // the snapshot
		b.StartTimer()
		sent := time.Now()
		postPaid(b, client, base, signer, id)
		took = append(took, (<-shown).Sub(sent))
		b.StopTimer()
		response.Body.Close()
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkWebhooks is many providers at once: signed, verified, durable and
// answered. The sender shares the processor with the gateway.
func BenchmarkWebhooks(b *testing.B) {
	_, base, signer := benchGateway(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var n atomic.Int64
	b.SetParallelism(32)
	began := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			postPaid(b, client, base, signer, fmt.Sprint("A", n.Add(1)))
		}
	})
	b.ReportMetric(float64(n.Load())/time.Since(began).Seconds(), "webhooks/s")
}
