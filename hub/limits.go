package hub

import (
	"context"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/paybell/paybell/internal/problem"
)

// Limits say how much of a node its clients may take. The zero value is what
// production runs: 0 means the default, and a negative number no limit.
type Limits struct {
	// Connections is how many clients may wait at the same time, over whichever
	// transport. 0 means 10,000; a program that knows how many descriptors it may
	// open should say.
	Connections int

	// PerToken is how many of them may have come with the same token (its jti):
	// the tabs and devices of one customer. 0 means 20. Nodes share it out; see
	// [Hub.Share].
	PerToken int

	// PerAddress is how many of them may have come from the same address; of
	// IPv6, from the same /64, which is what one customer gets. 0 means 1,000:
	// a mobile network may hide very many behind one. Nodes share it out too.
	PerAddress int

	// Loopback counts the addresses of this machine too. Left out, they are not
	// counted: who comes from there is a proxy, and brings everybody.
	Loopback bool

	// Rate is how many clients may begin to wait in a second, all together, and
	// at one moment. 0 means 5,000.
	Rate int

	// Queue is how many may stand in line for that, for a second at most. 0 means
	// 1,000.
	Queue int

	// Orders is how many orders one connection may watch. 0 means 100, which is
	// what a token may name.
	Orders int

	// MessageBytes is how large a message from a client may be. 0 means 8,192: a
	// token of the largest size, and a little.
	MessageBytes int
}

// DefaultLimits returns what the zero value of [Limits] stands for.
func DefaultLimits() Limits { return Limits{}.withDefaults() }

func (l Limits) withDefaults() Limits {
	for field, value := range map[*int]int{
		&l.Connections: 10_000, &l.PerToken: 20, &l.PerAddress: 1000,
		&l.Rate: 5000, &l.Queue: 1000, &l.Orders: 100, &l.MessageBytes: 8 << 10,
	} {
		if *field == 0 {
			*field = value
		}
	}
	return l
}

// exceeds says whether a number is above a limit.
func exceeds(number, limit int) bool { return limit >= 0 && number > limit }

// A refusal is why a client may not connect, or watch, for now.
type refusal struct {
	problem.Problem
	spread time.Duration // on top of RetryAfter, so that not all come back together
}

var (
	tooMany = refusal{problem.Problem{
		Status: http.StatusTooManyRequests, Name: "too-many-connections", Title: "Too many connections",
		Detail: "This node has as many clients as it may hold. Try again after Retry-After.", RetryAfter: 5 * time.Second,
	}, 10 * time.Second}
	tooManyOfToken = refusal{problem.Problem{
		Status: http.StatusTooManyRequests, Name: "too-many-connections-of-token", Title: "Too many connections of this token",
		Detail: "Close connections that are not needed any more, or ask the shop's backend for another token.", RetryAfter: 5 * time.Second,
	}, 10 * time.Second}
	tooManyOfAddress = refusal{problem.Problem{
		Status: http.StatusTooManyRequests, Name: "too-many-connections-of-address", Title: "Too many connections from this address",
		Detail: "Try again after Retry-After. If this is the address of a proxy, name it in \"trusted_proxies\" in the gateway's configuration.", RetryAfter: 5 * time.Second,
	}, 10 * time.Second}
	tooFast = refusal{problem.Problem{
		Status: http.StatusTooManyRequests, Name: "connecting-too-fast", Title: "Too many new connections at once",
		Detail: "More clients come than this node takes in a second. Try again after Retry-After.", RetryAfter: time.Second,
	}, 5 * time.Second}
	tooManyTickets = refusal{problem.Problem{
		Status: http.StatusTooManyRequests, Name: "too-many-tickets", Title: "Too many tickets of this token",
		Detail: "A token buys 20 tickets in 30 s. Use those that there are, or try again after Retry-After.", RetryAfter: 10 * time.Second,
	}, 20 * time.Second}
	tooManyOrders = refusal{problem.Problem{
		Status: http.StatusTooManyRequests, Name: "too-many-orders", Title: "Too many orders on one connection",
		Detail: "Name fewer orders to watch, or spread them over several connections.", RetryAfter: time.Minute,
	}, time.Minute}
)

// name is the refusal's in metrics, and the reason of its goodbye.
func (r *refusal) name() string { return strings.ReplaceAll(r.Name, "-", "_") }

// retry says when the client should come back.
func (r *refusal) retry() time.Duration { return r.RetryAfter + rand.N(r.spread) }

// Write answers 429.
func (r *refusal) Write(w http.ResponseWriter) {
	p := r.Problem
	p.RetryAfter = r.retry()
	p.Write(w)
}

// cause is the refusal of a WebSocket that is open: a goodbye, and close code
// 4429.
func (r *refusal) cause() cause {
	reason := strings.ToLower(r.Title[:1]) + r.Title[1:]
	return cause{name: r.name(), code: closeTooMany, reason: reason, retry: r.retry()}
}

// A RefusalObserver is an [Observer] that is told of refusals too, by the names
// of their problems, with _ for -.
type RefusalObserver interface {
	Refused(reason string)
}

// refused tells the observer of a refusal.
func (h *Hub) refused(why *refusal) {
	if o, ok := h.opts.Observer.(RefusalObserver); ok {
		o.Refused(why.name())
	}
}

// allowOrders says whether a connection may watch so many orders.
func (l Limits) allowOrders(number int) *refusal {
	if exceeds(number, l.Orders) {
		return &tooManyOrders
	}
	return nil
}

// seats counts clients: all, by token and by address. A client takes a seat
// before anything is done for it, and leaves it when its connection has ended.
//
// A customer who waits costs 8 bytes for the seat and two entries of a map, about
// 14 bytes each. That is why tokens and addresses are counted by 32 bits of a
// hash: of 100,000 tokens, about one pair shares its count, which no limit
// notices, and since the hash is seeded nobody can look for such a pair. Entries
// go at zero. The room that they took does not, because Go's maps do not shrink:
// it stays what the largest crowd needed, and the next finds it there.
type seats struct {
	limits Limits
	seed   maphash.Seed

	mu        sync.Mutex
	nodes     int // that share the limits of tokens and addresses
	all       int
	unnamed   int // of them, those whose token is still to come
	tokens    counts
	addresses counts
}

// A seat is what a client was counted as: keys of its token and its address. The
// zero seat is none.
type seat struct {
	token, address uint32
}

// Keys that are no hash.
const (
	uncounted uint32 = iota + 1
	unnamed          // of a token that is still to come
	leastHash
)

// unnamedShare is the part of all seats that strangers may hold who have not
// shown a token yet. They have seconds for it, and could otherwise take turns to
// keep every customer out.
const unnamedShare = 4

// newSeats counts up to limits, which have their defaults.
func newSeats(limits Limits) *seats {
	return &seats{limits: limits, seed: maphash.MakeSeed(), nodes: 1, tokens: counts{}, addresses: counts{}}
}

// take gives a client a seat, or says why it gets none. An empty token is one
// that is still to come; [seats.name] counts it when it has. An address that is
// not valid is not counted.
func (s *seats) take(token string, address netip.Addr) (seat, *refusal) {
	one := seat{token: s.tokenKey(token), address: s.addressKey(address)}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case exceeds(s.all+1, s.limits.Connections),
		one.token == unnamed && s.limits.Connections >= 0 && s.unnamed >= max(s.limits.Connections/unnamedShare, 1):
		return seat{}, &tooMany
	case s.tokens.full(one.token, share(s.limits.PerToken, s.nodes)):
		return seat{}, &tooManyOfToken
	case s.addresses.full(one.address, share(s.limits.PerAddress, s.nodes)):
		return seat{}, &tooManyOfAddress
	}
	s.all++
	if one.token == unnamed {
		s.unnamed++
	}
	s.tokens.add(one.token)
	s.addresses.add(one.address)
	return one, nil
}

// name counts the token of a seat that was taken without one, and returns the
// seat as it is then. Refused, the seat stays as it was and is to be left. A
// token that renews another is not counted anew.
func (s *seats) name(one seat, token string) (seat, *refusal) {
	key := s.tokenKey(token)
	if one.token != unnamed || key == unnamed {
		return one, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens.full(key, share(s.limits.PerToken, s.nodes)) {
		return one, &tooManyOfToken
	}
	s.unnamed--
	s.tokens.add(key)
	one.token = key
	return one, nil
}

// leave gives a seat up. It is to be called once for each that was taken. To leave
// none does nothing.
func (s *seats) leave(one seat) {
	if one == (seat{}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if one.token == unnamed {
		s.unnamed--
	}
	s.tokens.remove(one.token)
	s.addresses.remove(one.address)
}

// taken says how many seats there are.
func (s *seats) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

func (s *seats) tokenKey(token string) uint32 {
	switch {
	case token == "":
		return unnamed
	case s.limits.PerToken < 0:
		return uncounted
	}
	return hashKey(maphash.String(s.seed, token))
}

func (s *seats) addressKey(address netip.Addr) uint32 {
	address = address.Unmap()
	if !address.IsValid() || s.limits.PerAddress < 0 || address.IsLoopback() && !s.limits.Loopback {
		return uncounted
	}
	bytes := address.As16()
	if address.Is6() {
		clear(bytes[8:])
	}
	return hashKey(maphash.Bytes(s.seed, bytes[:]))
}

func hashKey(hash uint64) uint32 { return max(uint32(hash), leastHash) }

// counts are numbers of clients by key.
type counts map[uint32]uint32

func (c counts) full(key uint32, limit int) bool {
	return key >= leastHash && exceeds(int(c[key])+1, limit)
}

func (c counts) add(key uint32) {
	if key >= leastHash {
		c[key]++
	}
}

func (c counts) remove(key uint32) {
	if c[key] > 1 {
		c[key]--
	} else {
		delete(c, key)
	}
}

// maxTurn is how long a newcomer stands in line.
const maxTurn = time.Second

// A gate lets newcomers in at a rate. It is passed after a seat was taken, so that
// those who stand in line are counted.
type gate struct {
	limiter *rate.Limiter
	queue   int
	waiting atomic.Int64
}

// newGate lets in at the rate of limits, which have their defaults.
func newGate(limits Limits) *gate {
	if limits.Rate < 0 {
		return &gate{limiter: rate.NewLimiter(rate.Inf, 0)}
	}
	queue := limits.Queue
	if queue < 0 {
		queue = math.MaxInt
	}
	return &gate{limiter: rate.NewLimiter(rate.Limit(limits.Rate), limits.Rate), queue: queue}
}

// enter waits for the newcomer's turn, which comes in the order of the calls. It
// refuses at once whose turn would not come in time, or who finds the line full,
// and whose ctx ends.
func (g *gate) enter(ctx context.Context) *refusal {
	if g.limiter.Allow() { // never ahead of one who waits: its turn is reserved
		return nil
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > int64(g.queue) {
		return &tooFast
	}
	ctx, cancel := context.WithTimeout(ctx, maxTurn)
	defer cancel()
	if g.limiter.Wait(ctx) != nil {
		return &tooFast
	}
	return nil
}

// A Connection is the one under a request, as its listener counts it: among those
// that have no seat, for which there is room of their own. The listener puts it
// into the context of its requests with [WithConnection].
type Connection interface {
	// Seated says that the connection has a seat from now on.
	Seated()
	// Unseated says that it has none any more, and goes on: a long poll has its
	// answer, or a stream of HTTP/2 has ended.
	Unseated()
}

type connectionKey struct{}

// WithConnection returns a context for requests on a connection.
func WithConnection(ctx context.Context, c Connection) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// connectionOf returns the connection under a request. Where no listener counts,
// it is one that does nothing.
func connectionOf(r *http.Request) Connection {
	if c, ok := r.Context().Value(connectionKey{}).(Connection); ok {
		return c
	}
	return anyConnection{}
}

type anyConnection struct{}

func (anyConnection) Seated()   {}
func (anyConnection) Unseated() {}
