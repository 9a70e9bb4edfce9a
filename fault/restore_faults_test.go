//go:build unix

package fault_test

import (
	"context"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
	"github.com/paybell/paybell/internal/rig"
)

// A restoreBed is three nodes over one Postgres, which they reach through a proxy
// that keeps them away while the database is not what it was.
type restoreBed struct {
	*bed
	postgres *rig.Postgres
	ledger   string // past the proxy
	hole     *rig.BlackHole
	backup   checker.Time // all that was answered until then is in it
	backups  int
}

func newRestoreBed(t *testing.T, scenario string, s settings) *restoreBed {
	t.Helper()
	b := &restoreBed{postgres: rig.StartPostgres(t)}
	b.ledger = b.postgres.Database("paybell")
	through, err := url.Parse(b.ledger)
	if err != nil {
		t.Fatal(err)
	}
	b.hole = rig.NewBlackHole(t, through.Host)
	through.Host = b.hole.Address()
	s.ledger = b.ledger
	b.bed = newBed(t, scenario, 3, s, func(_ int, own *settings) { own.ledger = through.String() })
	b.plan.Bounds.Bus = staleWithoutBus()
	return b
}

// An older backup is put back under load, and gets its new epoch once the nodes
// have noticed that it is due; and another before any node could, as the
// documentation asks for. Then the provider is asked to send everything again.
func TestFaultRestoredBackup(t *testing.T) {
	share(t)
	b := newRestoreBed(t, "backup put back", settings{})
	l := load{orders: either(12_000, 2000), rate: either(150, 80), crowd: either(1000, 90), again: true}
	l.breaks = func(ctx context.Context) {
		for round := range either(6, 2) {
			if *long || round == 0 {
				pause(ctx, either(3*time.Second, 500*time.Millisecond))
				b.backUp()
			}
			pause(ctx, either(8*time.Second, 1200*time.Millisecond))
			b.restore(round%2 == 0)
		}
		if ctx.Err() != nil {
			t.Error("all webhooks were told before all rounds were over")
		}
	}
	b.run(l)
}

// A node that takes a new epoch for the old one leaves its clients with what the
// backup does not have.
func TestFaultControlNoReset(t *testing.T) {
	onlyLong(t)
	b := newRestoreBed(t, "a backup put back, and clients not reset", settings{weak: []weakness{
		{"hub/follower_read.go", "	f.to.Renew(heads.Epoch)\n", ""},
	}})
	b.run(load{orders: 2000, rate: 80, crowd: 90, again: true, notice: []string{"I14"}, breaks: func(ctx context.Context) {
		b.backUp()
		pause(ctx, 2*time.Second)
		b.restore(false)
	}})
}

// backUp copies the database as it stands, which has to be stopped for that.
func (b *restoreBed) backUp() {
	b.breaks(checker.LedgerFault, "", func() int {
		b.backup = now()
		b.backups++
		b.stop()
		b.postgres.SaveAs(b.name())
		b.postgres.Restart()
		return 1
	})
}

func (b *restoreBed) name() string { return "backup" + strings.Repeat("I", b.backups) }

func (b *restoreBed) stop() {
	if err := b.postgres.StopFast(); err != nil {
		b.t.Errorf("postgres did not stop well: %v", err)
	}
}

// restore puts the backup back and gives it a new epoch: after the nodes have
// reached it and seen what it is, or before.
func (b *restoreBed) restore(noticed bool) {
	b.breaks(checker.LedgerFault, "", func() int {
		was := b.regressions()
		b.putBack()
		if !noticed {
			b.newEpoch(0, "--ledger", b.ledger)
			b.hole.Forward()
			return 1
		}
		b.hole.Forward()
		b.newEpoch(b.notice(was), "--config", b.nodes[0].config)
		return 1
	})
}

// putBack stops the database, puts the backup in its place and starts it. No node
// reaches it from before it stops until the proxy forwards, so that all is written
// down that anybody can have seen of what is lost, and what the backup holds before
// anything is added to it.
func (b *restoreBed) putBack() {
	ctx := b.t.Context()
	b.hole.Swallow()
	b.hole.Cut() // or nodes would be told later, by the database that there was, what it had committed
	f := checker.Fault{At: now(), Kind: checker.RestoreFault, Backup: b.backup}
	time.Sleep(200 * time.Millisecond) // what it has already been asked to commit
	b.dump(ctx)
	b.breaks(checker.RefusalFault, "", func() int {
		var err error
		f.Effects, f.Reading, err = b.reader.replace(ctx, func() {
			b.stop()
			b.postgres.PutBack(b.name())
			b.postgres.Restart()
		})
		if err != nil {
			b.t.Errorf("the restored ledger cannot be read: %v", err)
		}
		return 1
	})
	if f.Effects == 0 {
		b.t.Error("the backup lacks nothing: nothing was tested")
	}
	f.Epoch, f.Until = b.reader.epoch, now()
	b.log.breakage.write(f)
}

// regressions are how often each node has seen its ledger go backwards.
func (b *restoreBed) regressions() map[*node]float64 {
	times := map[*node]float64{}
	for _, n := range b.nodes {
		values, err := n.metrics()
		if err != nil {
			b.t.Errorf("metrics of %s: %v", n.name, err)
		}
		times[n] = values[`paybell_follower_notices_total{what="regression"}`]
	}
	return times
}

// notice waits until every node has seen that its ledger went backwards, has let its
// clients go and has answered whoever asked before, and returns when that was so.
// None may be ready then.
func (b *restoreBed) notice(was map[*node]float64) checker.Time {
	deadline := time.Now().Add(30 * time.Second)
	for _, n := range b.nodes {
		for b.regressions()[n] == was[n] {
			if time.Now().After(deadline) {
				b.t.Errorf("%s does not notice that the ledger went backwards", n.name)
				return 0
			}
			time.Sleep(20 * time.Millisecond)
		}
		if code := answered(b.t, n.public+"/readyz"); code != http.StatusServiceUnavailable {
			b.t.Errorf("/readyz of %s is %d though its ledger went backwards", n.name, code)
		}
	}
	for b.crowd.asking.Load() > 0 {
		if time.Now().After(deadline) {
			b.t.Errorf("%d clients stay with nodes whose ledger went backwards", b.crowd.asking.Load())
			return 0
		}
		time.Sleep(5 * time.Millisecond)
	}
	at := now()
	time.Sleep(either(3*time.Second, 300*time.Millisecond)) // in which nobody may be let in
	return at
}

// newEpoch does what an operator has to do after a restore.
func (b *restoreBed) newEpoch(noticed checker.Time, which ...string) {
	f := checker.Fault{At: now(), Kind: checker.NewEpochFault, Noticed: noticed, Effects: 1}
	out, err := exec.Command(program(b.t), append([]string{"ledger", "new-epoch"}, which...)...).Output()
	if err != nil {
		b.t.Errorf("paybell ledger new-epoch: %v", err)
	}
	f.Epoch, f.Until = strings.TrimSpace(string(out)), now()
	b.log.breakage.write(f)
}
