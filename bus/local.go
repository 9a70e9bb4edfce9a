package bus

import (
	"context"
	"slices"
	"sync"

	"github.com/paybell/paybell/order"
)

// A Local carries changes inside one process, which is all the bus that a
// single node needs. It loses nothing, so it is never suspect. Its zero value is
// ready.
type Local struct {
	mu        sync.RWMutex
	receivers []Receiver
}

// Run brings r all changes published from now on, in their order, until ctx ends.
// It calls Gap once they come, because of those published before.
func (l *Local) Run(ctx context.Context, r Receiver) error {
	l.mu.Lock()
	l.receivers = append(slices.Clip(l.receivers), r)
	l.mu.Unlock()
	r.Gap()
	<-ctx.Done()

	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.receivers, r)
	l.receivers = slices.Delete(slices.Clone(l.receivers), i, i+1)
	return nil
}

// Publish hands changes to every receiver, in the goroutine that publishes.
func (l *Local) Publish(changes []order.Change) {
	l.mu.RLock()
	receivers := l.receivers
	l.mu.RUnlock()
	for _, r := range receivers {
		r.Hints(changes)
	}
}
