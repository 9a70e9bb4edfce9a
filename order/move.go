package order

import "time"

// A Part is some of all that a ledger keeps, on its way from one store to another.
// Together the parts of a ledger hold each row once, and in any order.
type Part struct {
	Keys      []KeptKey
	Callbacks []KeptCallback
	Events    []KeptEvent
	Repeats   []KeptRepeat
	Payments  []KeptPayment
	Orders    []KeptOrder
	Changes   []KeptChange
	Told      []Told
	Fetches   []KeptFetch

	Revocations []Revocation
}

// A KeptKey is an idempotency key. Its Expires is when it may be forgotten.
type KeptKey struct{ IdempotencyKey }

// A KeptCallback is a callback with its number, which rises in the order in which
// they came.
type KeptCallback struct {
	Number int64
	Callback
	Duplicate bool
}

// A KeptEvent is an event as it was told, by which callback, and at which place in
// it. It counts for CountsFor, which is its own Order or its payment's; "" for
// none yet.
type KeptEvent struct {
	Event
	Callback  int64
	Place     int
	CountsFor string
}

// A KeptRepeat says that a callback told a known event again.
type KeptRepeat struct {
	Source, ID string // of the event
	Callback   int64
	Place      int
}

// A KeptPayment says whose a payment is, "" for nobody's yet, and the time and id
// of the event that says so.
type KeptPayment struct {
	Source, Payment, Order string
	At                     time.Time
	ID                     string
}

// A KeptOrder is an order's row. State is the wire form of its newest state and
// Seq that state's place in the journal: "" and 0 for none.
type KeptOrder struct {
	Order   string
	Version int64
	Seq     int64
	State   string
	Terms   Terms
	DueAt   time.Time
}

// A KeptChange is an entry of the journal. Previous is the Seq of the one before
// it of the same order, 0 for none; State the wire form.
type KeptChange struct {
	Shard    int
	Seq      int64
	Order    string
	Version  int64
	Previous int64
	State    string
}

// A KeptFetch is what a provider must be asked about, and when that is due.
type KeptFetch struct {
	Fetch
	DueAt time.Time
}

// A Count is how many rows of each kind a ledger or a part has.
type Count struct {
	Keys, Callbacks, Events, Repeats, Payments, Orders, Changes, Told, Fetches, Revocations int64
}

// Count counts the rows of a part.
func (p Part) Count() Count {
	return Count{
		Keys: int64(len(p.Keys)), Callbacks: int64(len(p.Callbacks)), Events: int64(len(p.Events)), Repeats: int64(len(p.Repeats)),
		Payments: int64(len(p.Payments)), Orders: int64(len(p.Orders)), Changes: int64(len(p.Changes)), Told: int64(len(p.Told)),
		Fetches: int64(len(p.Fetches)), Revocations: int64(len(p.Revocations)),
	}
}

// Plus adds two counts.
func (c Count) Plus(d Count) Count {
	return Count{
		c.Keys + d.Keys, c.Callbacks + d.Callbacks, c.Events + d.Events, c.Repeats + d.Repeats,
		c.Payments + d.Payments, c.Orders + d.Orders, c.Changes + d.Changes, c.Told + d.Told, c.Fetches + d.Fetches,
		c.Revocations + d.Revocations,
	}
}

// Total is the number of all rows.
func (c Count) Total() int64 {
	return c.Keys + c.Callbacks + c.Events + c.Repeats + c.Payments + c.Orders + c.Changes + c.Told + c.Fetches + c.Revocations
}
