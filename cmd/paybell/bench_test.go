package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
	"github.com/paybell/paybell/webhook"
)

// benchGateway starts a gateway as production runs it, but that batch writes at
// most share a commit (0: as many as in production), and returns it with what signs
// for its source.
func benchGateway(b *testing.B, batch int) (*gateway, string, webhook.Simulator) {
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
	st, err := sqlite.Open(b.Context(), c.Ledger.path(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	c.commitBatch = batch
	g, err := newGateway(c, st, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	provider, err := c.Sources["stripe"].build()
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
	g, base, signer := benchGateway(b, 0)
	m, err := newMerchant(g.config, g.ledger, g.revocations, g.log)
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
	_, base, signer := benchGateway(b, 0)
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

// BenchmarkSaturation is as many webhooks as the gateway takes from a sender
// that costs next to nothing: requests signed beforehand, over connections that
// stay open. Each is of an order of its own, and is verified, durable and
// published before it is answered. First each has a commit to itself; then they
// share commits as in production, and ×one-each is what sharing is worth.
func BenchmarkSaturation(b *testing.B) {
	var alone float64
	b.Run("one-commit-each", func(b *testing.B) { alone = saturate(b, 1) })
	b.Run("shared-commits", func(b *testing.B) {
		rate := saturate(b, 0)
		if alone > 0 {
			b.ReportMetric(rate/alone, "×one-each")
		}
	})
}

// senders is how many connections there are, and so how many webhooks at once.
const senders = 256

// saturate sends b.N webhooks and returns how many were answered per second.
func saturate(b *testing.B, batch int) float64 {
	_, base, signer := benchGateway(b, batch)
	host := strings.TrimPrefix(base, "http://")
	requests := make([][]byte, b.N)
	for i := range requests {
		requests[i] = prebuilt(b, signer, host, i)
	}
	conns := make([]net.Conn, senders)
	for i := range conns {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
	}
	var next atomic.Int64
	var senders sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for _, conn := range conns {
		senders.Go(func() {
			answers := bufio.NewReaderSize(conn, 512)
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := exchange(conn, answers, requests[i-1]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	b.StopTimer()
	rate := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "webhooks/s")
	return rate
}

// prebuilt is the bytes of the i-th request, which says that an order is paid.
// The provider's ids begin with the time, as most do; the order's is from
// anywhere, as a UUID is, so that the ledger cannot write it next to the last.
func prebuilt(b *testing.B, signer webhook.Simulator, host string, i int) []byte {
	scattered := fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15)
	unique := fmt.Sprintf("%09d%s", i, scattered[:8])
	signed, err := signer.Simulate(webhook.Simulation{
		ID: "evt_" + unique, Order: scattered, Payment: "pi_" + unique, Status: order.Paid,
		Amount: 9900, Currency: "EUR", Method: "card", At: time.Now(), Live: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "POST /webhooks/stripe HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", host, len(signed.Body))
	signed.Header.Write(&text)
	text.WriteString("\r\n")
	text.Write(signed.Body)
	return text.Bytes()
}

// exchange sends a request and reads its answer, which must be 200.
func exchange(conn net.Conn, answers *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("answered %s", line)
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			_, err := answers.Discard(length)
			return err
		}
	}
}
