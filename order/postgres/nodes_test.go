package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/ordertest"
	"github.com/paybell/paybell/order/postgres"
)

// A cluster is several stores of one ledger, each call of which goes to the next
// one, as a load balancer spreads requests over gateways.
type cluster struct {
	nodes []*postgres.Store
	calls *atomic.Int64
}

func openCluster(t testing.TB, url string, size int) cluster {
	t.Helper()
	c := cluster{calls: new(atomic.Int64)}
	for range size {
		c.nodes = append(c.nodes, open(t, url))
	}
	return c
}

func (c cluster) node() *postgres.Store { return c.nodes[int(c.calls.Add(1))%len(c.nodes)] }

func (c cluster) Epoch() string { return c.node().Epoch() }
func (c cluster) Update(ctx context.Context, fn func(order.Tx) error) error {
	return c.node().Update(ctx, fn)
}
func (c cluster) States(ctx context.Context, orders []string) ([]order.State, error) {
	return c.node().States(ctx, orders)
}
func (c cluster) Event(ctx context.Context, source, id string) (order.Event, bool, error) {
	return c.node().Event(ctx, source, id)
}
func (c cluster) Timeline(ctx context.Context, id string) (order.Timeline, error) {
	return c.node().Timeline(ctx, id)
}
func (c cluster) Heads(ctx context.Context) (order.Heads, error) { return c.node().Heads(ctx) }
func (c cluster) Changes(ctx context.Context, shard int, after int64, limit int) ([]order.Change, error) {
	return c.node().Changes(ctx, shard, after, limit)
}
func (c cluster) Revoked(ctx context.Context, after int64, now time.Time, limit int) (order.Revoked, error) {
	return c.node().Revoked(ctx, after, now, limit)
}
func (c cluster) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return c.node().Due(ctx, now, limit)
}

// TestSuiteOverThreeNodes is the whole suite with every other call at another
// node.
func TestSuiteOverThreeNodes(t *testing.T) {
	server := rig.StartPostgres(t, "max_connections=200")
	ordertest.Suite(t, func(t *testing.T) (ordertest.Store, func() ordertest.Store) {
		url := inSchema(t, server.URL("postgres"))
		c := openCluster(t, url, 3)
		return c, func() ordertest.Store {
			for _, node := range c.nodes {
				node.Close()
			}
			c = openCluster(t, url, 3)
			return c
		}
	})
}

// TestTheSameEventsAtEveryNode count once, and nodes that write at the same time,
// about the same payments and orders in any order, never deadlock.
func TestTheSameEventsAtEveryNode(t *testing.T) {
	const nodes, writers, orders, events = 4, 8, 12, 240
	server := rig.StartPostgres(t)
	url := server.Database("shop")
	var facts []order.Event
	random := rand.New(rand.NewPCG(7, 7))
	for i := range events {
		n := random.IntN(orders)
		e := event(fmt.Sprint("e", i), fmt.Sprint("A", n), fmt.Sprint("p", (n+random.IntN(2))%orders)) // some payments are claimed by two orders
		e.At = time.Unix(1700000000+random.Int64N(1000), 0).UTC()
		e.Kind, e.Ref, e.Status = order.KindRefund, fmt.Sprint("r", i), order.Refunded
		if i%3 == 0 {
			e.Kind, e.Ref, e.Status = order.KindPayment, "", order.Paid
		}
		if i%4 == 0 {
			e.Order = ""
		}
		facts = append(facts, e)
	}
	cluster := openCluster(t, url, nodes)
	var fresh atomic.Int64
	var wg sync.WaitGroup
	for n, store := range cluster.nodes {
		ledger := run(t, store)
		var each sync.WaitGroup
		for w := range writers {
			each.Add(1)
			wg.Go(func() {
				defer each.Done()
				mine := slices.Clone(facts)
				random := rand.New(rand.NewPCG(uint64(n), uint64(w)))
				random.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				for batch := range slices.Chunk(mine, 5) {
					key := order.IdempotencyKey{Key: fmt.Sprint("key ", random.IntN(50)), Fingerprint: "f"}
					receipt, err := ledger.RecordOnce(t.Context(), key, order.Callback{Source: "shop"}, batch)
					if err != nil {
						t.Errorf("record: %v", err)
					}
					fresh.Add(int64(receipt.Fresh))
					if err := ledger.Tell(t.Context(), []order.Told{{Order: batch[0].Order, Version: 1, Transport: "sse", Count: 1}}); err != nil {
						t.Errorf("tell: %v", err)
					}
				}
			})
		}
	}
	wg.Wait()
	if fresh.Load() != events {
		t.Errorf("%d of %d events were fresh, all nodes together", fresh.Load(), events)
	}
	if got := server.SQL("shop", "SELECT deadlocks FROM pg_stat_database WHERE datname = 'shop'"); got != "0" {
		t.Errorf("%s deadlocks", got)
	}
	checkJournal(t, cluster)
	checkFolds(t, cluster.nodes[0], facts, orders)
}

// checkJournal reads every change and checks that each shard counts without
// holes, and each order's versions too.
func checkJournal(t *testing.T, store ordertest.Store) (changes []order.Change) {
	t.Helper()
	heads, err := store.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]int64{}
	for shard, head := range heads.Seq {
		list, err := store.Changes(t.Context(), shard, 0, int(head)+10)
		if err != nil || int64(len(list)) != head {
			t.Fatalf("shard %d has its head at %d and %d changes, %v", shard, head, len(list), err)
		}
		for i, c := range list {
			versions[c.State.Order]++
			if c.Seq != int64(i)+1 || c.State.Version != versions[c.State.Order] {
				t.Fatalf("shard %d has at %d seq %d, version %d of %s", shard, i+1, c.Seq, c.State.Version, c.State.Order)
			}
		}
		changes = append(changes, list...)
	}
	return changes
}

// checkFolds checks that every order is what its events amount to: those that
// name it, and those of the payments whose first claim does.
func checkFolds(t *testing.T, store *postgres.Store, facts []order.Event, orders int) {
	t.Helper()
	owners := map[string]order.Event{}
	for _, e := range facts {
		if was, there := owners[e.Payment]; e.Order != "" && (!there || e.At.Before(was.At) || e.At.Equal(was.At) && e.ID < was.ID) {
			owners[e.Payment] = e
		}
	}
	for i := range orders {
		id := fmt.Sprint("A", i)
		var events []order.Event
		for _, e := range facts {
			if e.Order == id || e.Order == "" && owners[e.Payment].Order == id {
				e.Order = id
				events = append(events, e)
			}
		}
		states, err := store.States(t.Context(), []string{id})
		if want := order.Fold(id, order.Terms{}, events); err != nil || !states[0].SameAs(want) {
			t.Errorf("state is %+v, %v\nwant %+v", states, err, want)
		}
	}
}

// TestANewEpochIsFollowed by every node, and by every commit from then on.
func TestANewEpochIsFollowed(t *testing.T) {
	cluster := openCluster(t, rig.StartPostgres(t).URL("postgres"), 3)
	epochs := []string{cluster.Epoch()}
	var mu sync.Mutex
	var changes []order.Change
	var wg sync.WaitGroup
	done := make(chan struct{})
	for n, store := range cluster.nodes {
		ledger := run(t, store)
		for w := range 3 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					receipt := record(t, ledger, event(fmt.Sprint(n, "-", w, "-", i), fmt.Sprint("A", n, "-", w, "-", i), ""))
					mu.Lock()
					changes = append(changes, receipt.Changes...)
					mu.Unlock()
				}
			})
		}
	}
	for range 5 {
		mu.Lock()
		enough := len(changes) + 50
		mu.Unlock()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			mu.Lock()
			n := len(changes)
			mu.Unlock()
			if n >= enough {
				break
			}
		}
		epoch, err := cluster.node().NewEpoch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		epochs = append(epochs, epoch)
		record(t, run(t, cluster.node()), event(epoch, "Z", "")) // told by a node that may not have heard of it
	}
	close(done)
	wg.Wait()

	last := map[int]int{} // by shard: the place of an epoch
	slices.SortFunc(changes, func(a, b order.Change) int { return int(a.Seq - b.Seq) })
	seen := map[string]bool{}
	for _, c := range changes {
		at := slices.Index(epochs, c.State.Epoch)
		if at < last[c.Shard] {
			t.Fatalf("shard %d has at %d an epoch from before", c.Shard, c.Seq)
		}
		last[c.Shard], seen[c.State.Epoch] = at, true
	}
	if len(seen) < len(epochs)-1 {
		t.Errorf("of %d epochs the commits saw %d", len(epochs), len(seen))
	}
	for _, store := range cluster.nodes {
		heads, err := store.Heads(t.Context())
		if err != nil || heads.Epoch != epochs[5] || store.Epoch() != epochs[5] {
			t.Errorf("a node is at epoch %q, and its heads are %+v, %v", store.Epoch(), heads, err)
		}
		if states, err := store.States(t.Context(), []string{"A1", "none"}); err != nil || states[0].Epoch != epochs[5] || states[1].Epoch != epochs[5] {
			t.Errorf("states are %+v, %v", states, err)
		}
	}
}
