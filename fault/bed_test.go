//go:build unix

package fault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
)

// A bed is everything that a scenario needs: nodes, a provider, customers, and
// logs of what becomes of them.
type bed struct {
	t        *testing.T
	scenario string
	seed     uint64
	log      *records
	nodes    []*node
	reader   *reader
	crowd    *crowd // while a load runs
	plan     checker.Plan
	started  time.Time
}

// newBed starts a number of nodes over one ledger. Each may have settings that
// differ.
func newBed(t *testing.T, scenario string, number int, s settings, differ ...func(i int, s *settings)) *bed {
	t.Helper()
	b := &bed{t: t, scenario: scenario, seed: newSeed(t), started: time.Now()}
	b.log = newRecords(t, t.ArtifactDir())
	for i := range number {
		own := s
		for _, f := range differ {
			f(i, &own)
		}
		b.nodes = append(b.nodes, newNode(t, fmt.Sprintf("n%d", i+1), own, b.log.nodes))
	}
	for _, n := range b.nodes {
		n.start(t)
	}
	if s.ledger == "" {
		s.ledger = b.nodes[0].ledger
	}
	b.reader = openReader(t, s.ledger, b.log)
	b.plan = checker.Plan{
		Scenario: scenario, Seed: b.seed, Epoch: b.reader.epoch, Terms: map[string]checker.Terms{},
		Canaries: []string{webhookKey, webhookSecret(), tokenSecret, apiKey, clusterSecret},
		Bounds:   checker.Bounds{Node: either(3*checker.Second, 10*checker.Second), RSS: 400e6},
	}
	return b
}

// each are all nodes as targets.
func (b *bed) each() []target {
	var all []target
	for _, n := range b.nodes {
		all = append(all, target{n.name, func() string { return n.public }})
	}
	return all
}

// A load is what is done to the nodes of a bed while things break.
type load struct {
	webhooks []target // nil: every node
	clients  []target // nil: every node
	orders   int
	story    *story // nil: one of so many orders
	rate     int    // webhooks a second
	crowd    int
	fair     bool
	again    bool // the provider is asked to send all again, once nothing breaks any more
	// breaks breaks things until ctx ends, which is when all webhooks were accepted.
	// When it returns before, nothing is sent any more.
	breaks func(ctx context.Context)
	leave  func()   // ends what stands between clients and nodes, once the clients have gone
	notice []string // the invariants of which at least one must be found broken: the nodes are weakened
}

// An outcome is what became of a load.
type outcome struct {
	run     *checker.Run
	figures checker.Figures
	broken  []checker.Violation
	sender  *sender
	crowd   *crowd
}

// run plays a load to its end, breaks what there is to break meanwhile, waits for
// calm, sends everything again, lets all clients go, and has it all checked.
func (b *bed) run(l load) outcome {
	b.t.Helper()
	if l.webhooks == nil {
		l.webhooks = b.each()
	}
	if l.clients == nil {
		l.clients = b.each()
	}
	idle := map[*node]map[string]float64{}
	for _, n := range b.nodes {
		warm(b.t, n)
		idle[n] = n.measure(b.t, checker.Before, func(map[string]float64) bool { return true })
	}
	s := l.story
	if s == nil {
		s = newStory(b.seed, l.orders, anHourAgo())
	}
	b.register(s)
	ctx, cancel := context.WithTimeout(b.t.Context(), either(20*time.Minute, 2*time.Minute))
	defer cancel()

	following, unfollow := context.WithCancel(ctx)
	var reading sync.WaitGroup
	reading.Go(func() { b.reader.follow(following) })
	defer func() { unfollow(); reading.Wait() }()

	o := outcome{sender: newSender(l.webhooks, b.log.webhooks), crowd: newCrowd(l.clients, b.log.clients)}
	o.sender.fair, b.crowd = l.fair, o.crowd
	o.crowd.come(ctx, l.crowd, s.orders)
	defer o.crowd.leave()
	o.crowd.await(b.t, l.crowd)

	sending, sent := context.WithCancel(ctx)
	enough := make(chan struct{})
	var breaking sync.WaitGroup
	if l.breaks != nil {
		breaking.Go(func() { l.breaks(sending); close(enough) })
	}
	go b.progress(sending, &o)
	events := o.sender.tell(ctx, s.events, l.rate, enough)
	sent()
	breaking.Wait()
	if l.again {
		o.sender.again(ctx, events)
	}
	b.plan.QuietAt = now()
	if len(l.notice) == 0 { // a gateway that was weakened may well have sent them away
		o.crowd.await(b.t, l.crowd)
	}
	pause(ctx, either(5*time.Second, 1500*time.Millisecond))
	b.plan.EndAt = now()
	o.crowd.leave()

	unfollow()
	reading.Wait()
	b.dump(ctx)
	b.plan.Replayed = b.reader.readings
	b.replay(ctx, o.sender, events)
	b.dump(ctx)
	o.sender.client.CloseIdleConnections()
	if l.leave != nil {
		l.leave()
	}
	for _, n := range b.nodes {
		was := idle[n]
		n.measure(b.t, checker.After, func(is map[string]float64) bool {
			return is["paybell_connections"] == 0 && is["go_goroutines"] <= was["go_goroutines"]+10 && is["process_open_fds"] <= was["process_open_fds"]+20
		})
	}
	var stopping sync.WaitGroup
	for _, n := range b.nodes {
		stopping.Go(func() {
			if err := n.stop(); err != nil {
				b.t.Errorf("%s did not end well: %v", n.name, err)
			}
		})
	}
	stopping.Wait()
	b.check(&o, l.notice)
	return o
}

// anHourAgo is when stories begin, so that nothing in them is yet to happen.
func anHourAgo() checker.Time { return now() - checker.Time(time.Hour/time.Microsecond) }

// warm asks a node for something of each kind, so that what it starts for the first
// request is there before it is measured.
func warm(t testing.TB, n *node) {
	t.Helper()
	for range 3 {
		if err := answers(n.public + "/readyz"); err != nil {
			t.Fatal(err)
		}
	}
}

// register registers the orders that have terms, as a merchant's backend does.
func (b *bed) register(s *story) {
	b.t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	turn := make(chan struct{}, 16)
	for id, terms := range s.terms {
		b.plan.Terms[id] = terms
		turn <- struct{}{}
		group.Go(func() {
			defer func() { <-turn }()
			body := fmt.Sprintf(`{"order":%q,"amount":%d,"currency":%q}`, id, terms.Amount, terms.Currency)
			request, err := http.NewRequest(http.MethodPost, b.nodes[0].public+"/v1/sessions", strings.NewReader(body))
			if err != nil {
				b.t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+apiKey)
			response, err := client.Do(request)
			if err != nil {
				b.t.Error(err)
				return
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode != http.StatusCreated {
				b.t.Errorf("session of %s: %d", id, response.StatusCode)
			}
		})
	}
	group.Wait()
}

// await waits until nearly all clients are connected: some have tokens of a few
// seconds, and are always about to come back.
func (c *crowd) await(t testing.TB, number int) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for c.up.Load() < int64(number)*95/100 {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d clients are connected", c.up.Load(), number)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sum adds up a figure of all nodes that answer.
func (b *bed) sum(name string) int {
	total := 0.0
	for _, n := range b.nodes {
		if values, err := n.metrics(); err == nil {
			total += values[name]
		}
	}
	return int(total)
}

func (b *bed) progress(ctx context.Context, o *outcome) {
	if !*long {
		return
	}
	for ctx.Err() == nil {
		pause(ctx, 5*time.Second)
		fmt.Printf("… %s: %ds, %d accepted, %d attempts failed, %d clients connected\n", b.scenario,
			int(time.Since(b.started).Seconds()), o.sender.acked.Load(), o.sender.failed.Load(), o.crowd.up.Load())
	}
}

// breaks notes that something is broken while fn runs, and how often that had an
// effect.
func (b *bed) breaks(kind, node string, fn func() (effects int)) {
	f := checker.Fault{At: now(), Kind: kind, Node: node}
	f.Effects = fn()
	f.Until = now()
	b.log.breakage.write(f)
}

func (b *bed) dump(ctx context.Context) {
	b.t.Helper()
	if err := b.reader.read(ctx); err != nil {
		b.t.Fatal(err)
	}
	if err := b.reader.readInbox(ctx); err != nil {
		b.t.Fatal(err)
	}
}

// replay sends every webhook again.
func (b *bed) replay(ctx context.Context, s *sender, events []told) {
	turn := make(chan struct{}, 16)
	var group sync.WaitGroup
	for _, e := range events {
		turn <- struct{}{}
		group.Go(func() {
			defer func() { <-turn }()
			to := s.targets[0]
			a := checker.Attempt{Sent: now(), Node: to.name, ID: e.id, Event: e.event, Replay: true}
			a.Code = s.send(ctx, to.address(), e, false)
			a.Answered = now()
			b.log.webhooks.write(a)
		})
	}
	group.Wait()
}

// check has the checker read the logs, and adds a line to the table. Of nodes that
// were weakened it wants to see that somebody noticed.
func (b *bed) check(o *outcome, notice []string) {
	b.t.Helper()
	b.log.close(b.t, b.plan)
	run, err := checker.Read(b.log.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	o.run, o.figures, o.broken = run, run.Figures(), run.Check()
	if o.figures.Acked == 0 || o.figures.States == 0 {
		b.t.Errorf("%d webhooks and %d states: nothing was tested", o.figures.Acked, o.figures.States)
	}
	figures, _ := json.Marshal(o.figures)
	b.t.Logf("%s: %s", b.scenario, figures)
	if len(notice) > 0 {
		found := map[string]int{}
		for _, v := range o.broken {
			found[v.Invariant]++
		}
		b.t.Logf("noticed: %v", found)
		if !slices.ContainsFunc(notice, func(name string) bool { return found[name] > 0 }) {
			b.t.Errorf("nobody noticed what was weakened: want one of %v, found %v", notice, found)
		}
		return
	}
	for i, v := range o.broken {
		if i == 20 {
			b.t.Errorf("… and %d more", len(o.broken)-i)
			break
		}
		b.t.Error(v)
	}
	addLine(line{b.scenario, b.seed, o.figures, len(o.broken)})
}
