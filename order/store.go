package order

import (
	"context"
	"errors"
	"time"
)

// A Store is the durable side of a [Ledger]: package sqlite on one node,
// package postgres on many. Only a Ledger writes through it. Every Store passes
// the suite in package ordertest.
type Store interface {
	// Epoch is the random id of this ledger's incarnation, as the store last
	// read it. It is the same for as long as the history is; a restored backup
	// gets a new one, which any process may give it.
	Epoch() string

	// Update runs fn in one transaction, and returns nil only when what fn did
	// is durable. An error means that it may or may not be: trying again must
	// be, and is, safe. An error wrapping ErrBroken means that the storage can
	// no longer be trusted and the process should end. One wrapping
	// ErrUnavailable means that nothing was done, as the storage is out of reach
	// for now. fn may run more than once, each time in a new transaction: the
	// last one counts.
	Update(ctx context.Context, fn func(Tx) error) error

	// States returns the states of the named orders, one for each in the same
	// order; [Unknown] for an order of which nothing was heard. All are read at
	// one moment, after the call began, and are durable.
	States(ctx context.Context, orders []string) ([]State, error)

	// Event returns the stored event of a source's id, and whether there is one.
	// Its Order is the order for which it counts, and its time is cut to
	// microseconds.
	Event(ctx context.Context, source, id string) (Event, bool, error)

	// Timeline returns what happened to an order, oldest first.
	Timeline(ctx context.Context, order string) (Timeline, error)
}

// A Journal is the store's record of every change, for whoever follows it.
type Journal interface {
	// Heads returns the ledger's epoch and the last sequence number of every
	// shard, all as they are at one moment after the call began.
	Heads(ctx context.Context) (Heads, error)
	// Changes returns up to limit changes of a shard with Seq above after.
	Changes(ctx context.Context, shard int, after int64, limit int) ([]Change, error)
}

// Heads are where a ledger's journals end.
type Heads struct {
	Epoch string
	Seq   [Shards]int64
}

// A Tx is one transaction of a Store. A [Ledger] calls Claim, Insert, Load, Save,
// Tell, Forget and Revoke at most once each and in this sequence, with everything
// that shares the commit, so that all transactions take their locks in one global
// order: keys, payments, orders, shard heads, the revocations' last Seq, each
// sorted.
type Tx interface {
	// Claim stores the idempotency keys that are new, and sets Fingerprint of
	// the others to what is stored: the first use of a key stands.
	Claim(ctx context.Context, keys []*IdempotencyKey) error

	// Insert stores callbacks with their events, and fills in what it finds:
	// Fresh for each event, the Order of an event that names none but whose
	// payment has an owner by then, and Joined.
	//
	// The owner of a source's payment follows from what the events say and not
	// from their arrival: of the stored events that named an order themselves,
	// the one with the smallest (At, ID) names the owner; no time is the
	// smallest. Where a fresh event changes the owner, the payment's events that
	// named no order move, and Joined has the orders that got or lost some. An
	// event that named its order stays there.
	Insert(ctx context.Context, callbacks []*Delivery) error

	// Load locks the named orders and returns a record for each, in the same
	// order, with all its events. The names are sorted and distinct.
	Load(ctx context.Context, orders []string) ([]*Record, error)

	// Save stores the terms and due times of the records, and for those that
	// are Changed the new state and one journal entry, whose Shard and Seq it
	// fills in. A Version that does not follow the stored one fails the
	// transaction. The shard heads stay locked until the commit, so that in each
	// shard the order of Seq is the order of the commits. It also fills in the
	// Epoch of a state that is new: the one in force as it is committed.
	Save(ctx context.Context, records []*Record) error

	// Tell stores who was told what, adding up repetitions.
	Tell(ctx context.Context, told []Told) error

	// Revoke gives each revocation the next Seq and stores it. One whose ID is
	// stored already is replaced by the stored one instead. The last Seq stays
	// locked until the commit, after everything else of the transaction, so that
	// the order of Seq is the order of the commits, without holes.
	Revoke(ctx context.Context, revocations []*Revocation) error

	// Forget removes up to limit idempotency keys whose Expires is not after now,
	// and up to as many revocations that were over KeyRetention ago, and returns
	// the larger number.
	Forget(ctx context.Context, now time.Time, limit int) (int, error)
}

// A Callback is one verified HTTP request from a provider, or one that the
// gateway or the merchant's backend stands for.
type Callback struct {
	Source     string    `json:"source"`
	ReceivedAt time.Time `json:"received_at"`
	Body       []byte    `json:"-"` // as received, card numbers masked
	// Quarantine says why a verified callback could not be read. Empty: it could.
	Quarantine string `json:"quarantine,omitempty"`
}

// A Delivery is a callback on its way into a store.
type Delivery struct {
	Callback Callback
	Events   []Event
	Fresh    []bool   // by Insert, one for each event: it was not known before
	Joined   []string // by Insert: see there
}

// A Record is an order inside a transaction.
type Record struct {
	Order  string
	Terms  Terms
	State  State
	Events []Event
	// DueAt is when the order expires if nothing more happens; zero: never.
	DueAt time.Time

	Changed bool   // by the Ledger: State is new and goes into the journal
	Change  Change // by Save, of a record that is Changed
}

// An IdempotencyKey makes a repeated request of the merchant's backend count
// once.
type IdempotencyKey struct {
	Key         string // the client's text, prefixed with what it was used on
	Fingerprint string // of the request; the same key with another is an error
	// Expires is when the key may be forgotten. The Ledger knows if it is zero.
	Expires time.Time
}

// Told says that a version of an order was handed to a client's connection.
type Told struct {
	Order     string    `json:"-"`
	Version   int64     `json:"version"`
	Transport string    `json:"transport"` // websocket, sse or poll; ack: a client said that it showed it
	Subject   string    `json:"subject,omitempty"`
	At        time.Time `json:"at"`    // the first time
	Count     int64     `json:"count"` // how often, as clients may come again
}

// A Timeline is what happened to one order.
type Timeline struct {
	Order     string           `json:"order"`
	Terms     *Terms           `json:"terms"` // null: nobody registered it
	Callbacks []TimedCallback  `json:"callbacks"`
	Changes   []TimelineChange `json:"changes"`
	Told      []Told           `json:"told"`
}

// A TimedCallback is a callback with its events about the order of a timeline,
// and without its body: bodies are large, and are kept for whoever opens the
// ledger itself.
type TimedCallback struct {
	Callback
	Duplicate bool    `json:"duplicate"` // it told nothing that was not known
	Events    []Event `json:"events"`
}

// A TimelineChange is a version of an order.
type TimelineChange struct {
	Shard int   `json:"shard"`
	Seq   int64 `json:"seq"`
	State State `json:"state"`
}

// ErrUnavailable is wrapped by errors of a storage that cannot be reached now and
// may be again at any time, such as a database that restarts.
var ErrUnavailable = errors.New("order: storage is out of reach")

// ErrBroken is wrapped by errors of a storage that lost something it was told
// to keep, such as a failed fsync: the kernel may have dropped the pages, and a
// second fsync would then report success for data that is gone.
var ErrBroken = errors.New("order: storage is broken")
