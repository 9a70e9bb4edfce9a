package doctor

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// watch does as a customer does: asks for the order's state, and waits for news
// over every transport at once.
func (e *exam) watch(ctx context.Context) {
	t := readToken(e.o.Token)
	if t.order == "" {
		e.find(tokenRefused, "the token names no order, or is none")
		return
	}
	idle := e.o.Idle
	if left := time.Until(t.expires) - 2*time.Second; !t.expires.IsZero() && left < idle && left > 0 {
		idle = left
		e.report.leaveOut(fmt.Sprintf("what happens after %s: the token ends then", seconds(idle)))
	}
	ctx, cancel := context.WithCancel(ctx)
	var lines []*line
	defer func() {
		cancel()
		for _, l := range lines {
			<-l.done
		}
	}()
	tag, ok := "", true
	if e.bearer {
		if tag, ok = e.poll(ctx, t); !ok {
			return
		}
	} else {
		e.report.leaveOut("polls and SSE: Authorization does not come through")
	}
	var socket, stream, held *line
	if e.handed {
		if socket = e.openSocket(ctx); socket != nil {
			lines = append(lines, socket)
		}
	}
	if e.bearer {
		stream = e.openStream(ctx, t.order)
		lines = append(lines, stream)
		if !e.judgeOpening(ctx, stream, t.order) {
			stream = nil
		}
	}
	wait := min(idle, longestWait)
	if tag != "" {
		held = e.openHeld(ctx, t.order, tag, wait)
		lines = append(lines, held)
	}
	e.wait(ctx, idle, socket, stream, held)
	if ctx.Err() != nil {
		return
	}
	e.judge(socket)
	e.judge(stream)
	e.judgeHeld(held, wait, tag)
}

// poll asks for the state and returns its ETag. It is not ok when the token opens
// nothing, so that there is nothing to watch.
func (e *exam) poll(ctx context.Context, t token) (tag string, ok bool) {
	e.o.Tell("poll")
	path := orderPath(t.order)
	a, err := e.ask(ctx, http.MethodGet, path, e.authorized())
	switch {
	case err != nil:
		e.find(noAnswer, "GET %s: %s", path, clean(err.Error()))
		return "", true
	case a.name != "" && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden):
		e.find(tokenRefused, "%s", t.refusal(a))
		return "", false
	case a.name != "":
		e.find(notReady, "a poll is answered %s: %s", a.what(), a.detail)
		return "", false
	case a.status != http.StatusOK:
		e.find(blocked, "a poll with a token is answered %s", a.what())
		return "", true
	}
	e.fact("poll", "answered in %s", milliseconds(a.took))
	e.cacheControl("a poll's answer", a.header)
	stranger := e.authorized()
	delete(stranger, "Authorization")
	if open, err := e.ask(ctx, http.MethodGet, path, stranger); err == nil && open.status == http.StatusOK {
		e.find(cached, "what one customer was answered is answered again to somebody without a token")
	} else if a.header.Get("Age") != "" {
		e.find(cached, "a poll's answer has Age: %s", clean(a.header.Get("Age")))
	}
	if tag = a.header.Get("ETag"); tag == "" {
		e.find(tagLost, "a poll's answer has no ETag")
		return "", true
	}
	header := e.authorized()
	header["If-None-Match"] = []string{tag}
	again, err := e.ask(ctx, http.MethodGet, path, header)
	if err == nil && again.status == http.StatusOK && again.header.Get("ETag") == tag {
		e.find(conditionStripped, "a poll with If-None-Match %s is answered 200 with the same ETag, not 304", clean(tag))
		return "", true
	}
	return tag, true
}

// openSocket opens a WebSocket as a page does. nil: it did not open, which is a
// finding, or none that handshake has not found.
func (e *exam) openSocket(ctx context.Context) *line {
	e.o.Tell("WebSocket")
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(patience, cancel) // of the handshake; what follows takes as long as it is watched
	_, conn, err := e.upgrade(ctx, "", e.o.Token)
	if !late.Stop() && conn != nil {
		conn.Close()
		conn = nil
	}
	if err != nil || conn == nil {
		cancel()
		e.find(socketRefused, "a handshake with a token as sub-protocol fails, and one without does not")
		return nil
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	l := hold("WebSocket", func(l *line) error {
		defer cancel()
		defer stop()
		defer conn.Close()
		return readSocket(conn, l)
	})
	if l.begun() {
		return l
	}
	l.mu.Lock()
	code, why := l.code, l.bye
	l.mu.Unlock()
	switch {
	case code == 4401 || code == 4403:
		e.find(tokenRefused, "WebSocket: %s", why)
	case code == 4408:
		e.find(protocolStripped, "a token that is offered as a sub-protocol does not reach the gateway")
	case code != 0:
		e.find(goodbye, "WebSocket: %s", why)
	case l.over():
		e.find(idleCut, "WebSocket: cut before the first state came, after %s", seconds(time.Since(l.opened)))
	default:
		e.find(streamBuffered, "WebSocket: opened, and no state within %s", seconds(patience))
	}
	conn.Close()
	<-l.done
	return nil
}

// openStream opens an event stream as a page does that uses fetch.
func (e *exam) openStream(ctx context.Context, order string) *line {
	e.o.Tell("SSE")
	return hold("SSE", func(l *line) error {
		header := e.authorized()
		header["Accept"], header["Accept-Encoding"] = []string{"text/event-stream"}, []string{"gzip"}
		r, err := e.request(ctx, http.MethodGet, "/v1/sse?order="+url.QueryEscape(order), header)
		if err != nil {
			return err
		}
		response, err := e.any.Do(r)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		l.answer(response.Header)
		a := answer{status: response.StatusCode, header: response.Header}
		if a.status != http.StatusOK {
			a.body, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
			a.name, a.detail = problemIn(a.body)
			l.refuse(a)
			return err
		}
		var body io.Reader = response.Body
		if a.header.Get("Content-Encoding") == "gzip" {
			if body, err = gzip.NewReader(body); err != nil {
				return err
			}
		}
		return readStream(body, l)
	})
}

// judgeOpening waits for a stream's first state, and says whether it is worth
// watching on.
func (e *exam) judgeOpening(ctx context.Context, l *line, order string) bool {
	begun := l.begun()
	l.mu.Lock()
	head := l.head
	if head != nil && l.refused == nil {
		e.judgeHead(head)
	}
	l.mu.Unlock()
	if begun {
		return true
	}
	control, err := e.ask(ctx, http.MethodGet, orderPath(order), e.authorized())
	l.mu.Lock()
	defer l.mu.Unlock()
	nothing := "not even the head of the answer"
	if head != nil {
		nothing = "the head of the answer and nothing more"
	}
	held := time.Since(l.opened)
	if !l.ended.IsZero() {
		held = l.ended.Sub(l.opened)
	}
	switch {
	case l.refused != nil && l.refused.redirects():
		e.find(redirected, "SSE is sent on to %s", clean(l.refused.header.Get("Location")))
		return false
	case l.refused != nil:
		e.find(blocked, "SSE is answered %s", l.refused.what())
		return false
	case !l.ended.IsZero():
		e.find(idleCut, "SSE: cut before the first state came, after %s: %s", seconds(held), failure(l.err))
	}
	switch {
	case err != nil || control.took > held/2:
		e.report.leaveOut("whether SSE is buffered: everything is slow, or cut")
	default:
		e.find(streamBuffered, "SSE: %s within %s, while a poll is answered in %s", nothing, seconds(held), milliseconds(control.took))
	}
	return false
}

// openHeld lets a poll be held.
func (e *exam) openHeld(ctx context.Context, order, tag string, wait time.Duration) *line {
	return hold("long poll", func(l *line) error {
		header := e.authorized()
		header["If-None-Match"] = []string{tag}
		a, err := e.askWithin(ctx, http.MethodGet, orderPath(order)+fmt.Sprintf("?wait=%d", max(1, wait/time.Second)), header)
		if err == nil {
			l.refuse(a)
		}
		return err
	})
}

// wait lets a time pass, or until every connection has ended.
func (e *exam) wait(ctx context.Context, idle time.Duration, lines ...*line) {
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		open, held := []string{}, false
		for _, l := range lines {
			if l != nil && !l.over() {
				open = append(open, l.name)
				held = held || l.name == "long poll"
			}
		}
		passed := time.Since(began)
		if len(open) == 0 || passed > idle && !held || passed > idle+patience {
			return
		}
		e.o.Tell(fmt.Sprintf("quiet for %d of %d s; still open: %s", int(passed.Seconds()), int(idle.Seconds()), strings.Join(open, ", ")))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (e *exam) authorized() http.Header {
	h := with("Authorization", "Bearer "+e.o.Token)
	if e.o.Origin != "" {
		h["Origin"] = []string{e.o.Origin}
	}
	return h
}

func orderPath(order string) string { return "/v1/orders/" + url.PathEscape(order) }

// failure says how a connection ended.
func failure(err error) string {
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	default:
		return clean(err.Error())
	}
}
