package hub

import "time"

// A Grant is what a token allows its bearer.
type Grant struct {
	TokenID string   // the token's jti
	Subject string   // whose token it is; empty: the token does not say
	Orders  []string // exactly these may be watched, and no other
	Expires time.Time
}
