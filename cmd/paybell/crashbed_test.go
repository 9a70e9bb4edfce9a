package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/standard"
)

// A crashBed is a ledger's folder, and a sender of webhooks that remembers what
// was acknowledged.
type crashBed struct {
	t        *testing.T
	dir      string
	config   string
	weakness string
	signer   webhook.Simulator

	mu    sync.Mutex
	next  int
	acked map[string]string // event id → order, answered 2xx
	open  []webhook.Simulation
}

func newCrashBed(t *testing.T, weakness string) *crashBed {
	t.Helper()
	secret := string(standardSecret())
	provider, err := standard.New(standard.Options{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	b := &crashBed{t: t, dir: t.TempDir(), weakness: weakness, signer: provider, acked: map[string]string{}}
	b.config = filepath.Join(b.dir, "paybell.yaml")
	yaml := fmt.Sprintf(`
listen: 127.0.0.1:0
admin: 127.0.0.1:0
ledger: "sqlite:%s"
auth: {issuer: test, keys: [{id: k1, algorithm: HS256, secret: "%s"}]}
sources: {shop: {provider: standard, secrets: ["%s"]}}
`, b.ledger(), string(standardSecret()), secret)
	if err := os.WriteFile(b.config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *crashBed) ledger() string { return filepath.Join(b.dir, "paybell.db") }

// command runs the gateway in a process of its own.
func (b *crashBed) command(wrapper ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	args := append(wrapper, self, b.config, b.weakness)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), crashChildMark+"=1")
	cmd.Stderr = os.Stderr
	return cmd
}

// round starts the gateway, loads it, kills it after a while, and returns how
// many webhooks were acknowledged meanwhile.
func (b *crashBed) round(cmd *exec.Cmd, life time.Duration) int {
	b.t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	var address string
	var pid int // of the gateway itself, whatever runs it
	if _, err := fmt.Fscanln(out, &address, &pid); err != nil {
		b.t.Fatalf("the gateway did not start: %v", err)
	}
	base := "http://" + address
	before := len(b.acked)
	ctx, cancel := context.WithCancel(b.t.Context())
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() { b.send(ctx, base) })
	}
	time.Sleep(life)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
	cmd.Wait() // it was killed, which is an error of its own
	cancel()
	senders.Wait()
	return len(b.acked) - before
}

// send posts webhooks until one gets no answer: new ones, repetitions, and
// those again that an earlier crash left without an answer.
func (b *crashBed) send(ctx context.Context, base string) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		s := b.pick()
		times := 1 + rand.IntN(2)
		for range times {
			s.At = time.Now()
			signed, err := b.signer.Simulate(s)
			if err != nil {
				b.t.Error(err)
				return
			}
			request, err := http.NewRequestWithContext(ctx, signed.Method, base+"/webhooks/shop", bytes.NewReader(signed.Body))
			if err != nil {
				b.t.Error(err)
				return
			}
			request.Header = signed.Header
			response, err := client.Do(request)
			if err != nil {
				b.leave(s)
				return
			}
			response.Body.Close()
			if response.StatusCode/100 == 2 {
				b.ack(s)
			} else if response.StatusCode != http.StatusServiceUnavailable {
				b.t.Errorf("answered %d", response.StatusCode)
			}
		}
	}
}

// pick is the next event. Each pays 100 on one of a few orders.
func (b *crashBed) pick() webhook.Simulation {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.open); n > 0 && rand.IntN(2) == 0 {
		s := b.open[n-1]
		b.open = b.open[:n-1]
		return s
	}
	b.next++
	return webhook.Simulation{
		ID: fmt.Sprintf("evt_%d", b.next), Order: fmt.Sprintf("A%d", b.next/3), Payment: fmt.Sprintf("p%d", b.next),
		Status: order.Paid, Amount: 100, Currency: "EUR", Live: true,
	}
}

func (b *crashBed) leave(s webhook.Simulation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, s)
}

func (b *crashBed) ack(s webhook.Simulation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked[s.ID] = s.Order
}
