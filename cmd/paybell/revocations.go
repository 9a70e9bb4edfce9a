package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/paybell/paybell/auth"
	"github.com/paybell/paybell/hub"
	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

const (
	// revocationPoll is how often a node looks for revocations that others stored.
	revocationPoll = time.Second
	// revocationPage is how many it reads at once.
	revocationPage = 1000
	// maxRevocations is how many may stand before no single token can be revoked any
	// more, because every node keeps them in memory, at some 150 bytes each. What
	// revokes many tokens at once is the way out, and is always taken.
	maxRevocations = 1_000_000
)

// revocations brings what is revoked from the ledger to this node's door and to
// its open connections.
type revocations struct {
	feed  order.Revocations
	known *auth.Revocations
	close func([]order.Revocation) int // the connections that are concerned
	log   *slog.Logger

	most  int           // that may stand before single tokens are refused
	turn  chan struct{} // holds a value while nobody reads
	epoch string        // of what was read; the reader's, as the next
	after int64
}

func newRevocations(feed order.Revocations, known *auth.Revocations, close func([]order.Revocation) int, log *slog.Logger) *revocations {
	r := &revocations{feed: feed, known: known, close: close, log: log, most: maxRevocations, turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r
}

// read makes all count that is in the ledger by the time of the call.
func (r *revocations) read(ctx context.Context) error {
	select {
	case <-r.turn:
		defer func() { r.turn <- struct{}{} }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		now := time.Now()
		found, err := r.feed.Revoked(ctx, r.after, now, revocationPage)
		if err != nil {
			return fmt.Errorf("read revocations: %w", err)
		}
		if lost := found.Epoch != r.epoch || found.Head < r.after; lost && r.after > 0 {
			r.epoch, r.after = found.Epoch, 0 // another ledger by now: from its beginning
			continue
		}
		r.known.Add(found.Revocations, now)
		if len(found.Revocations) > 0 {
			if ended := r.close(found.Revocations); ended > 0 {
				r.log.Info("connections ended by revocations", "revocations", len(found.Revocations), "connections", ended)
			}
		}
		r.epoch, r.after = found.Epoch, found.Head
		if len(found.Revocations) < revocationPage {
			return nil
		}
	}
}

// begin reads for the first time, before anybody is let in: also when ctx has
// ended, since what is served until the gateway stops must be right.
func (r *revocations) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return r.read(ctx)
}

// run looks for new ones until ctx ends.
func (r *revocations) run(ctx context.Context) {
	tick := time.NewTicker(revocationPoll)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		attempt, cancel := context.WithTimeout(ctx, 5*revocationPoll)
		err := r.read(attempt)
		cancel()
		if err != nil && !failing && ctx.Err() == nil { // once, and not every second
			r.log.Error("revocations of other nodes are not seen", "err", err)
		}
		failing = err != nil
	}
}

// revoked says whether the token of a grant was revoked since it was given.
func (g *gateway) revoked(grant hub.Grant) bool {
	return g.revocations.known.Revoked(auth.Claims{
		ID: grant.TokenID, Subject: grant.Subject, Orders: grant.Orders, IssuedAt: grant.Issued, KeyID: grant.KeyID,
	}, time.Now())
}

// revoke answers POST /v1/revocations: tokens open nothing any more, and
// connections that came with them end.
func (m *merchant) revoke(w http.ResponseWriter, r *http.Request) {
	in, ok := m.open(w, r)
	if !ok {
		return
	}
	asked, err := readRevocation(in.body, time.Now())
	if err != nil {
		invalid(err.Error()).Write(w)
		return
	}
	if asked.Kind == order.RevokeToken && m.revocations.known.Len() >= m.revocations.most {
		tooManyRevocations.Write(w)
		return
	}
	stored, err := m.ledger.Revoke(r.Context(), in.idempotency(r), asked)
	if err != nil {
		m.refuse(w, r, err)
		return
	}
	m.log.Info("tokens revoked", "kind", stored.Kind, "api_key", in.by)
	if err := m.revocations.read(r.Context()); err != nil { // it stands all the same, and is read within a second
		m.log.Warn("a revocation does not count yet", "err", err)
	}
	answer := map[string]any{
		string(stored.Kind): stored.Value, "reason": nil, "issued_before": nil, "expires_at": nil,
	}
	if stored.Reason != "" {
		answer["reason"] = stored.Reason
	}
	if before := stored.IssuedBefore(); !before.IsZero() {
		answer["issued_before"] = before.UTC()
	}
	if !stored.Expires.IsZero() {
		answer["expires_at"] = stored.Expires.UTC()
	}
	writeJSON(w, http.StatusCreated, answer)
}

var tooManyRevocations = problem.Problem{
	Status: http.StatusTooManyRequests, Name: "too-many-revocations", Title: "Too many revocations",
	Detail:     "A million revocations stand already. Revoke a subject, an order or a key instead of single tokens, or try again after Retry-After.",
	RetryAfter: time.Minute,
}

// revocationKinds are the fields that say what is revoked.
var revocationKinds = []order.RevocationKind{order.RevokeToken, order.RevokeSubject, order.RevokeOrder, order.RevokeKey}

var revocationFields = []string{"jti", "subject", "order", "key", "reason", "expires_at"}

// readRevocation reads the body of POST /v1/revocations. Its errors are for the
// backend's developer.
func readRevocation(body []byte, now time.Time) (r order.Revocation, err error) {
	data, err := strictjson.ParseObject(body)
	if err != nil {
		return r, fmt.Errorf("the body must be a JSON object: %w", err)
	}
	if err := checkFields(data, revocationFields); err != nil {
		return r, err
	}
	for _, kind := range revocationKinds {
		if data[string(kind)] == nil {
			continue
		}
		if r.Kind != "" {
			return r, fmt.Errorf("both %s and %s are given: revoke one at a time", r.Kind, kind)
		}
		r.Kind = kind
		if r.Value, err = textField(data, string(kind)); err != nil {
			return r, err
		}
	}
	if r.Kind == "" {
		return r, errors.New("one of jti, subject, order and key says what is revoked")
	}
	if r.Reason, err = textField(data, "reason"); err != nil {
		return r, err
	}
	if r.Expires, err = revocationEnd(data, r.Kind, now); err != nil {
		return r, err
	}
	return r, r.Check()
}

// revocationEnd returns when a revocation may be forgotten: of a key never, and of
// anything else when no token that it is about can be alive.
func revocationEnd(data strictjson.Object, kind order.RevocationKind, now time.Time) (time.Time, error) {
	var end time.Time
	if kind != order.RevokeKey {
		end = now.Add(auth.LongestUse)
	}
	text, err := textField(data, "expires_at")
	if err != nil || text == "" {
		return end, err
	}
	asked, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return end, errors.New("expires_at is when the revocation may be forgotten, in RFC 3339: 2026-11-23T08:00:00Z")
	}
	switch year := asked.UTC().Year(); {
	case year > 9999:
		return end, errors.New("expires_at is after the year 9999, in UTC")
	case asked.Before(end):
		return end, errors.New("expires_at is sooner than in 15 min 30 s, when tokens might still be alive: leave it out")
	case !asked.After(now):
		return end, errors.New("expires_at is in the past")
	}
	return asked, nil
}
