package hub

import (
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"time"

	"github.com/paybell/paybell/order"
)

// ErrRevoked is wrapped by an [Authorize] error about a token that was revoked.
var ErrRevoked = errors.New("hub: token revoked")

var causeRevoked = cause{
	name: "token_revoked", code: closeUnauthorized, reason: "token revoked", retry: time.Second,
	mute: true, answer: &tokenRevoked,
}

// An origin is what a client keeps of its token, beside the subject, to know
// whether a revocation is about it. Hashes are shorter than the texts; where two
// should ever be the same, a page has to ask for a new token.
type origin struct {
	token  uint64
	key    uint32
	issued uint32 // iat, in Unix seconds
}

var originSeed = maphash.MakeSeed()

func originOf(g Grant) origin {
	return origin{token: hashToken(g.TokenID), key: hashSigner(g.KeyID), issued: seconds(g.Issued)}
}

// seconds are those since 1970, which fit until 2106. No time is 0.
func seconds(t time.Time) uint32 { return uint32(max(t.Unix(), 0)) }

func hashToken(id string) uint64  { return maphash.String(originSeed, id) }
func hashSigner(id string) uint32 { return uint32(maphash.String(originSeed, id)) }

// A revoker says whether a client's token is among what was revoked.
type revoker struct {
	tokens   map[uint64]bool
	keys     map[uint32]bool
	subjects map[string]uint32 // issued before, in Unix seconds
	orders   map[string]uint32
}

func newRevoker(revocations []order.Revocation) revoker {
	r := revoker{map[uint64]bool{}, map[uint32]bool{}, map[string]uint32{}, map[string]uint32{}}
	for _, one := range revocations {
		switch before := seconds(one.IssuedBefore()); one.Kind {
		case order.RevokeToken:
			r.tokens[hashToken(one.Value)] = true
		case order.RevokeKey:
			r.keys[hashSigner(one.Value)] = true
		case order.RevokeSubject:
			r.subjects[one.Value] = max(before, r.subjects[one.Value])
		case order.RevokeOrder:
			r.orders[one.Value] = max(before, r.orders[one.Value])
		}
	}
	return r
}

// everywhere says whether it has to be looked for among all clients.
func (r revoker) everywhere() bool { return len(r.tokens)+len(r.keys)+len(r.subjects) > 0 }

// hits says whether a watcher's client is to go.
func (r revoker) hits(w *watcher) bool {
	c := w.client
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.origin
	return r.tokens[o.token] || r.keys[o.key] || o.issued < r.subjects[c.subject] || o.issued < r.orders[w.order]
}

// Revoke ends the connections whose token is among what was revoked, and those
// that watch a revoked order by an older token. It returns how many there were.
//
// [Options.Revoked] must know of the revocations already. A newcomer watches
// first and asks then, so that either it is found here or it finds out itself.
// Clients are looked for by what they watch, one small part of the index under
// its lock at a time: unlike their places in the wheel, these do not change under
// the search.
func (h *Hub) Revoke(revocations []order.Revocation) int {
	r := newRevoker(revocations)
	hit := map[*client]bool{}
	if r.everywhere() {
		for i := range h.index {
			h.index[i].each(func(w *watcher) {
				if r.hits(w) {
					hit[w.client] = true
				}
			})
		}
	} else {
		for id := range r.orders {
			h.shard(id).of(id, func(w *watcher) {
				if r.hits(w) {
					hit[w.client] = true
				}
			})
		}
	}
	for c := range hit {
		c.revoke(len(hit))
	}
	return len(hit)
}

// each visits every watcher of a shard.
func (s *indexShard) each(visit func(*watcher)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watchers {
		for ; w != nil; w = w.next {
			visit(w)
		}
	}
}

// of visits every watcher of an order.
func (s *indexShard) of(id string, visit func(*watcher)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := s.watchers[id]; w != nil; w = w.next {
		visit(w)
	}
}

// revoke ends the connection. What was not written yet is not written any more. The
// crowd is how many end with it: they are not to come back at one moment.
func (c *client) revoke(crowd int) {
	why := causeRevoked
	why.retry += rand.N(min(time.Second+time.Duration(crowd)*time.Millisecond, 30*time.Second))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked != nil { // it does not read, and so would not read why
		why = cause{name: why.name}
	}
	c.endLocked(why)
}
