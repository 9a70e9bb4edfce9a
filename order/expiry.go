package order

import (
	"context"
	"log/slog"
	"time"
)

// ExpirySource is the source of the events by which the gateway itself says
// that an order's time ran out. No provider may be named so.
const ExpirySource = "paybell"

// Due lists orders whose time has come. A [Store] may fulfil it.
type Due interface {
	// Due returns up to limit orders that expire at or before now.
	Due(ctx context.Context, now time.Time, limit int) ([]string, error)
}

// Expire records, until ctx ends, that registered orders ran out of time. The
// fold reads no clock: it is this event that expires an order, so every node
// and every replay agrees when it was. Money that still comes wins over it.
func (l *Ledger) Expire(ctx context.Context, due Due, log *slog.Logger) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		orders, err := due.Due(ctx, l.opts.Now(), 100)
		if err != nil {
			log.Warn("look for expired orders", "err", err)
			continue
		}
		for _, id := range orders {
			if err := l.expire(ctx, id); err != nil {
				log.Warn("expire an order", "err", err)
			}
		}
	}
}

func (l *Ledger) expire(ctx context.Context, id string) error {
	now := l.opts.Now().UTC()
	_, err := l.Record(ctx, Callback{Source: ExpirySource, ReceivedAt: now}, []Event{{
		Source: ExpirySource, ID: "expired:" + id, Order: id, Kind: KindOrder, Status: Expired,
		Reason: "time_ran_out", At: now, Type: "order.expired", Livemode: true,
	}})
	return err
}
