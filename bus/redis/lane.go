package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/order"
)

const (
	maxQueue = 4096 // changes of a lane that wait for Redis, 1 MB
	maxBatch = 256  // of them that are sent at once
)

// A lane sends hints, one batch after the other, so that those of a shard keep
// their order. What gathers while a batch is on its way is the next one.
type lane struct {
	bus  *Bus
	wake chan struct{}

	mu    sync.Mutex
	queue []order.Change
}

// push takes changes in, and lets the oldest go where there are too many.
func (l *lane) push(changes []order.Change) {
	l.mu.Lock()
	l.queue = append(l.queue, changes...)
	displaced := max(0, len(l.queue)-maxQueue)
	l.queue = l.queue[displaced:]
	l.mu.Unlock()
	if displaced > 0 {
		l.bus.observer.Published(bus.Displaced, displaced)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) take() []order.Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) <= maxBatch {
		all := l.queue
		l.queue = nil
		return all
	}
	batch := l.queue[:maxBatch:maxBatch]
	l.queue = l.queue[maxBatch:]
	return batch
}

// run sends until ctx ends, and then what is left, as far as Redis takes it.
func (l *lane) run(ctx context.Context) {
	sending := context.WithoutCancel(ctx)
	for ended := false; !ended; {
		select {
		case <-l.wake:
		case <-ctx.Done():
			ended = true
		}
		for batch := l.take(); len(batch) > 0; batch = l.take() {
			if !l.send(sending, batch) && ctx.Err() != nil {
				return
			}
		}
	}
}

// send sends a batch and says whether all of it was accepted. It tries once: what
// comes next is newer.
func (l *lane) send(ctx context.Context, batch []order.Change) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*answerTimeout)
	defer cancel()
	b := l.bus
	pipe := b.client.Pipeline()
	commands := make([]*redis.IntCmd, 0, len(batch))
	for _, c := range batch {
		wire, err := b.key.Encode(bus.Hint{Change: c, From: b.node, Sent: time.Now()})
		if err != nil {
			b.observer.Published(bus.TooLarge, 1)
			continue
		}
		cmd := b.command(ctx, b.at.channel(c.Shard), wire)
		commands = append(commands, cmd)
		pipe.Process(ctx, cmd)
	}
	if len(commands) == 0 {
		return true
	}
	_, err := pipe.Exec(ctx)
	failed := 0
	for _, cmd := range commands {
		if cmd.Err() != nil {
			failed++
		}
	}
	if sent := len(commands) - failed; sent > 0 {
		b.observer.Published(bus.Sent, sent)
	}
	if failed == 0 {
		return true
	}
	b.observer.Published(bus.Failed, failed)
	if err == nil {
		err = errors.New("some hints were not accepted")
	}
	b.complain("hints are not sent", err)
	b.askWhoOwns()
	return false
}
