package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
)

var (
	crashRounds = flag.Int("crash.rounds", 12, "how often the crash test kills the gateway")
	powerRounds = flag.Int("power.rounds", 2, "how often the crash test cuts its power")
)

// crashChild is the gateway that the crash tests kill: as `paybell serve`, but
// with a ledger that may be weakened, to prove that the tests would notice. It
// is called with the configuration's path and a weakness.
func crashChild(args []string) error {
	c, err := loadConfig(args[0], os.Environ())
	if err != nil {
		return err
	}
	var options sqlite.Options
	if sync, ok := strings.CutPrefix(args[1], "synchronous="); ok {
		options.Synchronous = sync
	}
	ctx := context.Background()
	st, err := sqlite.Open(ctx, c.Ledger.path(), options)
	if err != nil {
		return err
	}
	var durable store = st
	if args[1] == "dedupe-apart" {
		durable = dedupeApart{st}
	}
	g, err := newGateway(c, durable, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	public, admin, err := listen(c)
	if err != nil {
		return err
	}
	fmt.Println(public.Addr(), os.Getpid())
	return g.run(ctx, public, admin)
}

// dedupeApart commits the seen event ids before it commits what they mean, as
// one does who keeps them in another store.
type dedupeApart struct{ *sqlite.Store }

func (d dedupeApart) Update(ctx context.Context, fn func(order.Tx) error) error {
	return fn(&apart{d.Store, ctx})
}

type apart struct {
	store *sqlite.Store
	ctx   context.Context
}

func (a *apart) each(fn func(order.Tx) error) error { return a.store.Update(a.ctx, fn) }
func (a *apart) Claim(ctx context.Context, keys []*order.IdempotencyKey) error {
	return a.each(func(tx order.Tx) error { return tx.Claim(ctx, keys) })
}
func (a *apart) Insert(ctx context.Context, d []*order.Delivery) error {
	return a.each(func(tx order.Tx) error { return tx.Insert(ctx, d) })
}
func (a *apart) Load(ctx context.Context, orders []string) (r []*order.Record, err error) {
	return r, a.each(func(tx order.Tx) error { r, err = tx.Load(ctx, orders); return err })
}
func (a *apart) Save(ctx context.Context, records []*order.Record) error {
	return a.each(func(tx order.Tx) error { return tx.Save(ctx, records) })
}
func (a *apart) Tell(ctx context.Context, told []order.Told) error {
	return a.each(func(tx order.Tx) error { return tx.Tell(ctx, told) })
}
func (a *apart) Revoke(ctx context.Context, r []*order.Revocation) error {
	return a.each(func(tx order.Tx) error { return tx.Revoke(ctx, r) })
}
func (a *apart) Forget(ctx context.Context, now time.Time, limit int) (n int, err error) {
	return n, a.each(func(tx order.Tx) error { n, err = tx.Forget(ctx, now, limit); return err })
}

// check opens a ledger and returns what it breaks of the promises: every
// acknowledged event is there, once; every order is the fold of its events; its
// versions are 1, 2, 3 …; and the journal's last is the order's state.
func (b *crashBed) check(path string) error {
	ctx := context.Background()
	st, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	defer st.Close()
	orders := map[string][]string{}
	for id, name := range b.acked {
		orders[name] = append(orders[name], id)
	}
	var wrong []error
	for name, ids := range orders {
		timeline, err := st.Timeline(ctx, name)
		if err != nil {
			return err
		}
		states, err := st.States(ctx, []string{name})
		if err != nil {
			return err
		}
		wrong = append(wrong, checkOrder(timeline, states[0], ids)...)
	}
	return errors.Join(wrong...)
}

func checkOrder(timeline order.Timeline, state order.State, acked []string) []error {
	var wrong []error
	complain := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("order %s: %s", timeline.Order, fmt.Sprintf(format, args...)))
	}
	seen := map[string]int{}
	var events []order.Event
	for _, callback := range timeline.Callbacks {
		if callback.Duplicate {
			continue
		}
		for _, event := range callback.Events {
			seen[event.ID]++
			events = append(events, event)
		}
	}
	for _, id := range acked {
		if seen[id] == 0 {
			complain("%s was acknowledged and is lost", id)
		}
	}
	for id, n := range seen {
		if n > 1 {
			complain("%s counts %d times", id, n)
		}
	}
	if folded := order.Fold(timeline.Order, order.Terms{}, events); !folded.SameAs(state) {
		complain("the state says %d paid, its events %d", state.Paid, folded.Paid)
	}
	for i, change := range timeline.Changes {
		if change.State.Version != int64(i+1) {
			complain("change %d has version %d", i+1, change.State.Version)
		}
	}
	if n := len(timeline.Changes); n > 0 && !timeline.Changes[n-1].State.SameAs(state) {
		complain("the journal's last state is not the order's")
	}
	return wrong
}

// life is how long a gateway lives before it is killed.
func life() time.Duration { return 30*time.Millisecond + rand.N(200*time.Millisecond) }

func TestKilledGatewayLosesNothingAcknowledged(t *testing.T) {
	b := newCrashBed(t, "none")
	rounds := *crashRounds
	if testing.Short() {
		rounds = min(rounds, 4)
	}
	for i := range rounds {
		n := b.round(b.command(), life())
		if err := b.check(b.ledger()); err != nil {
			t.Fatalf("after kill %d: %v", i+1, err)
		}
		t.Logf("kill %d: %d acknowledged", i+1, n)
	}
	t.Logf("%d kills, %d webhooks acknowledged, none lost, none twice", rounds, len(b.acked))
	if len(b.acked) == 0 {
		t.Error("no webhook was acknowledged in any round, so nothing was tested")
	}
}

func TestKillTestNoticesDedupeOutsideTheTransaction(t *testing.T) {
	b := newCrashBed(t, "dedupe-apart")
	for i := range 40 {
		b.round(b.command(), life())
		// What has no answer yet comes again, as a provider does.
		b.round(b.command(), life())
		if err := b.check(b.ledger()); err != nil {
			t.Logf("noticed after %d rounds: %v", i+1, firstLine(err))
			return
		}
	}
	t.Error("40 rounds of kills did not show that dedupe outside the transaction loses payments")
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func TestPowerCutLosesNothingAcknowledged(t *testing.T) {
	rounds := *powerRounds
	for i := range rounds {
		b := newCrashBed(t, "none")
		err := b.cutPower()
		if err != nil {
			t.Fatalf("after power cut %d: %v", i+1, err)
		}
		t.Logf("power cut %d: %d acknowledged, none lost", i+1, len(b.acked))
	}
}

func TestPowerCutTestNoticesWeakenedSynchronous(t *testing.T) {
	for _, weak := range []string{"NORMAL", "OFF"} {
		b := newCrashBed(t, "synchronous="+weak)
		err := b.cutPower()
		if err == nil {
			t.Errorf("synchronous=%s lost nothing of %d acknowledged webhooks; the test does not see power cuts", weak, len(b.acked))
			continue
		}
		t.Logf("synchronous=%s noticed: %v", weak, firstLine(err))
	}
}

// cutPower runs the gateway under strace, kills it under load, and checks the
// ledger as it would be on a disk that lost its power at that moment: with what
// was synced, and nothing that was only written.
func (b *crashBed) cutPower() error {
	b.t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		b.t.Fatal("strace is missing; make setup installs it")
	}
	trace := filepath.Join(b.dir, "trace")
	cmd := b.command("strace", "-f", "-y", "-xx", "-s", "1000000", "-o", trace, "-e", "signal=none",
		"-e", "trace=pwrite64,write,ftruncate,fsync,fdatasync", "-P", b.ledger(), "-P", b.ledger()+"-wal")
	acked := b.round(cmd, 700*time.Millisecond)
	if acked < 20 {
		b.t.Fatalf("only %d webhooks were acknowledged before the power cut", acked)
	}
	disk := newSyncedDisk()
	if err := disk.replay(trace); err != nil {
		b.t.Fatal(err)
	}
	after := filepath.Join(b.t.TempDir(), "paybell.db")
	if err := disk.restore(map[string]string{b.ledger(): after, b.ledger() + "-wal": after + "-wal"}); err != nil {
		b.t.Fatal(err)
	}
	return b.check(after)
}

func TestCrashCheckerNoticesEachFault(t *testing.T) {
	event := func(id string) order.Event {
		return order.Event{Source: "shop", ID: id, Order: "A1", Payment: id, Kind: order.KindPayment, Status: order.Paid, Amount: 100, Currency: "EUR", Livemode: true}
	}
	events := []order.Event{event("e1"), event("e2")}
	build := func() (order.Timeline, order.State) {
		state := order.Fold("A1", order.Terms{}, events)
		state.Version = 2
		first := order.Fold("A1", order.Terms{}, events[:1])
		first.Version = 1
		return order.Timeline{
			Order:     "A1",
			Callbacks: []order.TimedCallback{{Events: events[:1]}, {Events: events[1:]}},
			Changes:   []order.TimelineChange{{State: first}, {State: state}},
		}, state
	}
	timeline, state := build()
	if wrong := checkOrder(timeline, state, []string{"e1", "e2"}); len(wrong) > 0 {
		t.Fatalf("a sound ledger is said to be wrong: %v", wrong)
	}
	faults := map[string]func(*order.Timeline, *order.State){
		"lost event":     func(tl *order.Timeline, _ *order.State) { tl.Callbacks = tl.Callbacks[:1] },
		"counted twice":  func(tl *order.Timeline, _ *order.State) { tl.Callbacks = append(tl.Callbacks, tl.Callbacks[0]) },
		"not folded":     func(_ *order.Timeline, s *order.State) { s.Paid = 100 },
		"hole":           func(tl *order.Timeline, _ *order.State) { tl.Changes = tl.Changes[1:] },
		"journal behind": func(tl *order.Timeline, _ *order.State) { tl.Changes = tl.Changes[:1] },
	}
	for name, spoil := range faults {
		timeline, state := build()
		spoil(&timeline, &state)
		if wrong := checkOrder(timeline, state, []string{"e1", "e2"}); len(wrong) == 0 {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// crashChildMark in the environment makes the test binary a crashChild.
const crashChildMark = "CRASH_TEST_CHILD"
