package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
)

// A race lets many clients subscribe, each to an order that is committed and
// dispatched within 5 ms of it, before or after. It returns how many have missed
// the state in the end, and how many saw a version fall.
type race struct {
	node      *node
	count     int // a multiple of atOnce
	commit    func(id string) (version int64)
	subscribe func(c *client, id string)
}

const atOnce = 500

func (r race) run(t *testing.T) (missed, fell int) {
	grant := Grant{Expires: time.Now().Add(time.Hour)}
	for done := 0; done < r.count; done += atOnce {
		var all sync.WaitGroup
		clients, records := make([]*client, atOnce), make([]*recorder, atOnce)
		versions := make([]int64, atOnce)
		start := time.Now().Add(2 * time.Millisecond)
		for i := range atOnce {
			id := "o" + strconv.Itoa(done+i)
			when := start.Add(5*time.Millisecond + rand.N(50*time.Millisecond))
			records[i] = &recorder{t: t}
			clients[i] = r.node.open(records[i], "test", grant, seat{})
			all.Go(func() {
				time.Sleep(time.Until(when))
				r.subscribe(clients[i], id)
			})
			all.Go(func() {
				time.Sleep(time.Until(when) + rand.N(10*time.Millisecond) - 5*time.Millisecond)
				versions[i] = r.commit(id)
			})
		}
		all.Wait()
		for i, c := range clients {
			c.end(cause{name: "done", code: 1000}) // once all that is due is written
			<-c.gone
			seen := records[i].saw("o" + strconv.Itoa(done+i))
			if len(seen) == 0 || seen[len(seen)-1] != versions[i] {
				missed++
			}
			for j := 1; j < len(seen); j++ {
				if seen[j] <= seen[j-1] {
					fell++
				}
			}
		}
	}
	return missed, fell
}

// The promise on which everything rests: whoever subscribes near a commit sees
// the state that was committed, whichever came first.
func TestNoSubscriptionMissesACommit(t *testing.T) {
	n := newNode(t, Options{})
	count := 20_000
	if testing.Short() {
		count = 2_000
	}
	// A read takes a while, and its answer is from somewhere within it.
	n.book.before, n.book.after = func() { time.Sleep(rand.N(time.Millisecond)) }, func() { time.Sleep(rand.N(time.Millisecond)) }
	right := race{node: n, count: count,
		commit: func(id string) int64 { return n.commit(id, order.Paid).Version },
		subscribe: func(c *client, id string) {
			if err := n.watch(context.Background(), c, []string{id}); err != nil {
				t.Error(err)
			}
		},
	}
	if missed, fell := right.run(t); missed+fell > 0 {
		t.Errorf("of %d subscriptions %d missed a commit, %d saw a version fall", count, missed, fell)
	}

	// The control: the same steps in the wrong order must be caught.
	wrong := right
	wrong.count = 2_000
	n.book.states = map[string]order.State{}
	wrong.subscribe = func(c *client, id string) {
		states, err := n.snapshots.read(context.Background(), []string{id})
		if err != nil {
			t.Error(err)
		}
		watchers := n.register(c, []string{id})
		c.settle(watchers, states, c.reading(watchers))
	}
	missed, _ := wrong.run(t)
	if missed == 0 {
		t.Errorf("reading before registering was not caught in %d subscriptions", wrong.count)
	}
	t.Logf("reading before registering missed %d of %d", missed, wrong.count)
}

func TestNoSubscriptionMissesACommitOfTheRealLedger(t *testing.T) {
	const count = 500
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t, Options{})
	ledger := order.NewLedger(store, order.LedgerOptions{Publish: n.Dispatch})
	n.snapshots.orders = ledger
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- ledger.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	real := race{node: n, count: count,
		commit: func(id string) int64 {
			receipt, err := ledger.Record(ctx, order.Callback{Source: "shop", ReceivedAt: time.Now()}, []order.Event{{
				Source: "shop", ID: "evt_" + id, Order: id, Payment: "pay_" + id,
				Kind: order.KindPayment, Status: order.Paid, Amount: 9900, Currency: "CNY", Livemode: true,
			}})
			if err != nil || len(receipt.Changes) != 1 {
				t.Error(fmt.Errorf("record %s: %w (%d changes)", id, err, len(receipt.Changes)))
				return 0
			}
			return receipt.Changes[0].State.Version
		},
		subscribe: func(c *client, id string) {
			if err := n.watch(ctx, c, []string{id}); err != nil {
				t.Error(err)
			}
		},
	}
	if missed, fell := real.run(t); missed+fell > 0 {
		t.Errorf("of %d subscriptions %d missed a commit, %d saw a version fall", count, missed, fell)
	}
}
