package hub

import (
	"slices"
	"time"
)

// A Grant is what a token allows its bearer.
type Grant struct {
	TokenID string   // the token's jti
	Subject string   // whose token it is; empty: the token does not say
	Orders  []string // exactly these may be watched, and no other
	Expires time.Time
	Issued  time.Time // the token's iat
	KeyID   string    // of the key that signed

	begun time.Time // when the first pass was given for the token; zero: none was
}

func (g Grant) allows(order string) bool { return slices.Contains(g.Orders, order) }

// choose returns the orders that a client asked for, or all that its token
// names when it asked for none. It reports false when the token does not name
// one that was asked for, or names none at all.
func (g Grant) choose(asked []string) ([]string, bool) {
	if len(asked) == 0 {
		return g.Orders, len(g.Orders) > 0
	}
	var chosen []string
	for _, order := range asked {
		if !g.allows(order) {
			return nil, false
		}
		if !slices.Contains(chosen, order) {
			chosen = append(chosen, order)
		}
	}
	return chosen, true
}
