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

// expiryBatch is how many orders expire in one commit.
const expiryBatch = 100

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
		for l.expireDue(ctx, due, log) {
		}
	}
}

// expireDue expires one batch, and says whether to go on with the next at once.
func (l *Ledger) expireDue(ctx context.Context, due Due, log *slog.Logger) bool {
	orders, err := due.Due(ctx, l.opts.Now(), expiryBatch)
	if err != nil {
		log.Warn("look for expired orders", "err", err)
		return false
	}
	if len(orders) == 0 {
		return false
	}
	receipt, err := l.expire(ctx, orders)
	if err == nil {
		return len(orders) == expiryBatch && receipt.Fresh > 0
	}
	for i := range orders { // so that one cannot fail the others
		if ctx.Err() != nil {
			break
		}
		if _, err := l.expire(ctx, orders[i:i+1]); err != nil {
			log.Warn("expire an order", "err", err)
		}
	}
	return false
}

func (l *Ledger) expire(ctx context.Context, orders []string) (Receipt, error) {
	now := l.opts.Now().UTC()
	events := make([]Event, len(orders))
	for i, id := range orders {
		events[i] = Event{
			Source: ExpirySource, ID: "expired:" + id, Order: id, Kind: KindOrder, Status: Expired,
			Reason: "time_ran_out", At: now, Type: "order.expired", Livemode: true,
		}
	}
	return l.Record(ctx, Callback{Source: ExpirySource, ReceivedAt: now}, events)
}
