package order_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
)

// A memory is a store that fails on demand, which real ones will not. It keeps
// what a failed transaction must not leave behind apart, and is no model of a
// store otherwise: package ordertest says what one must do.
type memory struct {
	mu     sync.Mutex
	fail   func(ctx context.Context, writes []string) error // see failWith
	twice  bool                                             // each transaction runs twice; set before the ledger runs
	kept   contents
	inside bool // a transaction is under way
}

type contents struct {
	keys     map[string]string // fingerprints
	events   map[string]bool
	payments map[string]string // orders
	orders   map[string]order.Record
	heads    [order.Shards]int64
	told     []order.Told
	revoked  []order.Revocation
}

func newMemory() *memory {
	return &memory{kept: contents{
		keys: map[string]string{}, events: map[string]bool{}, payments: map[string]string{}, orders: map[string]order.Record{},
	}}
}

// failWith has fail asked before each commit, and told the events and orders
// that it writes. nil: no commit fails.
func (m *memory) failWith(fail func(ctx context.Context, writes []string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

func (m *memory) Epoch() string { return "epoch" }

func (m *memory) begin() *memoryTx {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inside = true
	return &memoryTx{fail: m.fail, contents: contents{
		keys: maps.Clone(m.kept.keys), events: maps.Clone(m.kept.events), payments: maps.Clone(m.kept.payments),
		orders: maps.Clone(m.kept.orders), heads: m.kept.heads, told: slices.Clone(m.kept.told), revoked: slices.Clone(m.kept.revoked),
	}}
}

func (m *memory) Update(ctx context.Context, fn func(order.Tx) error) error {
	if m.twice {
		if err := fn(m.begin()); err != nil {
			return err
		}
	}
	tx := m.begin()
	err := fn(tx)
	if err == nil && tx.fail != nil {
		err = tx.fail(ctx, tx.writes)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inside = false
	if err == nil {
		m.kept = tx.contents
	}
	return err
}

func (m *memory) States(_ context.Context, ids []string) (states []order.State, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		r, ok := m.kept.orders[id]
		if !ok {
			r.State = order.Unknown(id, "epoch")
		}
		states = append(states, r.State)
	}
	return states, nil
}

func (m *memory) Event(context.Context, string, string) (order.Event, bool, error) {
	return order.Event{}, false, errors.New("memory keeps only names")
}

func (m *memory) Timeline(context.Context, string) (order.Timeline, error) {
	return order.Timeline{}, errors.New("memory keeps none")
}

func (m *memory) Due(_ context.Context, now time.Time, limit int) (due []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, r := range m.kept.orders {
		if len(due) < limit && !r.DueAt.IsZero() && !r.DueAt.After(now) {
			due = append(due, id)
		}
	}
	return due, nil
}

type memoryTx struct {
	contents
	fail   func(ctx context.Context, writes []string) error
	writes []string
}

func (tx *memoryTx) Claim(_ context.Context, keys []*order.IdempotencyKey) error {
	for _, key := range keys {
		if stored, used := tx.keys[key.Key]; used {
			key.Fingerprint = stored
		}
		tx.keys[key.Key] = key.Fingerprint
	}
	return nil
}

func (tx *memoryTx) Insert(_ context.Context, callbacks []*order.Delivery) error {
	for _, d := range callbacks {
		for i := range d.Events {
			e := &d.Events[i]
			if e.Order != "" && e.Payment != "" {
				tx.payments[e.Source+" "+e.Payment] = e.Order
			}
		}
	}
	for _, d := range callbacks {
		for i := range d.Events {
			e := &d.Events[i]
			name := e.Source + " " + e.ID
			tx.writes = append(tx.writes, e.ID)
			d.Fresh[i] = !tx.events[name]
			tx.events[name] = true
			if e.Order == "" {
				e.Order = tx.payments[e.Source+" "+e.Payment]
			}
			if r := tx.orders[e.Order]; d.Fresh[i] && e.Order != "" {
				r.Events = append(slices.Clone(r.Events), *e)
				tx.orders[e.Order] = r
			}
		}
	}
	return nil
}

func (tx *memoryTx) Load(_ context.Context, ids []string) (records []*order.Record, err error) {
	for _, id := range ids {
		r := tx.orders[id]
		if r.Order = id; r.State.Version == 0 {
			r.State = order.Unknown(id, "epoch")
		}
		records = append(records, &r)
		tx.writes = append(tx.writes, id)
	}
	return records, nil
}

func (tx *memoryTx) Save(_ context.Context, records []*order.Record) error {
	for _, r := range records {
		if r.Changed {
			r.State.Epoch = "epoch"
			shard := order.ShardOf(r.Order)
			tx.heads[shard]++
			r.Change = order.Change{Shard: shard, Seq: tx.heads[shard], State: r.State}
		}
		tx.orders[r.Order] = *r
	}
	return nil
}

func (tx *memoryTx) Tell(_ context.Context, told []order.Told) error {
	tx.told = append(tx.told, told...)
	for _, t := range told {
		tx.writes = append(tx.writes, t.Order)
	}
	return nil
}

func (tx *memoryTx) Revoke(_ context.Context, revocations []*order.Revocation) error {
	for _, r := range revocations {
		r.Seq = int64(len(tx.revoked)) + 1
		tx.revoked = append(tx.revoked, *r)
		tx.writes = append(tx.writes, r.Value)
	}
	return nil
}

func (tx *memoryTx) Forget(context.Context, time.Time, int) (int, error) { return 0, nil }

// A brittle store fails at one step of the transaction.
type brittle struct {
	*memory
	at string
}

func (b brittle) Update(ctx context.Context, fn func(order.Tx) error) error {
	return b.memory.Update(ctx, func(tx order.Tx) error { return fn(brittleTx{tx, b.at}) })
}

type brittleTx struct {
	order.Tx
	at string
}

func (tx brittleTx) Claim(ctx context.Context, keys []*order.IdempotencyKey) error {
	return errors.Join(tx.step("Claim"), tx.Tx.Claim(ctx, keys))
}

func (tx brittleTx) Insert(ctx context.Context, callbacks []*order.Delivery) error {
	return errors.Join(tx.step("Insert"), tx.Tx.Insert(ctx, callbacks))
}

func (tx brittleTx) Load(ctx context.Context, ids []string) ([]*order.Record, error) {
	records, err := tx.Tx.Load(ctx, ids)
	return records, errors.Join(tx.step("Load"), err)
}

func (tx brittleTx) Save(ctx context.Context, records []*order.Record) error {
	return errors.Join(tx.step("Save"), tx.Tx.Save(ctx, records))
}

func (tx brittleTx) Tell(ctx context.Context, told []order.Told) error {
	return errors.Join(tx.step("Tell"), tx.Tx.Tell(ctx, told))
}

func (tx brittleTx) Revoke(ctx context.Context, revocations []*order.Revocation) error {
	return errors.Join(tx.step("Revoke"), tx.Tx.Revoke(ctx, revocations))
}

func (tx brittleTx) step(name string) error {
	if name == tx.at {
		return errDisk
	}
	return nil
}

// A lostClaim store loses its connection after each first Claim, and tries again.
type lostClaim struct{ *memory }

func (s lostClaim) Update(ctx context.Context, fn func(order.Tx) error) error {
	brittle{s.memory, "Claim"}.Update(ctx, fn)
	return s.memory.Update(ctx, fn)
}
