package main

import (
	"context"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
)

// How long hosted pages go by what was read of an order's terms, and of how many
// orders. Terms that are registered never change, but a backup may be restored; an
// order that nobody registered may be at any moment.
const (
	termsKnown   = time.Minute
	termsMissing = time.Second
	maxTerms     = 10_000
)

// hostedTerms reads what shops registered, seldom: who has a pass may load a page
// as often as the line allows, and a timeline costs the ledger more than a state.
type hostedTerms struct {
	ledger *order.Ledger

	mu    sync.Mutex
	known map[string]knownTerms
}

type knownTerms struct {
	terms order.Terms // zero: nobody registered the order
	until time.Time
}

// of returns an order's terms, as they were within the last minute.
func (t *hostedTerms) of(ctx context.Context, id string) (order.Terms, error) {
	now := time.Now()
	t.mu.Lock()
	one, ok := t.known[id]
	t.mu.Unlock()
	if ok && now.Before(one.until) {
		return one.terms, nil
	}
	timeline, err := t.ledger.Timeline(ctx, id)
	if err != nil {
		return order.Terms{}, err
	}
	one = knownTerms{until: now.Add(termsMissing)}
	if timeline.Terms != nil {
		one = knownTerms{*timeline.Terms, now.Add(termsKnown)}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil || len(t.known) >= maxTerms {
		t.known = map[string]knownTerms{}
	}
	t.known[id] = one
	return one.terms, nil
}
