package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paybell/paybell/auth"
	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// backendSource is the source of events that the merchant's backend vouches
// for. No configured source may be named so.
const backendSource = "backend"

// maxMerchantBody bounds a request of the merchant's backend.
const maxMerchantBody = 64 << 10

// A merchant answers the merchant's backend.
type merchant struct {
	ledger    *order.Ledger
	keys      *auth.APIKeys
	minter    *auth.Minter // nil: no configured key can sign
	publicURL string
	hosted    bool // there is a waiting page for each order
	log       *slog.Logger

	revocations *revocations
}

func newMerchant(c *config, ledger *order.Ledger, revocations *revocations, log *slog.Logger) (*merchant, error) {
	keys, err := auth.NewAPIKeys(reveal(c.Auth.APIKeys))
	if err != nil {
		return nil, err
	}
	minter, err := buildMinter(c, revocations.known)
	if err != nil && !errors.Is(err, errNoSigningKey) {
		return nil, err
	}
	return &merchant{ledger: ledger, keys: keys, minter: minter, publicURL: c.PublicURL, hosted: c.Hosted.Enabled, log: log, revocations: revocations}, nil
}

// session answers POST /v1/sessions: it registers an order and mints the token
// with which its customer waits.
func (m *merchant) session(w http.ResponseWriter, r *http.Request) {
	in, ok := m.open(w, r)
	if !ok {
		return
	}
	s, err := readSession(in.body)
	if err != nil {
		invalid(err.Error()).Write(w)
		return
	}
	if late, err := m.late(r.Context(), s); err != nil {
		m.refuse(w, r, err)
		return
	} else if late {
		invalid("expires_at is in the past: the order would be over at once").Write(w)
		return
	}
	state, err := m.ledger.Register(r.Context(), in.idempotency(r), s.order, s.terms)
	if err != nil {
		m.refuse(w, r, err)
		return
	}
	answer := struct {
		Token     *string           `json:"token"`
		ExpiresAt *time.Time        `json:"expires_at"`
		Order     order.State       `json:"order"`
		URLs      map[string]string `json:"urls"`
	}{Order: state, URLs: m.urls(r, s.order)}
	if m.minter != nil {
		token, claims, err := m.minter.Mint(s.subject, []string{s.order}, s.life)
		switch {
		case errors.Is(err, auth.ErrRevoked): // a null token, as where no key can sign
			m.log.Error("no token for a session: the key that signs is revoked; put another first in auth.keys")
		case err != nil:
			m.refuse(w, r, err)
			return
		default:
			expires := claims.Expires.UTC()
			answer.Token, answer.ExpiresAt = &token, &expires
			if m.hosted {
				answer.URLs["page"] = m.publicURL + "/pay/" + url.PathEscape(s.order) + "#" + token
			}
		}
	}
	writeJSON(w, http.StatusCreated, answer)
}

// late says whether a session is for a new order that has expired already. Of a
// known order it renews the token, so that its customer may still see its end.
func (m *merchant) late(ctx context.Context, s session) (bool, error) {
	if s.terms.ExpiresAt.IsZero() || s.terms.ExpiresAt.After(time.Now()) {
		return false, nil
	}
	states, err := m.ledger.States(ctx, []string{s.order})
	return err == nil && states[0].Version == 0, err
}

// urls are where the order can be watched, as the world reaches this gateway.
func (m *merchant) urls(r *http.Request, id string) map[string]string {
	base := m.publicURL
	if base == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		base = scheme + "://" + r.Host
	}
	return map[string]string{
		"ws":   "ws" + strings.TrimPrefix(base, "http") + "/v1/ws",
		"sse":  base + "/v1/sse?order=" + url.QueryEscape(id),
		"poll": base + "/v1/orders/" + url.PathEscape(id),
	}
}

// event answers POST /v1/orders/{order}/events: an event that the backend
// itself vouches for.
func (m *merchant) event(w http.ResponseWriter, r *http.Request) {
	in, ok := m.open(w, r)
	if !ok {
		return
	}
	event, err := readBackendEvent(in, r.PathValue("order"))
	if err != nil {
		invalid(err.Error()).Write(w)
		return
	}
	callback := order.Callback{Source: backendSource, ReceivedAt: time.Now().UTC(), Body: webhook.Mask(in.body)}
	receipt, err := m.ledger.RecordOnce(r.Context(), in.idempotency(r), callback, []order.Event{event})
	if err != nil {
		m.refuse(w, r, err)
		return
	}
	status, known := http.StatusCreated, receipt.Fresh == 0
	if known {
		status = http.StatusOK
		err = m.checkSame(r.Context(), event)
	}
	var states []order.State
	if err == nil {
		states, err = m.ledger.States(r.Context(), []string{event.Order})
	}
	if err != nil {
		m.refuse(w, r, err)
		return
	}
	writeJSON(w, status, struct {
		EventID   string      `json:"event_id"`
		Duplicate bool        `json:"duplicate"`
		Order     order.State `json:"order"`
	}{event.ID, known, states[0]})
}

// checkSame returns errOtherEvent when a known event says something else than
// the one that is stored by its id: an answer that it was heard before would
// then hide that it did not count.
func (m *merchant) checkSame(ctx context.Context, event order.Event) error {
	stored, found, err := m.ledger.Event(ctx, event.Source, event.ID)
	if err != nil {
		return err
	}
	if !found || !stored.At.Equal(event.At) {
		return errOtherEvent
	}
	event.At = stored.At // the same moment, told in another zone
	if event != stored {
		return errOtherEvent
	}
	return nil
}

// timeline answers GET /v1/orders/{order}/timeline.
func (m *merchant) timeline(w http.ResponseWriter, r *http.Request) {
	if _, err := m.keys.Check(r); err != nil {
		keyInvalid.Write(w)
		return
	}
	id := r.PathValue("order")
	if err := order.CheckID(id); err != nil {
		invalid("the order id in the address " + err.Error()).Write(w)
		return
	}
	t, err := m.ledger.Timeline(r.Context(), id)
	if err != nil {
		m.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, t)
}

// A backendRequest is a write of the merchant's backend.
type backendRequest struct {
	body []byte
	key  string // the Idempotency-Key; empty: none
	by   string // the id of the API key, which is no secret
}

// idempotency is the request's key as the ledger keeps it: each address has its
// own keys.
func (in backendRequest) idempotency(r *http.Request) order.IdempotencyKey {
	if in.key == "" {
		return order.IdempotencyKey{}
	}
	return order.IdempotencyKey{Key: r.URL.Path + " " + in.key, Fingerprint: digest(in.body)}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// open lets the merchant's backend in, and reads what it sent.
func (m *merchant) open(w http.ResponseWriter, r *http.Request) (in backendRequest, ok bool) {
	by, err := m.keys.Check(r)
	if err != nil {
		keyInvalid.Write(w)
		return in, false
	}
	in.by = by
	if keys := r.Header.Values("Idempotency-Key"); len(keys) > 1 {
		invalid("there is more than one Idempotency-Key").Write(w)
		return in, false
	} else if len(keys) == 1 {
		if err := order.CheckID(keys[0]); err != nil {
			invalid("the Idempotency-Key " + err.Error()).Write(w)
			return in, false
		}
		in.key = keys[0]
	}
	in.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxMerchantBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		problem.Problem{
			Status: http.StatusRequestEntityTooLarge, Name: "too-large", Title: "Too large",
			Detail: "The body may have at most 64 KB.",
		}.Write(w)
	case err != nil:
		invalid("the body ended early, or took too long").Write(w)
	}
	return in, err == nil
}

var keyInvalid = problem.Problem{
	Status: http.StatusUnauthorized, Name: "api-key-invalid", Title: "API key missing or not valid",
	Detail: `Send one of the configured api_keys as "Authorization: Bearer <api key>".`,
}

func invalid(detail string) problem.Problem {
	return problem.Problem{Status: http.StatusBadRequest, Name: "bad-request", Title: "Bad request", Detail: detail}
}

// errOtherEvent means that an event's id is known of another event.
var errOtherEvent = errors.New("the id of the event was used for another one")

// refuse maps what the ledger says to an answer, in one place.
func (m *merchant) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, order.ErrTerms):
		problem.Problem{
			Status: http.StatusConflict, Name: "terms-differ", Title: "Registered on other terms",
			Detail: "The order is registered with another amount, currency, mode, expiry or return URL. Use a new order id for a new offer.",
		}.Write(w)
	case errors.Is(err, order.ErrKeyReused):
		problem.Problem{
			Status: http.StatusUnprocessableEntity, Name: "idempotency-key-reused", Title: "Idempotency key used before",
			Detail: "This Idempotency-Key came with another request. Use a new key for a new request.",
		}.Write(w)
	case errors.Is(err, errOtherEvent):
		problem.Problem{
			Status: http.StatusConflict, Name: "event-id-taken", Title: "Event id used for another event",
			Detail: "This id names an event of another order, or one that says something else, so this one does not count. Give each event an id of its own.",
		}.Write(w)
	default:
		if r.Context().Err() == nil { // a backend that went is no news for the operator
			m.log.Error("answer the backend", "err", err)
		}
		problem.Problem{
			Status: http.StatusServiceUnavailable, Name: "ledger-unavailable", Title: "The ledger is not available",
			Detail: "It is not known whether this was stored. The same request may safely be sent again.", RetryAfter: 2 * time.Second,
		}.Write(w)
	}
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
