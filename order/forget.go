package order

import (
	"context"
	"log/slog"
	"time"
)

// KeyRetention is how long an idempotency key is kept after its first use, and a
// revocation after it has expired: a week, so that what was sent before a long
// weekend may be sent again after it.
const KeyRetention = 7 * 24 * time.Hour

// forgetBatch bounds what one commit forgets, so that no webhook waits for it.
const forgetBatch = 1000

// Forget removes, until ctx ends, what nobody can ask for any more: idempotency
// keys and uses of tickets whose time is up, and revocations of long ago. It
// forgets nothing of an order.
func (l *Ledger) Forget(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n, err := l.forgetSome(ctx)
		for err == nil && n >= forgetBatch {
			n, err = l.forgetSome(ctx)
		}
		if err != nil && ctx.Err() == nil {
			log.Warn("forget what is over", "err", err)
		}
	}
}

// forgetSome forgets one batch and says how much that was.
func (l *Ledger) forgetSome(ctx context.Context) (int, error) {
	e := &entry{forget: true}
	if err := l.write(ctx, e); err != nil {
		return 0, err
	}
	return e.forgotten, nil
}

// forget removes one batch for all who ask.
func (c *commit) forget(ctx context.Context, tx Tx) (err error) {
	forgotten := -1
	for _, e := range c.batch {
		if !e.forget {
			continue
		}
		if forgotten < 0 {
			if forgotten, err = tx.Forget(ctx, c.now, forgetBatch); err != nil {
				return err
			}
		}
		e.forgotten = forgotten
	}
	return nil
}
