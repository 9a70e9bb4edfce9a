package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/postgres"
)

// A provider sends events until it is told to stop, each again and again until it
// is acknowledged.
type provider struct {
	acked sync.Map // event ids
	sent  atomic.Int64
	count atomic.Int64 // of those acknowledged
	tries atomic.Int64 // that failed
}

func (p *provider) send(ctx context.Context, ledgers []*order.Ledger) {
	for ctx.Err() == nil {
		n := p.sent.Add(1)
		id := fmt.Sprint("e", n)
		for try := int(n); ctx.Err() == nil; try++ {
			_, err := ledgers[try%len(ledgers)].Record(ctx, order.Callback{Source: "shop"}, []order.Event{event(id, "A"+id, "")})
			if err == nil {
				p.acked.Store(id, true)
				p.count.Add(1)
				break
			}
			p.tries.Add(1)
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// waitFor waits until n more events are acknowledged.
func (p *provider) waitFor(t *testing.T, n int64) {
	t.Helper()
	enough := p.count.Load() + n
	for deadline := time.Now().Add(time.Minute); p.count.Load() < enough; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d events are acknowledged, and no more", p.count.Load())
		}
	}
}

// TestARestartLosesNothing that was acknowledged, counts nothing twice, and ends
// no ledger: a database that is away is no broken one.
func TestARestartLosesNothing(t *testing.T) {
	server := rig.StartPostgres(t)
	cluster := openCluster(t, server.Database("shop"), 2)
	var ledgers []*order.Ledger
	for _, node := range cluster.nodes {
		ledgers = append(ledgers, run(t, node))
	}
	ctx, stop := context.WithCancel(t.Context())
	var p provider
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { p.send(ctx, ledgers) })
	}
	for i := range 4 {
		p.waitFor(t, 200)
		if i%2 == 0 {
			server.StopFast()
		} else {
			server.StopImmediate()
		}
		failed := p.tries.Load()
		for deadline := time.Now().Add(time.Minute); p.tries.Load() < failed+32 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		if err := ledgers[0].Check(t.Context()); !errors.Is(err, order.ErrUnavailable) || errors.Is(err, order.ErrBroken) {
			t.Errorf("without a server a write returns %v", err)
		}
		if _, err := ledgers[0].States(t.Context(), []string{"A"}); !errors.Is(err, order.ErrUnavailable) {
			t.Errorf("without a server a read returns %v", err)
		}
		server.Restart()
	}
	p.waitFor(t, 200)
	stop()
	wg.Wait()
	for _, ledger := range ledgers {
		ledger.Check(t.Context()) // after what its writers gave up waiting for
	}

	changes := map[string]int{}
	for _, c := range checkJournal(t, cluster) {
		changes[strings.TrimPrefix(c.State.Order, "A")]++
	}
	p.acked.Range(func(id, _ any) bool {
		if changes[id.(string)] != 1 {
			t.Errorf("%s was acknowledged, and counted %d times", id, changes[id.(string)])
		}
		return true
	})
	if got := server.SQL("shop", "SELECT count(*) - count(DISTINCT id) FROM paybell.events"); got != "0" {
		t.Errorf("%s events are there twice", got)
	}
	t.Logf("%d events acknowledged, %d tries failed", p.count.Load(), p.tries.Load())
}

// TestARestoredBackupGetsANewEpoch, under which clients take its states for new
// although they saw higher versions.
func TestARestoredBackupGetsANewEpoch(t *testing.T) {
	server := rig.StartPostgres(t)
	url := server.Database("shop")
	store := open(t, url)
	ledger := run(t, store)
	first := record(t, ledger, event("e1", "A1", "p1")).Changes[0].State
	server.StopFast()
	server.SaveAs("backup")
	server.Restart()
	refund := event("e2", "A1", "p1")
	refund.Kind, refund.Status = order.KindRefund, order.Refunded
	lost := record(t, ledger, refund).Changes[0].State
	server.StopFast()
	server.PutBack("backup")
	server.Restart()

	other, err := postgres.Open(t.Context(), url, postgres.Options{NewEpoch: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	heads, err := store.Heads(t.Context()) // by a gateway that lived through it
	if err != nil || heads.Epoch == first.Epoch || heads.Epoch != other.Epoch() || heads.Seq[order.ShardOf("A1")] != 1 {
		t.Errorf("heads are %+v, %v", heads, err)
	}
	states, err := store.States(t.Context(), []string{"A1"})
	if err != nil || states[0].Version != 1 || states[0].Epoch != heads.Epoch {
		t.Errorf("state is %+v, %v", states, err)
	}
	again := record(t, ledger, refund) // providers send again what the backup does not have
	if s := again.Changes[0].State; s.Version != lost.Version || s.Epoch != heads.Epoch || !s.SameAs(lost) {
		t.Errorf("the state is %+v; it was %+v", s, lost)
	}
}

// TestACommitThatNoStandbyHasIsAnError, although the server, which an operator
// makes give up waiting, says so only by a warning.
func TestACommitThatNoStandbyHasIsAnError(t *testing.T) {
	server := rig.StartPostgres(t)
	store := open(t, server.URL("postgres"))
	server.SQL("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	server.SQL("postgres", "SELECT pg_reload_conf()")
	for deadline := time.Now().Add(time.Minute); store.Show(t, "synchronous_standby_names") != "nobody"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the setting does not take effect")
		}
	}
	committed := make(chan error, 1)
	go func() {
		var err error
		for end := time.Now().Add(time.Minute); err == nil && time.Now().Before(end); { // the server's other processes take it up later
			err = store.Update(t.Context(), func(order.Tx) error { return nil })
		}
		committed <- err
	}()
	var err error
	for waiting := true; waiting; {
		server.SQL("postgres", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
		select {
		case err = <-committed:
			waiting = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err == nil || !strings.Contains(err.Error(), "outcome of the commit is not known") {
		t.Errorf("Update returned %v", err)
	}
}

// TestANodeThatHangsHoldsUpNobodyForLong: the server ends the transaction of a
// gateway that locked a shard and says no more.
func TestANodeThatHangsHoldsUpNobodyForLong(t *testing.T) {
	url := rig.StartPostgres(t).URL("postgres") + "&idle_in_transaction_session_timeout=500ms"
	hanging, other := open(t, url), run(t, open(t, url))
	locked, released := make(chan struct{}), make(chan struct{})
	var tries atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		err := hanging.Update(t.Context(), func(tx order.Tx) error {
			if tries.Add(1) > 1 {
				return errors.New("it was run again")
			}
			records, err := tx.Load(t.Context(), []string{"A1"})
			if err != nil {
				return err
			}
			records[0].State.Version, records[0].Changed = 1, true
			err = tx.Save(t.Context(), records)
			close(locked)
			<-released
			return err
		})
		if err == nil {
			t.Error("a transaction that was ended says that it is durable")
		}
	})
	<-locked
	if s := record(t, other, event("e1", "A1", "")).Changes[0].State; s.Version != 1 {
		t.Errorf("the state is %+v", s)
	}
	close(released)
	wg.Wait()
}

// TestAServerThatSaysNothing is given up in time, and taken up again.
func TestAServerThatSaysNothing(t *testing.T) {
	server := rig.StartPostgres(t)
	store := open(t, server.URL("postgres"))
	server.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := store.Update(ctx, func(order.Tx) error { return nil }); err == nil {
		t.Error("a server that says nothing committed")
	}
	server.GoOn()
	record(t, run(t, store), event("e1", "A1", ""))
}

// TestFetchesLeaveAConnectionToWebhooks, however many are settled at once.
func TestFetchesLeaveAConnectionToWebhooks(t *testing.T) {
	server := rig.StartPostgres(t)
	store := open(t, server.Database("shop")+"&pool_max_conns=4")
	server.SQL("shop", `CREATE FUNCTION paybell.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NULL; END';
		CREATE TRIGGER slow BEFORE DELETE ON paybell.fetches EXECUTE FUNCTION paybell.slow()`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { store.SettleFetch(t.Context(), order.Fetch{Source: "shop", Ref: "tr_1"}, time.Time{}) })
	}
	writeWhileOthersSleep(t, server, store)
	if _, err := store.Beat(t.Context(), "node", time.Minute); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// writeWhileOthersSleep writes while two connections are busy, and finds some
// busy still.
func writeWhileOthersSleep(t *testing.T, server *rig.Postgres, store *postgres.Store) {
	t.Helper()
	sleeping := func() string {
		return server.SQL("shop", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
	}
	for deadline := time.Now().Add(time.Minute); sleeping() != "2"; {
		if time.Now().After(deadline) {
			t.Fatal("they do not get going, or are too many")
		}
	}
	if err := store.Update(t.Context(), func(order.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
	if sleeping() == "0" {
		t.Error("the write waited")
	}
}

// TestReadsLeaveAConnectionToWrites, and one to what a node must follow, however
// many customers ask at once.
func TestReadsLeaveAConnectionToWrites(t *testing.T) {
	server := rig.StartPostgres(t)
	url := server.Database("shop") + "&pool_max_conns=4"
	store := open(t, url)
	server.SQL("shop", "ALTER TABLE paybell.told RENAME TO told_aside; CREATE VIEW paybell.told AS SELECT *, pg_sleep(3)::text FROM paybell.told_aside")
	server.SQL("shop", "INSERT INTO paybell.told_aside VALUES ('A1', 1, 'sse', '', now(), 1)")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { store.Timeline(t.Context(), "A1") })
	}
	writeWhileOthersSleep(t, server, store)
	if _, err := store.Heads(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := store.Changes(t.Context(), 0, 0, 1); err != nil {
		t.Error(err)
	}
	if _, err := store.Revoked(t.Context(), 0, time.Now(), 1); err != nil {
		t.Error(err)
	}
	if got := server.SQL("shop", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"); got == "0" {
		t.Error("they waited for the reads")
	}
	wg.Wait()
}
