package main

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/paybell/paybell/order"
)

// A tellTale brings what was shown to clients into the ledger, for the orders'
// timelines, twice a second: it must not cost a commit per client.
type tellTale struct {
	ledger  *order.Ledger
	dropped func()
	log     *slog.Logger
	told    chan order.Told
}

func newTellTale(ledger *order.Ledger, dropped func(), log *slog.Logger) *tellTale {
	return &tellTale{ledger: ledger, dropped: dropped, log: log, told: make(chan order.Told, 1<<13)}
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
	tick := time.NewTicker(time.Second / 2)
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

// tellAtOnce is how many deliveries share a commit: webhooks that come meanwhile
// share it too, and have to wait for it.
const tellAtOnce = 128

// write sorts what it writes: rows of neighbouring orders share pages of the
// ledger, and a commit costs what it changes of those.
func (t *tellTale) write(ctx context.Context) {
	told := make([]order.Told, len(t.told))
	for i := range told {
		told[i] = <-t.told
	}
	slices.SortFunc(told, func(a, b order.Told) int { return cmp.Compare(a.Order, b.Order) })
	for batch := range slices.Chunk(told, tellAtOnce) {
		if err := t.ledger.Tell(ctx, batch); err != nil {
			t.log.Warn("note who was told", "err", err)
		}
	}
}
