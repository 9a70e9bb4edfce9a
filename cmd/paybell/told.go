package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/paybell/paybell/order"
)

// A tellTale brings what was shown to clients into the ledger, for the orders'
// timelines, once a second: it must not cost a commit per client.
type tellTale struct {
	ledger  *order.Ledger
	dropped func()
	log     *slog.Logger
	told    chan order.Told
}

func newTellTale(ledger *order.Ledger, dropped func(), log *slog.Logger) *tellTale {
	return &tellTale{ledger: ledger, dropped: dropped, log: log, told: make(chan order.Told, 1<<14)}
}

// tell never blocks. When the ledger is too slow, timelines have holes, and a
// metric says so.
func (t *tellTale) tell(told order.Told) {
	select {
	case t.told <- told:
	default:
		t.dropped()
	}
}

// run writes until ctx ends, and then what is left.
func (t *tellTale) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.write(ctx)
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			t.write(ctx)
			return
		}
	}
}

func (t *tellTale) write(ctx context.Context) {
	var batch []order.Told
	for n := len(t.told); n > 0; n-- {
		batch = append(batch, <-t.told)
	}
	if len(batch) == 0 {
		return
	}
	if err := t.ledger.Tell(ctx, batch); err != nil {
		t.log.Warn("note who was told", "err", err)
	}
}
