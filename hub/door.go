package hub

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/bearer"
	"github.com/paybell/paybell/internal/problem"
)

var (
	tokenMissing = problem.Problem{
		Status: http.StatusUnauthorized, Name: "token-missing", Title: "No token",
		Detail: "Send the order's token as \"Authorization: Bearer <token>\". Tokens are never accepted in a URL.",
	}
	ticketInvalid = problem.Problem{
		Status: http.StatusUnauthorized, Name: "ticket-invalid", Title: "The ticket does not open anything",
		Detail: "A ticket is good for one connection within 30 s. Ask POST /v1/tickets for a new one.",
	}
	tokenRevoked = problem.Problem{
		Status: http.StatusUnauthorized, Name: "token-revoked", Title: "Token revoked",
		Detail: "The token was revoked before its time was up. Ask the shop's backend for a new one.",
	}
	tokenForm    = badRequest(`Send one Authorization header, of the form "Bearer <token>".`)
	tokenTwice   = badRequest("Send one token, in one place.")
	protocolName = badRequest("Offer the sub-protocol " + Subprotocol + ".")
	notYourOrder = problem.Problem{
		Status: http.StatusForbidden, Name: "not-your-order", Title: "Not your order",
		Detail: "The token does not name this order. Ask the shop's backend for one that does.",
	}
	orderMissing = problem.Problem{
		Status: http.StatusBadRequest, Name: "order-missing", Title: "Which order?",
		Detail: "The token names several orders. Name the ones to watch.",
	}
	originRefused = problem.Problem{
		Status: http.StatusForbidden, Name: "origin-refused", Title: "Origin not allowed",
		Detail: "Pages of this origin may not connect. Add the origin, with scheme and port, to \"origins\" in the gateway's configuration.",
	}
	draining = problem.Problem{
		Status: http.StatusServiceUnavailable, Name: "draining", Title: "Shutting down",
		Detail: "This node is about to stop. Connect again to reach another.", RetryAfter: time.Second,
	}
	unavailable = problem.Problem{
		Status: http.StatusServiceUnavailable, Name: "ledger-unavailable", Title: "The ledger cannot be read",
		Detail: "The state of the order is not known right now. Try again shortly.", RetryAfter: 2 * time.Second,
	}
)

func badRequest(detail string) problem.Problem {
	return problem.Problem{Status: http.StatusBadRequest, Name: "bad-request", Title: "Bad request", Detail: detail}
}

// denied says why a token does not open the door.
func denied(err error) problem.Problem {
	switch {
	case errors.Is(err, ErrExpired):
		return problem.Problem{
			Status: http.StatusUnauthorized, Name: "token-expired", Title: "Token expired",
			Detail: "The token's time is up. Ask the shop's backend for a new one.",
		}
	case errors.Is(err, ErrRevoked):
		return tokenRevoked
	}
	return problem.Problem{
		Status: http.StatusUnauthorized, Name: "token-invalid", Title: "Token not valid", Detail: err.Error(),
	}
}

// admit lets a request in by the token in its Authorization header, or answers
// why not.
func (h *Hub) admit(w http.ResponseWriter, r *http.Request) (Grant, bool) {
	if why := h.closed(); why != nil {
		why.Write(w)
		return Grant{}, false
	}
	token, err := bearer.Token(r.Header)
	switch {
	case errors.Is(err, bearer.ErrNone):
		tokenMissing.Write(w)
		return Grant{}, false
	case err != nil:
		tokenForm.Write(w)
		return Grant{}, false
	}
	grant, err := h.authorize(token)
	if err != nil {
		denied(err).Write(w)
		return Grant{}, false
	}
	return grant, true
}

// seat gives a newcomer a seat and its turn, or says why not. The token is empty
// where it is still to come.
func (h *Hub) seat(r *http.Request, token string) (seat, *refusal) {
	one, why := h.seats.take(token, h.opts.Address(r))
	if why == nil {
		connectionOf(r).Seated()
		if why = h.gate.enter(r.Context()); why != nil {
			h.unseat(r, one)
			one = seat{}
		}
	}
	if why != nil {
		h.refused(why)
	}
	return one, why
}

// unseat takes the seat of a newcomer back, if it has one.
func (h *Hub) unseat(r *http.Request, one seat) {
	if one != (seat{}) {
		connectionOf(r).Unseated()
		h.seats.leave(one)
	}
}

// sit is seat for those who can be answered over HTTP.
func (h *Hub) sit(w http.ResponseWriter, r *http.Request, token string, orders int) (seat, bool) {
	why := h.opts.Limits.allowOrders(orders)
	if why != nil {
		h.refused(why)
		why.Write(w)
		return seat{}, false
	}
	one, why := h.seat(r, token)
	if why != nil {
		why.Write(w)
		return seat{}, false
	}
	return one, true
}

// unread answers a request for which the ledger could not be read. A client that
// went meanwhile is no news for the operator.
func (h *Hub) unread(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		h.opts.Log.Warn("read the ledger for a newcomer", "err", err)
	}
	unavailable.Write(w)
}

// choose picks the orders asked for, or answers why not.
func (h *Hub) choose(w http.ResponseWriter, grant Grant, asked []string) ([]string, bool) {
	orders, ok := grant.choose(asked)
	if !ok {
		notYourOrder.Write(w)
	}
	return orders, ok
}

// clip cuts a stranger's text for the log.
func clip(text string) string { return text[:min(len(text), 100)] }

// originAllowed says whether a page of the request's origin may open a
// WebSocket, which browsers do not ask about beforehand. Scheme, host and port
// must match exactly; "null" never does.
func (h *Hub) originAllowed(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	origin, err := url.Parse(values[0])
	if err != nil || len(values) > 1 || origin.Host == "" {
		return false
	}
	for _, allowed := range h.opts.Origins {
		if strings.EqualFold(allowed, values[0]) {
			return true
		}
	}
	return false
}
