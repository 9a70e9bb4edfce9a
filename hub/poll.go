package hub

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/problem"
)

// maxWait is the longest that a poll is held: most proxies allow a minute.
// maxTag bounds what is read of a client's If-None-Match.
const (
	maxWait = 60 * time.Second
	maxTag  = 128
)

// Poll answers GET /v1/orders/{order}: the state, at once, or with ?wait=25
// when there is one that the client does not have, or that many seconds have
// passed.
func (h *Hub) Poll(w http.ResponseWriter, r *http.Request) {
	grant, ok := h.admit(w, r)
	if !ok {
		return
	}
	orders, ok := h.choose(w, grant, []string{r.PathValue("order")})
	if !ok {
		return
	}
	wait, ok := waitFor(w, r)
	if !ok {
		return
	}
	known := knownTags(r.Header.Values("If-None-Match"))
	if wait > 0 && len(known) > 0 {
		h.longPoll(w, r, grant, known, wait)
		return
	}
	states, err := h.snapshots.read(r.Context(), orders)
	if err != nil {
		h.unread(w, r, err)
		return
	}
	m := newMessage(states[0], time.Time{})
	h.answer(w, grant, m, known, nextPoll(m, wait > 0))
}

// longPoll holds the request as a watcher whose first news is the answer.
func (h *Hub) longPoll(w http.ResponseWriter, r *http.Request, grant Grant, known tags, wait time.Duration) {
	// Where the server limits the time of every answer, this one may take longer.
	http.NewResponseController(w).SetWriteDeadline(time.Time{})
	one, ok := h.sit(w, r, grant.TokenID, 1)
	if !ok {
		return
	}
	defer connectionOf(r).Unseated()
	p := &pending{known: known, news: make(chan struct{}, 1)}
	c := h.open(p, transportPoll, grant, one)
	h.watch(c, grant, []string{r.PathValue("order")})
	timer := time.NewTimer(wait)
	defer timer.Stop()
	why := causeWaited
	select {
	case <-p.news:
	case <-timer.C:
	case <-r.Context().Done():
		why = causeGone
	case <-c.gone:
	}
	c.end(why)
	<-c.gone
	switch {
	case p.refused != nil:
		p.refused.Write(w)
		return
	case p.newest == nil: // cut or drained before the ledger was read
		draining.Write(w)
		return
	}
	h.answer(w, grant, p.newest, known, p.retry)
}

// answer writes a state, or that the client has it already.
func (h *Hub) answer(w http.ResponseWriter, grant Grant, m *message, known tags, retry time.Duration) {
	header := w.Header()
	header.Set("ETag", `"`+m.tag+`"`)
	header.Set("Cache-Control", "no-store")
	header.Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	header.Set("X-Content-Type-Options", "nosniff")
	if known.match(m) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "application/json")
	if _, err := w.Write(append(m.json[:len(m.json):len(m.json)], '\n')); err == nil {
		h.told(transportPoll, grant.Subject, m)
	}
}

// nextPoll says when a client should ask again: never in step with the others,
// at once where its next request will be held, and seldom for an order of which
// nothing more is expected.
func nextPoll(m *message, held bool) time.Duration {
	switch {
	case held:
		return 0
	case m.final:
		return 30 * time.Second
	}
	return 2*time.Second + rand.N(2*time.Second)
}

// waitFor reads ?wait= in seconds. More than the longest is the longest.
func waitFor(w http.ResponseWriter, r *http.Request) (time.Duration, bool) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, true
	}
	seconds, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		badRequest("wait must be a whole number of seconds, at most 60.").Write(w)
		return 0, false
	}
	return min(time.Duration(seconds)*time.Second, maxWait), true
}

// tags are the positions that a client says it has.
type tags []string

// knownTags reads If-None-Match (RFC 9110, section 13.1.2), which compares
// weakly. Text that is no tag of ours matches nothing.
func knownTags(values []string) tags {
	var known tags
	for _, value := range values {
		for tag := range strings.SplitSeq(value, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			switch {
			case tag == "*":
				known = append(known, tag)
			case len(tag) > 2 && len(tag) <= maxTag && tag[0] == '"' && tag[len(tag)-1] == '"':
				known = append(known, tag[1:len(tag)-1])
			}
		}
	}
	return known
}

func (t tags) match(m *message) bool {
	return slices.Contains(t, m.tag) || slices.Contains(t, "*")
}

// A pending is the carrier of one held poll.
type pending struct {
	known tags
	news  chan struct{} // filled when there is a state that the client does not have

	// Read after the client is gone.
	newest  *message
	refused *problem.Problem // the ledger could not be read
	retry   time.Duration    // when to come again
}

func (p *pending) send(batch []outgoing) error {
	for _, out := range batch {
		if out.message == nil {
			continue
		}
		p.newest, p.retry = out.message, nextPoll(out.message, true)
		if !p.known.match(out.message) {
			select {
			case p.news <- struct{}{}:
			default: // the request is being answered already
			}
		}
	}
	return nil
}

func (p *pending) close(why cause) bool {
	if why.retry > 0 {
		p.retry = why.retry
	}
	p.refused = why.answer
	return false
}
