package hub

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
)

// snapshots reads states from the ledger for many at once: who comes while a
// query runs shares the next one, so that a storm of newcomers costs few.
//
// A read never joins a query that has begun. It must be newer than its caller's
// registration.
type snapshots struct {
	orders Orders

	mu      sync.Mutex
	running bool
	next    *query // gathers while another runs
}

// maxQuery bounds the orders of one query, and snapshotTimeout its time.
const (
	maxQuery        = 1000
	snapshotTimeout = 5 * time.Second
)

type query struct {
	names  []string
	index  map[string]int
	states []order.State
	err    error
	done   chan struct{}
}

// read returns the states of orders, at most 100, in the same order.
func (s *snapshots) read(ctx context.Context, orders []string) ([]order.State, error) {
	q := s.join(orders)
	select {
	case <-q.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if q.err != nil {
		return nil, fmt.Errorf("hub: read the ledger: %w", q.err)
	}
	states := make([]order.State, len(orders))
	for i, id := range orders {
		states[i] = q.states[q.index[id]]
	}
	return states, nil
}

func (s *snapshots) join(orders []string) *query {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil && len(s.next.names)+len(orders) > maxQuery {
		go s.ask(s.next) // a full one goes beside the running one
		s.next = nil
	}
	if s.next == nil {
		s.next = &query{index: map[string]int{}, done: make(chan struct{})}
	}
	q := s.next
	for _, id := range orders {
		if _, ok := q.index[id]; !ok {
			q.index[id] = len(q.names)
			q.names = append(q.names, id)
		}
	}
	if !s.running {
		s.running = true
		go s.run()
	}
	return q
}

// run asks one query after the other, until none has gathered.
func (s *snapshots) run() {
	for {
		s.mu.Lock()
		q := s.next
		s.next = nil
		s.running = q != nil
		s.mu.Unlock()
		if q == nil {
			return
		}
		s.ask(q)
	}
}

func (s *snapshots) ask(q *query) {
	defer close(q.done)
	ctx, cancel := context.WithTimeout(context.Background(), snapshotTimeout)
	defer cancel()
	q.states, q.err = s.orders.States(ctx, q.names)
	if q.err == nil && len(q.states) != len(q.names) {
		q.err = fmt.Errorf("%d states for %d orders", len(q.states), len(q.names))
	}
}
