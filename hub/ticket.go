package hub

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/internal/strictjson"
)

// ticketLife is how long a ticket may wait for its one use, and perToken how many
// a token may buy in that time from one node.
const (
	ticketLife = 30 * time.Second
	perToken   = 20
)

// Tickets makes a ticket good once.
type Tickets interface {
	// Redeem uses up a ticket that has not ended, and which ends at until. Of all
	// who ever try, on whichever node, it returns true to one at most. After an
	// error the ticket may be used up or not.
	Redeem(ctx context.Context, ticket string, until time.Time) (bool, error)
}

// tickets are the single-use passes of clients that cannot set a header. A ticket
// holds all that there is to know of it, sealed, so that any node with the same
// secret can take it; that it is used only once is another's to say.
type tickets struct {
	Tickets
	secret []byte

	mu     sync.Mutex
	since  time.Time
	bought counts // by token, since then
}

// newTickets returns tickets sealed with a secret, or an own one if it is empty.
func newTickets(used Tickets, secret []byte) *tickets {
	if used == nil {
		used = &usedTickets{}
	}
	if len(secret) == 0 {
		secret = make([]byte, 32)
		rand.Read(secret) // never fails
	}
	return &tickets{Tickets: used, secret: secret, bought: counts{}}
}

// buy counts a ticket of a token, and says whether it may have one more.
func (t *tickets) buy(token string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.since) >= ticketLife {
		t.since = now
		clear(t.bought)
	}
	key := hashKey(hashToken(token))
	if t.bought.full(key, perToken) {
		return false
	}
	t.bought.add(key)
	return true
}

// A ticket is what is sealed in one.
type ticket struct {
	ID      string `json:"-"`
	Order   string `json:"o"`
	Until   int64  `json:"u"` // its end, in Unix milliseconds
	TokenID string `json:"t"`
	Subject string `json:"s,omitempty"`
	KeyID   string `json:"k,omitempty"`
	Issued  int64  `json:"i"` // of the token, in Unix seconds
	Expires int64  `json:"e"`
	Begun   int64  `json:"b,omitempty"` // when the first pass was given for the token, in Unix seconds; 0: none was
}

func (t *ticket) until() time.Time { return time.UnixMilli(t.Until) }

// grant is that of the token that bought the ticket, for the one order.
func (t *ticket) grant() Grant {
	g := Grant{
		TokenID: t.TokenID, Subject: t.Subject, Orders: []string{t.Order},
		Expires: time.Unix(t.Expires, 0), Issued: time.Unix(t.Issued, 0), KeyID: t.KeyID,
	}
	if t.Begun != 0 {
		g.begun = time.Unix(t.Begun, 0)
	}
	return g
}

// ticketID is how many random bytes name a ticket, and maxTicket bounds what is
// read of a stranger's.
const (
	ticketID  = 24
	maxTicket = 2048
)

// What is sealed with the same secret, apart from each other.
const (
	sealedTicket = "paybell ticket"
	sealedPass   = "paybell pass"
)

// seal makes the text of a ticket or pass.
func (t *tickets) seal(kind string, one ticket) string {
	text, err := json.Marshal(one)
	if err != nil {
		panic("hub: " + err.Error()) // strings and numbers always have a form
	}
	id := make([]byte, ticketID, ticketID+len(text)+16)
	rand.Read(id) // never fails
	return base64.RawURLEncoding.EncodeToString(t.cipher(kind, id).Seal(id, sealNonce, text, nil))
}

// open reads a ticket or pass that has not ended.
func (t *tickets) open(kind, sealed string, now time.Time) (*ticket, bool) {
	if len(sealed) > maxTicket {
		return nil, false
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(data) < ticketID {
		return nil, false
	}
	id := data[:ticketID]
	text, err := t.cipher(kind, id).Open(nil, sealNonce, data[ticketID:], nil)
	if err != nil {
		return nil, false
	}
	one := &ticket{ID: base64.RawURLEncoding.EncodeToString(id)}
	if json.Unmarshal(text, one) != nil || !one.until().After(now) {
		return nil, false
	}
	return one, true
}

// sealNonce is always the same, as every ticket has a key of its own.
var sealNonce = make([]byte, 12)

// cipher returns the cipher of one ticket. Its key comes from the secret and the
// ticket's random id, so that the secret does not wear out: with one key for all,
// AES-GCM with random nonces is good for 2^32 of them (NIST SP 800-38D, 8.3).
func (t *tickets) cipher(kind string, id []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, t.secret, id, kind, 32)
	if err != nil {
		panic("hub: " + err.Error()) // only too long a key is one
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("hub: " + err.Error()) // 32 bytes are a key
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		panic("hub: " + err.Error()) // AES has blocks of 16 bytes
	}
	return sealer
}

// usedTickets remembers the tickets that were used until they end.
type usedTickets struct {
	mu    sync.Mutex
	ends  map[string]time.Time
	swept time.Time
}

func (u *usedTickets) Redeem(_ context.Context, ticket string, until time.Time) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now := time.Now(); now.Sub(u.swept) > ticketLife {
		u.swept = now
		for used, end := range u.ends {
			if !end.After(now) {
				delete(u.ends, used)
			}
		}
	}
	if _, used := u.ends[ticket]; used {
		return false, nil
	}
	if u.ends == nil {
		u.ends = map[string]time.Time{}
	}
	u.ends[ticket] = until
	return true, nil
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
	if !h.tickets.buy(grant.TokenID, time.Now()) {
		h.refused(&tooManyTickets)
		tooManyTickets.Write(w)
		return
	}
	grant.Orders = orders
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(struct {
		Ticket    string `json:"ticket"`
		Order     string `json:"order"`
		ExpiresIn int    `json:"expires_in"`
	}{h.tickets.seal(sealedTicket, ticketOf(grant, time.Now().Add(ticketLife))), orders[0], int(ticketLife / time.Second)})
}

// redeem uses a ticket up for a newcomer, or answers why not. It comes after
// everything else that may refuse, so that nothing else wastes the ticket.
func (h *Hub) redeem(w http.ResponseWriter, r *http.Request, one *ticket) bool {
	why := h.use(r.Context(), one)
	if why != nil {
		why.Write(w)
	}
	return why == nil
}

// use uses a ticket up, or says why it cannot be used.
func (h *Hub) use(ctx context.Context, one *ticket) *problem.Problem {
	limited, cancel := context.WithTimeout(ctx, redeemTimeout)
	defer cancel()
	fresh, err := h.tickets.Redeem(limited, one.ID, one.until())
	switch {
	case err != nil:
		if ctx.Err() == nil { // a client that went meanwhile is no news for the operator
			h.opts.Log.Warn("use a ticket up", "err", err)
		}
		return &ticketUncertain
	case !fresh:
		return &ticketInvalid
	}
	return nil
}

// redeemTimeout bounds how long a newcomer waits for the commit of its ticket.
const redeemTimeout = 5 * time.Second

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

var ticketUncertain = problem.Problem{
	Status: http.StatusServiceUnavailable, Name: "ledger-unavailable", Title: "The ledger cannot be written",
	Detail: "It is not known whether the ticket is used up. Ask POST /v1/tickets for a new one shortly.", RetryAfter: 2 * time.Second,
}
