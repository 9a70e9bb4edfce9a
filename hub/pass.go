package hub

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/order"
)

// A pass lives as long as the longest token, and may be renewed until its customer
// has waited for so long. transportPage is what a timeline says of a version that
// was shown in a page.
const (
	passLife      = 15 * time.Minute
	passRenewable = 24 * time.Hour
	transportPage = "page"
)

// passMark is what passes begin with. No JWT does.
const passMark = "pass."

// A Pass is the token of a page that the gateway itself serves. It opens one order,
// wherever a token does, and is revoked with the token that it was given for.
type Pass struct {
	Text  string
	Grant Grant
}

// Pass gives a pass for an order to who brings a token that names it, a ticket for
// it, which is used up, or an earlier pass, which it renews. Or it says why not; of
// an order that there is not as of one of somebody else.
//
// A renewed pass keeps the id, the key and the time of issue of the token at the
// beginning, so that all revocations of that token find it. These are known for
// longer than a pass lives.
func (h *Hub) Pass(ctx context.Context, id, brought string) (Pass, *problem.Problem) {
	if why := h.closed(); why != nil {
		return Pass{}, why
	}
	now := time.Now()
	from, why := h.brought(brought, now)
	if why != nil {
		return Pass{}, why
	}
	if !from.grant.allows(id) {
		return Pass{}, &notYourOrder
	}
	if from.ticket != nil {
		if why := h.use(ctx, from.ticket); why != nil {
			return Pass{}, why
		}
	}
	grant := from.grant
	if grant.begun.IsZero() {
		grant.begun = now
	}
	grant.Orders, grant.Expires = []string{id}, earlier(now.Add(passLife), grant.begun.Add(passRenewable)).Truncate(time.Second)
	return Pass{passMark + h.tickets.seal(sealedPass, ticketOf(grant, grant.Expires)), grant}, nil
}

// evidence is what somebody brought for a pass.
type evidence struct {
	grant  Grant
	ticket *ticket // to be used up; nil: none
}

func (h *Hub) brought(text string, now time.Time) (evidence, *problem.Problem) {
	switch {
	case text == "":
		return evidence{}, &tokenMissing
	case strings.HasPrefix(text, passMark):
		one, ok := h.tickets.open(sealedPass, strings.TrimPrefix(text, passMark), now)
		if !ok {
			return evidence{}, &passOver
		}
		if h.opts.Revoked(one.grant()) {
			return evidence{}, &tokenRevoked
		}
		return evidence{grant: one.grant()}, nil
	}
	if one, ok := h.tickets.open(sealedTicket, text, now); ok && one.grant().Expires.After(now) {
		if h.opts.Revoked(one.grant()) {
			return evidence{}, &tokenRevoked
		}
		return evidence{grant: one.grant(), ticket: one}, nil
	}
	grant, err := h.authorize(text)
	if err != nil {
		why := denied(err)
		return evidence{}, &why
	}
	return evidence{grant: grant}, nil
}

// withPasses makes passes good wherever tokens are.
func (h *Hub) withPasses(tokens Authorize) Authorize {
	return func(token string) (Grant, error) {
		sealed, ok := strings.CutPrefix(token, passMark)
		if !ok {
			return tokens(token)
		}
		one, ok := h.tickets.open(sealedPass, sealed, time.Now())
		switch {
		case !ok:
			return Grant{}, errPass
		case h.opts.Revoked(one.grant()):
			return Grant{}, ErrRevoked
		}
		return one.grant(), nil
	}
}

// errPass does not say whether a pass was good once: the page asks for another
// either way.
var errPass = errors.New("hub: the pass is not valid, or its time is up")

var passOver = problem.Problem{
	Status: http.StatusUnauthorized, Name: "token-expired", Title: "Token expired",
	Detail: "The page was open, or asleep, for too long. Come from the shop again.",
}

// Show returns the state of the one order of a grant for a page that holds no
// connection, and notes that it was shown.
func (h *Hub) Show(ctx context.Context, grant Grant) (order.State, error) {
	states, err := h.snapshots.read(ctx, grant.Orders)
	if err != nil {
		return order.State{}, err
	}
	h.told(transportPage, grant.Subject, newMessage(states[0], time.Time{}))
	return states[0], nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// ticketOf is what is sealed of a grant for one order.
func ticketOf(g Grant, until time.Time) ticket {
	one := ticket{
		Order: g.Orders[0], Until: until.UnixMilli(), TokenID: g.TokenID, Subject: g.Subject,
		KeyID: g.KeyID, Issued: g.Issued.Unix(), Expires: g.Expires.Unix(),
	}
	if !g.begun.IsZero() {
		one.Begun = g.begun.Unix()
	}
	return one
}
