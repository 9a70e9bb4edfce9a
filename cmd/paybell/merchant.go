package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paybell/paybell/auth"
	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook/standard"
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
	log       *slog.Logger
}

func newMerchant(c *config, ledger *order.Ledger, log *slog.Logger) (*merchant, error) {
	keys, err := auth.NewAPIKeys(reveal(c.Auth.APIKeys))
	if err != nil {
		return nil, err
	}
	minter, err := buildMinter(c)
	if err != nil && !errors.Is(err, errNoSigningKey) {
		return nil, err
	}
	return &merchant{ledger: ledger, keys: keys, minter: minter, publicURL: c.PublicURL, log: log}, nil
}

// session answers POST /v1/sessions: it registers an order and mints the token
// with which its customer waits.
func (m *merchant) session(w http.ResponseWriter, r *http.Request) {
	body, key, ok := m.open(w, r)
	if !ok {
		return
	}
	s, err := readSession(body)
	if err != nil {
		invalid(err.Error()).Write(w)
		return
	}
	state, err := m.ledger.Register(r.Context(), key, s.order, s.terms)
	if err != nil {
		m.refuse(w, err)
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
		if err != nil {
			m.refuse(w, err)
			return
		}
		expires := claims.Expires.UTC()
		answer.Token, answer.ExpiresAt = &token, &expires
	}
	writeJSON(w, http.StatusCreated, answer)
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
// itself vouches for. Without an id of its own it is named by its idempotency
// key or else by its content, so that a repetition counts once.
func (m *merchant) event(w http.ResponseWriter, r *http.Request) {
	body, key, ok := m.open(w, r)
	if !ok {
		return
	}
	event, err := readBackendEvent(body, r.PathValue("order"), r.Header.Get("Idempotency-Key"))
	if err != nil {
		invalid(err.Error()).Write(w)
		return
	}
	now := time.Now().UTC()
	receipt, err := m.ledger.RecordOnce(r.Context(), key,
		order.Callback{Source: backendSource, ReceivedAt: now, Body: body}, []order.Event{event})
	if err != nil {
		m.refuse(w, err)
		return
	}
	states, err := m.ledger.States(r.Context(), []string{event.Order})
	if err != nil {
		m.refuse(w, err)
		return
	}
	status := http.StatusCreated
	if receipt.Fresh == 0 {
		status = http.StatusOK
	}
	writeJSON(w, status, struct {
		EventID   string      `json:"event_id"`
		Duplicate bool        `json:"duplicate"`
		Order     order.State `json:"order"`
	}{event.ID, receipt.Fresh == 0, states[0]})
}

func readBackendEvent(body []byte, id, idempotencyKey string) (order.Event, error) {
	if err := order.CheckID(id); err != nil {
		return order.Event{}, fmt.Errorf("the order id in the address %w", err)
	}
	data, err := strictjson.ParseObject(body)
	if err != nil {
		return order.Event{}, fmt.Errorf("the body must be a JSON object: %w", err)
	}
	if named := data.Text("order"); named != "" && named != id {
		return order.Event{}, errors.New("the body names another order than the address")
	}
	data["order"] = id
	event, err := standard.ReadEvent(data, data.String("type"))
	if err != nil {
		return order.Event{}, err
	}
	if event.Kind == order.KindNote {
		return order.Event{}, errors.New(`status must say what happened, such as "paid" or "failed"`)
	}
	sum := sha256.Sum256(body)
	switch {
	case data.Text("id") != "":
		event.ID = data.Text("id")
	case idempotencyKey != "":
		event.ID = "key:" + id + ":" + idempotencyKey
	default:
		event.ID = "body:" + id + ":" + hex.EncodeToString(sum[:12])
	}
	event.Source, event.Order = backendSource, id
	return event, event.Check()
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
		m.refuse(w, err)
		return
	}
	writeJSON(w, http.StatusOK, t)
}

// open lets the merchant's backend in, and reads what it sent.
func (m *merchant) open(w http.ResponseWriter, r *http.Request) ([]byte, order.IdempotencyKey, bool) {
	none := order.IdempotencyKey{}
	if _, err := m.keys.Check(r); err != nil {
		keyInvalid.Write(w)
		return nil, none, false
	}
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(10 * time.Second))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMerchantBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		problem.Problem{
			Status: http.StatusRequestEntityTooLarge, Name: "too-large", Title: "Too large",
			Detail: "The body may have at most 64 KB.",
		}.Write(w)
		return nil, none, false
	case err != nil:
		invalid("the body ended early").Write(w)
		return nil, none, false
	}
	text := r.Header.Get("Idempotency-Key")
	if text == "" {
		return body, none, true
	}
	if err := order.CheckID(text); err != nil {
		invalid("the Idempotency-Key " + err.Error()).Write(w)
		return nil, none, false
	}
	sum := sha256.Sum256(body)
	return body, order.IdempotencyKey{Key: r.URL.Path + " " + text, Fingerprint: hex.EncodeToString(sum[:])}, true
}

var keyInvalid = problem.Problem{
	Status: http.StatusUnauthorized, Name: "api-key-invalid", Title: "API key missing or not valid",
	Detail: `Send one of the configured api_keys as "Authorization: Bearer <api key>".`,
}

func invalid(detail string) problem.Problem {
	return problem.Problem{Status: http.StatusBadRequest, Name: "bad-request", Title: "Bad request", Detail: detail}
}

// refuse maps what the ledger says to an answer, in one place.
func (m *merchant) refuse(w http.ResponseWriter, err error) {
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
	default:
		m.log.Error("answer the backend", "err", err)
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
