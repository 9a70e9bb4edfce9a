package redis

import (
	"context"
	"net"
	"sync"
	"time"
)

// askSentinel is how often a sentinel is asked for the primary, besides being
// listened to: its connection can go deaf as any other.
const askSentinel = 2 * time.Second

// watchSentinel opens all links anew when a sentinel names another primary than
// before. The old one may be alive, take subscriptions and accept probes, and yet
// be where nobody else is: a primary that Sentinel cannot reach is not told that
// it is none any more, and go-redis leaves subscriptions where they are.
func (b *Bus) watchSentinel(ctx context.Context, host string, links []*link) {
	client := b.sentinelClient(host)
	pubsub := client.Subscribe(ctx)
	heard := make(chan struct{}, 1)
	var listener sync.WaitGroup
	listener.Go(func() {
		pubsub.Subscribe(ctx, "+switch-master")
		for ctx.Err() == nil {
			if _, err := pubsub.Receive(ctx); err == nil {
				signal(heard)
				continue
			}
			select {
			case <-ctx.Done():
			case <-time.After(askSentinel):
			}
		}
	})
	defer b.closing.Go(func() {
		pubsub.Close()
		listener.Wait()
		client.Close()
	})

	period := time.NewTicker(askSentinel)
	defer period.Stop()
	primary := ""
	for {
		asking, cancel := context.WithTimeout(ctx, 2*answerTimeout)
		answer, err := client.GetMasterAddrByName(asking, b.at.master).Result()
		cancel()
		if err == nil && len(answer) == 2 {
			now := net.JoinHostPort(answer[0], answer[1])
			if primary != "" && now != primary {
				b.log.Info("a sentinel names a new primary", "sentinel", host, "primary", now)
				for _, l := range links {
					signal(l.restart)
				}
			}
			primary = now
		}
		select {
		case <-ctx.Done():
			return
		case <-heard:
		case <-period.C:
		}
	}
}
