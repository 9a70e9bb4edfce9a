//go:build unix

package fault_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
	"github.com/paybell/paybell/internal/rig"
)

// Secrets of all gateways here. They must not show in any log.
const (
	webhookKey    = "ms4Zp0Yw3cVb7nQxk1Lr9dTfH2uJ6eGa" // before base64
	tokenSecret   = "5d1c9a70b3e84f26a8c7d0e1f2938475b6a5c4d3e2f1a0b9c8d7e6f5a4b3c2d1"
	apiKey        = "c0ffee11d2a94be7a1f6c3d8e5b70942f1e2d3c4b5a6978869504132afbecddc"
	clusterSecret = "7e57c1a5b2d34e6f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7"
)

// settings are how nodes are to be.
type settings struct {
	ledger  string // empty: SQLite in a folder of the node's own
	bus     string // empty: none
	drain   time.Duration
	trusted []string // proxies
	more    string   // of the configuration, as YAML
	env     []string
	weak    []weakness // of the program
}

// A node is one gateway in a process of its own, which may be ended and started
// again at the same address.
type node struct {
	name          string
	public, admin string // http://host:port
	config        string // path
	ledger        string
	env           []string
	weak          []weakness
	record        *record

	mu      sync.Mutex
	process *rig.Process // nil: not running
	starts  atomic.Int64
}

func newNode(t testing.TB, name string, s settings, log *record) *node {
	t.Helper()
	dir := rig.Folder(t)
	public, admin := rig.Address(rig.FreePort(t)), rig.Address(rig.FreePort(t))
	n := &node{
		name: name, public: "http://" + public, admin: "http://" + admin, config: filepath.Join(dir, "paybell.yaml"),
		ledger: s.ledger, env: s.env, weak: s.weak, record: log,
	}
	if n.ledger == "" {
		n.ledger = "sqlite:" + filepath.Join(dir, "paybell.db")
	}
	if s.drain == 0 {
		s.drain = 500 * time.Millisecond
	}
	yaml := fmt.Sprintf(`
listen: %s
admin: %s
ledger: %q
cluster_secret: %q
drain: %s
trusted_proxies: [%s]
auth:
  issuer: fault
  keys: [{id: k1, algorithm: HS256, secret: %q}]
  api_keys: [%q]
sources:
  shop: {provider: standard, secrets: [%q]}
`, public, admin, n.ledger, clusterSecret, s.drain, strings.Join(s.trusted, ", "), tokenSecret, apiKey, webhookSecret())
	yaml += s.more
	if s.bus != "" {
		yaml += fmt.Sprintf("bus: %q\n", s.bus)
	}
	if err := os.WriteFile(n.config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}

// start starts the node and waits until it is ready.
func (n *node) start(t testing.TB) {
	t.Helper()
	p := rig.Start(t, rig.Command{Name: program(t, n.weak...), Args: []string{"serve", "--config", n.config}, Env: n.env})
	n.mu.Lock()
	n.process = p
	n.mu.Unlock()
	n.starts.Add(1)
	p.Until(t, func() error { return answers(n.public + "/readyz") })
}

// answers says whether an address answers 200.
func answers(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", address, response.StatusCode)
	}
	return nil
}

// kill ends the node at once, as a power switch does to the process.
func (n *node) kill() {
	if p := n.take(); p != nil {
		p.Kill()
		n.note(p)
	}
}

// stop asks the node to end as a deploy does, and returns once it has.
func (n *node) stop() error {
	p := n.take()
	if p == nil {
		return nil
	}
	err := p.Stop(syscall.SIGTERM)
	n.note(p)
	return err
}

func (n *node) take() *rig.Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.process
	n.process = nil
	return p
}

// note writes down what the process printed.
func (n *node) note(p *rig.Process) {
	for text := range strings.Lines(p.Log()) {
		n.record.write(checker.Note{At: now(), Node: n.name, What: checker.Line, Text: strings.TrimSuffix(text, "\n")})
	}
}

// metrics reads the node's figures: those with labels are added up under the
// name, and each is there with its labels.
func (n *node) metrics() (map[string]float64, error) {
	response, err := http.Get(n.admin + "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if at := strings.LastIndexByte(lines.Text(), ' '); strings.Contains(lines.Text(), "{") && at > 0 {
			name, value = lines.Text()[:at], lines.Text()[at+1:]
		}
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		values[name] = v
		if base, _, labelled := strings.Cut(name, "{"); labelled {
			values[base] += v
		}
	}
	return values, lines.Err()
}

// held are the figures that must come back to what they were.
var held = []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes", "paybell_connections"}

// measure writes down what the node holds. After clients have gone it waits a
// while for it to be given back, which takes as long as connections may idle.
func (n *node) measure(t testing.TB, what string, enough func(map[string]float64) bool) map[string]float64 {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		all, err := n.metrics()
		if err != nil {
			t.Fatalf("metrics of %s: %v", n.name, err)
		}
		values := map[string]float64{}
		for _, name := range held {
			values[name] = all[name]
		}
		if enough(values) || time.Now().After(deadline) {
			n.record.write(checker.Note{At: now(), Node: n.name, What: what, Values: values})
			return values
		}
		time.Sleep(100 * time.Millisecond)
	}
}
