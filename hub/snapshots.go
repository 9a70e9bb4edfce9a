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

// pause is how long newcomers gather between two queries. The first to come does
// not wait for others, and in a storm a query costs about as much for one order as
// for ten.
const pause = time.Millisecond

type query struct {
	names   []string
	index   map[string]int
	waiting []func([]order.State, error) // called with the states of names
}

// ask calls answer, from another goroutine, with the states of orders in the same
// order. There are at most 100 of them. answer must not block.
func (s *snapshots) ask(orders []string, answer func([]order.State, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil && len(s.next.names)+len(orders) > maxQuery {
		go s.put(s.next) // a full one goes beside the running one
		s.next = nil
	}
	if s.next == nil {
		s.next = &query{index: map[string]int{}}
	}
	q := s.next
	places := make([]int, len(orders))
	for i, id := range orders {
		place, ok := q.index[id]
		if !ok {
			place = len(q.names)
			q.index[id] = place
			q.names = append(q.names, id)
		}
		places[i] = place
	}
	q.waiting = append(q.waiting, func(all []order.State, err error) {
		if err != nil {
			answer(nil, err)
			return
		}
		states := make([]order.State, len(places))
		for i, place := range places {
			states[i] = all[place]
		}
		answer(states, nil)
	})
	if !s.running {
		s.running = true
		go s.run()
	}
}

// read waits for the states of orders.
func (s *snapshots) read(ctx context.Context, orders []string) ([]order.State, error) {
	type answer struct {
		states []order.State
		err    error
	}
	answered := make(chan answer, 1)
	s.ask(orders, func(states []order.State, err error) { answered <- answer{states, err} })
	select {
	case a := <-answered:
		return a.states, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run asks the query that has gathered, and a pause later the next, until there is
// none.
func (s *snapshots) run() {
	if q := s.take(); q != nil {
		s.put(q)
		time.AfterFunc(pause, s.run)
	}
}

func (s *snapshots) take() *query {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.next
	s.next = nil
	s.running = q != nil
	return q
}

// put asks the ledger.
func (s *snapshots) put(q *query) {
	ctx, cancel := context.WithTimeout(context.Background(), snapshotTimeout)
	defer cancel()
	states, err := s.orders.States(ctx, q.names)
	if err == nil && len(states) != len(q.names) {
		err = fmt.Errorf("%d states for %d orders", len(states), len(q.names))
	}
	if err != nil {
		err = fmt.Errorf("hub: read the ledger: %w", err)
	}
	for _, answer := range q.waiting {
		answer(states, err)
	}
}
