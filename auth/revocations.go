package auth

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybell/paybell/order"
)

// Revocations are the tokens that open nothing any more, as far as this node has
// read of them. A [Verifier] asks it of every token, so it is kept in memory;
// what is over is swept out. Its methods may be called from any goroutine, and
// on nil, which knows of no revocation.
type Revocations struct {
	number atomic.Int64

	mu    sync.RWMutex
	known map[revoked]standing
	swept time.Time
}

// revoked is what a revocation is of.
type revoked struct {
	kind  order.RevocationKind
	value string
}

// standing is what all revocations of one thing come to.
type standing struct {
	issuedBefore time.Time // zero: whenever the token was issued
	expires      time.Time // zero: never
}

// sweepEvery is how often what is over is looked for.
const sweepEvery = time.Minute

// Add makes revocations count that are not over at now. They may be told any
// number of times, in any order.
func (r *Revocations) Add(revocations []order.Revocation, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[revoked]standing{}
	}
	for _, one := range revocations {
		if one.Over(now) {
			continue
		}
		what := revoked{one.Kind, one.Value}
		s, has := r.known[what]
		if before := one.IssuedBefore(); !has || before.After(s.issuedBefore) {
			s.issuedBefore = before
		}
		if !has || one.Expires.IsZero() || !s.expires.IsZero() && one.Expires.After(s.expires) {
			s.expires = one.Expires
		}
		r.known[what] = s
	}
	if now.Sub(r.swept) >= sweepEvery {
		r.swept = now
		for what, s := range r.known {
			if s.over(now) {
				delete(r.known, what)
			}
		}
	}
	r.number.Store(int64(len(r.known)))
}

func (s standing) over(now time.Time) bool { return !s.expires.IsZero() && !s.expires.After(now) }

// Len is how many are known. Some of them may just be over.
func (r *Revocations) Len() int {
	if r == nil {
		return 0
	}
	return int(r.number.Load())
}

// Revoked says whether a token that says this is revoked at now.
func (r *Revocations) Revoked(c Claims, now time.Time) bool {
	if r.Len() == 0 {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if _, stands := r.standsLocked(order.RevokeToken, c.ID, now); stands {
		return true
	}
	if _, stands := r.standsLocked(order.RevokeKey, c.KeyID, now); stands {
		return true
	}
	return c.IssuedAt.Before(r.validFromLocked(c, now))
}

// validFrom returns when a token that says this must have been issued, at the
// earliest, for its subject and orders not to be revoked. Zero: at any time.
func (r *Revocations) validFrom(c Claims, now time.Time) time.Time {
	if r.Len() == 0 {
		return time.Time{}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.validFromLocked(c, now)
}

func (r *Revocations) validFromLocked(c Claims, now time.Time) (from time.Time) {
	later := func(kind order.RevocationKind, value string) {
		if s, stands := r.standsLocked(kind, value, now); stands && s.issuedBefore.After(from) {
			from = s.issuedBefore
		}
	}
	later(order.RevokeSubject, c.Subject)
	for _, id := range c.Orders {
		later(order.RevokeOrder, id)
	}
	return from
}

func (r *Revocations) standsLocked(kind order.RevocationKind, value string, now time.Time) (standing, bool) {
	s, has := r.known[revoked{kind, value}]
	return s, has && !s.over(now)
}
