package order

import (
	"context"
	"fmt"
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

const (
	// expiryBatch is how many orders expire in one commit.
	expiryBatch = 100
	// complainEvery is how often it is logged that orders are not expired: it is
	// tried every second.
	complainEvery = 30 * time.Second
)

// Expire records, until ctx ends, that registered orders ran out of time. The
// fold reads no clock: it is this event that expires an order, so every node
// and every replay agrees when it was. Money that still comes wins over it.
func (l *Ledger) Expire(ctx context.Context, due Due, log *slog.Logger) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var complained time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		more, err := true, error(nil)
		for more && err == nil {
			more, err = l.expireDue(ctx, due)
		}
		if err != nil && ctx.Err() == nil && time.Since(complained) >= complainEvery {
			complained = time.Now()
			log.Warn("orders do not expire", "err", err)
		}
	}
}

// expireDue expires one batch, and says whether to go on with the next at once.
func (l *Ledger) expireDue(ctx context.Context, due Due) (more bool, err error) {
	orders, err := due.Due(ctx, l.opts.Now(), expiryBatch)
	if err != nil {
		return false, fmt.Errorf("look for those whose time is up: %w", err)
	}
	if len(orders) == 0 {
		return false, nil
	}
	receipt, err := l.expire(ctx, orders)
	if err == nil {
		return len(orders) == expiryBatch && receipt.Fresh > 0, nil
	}
	err = nil
	for i := range orders { // so that one cannot fail the others
		if ctx.Err() != nil {
			break
		}
		if _, failed := l.expire(ctx, orders[i:i+1]); failed != nil {
			err = failed
		}
	}
	return false, err
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
