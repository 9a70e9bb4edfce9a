package order

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// A Ledger is the one way into what is true. Many goroutines use it at once;
// their writes share commits.
type Ledger struct {
	store Store
	opts  LedgerOptions
	queue chan *entry
	done  chan struct{} // closed when Run has returned

	overdue atomic.Pointer[chan struct{}] // closed while a commit takes too long
}

// LedgerOptions tune a [Ledger]. The zero value is what production runs.
type LedgerOptions struct {
	// Batch is how many writes may share a commit. 0 means 128.
	Batch int

	// Publish is told of changes once they are durable, in the order of their
	// commits, by one goroutine. It must not block, and it cannot fail the
	// write. nil: nobody is told.
	Publish func([]Change)

	// Observe is told of every commit: how many writes shared it, how long it
	// took, and how it ended. nil: nobody is told.
	Observe func(writes int, took time.Duration, err error)

	// Patience is how long a commit may take before those who wait for it, and all
	// who come before it has ended, are told ErrOverdue. 0 means 5 s: longer than
	// any disk that works, and shorter than a provider waits.
	Patience time.Duration

	// Now is the clock that stamps new versions. nil means time.Now.
	Now func() time.Time
}

var (
	// ErrTerms means that an order is registered already, on other terms.
	ErrTerms = errors.New("order: registered on other terms")
	// ErrKeyReused means that an idempotency key was used for another request.
	ErrKeyReused = errors.New("order: idempotency key was used for another request")
	// ErrOverdue means that the storage has not answered in time. Whether the write
	// was stored is not known.
	ErrOverdue = errors.New("order: the ledger does not answer in time")
	// ErrClosed means that the ledger takes no more writes.
	ErrClosed = errors.New("order: ledger is closed")
)

// NewLedger returns a ledger over a store. It takes writes once Run runs.
func NewLedger(store Store, opts LedgerOptions) *Ledger {
	if opts.Batch == 0 {
		opts.Batch = 128
	}
	if opts.Publish == nil {
		opts.Publish = func([]Change) {}
	}
	if opts.Observe == nil {
		opts.Observe = func(int, time.Duration, error) {}
	}
	if opts.Patience == 0 {
		opts.Patience = 5 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	l := &Ledger{store: store, opts: opts, queue: make(chan *entry, 8*opts.Batch), done: make(chan struct{})}
	l.inTime()
	return l
}

// inTime says that no commit is overdue.
func (l *Ledger) inTime() {
	overdue := make(chan struct{})
	l.overdue.Store(&overdue)
}

// A Receipt says what a recorded callback came to.
type Receipt struct {
	Fresh   int      // how many of its events were not known before
	Changes []Change // the new versions of the orders that it speaks of
	// Orderless is how many of the fresh ones are steps of a payment of which no
	// event has named the order yet. They count as soon as one does.
	Orderless int
}

// Record stores what a verified callback said, and returns once it is durable.
// Events that are known already count no second time. An error means that it
// may or may not be stored, and that it is safe to try again.
func (l *Ledger) Record(ctx context.Context, c Callback, events []Event) (Receipt, error) {
	return l.RecordOnce(ctx, IdempotencyKey{}, c, events)
}

// RecordOnce is Record for the merchant's backend. A key that was used with
// another fingerprint is ErrKeyReused, and nothing is stored.
func (l *Ledger) RecordOnce(ctx context.Context, key IdempotencyKey, c Callback, events []Event) (Receipt, error) {
	for _, event := range events {
		if err := event.Check(); err != nil {
			return Receipt{}, err
		}
	}
	e := &entry{delivery: &Delivery{Callback: c}, events: slices.Clone(events), key: l.claim(key)}
	if err := l.write(ctx, e); err != nil {
		return Receipt{}, err
	}
	return e.receipt(), nil
}

// Register stores what the merchant expects of an order and returns its state.
// Registering again on the same terms changes nothing; on others it is
// ErrTerms. Terms must pass their Check. An empty key is no key.
func (l *Ledger) Register(ctx context.Context, key IdempotencyKey, id string, terms Terms) (State, error) {
	if err := CheckID(id); err != nil {
		return State{}, fmt.Errorf("order: order id %w", err)
	}
	if err := terms.Check(); err != nil {
		return State{}, err
	}
	terms.ExpiresAt = terms.ExpiresAt.UTC() // in another zone its year may be 10000
	e := &entry{order: id, terms: terms, key: l.claim(key)}
	if err := l.write(ctx, e); err != nil {
		return State{}, err
	}
	return e.state, nil
}

// Tell stores who was shown what. It is called for many at once and, unlike the
// others, may be lost in a crash.
func (l *Ledger) Tell(ctx context.Context, told []Told) error {
	return l.write(ctx, &entry{told: told})
}

// Check commits nothing, and so says whether commits are possible.
func (l *Ledger) Check(ctx context.Context) error { return l.write(ctx, &entry{}) }

// States returns the states of the named orders, in the same order, as they
// are on disk some time after the call began.
func (l *Ledger) States(ctx context.Context, orders []string) ([]State, error) {
	return l.store.States(ctx, orders)
}

// Event returns the stored event of a source's id, and whether there is one. A
// caller whose event is not fresh learns from it what the first one said, and
// for which order it counts.
func (l *Ledger) Event(ctx context.Context, source, id string) (Event, bool, error) {
	return l.store.Event(ctx, source, id)
}

// Timeline returns what happened to an order, oldest first.
func (l *Ledger) Timeline(ctx context.Context, id string) (Timeline, error) {
	return l.store.Timeline(ctx, id)
}

func (l *Ledger) claim(key IdempotencyKey) *IdempotencyKey {
	if key.Key == "" {
		return nil
	}
	if key.Expires.IsZero() {
		key.Expires = l.opts.Now().Add(KeyRetention)
	}
	return &key
}

// write hands e to Run and waits for its commit. After an error e is still
// Run's: its outcome is not known.
func (l *Ledger) write(ctx context.Context, e *entry) error {
	e.done = make(chan error, 1)
	overdue := *l.overdue.Load()
	select {
	case <-overdue:
		return ErrOverdue // it would wait behind one that does not end
	default:
	}
	select {
	case l.queue <- e:
	case <-overdue:
		return ErrOverdue
	case <-l.done:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("order: waiting for the ledger: %w", context.Cause(ctx))
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("order: waiting for the commit: %w", context.Cause(ctx))
	case <-overdue:
		return ErrOverdue
	case <-l.done:
		select { // Run answered and then returned
		case err := <-e.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// Run commits what is written, until ctx ends or the storage breaks. It starts
// no goroutine. While one commit is on its way to the disk the next writes
// gather, and all that have gathered share the next commit: no timer waits for
// company, so a lone write is as fast as the disk.
func (l *Ledger) Run(ctx context.Context) error {
	defer close(l.done)
	batch := make([]*entry, 0, l.opts.Batch)
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-l.queue:
			batch = append(batch[:0], e)
		}
	gather:
		for len(batch) < l.opts.Batch {
			select {
			case e := <-l.queue:
				batch = append(batch, e)
			default:
				break gather
			}
		}
		if err := l.commitInTime(context.WithoutCancel(ctx), batch); errors.Is(err, ErrBroken) {
			return err
		}
	}
}

// commitInTime commits, and has everybody told who waits when that takes too long.
// It is one timer for a commit and not one for each that waits. The commit goes on,
// since nobody can call it back.
func (l *Ledger) commitInTime(ctx context.Context, batch []*entry) error {
	overdue := *l.overdue.Load()
	timer := time.AfterFunc(l.opts.Patience, func() { close(overdue) })
	defer func() {
		if !timer.Stop() {
			l.inTime()
		}
	}()
	return l.commit(ctx, batch, overdue)
}

// commit writes a batch and answers each of its entries. When a shared commit
// fails, each is tried alone, so that one cannot fail the others; but not when it is
// the storage that fails them all, nor for those who have been told already that it
// is overdue, because a storage that is away may take as long over each of them.
func (l *Ledger) commit(ctx context.Context, batch []*entry, overdue <-chan struct{}) error {
	changes, err := l.try(ctx, batch)
	if err != nil && !failsAll(err) && len(batch) > 1 {
		for i := range batch {
			select {
			case <-overdue:
				answer(batch[i:], err)
				return nil
			default:
			}
			if err := l.commit(ctx, batch[i:i+1], overdue); failsAll(err) {
				return answer(batch[i+1:], err)
			}
		}
		return nil
	}
	if err == nil {
		l.opts.Publish(changes)
	}
	return answer(batch, err)
}

func failsAll(err error) bool { return errors.Is(err, ErrBroken) || errors.Is(err, ErrUnavailable) }

func answer(batch []*entry, err error) error {
	for _, e := range batch {
		if err != nil {
			e.done <- err
		} else {
			e.done <- e.refused
		}
	}
	return err
}

func (l *Ledger) try(ctx context.Context, batch []*entry) (changes []Change, err error) {
	began := time.Now()
	defer func() { l.opts.Observe(len(batch), time.Since(began), err) }()
	c := commit{batch: batch, now: l.opts.Now()}
	if err := l.store.Update(ctx, func(tx Tx) error { return c.run(ctx, tx) }); err != nil {
		return nil, fmt.Errorf("order: commit: %w", err)
	}
	return c.changes, nil
}
