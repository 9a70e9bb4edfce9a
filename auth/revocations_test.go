package auth

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// revoke returns what knows of one revocation, which was asked for after the
// genuine token was issued.
func revoke(kind order.RevocationKind, value string, after time.Duration) *Revocations {
	r := &Revocations{}
	at := clock.Add(after)
	r.Add([]order.Revocation{{Kind: kind, Value: value, At: at, Expires: at.Add(LongestUse)}}, at)
	return r
}

func TestRefusesRevoked(t *testing.T) {
	for name, c := range map[string]struct {
		kind    order.RevocationKind
		value   string
		after   time.Duration // the token was issued
		refused bool
	}{
		"token":                       {order.RevokeToken, "t1", time.Second, true},
		"token, beforehand":           {order.RevokeToken, "t1", -time.Minute, true},
		"another token":               {order.RevokeToken, "t2", time.Second, false},
		"token named as the subject":  {order.RevokeToken, "u42", time.Second, false},
		"subject":                     {order.RevokeSubject, "u42", time.Second, true},
		"subject, in the same second": {order.RevokeSubject, "u42", 0, true},
		"subject, a moment before":    {order.RevokeSubject, "u42", -time.Microsecond, false},
		"another subject":             {order.RevokeSubject, "u4", time.Second, false},
		"order":                       {order.RevokeOrder, "A1001", time.Second, true},
		"order, in the same second":   {order.RevokeOrder, "A1001", 999 * time.Millisecond, true},
		"order, a moment before":      {order.RevokeOrder, "A1001", -time.Microsecond, false},
		"another order":               {order.RevokeOrder, "A100", time.Second, false},
		"key":                         {order.RevokeKey, "k1", time.Second, true},
		"key, beforehand":             {order.RevokeKey, "k1", -time.Minute, true},
		"another key":                 {order.RevokeKey, "k2", time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, Options{Revocations: revoke(c.kind, c.value, c.after)})
			_, err := v.Verify(genuine().sign(t))
			if c.refused != errors.Is(err, ErrRevoked) || !c.refused && err != nil {
				t.Errorf("Verify returned %v", err)
			}
			if e := (*Error)(nil); c.refused && (!errors.As(err, &e) || e.Reason != ReasonRevoked || !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), c.value)) {
				t.Errorf("Verify returned %v", err)
			}
		})
	}
}

// TestForgedRevokedTokenIsNotCalledRevoked: who cannot sign learns nothing of what
// is revoked.
func TestForgedRevokedTokenIsNotCalledRevoked(t *testing.T) {
	v := newVerifier(t, Options{Revocations: revoke(order.RevokeToken, "t1", 0)})
	token := genuine().sign(t)
	forged := token[:len(token)-4] + "AAAA"
	if _, err := v.Verify(forged); errors.Is(err, ErrRevoked) || !errors.Is(err, ErrInvalid) {
		t.Errorf("Verify returned %v", err)
	}
}

func TestRevocationsOfOneThingAddUp(t *testing.T) {
	at := func(s time.Duration) time.Time { return clock.Add(s * time.Second) }
	subject := func(asked, expires time.Duration) order.Revocation {
		return order.Revocation{Kind: order.RevokeSubject, Value: "u", At: at(asked), Expires: at(expires)}
	}
	early, late := subject(10, 1000), subject(20, 900)
	for _, list := range [][]order.Revocation{{early, late}, {late, early}, {late, early, late, early}} {
		r := &Revocations{}
		for _, one := range list { // as they come in pieces
			r.Add([]order.Revocation{one}, at(20))
		}
		for _, c := range []struct {
			issued, now time.Duration
			want        bool
		}{{20, 21, true}, {21, 21, false}, {20, 999, true}, {20, 1000, false}} {
			if got := r.Revoked(Claims{Subject: "u", IssuedAt: at(c.issued)}, at(c.now)); got != c.want {
				t.Errorf("a token of second %d is revoked at %d: %v", c.issued, c.now, got)
			}
		}
	}
	r := &Revocations{}
	forever := order.Revocation{Kind: order.RevokeKey, Value: "k", At: at(0)}
	for _, one := range []order.Revocation{{Kind: order.RevokeKey, Value: "k", At: at(0), Expires: at(5)}, forever, {Kind: order.RevokeKey, Value: "k", At: at(0), Expires: at(5)}} {
		r.Add([]order.Revocation{one}, at(0))
	}
	if !r.Revoked(Claims{KeyID: "k"}, at(1e6)) {
		t.Error("a key that was revoked for good is good again")
	}
}

func TestRevocationsThatAreOverAreForgotten(t *testing.T) {
	r := &Revocations{}
	var list []order.Revocation
	for i := range 1000 {
		list = append(list, order.Revocation{Kind: order.RevokeToken, Value: fmt.Sprint("t", i), At: clock, Expires: clock.Add(time.Duration(i) * time.Second)})
	}
	r.Add(list, clock)
	if got := r.Len(); got != 999 {
		t.Errorf("%d are known, of which one was over", got)
	}
	for _, at := range []time.Duration{500, 500, 2000} {
		r.Add(nil, clock.Add(at*time.Second))
		if got, want := r.Len(), max(999-int(at), 0); got != want {
			t.Errorf("after %d s %d are known, want %d", at, got, want)
		}
	}
}

func TestRevocationsMayBeAskedWhileMoreAreAdded(t *testing.T) {
	r := &Revocations{}
	v := newVerifier(t, Options{Revocations: r})
	token := genuine().sign(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 100 {
				r.Add([]order.Revocation{{Kind: order.RevokeToken, Value: fmt.Sprint(i, j), At: clock}}, clock.Add(time.Duration(j)*time.Minute))
				v.Verify(token)
			}
		})
	}
	if all.Wait(); r.Len() != 400 {
		t.Errorf("%d are known", r.Len())
	}
}

// TestMintedTokenOutlivesARevocationOfTheSameSecond: iat has whole seconds, and
// the new token must not pass for an older one.
func TestMintedTokenOutlivesARevocationOfTheSameSecond(t *testing.T) {
	for _, r := range []*Revocations{revoke(order.RevokeSubject, "u42", 500*time.Millisecond), revoke(order.RevokeOrder, "A1", 500*time.Millisecond)} {
		now := func() time.Time { return clock.Add(600 * time.Millisecond) }
		opts := Options{Revocations: r, Now: now}
		m, err := NewMinter(Key{ID: "k1", Algorithm: "HS256", Secret: secret}, opts)
		if err != nil {
			t.Fatal(err)
		}
		token, minted, err := m.Mint("u42", []string{"A1"}, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		got := wantAccepted(t, newVerifier(t, opts), token)
		if !got.IssuedAt.Equal(clock.Add(time.Second)) || got.Expires.Sub(got.IssuedAt) != time.Second || !minted.IssuedAt.Equal(got.IssuedAt) {
			t.Errorf("verified %+v", got)
		}
		if _, other, _ := m.Mint("u43", []string{"A2"}, 0); !other.IssuedAt.Equal(clock) {
			t.Errorf("a token of nobody concerned is of %v", other.IssuedAt)
		}
	}
}

func TestNothingIsMintedWithARevokedKey(t *testing.T) {
	m, err := NewMinter(Key{ID: "k1", Algorithm: "HS256", Secret: secret}, Options{Revocations: revoke(order.RevokeKey, "k1", 0), Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	if token, _, err := m.Mint("", []string{"A1"}, 0); !errors.Is(err, ErrRevoked) || token != "" {
		t.Errorf("minted %q, %v", token, err)
	}
}
