// Package hub shows orders to whoever watches them, over WebSocket, SSE and
// polling.
//
// It promises that a watcher sees the order's state as it is in the ledger when
// it comes, then every newer one or a still newer instead of it, and never an
// older one. It holds one slot per watcher and no queue: a client that cannot
// keep up is handed the newest state when it can. Proving what a token allows is
// package auth's business, and making a state durable is package order's.
package hub

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybell/paybell/hub/park"
	"github.com/paybell/paybell/order"
)

// Orders reads states of orders from the ledger. What it returns must be
// durable, and as new as the moment the call began.
type Orders interface {
	States(ctx context.Context, orders []string) ([]order.State, error)
}

// Authorize says what a token allows. The text of its error is shown to the
// stranger who sent the token; an error wrapping [ErrExpired] or [ErrRevoked] says
// that the token was good once.
type Authorize func(token string) (Grant, error)

// ErrExpired is wrapped by an [Authorize] error about a token whose time is up.
var ErrExpired = errors.New("hub: token expired")

// An Observer is told what happens to connections. Its methods are called often
// and at once, and must not block.
type Observer interface {
	Opened(transport string)
	Closed(transport, cause string)
	// Sent is called for every state that was written to a client; late is how
	// long after the hub learned of it. A snapshot is not late.
	Sent(transport string, late time.Duration)
}

// Options tune a [Hub]. The zero value is what production runs.
type Options struct {
	// Heartbeat is how often a quiet connection is sent something, so that a
	// proxy with an idle limit (60 s is common) does not cut it, and the client
	// knows that it is not. Each is up to a quarter earlier. 0 means 20 s.
	Heartbeat time.Duration

	// WriteTimeout is how long a client may take to accept one write before it
	// is cut off. 0 means 10 s.
	WriteTimeout time.Duration

	// AuthTimeout is how long a WebSocket may stay without a token. 0 means 5 s.
	AuthTimeout time.Duration

	// Origins are the web origins whose pages may open a WebSocket, exactly
	// ("https://shop.example"). A client that sends no Origin is no browser and
	// may always try.
	Origins []string

	// Told is told of every state written to a client. It must not block.
	// nil: nobody is told.
	Told func(order.Told)

	// Revoked says whether the token of a grant was revoked since it was given. It
	// must know of a revocation before [Hub.Revoke] is called with it. nil: none is.
	Revoked func(Grant) bool

	// Tickets uses tickets up. nil: they are remembered in this process's memory,
	// which is right for a single node whose TicketSecret is its own.
	Tickets Tickets

	// TicketSecret seals tickets, so that a ticket of one node opens a connection to
	// any that has the same. Empty: a random one, of this hub alone.
	TicketSecret []byte

	Limits Limits // how much clients may take

	// Address says from where a request's client comes. One that is not valid has
	// no limit of its own. nil: none has.
	Address func(*http.Request) netip.Addr

	// Goroutines keeps a goroutine for each connection, even where it could be
	// parked without. It is for comparing the two.
	Goroutines bool

	Observer Observer     // nil: nobody observes
	Log      *slog.Logger // nil means slog.Default
}

// warning is how long before its end a token is said to expire.
const warning = 30 * time.Second

// A Hub holds the watchers of one node. Of its locks, a shard of the index and
// the wheel's are taken before a client's, never after it; the seats', the
// writers' and the hub's own are taken last.
type Hub struct {
	authorize Authorize
	snapshots snapshots
	opts      Options
	tickets   *tickets
	wheel     wheel
	writers   writers
	seats     *seats
	gate      *gate
	lot       *park.Lot // nil: every connection has goroutines
	born      time.Time // the beginning of the hub's own time
	draining  atomic.Bool
	shut      atomic.Bool

	epoch   atomic.Pointer[string] // of what is dispatched; nil: whatever comes
	eras    eras
	reads   atomic.Uint32 // of the ledger, for watchers
	renewal chan struct{} // filled when everything is to be read anew

	messageTime time.Duration // how long a client may take over one message that it sends
	shutTime    time.Duration // how long a client may take to go when the hub is shut

	index [indexShards]indexShard

	mu      sync.Mutex
	count   int        // of clients
	changed *sync.Cond // of count
}

// indexShards spreads the index over locks. It has nothing to do with the
// ledger's shards.
const indexShards = 64

type indexShard struct {
	mu       sync.Mutex
	watchers map[string]*watcher // of each order, the first of a list
}

var indexSeed = maphash.MakeSeed()

// New returns a hub that shows orders to those whom authorize lets in. Run keeps
// its time.
func New(orders Orders, authorize Authorize, opts Options) *Hub {
	if opts.Heartbeat == 0 {
		opts.Heartbeat = 20 * time.Second
	}
	if opts.WriteTimeout == 0 {
		opts.WriteTimeout = 10 * time.Second
	}
	if opts.AuthTimeout == 0 {
		opts.AuthTimeout = 5 * time.Second
	}
	opts.Limits = opts.Limits.withDefaults()
	if opts.Address == nil {
		opts.Address = func(*http.Request) netip.Addr { return netip.Addr{} }
	}
	if opts.Told == nil {
		opts.Told = func(order.Told) {}
	}
	if opts.Revoked == nil {
		opts.Revoked = func(Grant) bool { return false }
	}
	if opts.Observer == nil {
		opts.Observer = unobserved{}
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	h := &Hub{
		snapshots: snapshots{orders: orders}, opts: opts,
		tickets: newTickets(opts.Tickets, opts.TicketSecret), seats: newSeats(opts.Limits), gate: newGate(opts.Limits),
		born: time.Now(), messageTime: 10 * time.Second, shutTime: 10 * time.Second, renewal: make(chan struct{}, 1),
	}
	h.authorize = h.withPasses(authorize)
	h.changed = sync.NewCond(&h.mu)
	for i := range h.index {
		h.index[i].watchers = map[string]*watcher{}
	}
	if opts.Goroutines {
		return h
	}
	lot, err := park.New()
	switch {
	case err == nil:
		h.lot = lot
	case !errors.Is(err, park.ErrUnsupported):
		opts.Log.Error("idle connections cannot be parked; each will cost goroutines", "err", err)
	}
	return h
}

// Run keeps the hub's time until ctx ends: heartbeats, the end of tokens, what
// parked clients say, and what [Hub.Renew] asks for. It starts no goroutine that
// outlives it.
func (h *Hub) Run(ctx context.Context) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var others sync.WaitGroup
	if h.lot != nil {
		others.Go(func() {
			err = h.lot.Run(ctx)
			stop()
			h.lot.Close()
		})
	}
	others.Go(func() { h.renew(ctx) })
	h.wheel.run(ctx)
	others.Wait()
	return err
}

// now is the time since the hub was made. It is monotonic, and smaller than a
// time.Time.
func (h *Hub) now() time.Duration { return time.Since(h.born) }

// Dispatch shows changes to whoever watches their orders. It never waits for a
// client. Changes of one order must come in the order of their versions, or may
// be left out where a newer one comes. Those of another epoch than that of the
// last [Hub.Renew] are left out.
func (h *Hub) Dispatch(changes []order.Change) {
	now := time.Now()
	epoch := h.epoch.Load()
	for i := range changes {
		c := &changes[i]
		if epoch != nil && c.State.Epoch != *epoch {
			continue
		}
		var m *message // made for the first who wants it
		s := h.shard(c.State.Order)
		s.mu.Lock()
		for w := s.watchers[c.State.Order]; w != nil; w = w.next {
			if m == nil {
				m = h.message(c.State, now)
			}
			w.offer(m)
		}
		s.mu.Unlock()
	}
}

// Disconnect cuts every connection that watches an order, without a word, as a
// failing network would. It returns how many there were.
func (h *Hub) Disconnect(id string) int {
	s := h.shard(id)
	s.mu.Lock()
	var watchers []*watcher
	for w := s.watchers[id]; w != nil; w = w.next {
		watchers = append(watchers, w)
	}
	s.mu.Unlock()
	for _, w := range watchers {
		w.client.end(causeCut)
	}
	return len(watchers)
}

// Clients says how many connections there are.
func (h *Hub) Clients() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

func (h *Hub) add(clients int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count += clients
	h.changed.Broadcast()
}

func (h *Hub) shard(id string) *indexShard {
	return &h.index[maphash.String(indexSeed, id)%indexShards]
}

type unobserved struct{}

func (unobserved) Opened(string)              {}
func (unobserved) Closed(string, string)      {}
func (unobserved) Sent(string, time.Duration) {}
