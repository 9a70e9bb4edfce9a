package order

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// A Revocation says that tokens open nothing any more, before their time is up.
// It stands in the ledger, so that every node obeys it and a restart forgets
// none.
type Revocation struct {
	// ID makes a repeated request count once. The Ledger chooses it.
	ID string
	// Seq is the revocation's place among all of a ledger's, from 1 without
	// holes, in the order of their commits.
	Seq int64

	Kind   RevocationKind
	Value  string // of the kind: a jti, a subject, an order's id, a key's id
	Reason string // for people who look into the ledger; may be empty

	At time.Time // when it was asked for
	// Expires is when it may be forgotten, because no token that it is about can
	// be alive by then. Zero: never.
	Expires time.Time
}

// A RevocationKind says by what tokens are revoked.
type RevocationKind string

const (
	RevokeToken   RevocationKind = "jti"     // the one token of this id
	RevokeSubject RevocationKind = "subject" // tokens of a customer, issued before
	RevokeOrder   RevocationKind = "order"   // tokens that name an order, issued before
	RevokeKey     RevocationKind = "key"     // all tokens that a key signed, whatever time they claim
)

// IssuedBefore returns the time before which a token must have been issued for a
// revocation by subject or order to be about it: the next whole second, because
// iat has whole seconds, and a token of the same second may be older. Zero: when
// a token was issued makes no difference.
func (r Revocation) IssuedBefore() time.Time {
	if r.Kind == RevokeSubject || r.Kind == RevokeOrder {
		return r.At.Truncate(time.Second).Add(time.Second)
	}
	return time.Time{}
}

// Over says whether a revocation may be forgotten at now.
func (r Revocation) Over(now time.Time) bool { return !r.Expires.IsZero() && !r.Expires.After(now) }

// Check says what is wrong with a revocation, or nil. The text goes on after the
// name of a field.
func (r Revocation) Check() error {
	switch r.Kind {
	case RevokeToken, RevokeSubject, RevokeKey:
		if r.Value == "" || len(r.Value) > MaxIDLength || !plain(r.Value) {
			return fmt.Errorf("%s is not text of 1 to %d bytes", r.Kind, MaxIDLength)
		}
	case RevokeOrder:
		if err := CheckID(r.Value); err != nil {
			return fmt.Errorf("order %w", err)
		}
	default:
		return errors.New("revocation is of no known kind")
	}
	if len(r.Reason) > MaxTextLength || !plain(r.Reason) {
		return fmt.Errorf("reason is not text of at most %d bytes", MaxTextLength)
	}
	return nil
}

// plain says whether every store can keep a text as it is.
func plain(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// Revocations is the store's record of every revocation, for whoever follows it.
type Revocations interface {
	// Revoked returns up to limit revocations with Seq above after, by Seq, and
	// leaves out those that are Over at now. All that was committed before the
	// call began is there, and what is committed later has a Seq above Head.
	Revoked(ctx context.Context, after int64, now time.Time, limit int) (Revoked, error)
}

// Revoked is a piece of a ledger's revocations.
type Revoked struct {
	Epoch string // of the ledger
	// Head is from where to read on: the Seq of the last of a full piece, and the
	// end of the record otherwise. It is below after when the ledger has lost
	// some, as a restored backup has.
	Head        int64
	Revocations []Revocation
}

// Revoke stores a revocation, and returns it as it stands in the ledger once it
// is durable. With a key that was used before for the same, it is the first one,
// of its time. A key that was used for something else is [ErrKeyReused].
func (l *Ledger) Revoke(ctx context.Context, key IdempotencyKey, r Revocation) (Revocation, error) {
	if err := r.Check(); err != nil {
		return Revocation{}, fmt.Errorf("order: %w", err)
	}
	r.ID, r.Seq, r.At = rand.Text(), 0, l.opts.Now().UTC().Truncate(time.Microsecond)
	if key.Key != "" { // which may be forgotten before the revocation, and used for another
		r.ID = key.Key + " " + key.Fingerprint
	}
	r.Expires = r.Expires.UTC().Truncate(time.Microsecond)
	e := &entry{revocation: &r, key: l.claim(key)}
	if err := l.write(ctx, e); err != nil {
		return Revocation{}, err
	}
	return e.revoked, nil
}

// ticketKept is for how much longer than a ticket its use is kept: more than the
// clocks of two nodes may differ.
const ticketKept = 5 * time.Minute

// Redeem uses a ticket up, once and for ever: of all who try, on whichever node,
// it returns true to one at most. A ticket that has ended must not be redeemed:
// its use is forgotten some minutes after until. After an error it may be used up
// or not.
func (l *Ledger) Redeem(ctx context.Context, ticket string, until time.Time) (bool, error) {
	// The end comes first, so that rows of one time share pages.
	key := IdempotencyKey{
		Key: fmt.Sprintf("ticket %010d %s", until.Unix(), ticket), Fingerprint: rand.Text(), Expires: until.Add(ticketKept),
	}
	err := l.write(ctx, &entry{key: &key})
	if errors.Is(err, ErrKeyReused) {
		return false, nil
	}
	return err == nil, err
}

// revoke stores what is revoked, and fills in what the store has of it.
func (c *commit) revoke(ctx context.Context, tx Tx) error {
	var all []*Revocation
	for _, e := range c.batch {
		if e.revocation != nil && e.refused == nil {
			e.revoked = *e.revocation
			all = append(all, &e.revoked)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return tx.Revoke(ctx, all)
}
