package hub

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
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
	if wait == 0 || len(known) == 0 {
		states, err := h.snapshots.read(r.Context(), orders)
		if err != nil {
			h.opts.Log.Warn("read the ledger for a poll", "err", err)
			unavailable.Write(w)
			return
		}
		m := newMessage(states[0], time.Time{})
		h.answer(w, m, known, nextPoll(m, wait > 0))
		return
	}
	h.longPoll(w, r, grant, known, wait)
}

// longPoll holds the request as a watcher whose first news is the answer.
func (h *Hub) longPoll(w http.ResponseWriter, r *http.Request, grant Grant, known []string, wait time.Duration) {
	p := &pending{known: known, answer: make(chan *message, 1)}
	c := h.open(p, "poll", grant)
	if err := h.watch(r.Context(), c, []string{r.PathValue("order")}); err != nil {
		c.end(causeGone)
		<-c.gone
		h.opts.Log.Warn("read the ledger for a long poll", "err", err)
		unavailable.Write(w)
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var news *message
	select {
	case news = <-p.answer:
	case <-timer.C:
	case <-r.Context().Done():
	case <-c.gone:
	}
	c.end(causeWaited)
	<-c.gone
	if news == nil { // it may have come while we were ending
		select {
		case news = <-p.answer:
		default:
		}
	}
	retry := p.retry
	if news == nil && p.last == nil {
		draining.Write(w)
		return
	}
	if news == nil {
		news = p.last
	}
	h.answer(w, news, known, retry)
}

// answer writes a state, or that the client has it already.
func (h *Hub) answer(w http.ResponseWriter, m *message, known []string, retry time.Duration) {
	header := w.Header()
	header.Set("ETag", `"`+m.tag+`"`)
	header.Set("Cache-Control", "no-store")
	header.Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	header.Set("X-Content-Type-Options", "nosniff")
	for _, tag := range known {
		if tag == m.tag || tag == "*" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	header.Set("Content-Type", "application/json")
	w.Write(append(m.json[:len(m.json):len(m.json)], '\n'))
}

// nextPoll says when a client should ask again: never in step with the others,
// at once where its next request will be held, and seldom for an order of which
// nothing more is expected.
func nextPoll(m *message, held bool) time.Duration {
	switch {
	case m.final:
		return 30 * time.Second
	case held:
		return 0
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

// knownTags reads If-None-Match (RFC 9110, section 13.1.2), which compares
// weakly. Text that is no tag of ours matches nothing.
func knownTags(values []string) []string {
	var tags []string
	for _, value := range values {
		for tag := range strings.SplitSeq(value, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || len(tag) > 2 && len(tag) <= maxTag && tag[0] == '"' && tag[len(tag)-1] == '"' {
				tags = append(tags, strings.Trim(tag, `"`))
			}
		}
	}
	return tags
}

// A pending is the carrier of one held poll.
type pending struct {
	known  []string
	answer chan *message // the first state that the client does not have
	last   *message      // the newest that it has; read after the client is gone
	retry  time.Duration // when to come again; read after the client is gone
}

func (p *pending) send(batch []outgoing) error {
	for _, out := range batch {
		m := out.message
		if m == nil {
			continue
		}
		p.last = m
		p.retry = nextPoll(m, true)
		if !p.has(m) {
			select {
			case p.answer <- m:
			default: // the request is being answered already
			}
		}
	}
	return nil
}

func (p *pending) has(m *message) bool {
	for _, tag := range p.known {
		if tag == m.tag || tag == "*" {
			return true
		}
	}
	return false
}

func (p *pending) close(why cause) {
	if why.retry > 0 {
		p.retry = why.retry
	}
}
