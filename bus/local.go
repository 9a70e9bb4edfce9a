// Package bus tells nodes that orders have changed. What it carries are hints:
// the ledger stays the truth, and a hint may be lost, repeated or reordered.
package bus

import (
	"sync"

	"github.com/paybell/paybell/order"
)

// A Local carries changes inside one process, which is all the bus that a
// single node needs. Its zero value is ready.
type Local struct {
	mu        sync.Mutex
	receivers []func([]order.Change)
}

// Subscribe has receive called with all changes published from now on, in their
// order, by the goroutine that publishes. It must not block.
func (l *Local) Subscribe(receive func([]order.Change)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receivers = append(l.receivers, receive)
}

// Publish hands changes to every receiver.
func (l *Local) Publish(changes []order.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, receive := range l.receivers {
		receive(changes)
	}
}
