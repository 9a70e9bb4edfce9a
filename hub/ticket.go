package hub

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/internal/strictjson"
)

// ticketLife is how long a ticket may wait for its one use, and maxTickets how
// many may wait at once.
const (
	ticketLife = 30 * time.Second
	maxTickets = 100_000
	perToken   = 10 // the oldest of a token gives way to a newer
)

// tickets are the single-use passes of clients that cannot set a header. They
// live in this node's memory.
type tickets struct {
	mu      sync.Mutex
	waiting map[string]ticket
	issued  map[string][]string // a token's last tickets, used ones among them
	swept   time.Time
}

type ticket struct {
	grant   Grant
	expires time.Time
}

// issue returns a new ticket for a grant, or "" when too many are waiting.
func (t *tickets) issue(grant Grant, now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		t.waiting, t.issued = map[string]ticket{}, map[string][]string{}
	}
	if age := now.Sub(t.swept); age > ticketLife || age > time.Second && len(t.waiting) >= maxTickets {
		t.sweepLocked(now)
	}
	last := t.issued[grant.TokenID]
	if len(last) == perToken {
		delete(t.waiting, last[0])
		last = last[1:]
	}
	if len(t.waiting) >= maxTickets {
		return ""
	}
	key := rand.Text()
	t.waiting[key] = ticket{grant: grant, expires: now.Add(ticketLife)}
	t.issued[grant.TokenID] = append(last, key)
	return key
}

// sweepLocked forgets what has expired.
func (t *tickets) sweepLocked(now time.Time) {
	t.swept = now
	for key, one := range t.waiting {
		if !one.expires.After(now) {
			delete(t.waiting, key)
		}
	}
	for token, keys := range t.issued {
		if _, waits := t.waiting[keys[len(keys)-1]]; !waits {
			delete(t.issued, token)
		}
	}
}

// redeem uses a ticket up.
func (t *tickets) redeem(key string, now time.Time) (Grant, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.waiting[key]
	delete(t.waiting, key)
	return one.grant, ok && one.expires.After(now)
}

// Tickets answers POST /v1/tickets: a token buys a ticket for one of its
// orders, good for one connection within 30 s.
func (h *Hub) Tickets(w http.ResponseWriter, r *http.Request) {
	grant, ok := h.admit(w, r)
	if !ok {
		return
	}
	asked, ok := askedOrder(w, r)
	if !ok {
		return
	}
	orders, ok := h.choose(w, grant, asked)
	if !ok {
		return
	}
	if len(orders) != 1 {
		orderMissing.Write(w)
		return
	}
	grant.Orders = orders
	key := h.tickets.issue(grant, time.Now())
	if key == "" {
		busy.Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(struct {
		Ticket    string `json:"ticket"`
		Order     string `json:"order"`
		ExpiresIn int    `json:"expires_in"`
	}{key, orders[0], int(ticketLife / time.Second)})
}

// askedOrder reads {"order":"A1001"}. An empty body asks for nothing.
func askedOrder(w http.ResponseWriter, r *http.Request) ([]string, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1024))
	if err == nil && len(body) == 0 {
		return nil, true
	}
	object, parseErr := strictjson.ParseObject(body)
	if err != nil || parseErr != nil || object.String("order") == "" && object["order"] != nil {
		badRequest(`The body must be a JSON object such as {"order":"A1001"}.`).Write(w)
		return nil, false
	}
	if object.String("order") == "" {
		return nil, true
	}
	return []string{object.String("order")}, true
}

var busy = problem.Problem{
	Status: http.StatusServiceUnavailable, Name: "busy", Title: "Too busy",
	Detail: "Too many tickets are waiting to be used. Try again shortly.", RetryAfter: 5 * time.Second,
}
