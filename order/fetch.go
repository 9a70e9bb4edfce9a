package order

import (
	"context"
	"time"
)

// ToFetch is the status of a note that is news without content: its Ref names
// what the provider must be asked about. A store that fulfils [Fetches] lists it
// in the transaction that inserts it.
const ToFetch Status = "to_fetch"

// A Fetch is a question to a provider that is not answered yet. There is one
// for each Source and Ref, however often news of it comes.
type Fetch struct {
	Source string
	Ref    string
	Asked  int64     // how often news came
	Tries  int       // how often it was tried in vain
	Since  time.Time // of the first news that has no answer
}

// Fetches is a store's list of what providers must be asked about. A [Store]
// may fulfil it; then it passes ordertest.Fetches.
type Fetches interface {
	// ClaimFetches returns up to limit fetches that are due at now, those first
	// that are due longest, and makes them due at until: nobody else gets them
	// before, and if the claimer dies, somebody gets them then.
	ClaimFetches(ctx context.Context, now, until time.Time, limit int) ([]Fetch, error)

	// SettleFetch ends a claim. With no time, the question is answered, and is
	// taken off the list; if news came after the claim, it stays and is due at
	// once, as new. With a time, it was tried in vain and is due then, and has one
	// try more; or at once, if news came.
	SettleFetch(ctx context.Context, claimed Fetch, again time.Time) error
}
