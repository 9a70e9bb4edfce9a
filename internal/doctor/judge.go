package doctor

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// judgeHead looks at the head of an event stream.
func (e *exam) judgeHead(h http.Header) {
	if kind := h.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		e.find(streamChanged, "the Content-Type of an event stream is %q", clean(kind))
	}
	if encoding := h.Get("Content-Encoding"); encoding != "" {
		e.find(streamCompressed, "SSE comes with Content-Encoding: %s", clean(encoding))
	}
	e.cacheControl("an event stream", h)
}

func (e *exam) cacheControl(what string, h http.Header) {
	if !lists(h, "Cache-Control", "no-store") {
		e.find(cacheControlLost, "%s comes with Cache-Control: %q, not no-store", what, clean(h.Get("Cache-Control")))
	}
}

// A silence longer than this is no late heartbeat, but a missing one.
const longSilence = latestBeat + patience

// judge says what became of a stream that was watched. nil: none was.
func (e *exam) judge(l *line) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.ended
	if end.IsZero() {
		end = time.Now()
	}
	quiet, open := end.Sub(l.last), end.Sub(l.opened)
	switch {
	case l.bye != "":
		e.find(goodbye, "%s: %s", l.name, l.bye)
	case !l.ended.IsZero() && l.beats > 0 && quiet < earliestBeat-time.Second:
		e.find(lifeCut, "%s: cut after %s, although heartbeats came, the last %s before", l.name, seconds(open), seconds(quiet))
	case !l.ended.IsZero():
		e.find(idleCut, "%s: cut after %s of silence; the gateway's heartbeat comes every %d to %s", l.name, seconds(quiet),
			int(earliestBeat.Seconds()), seconds(latestBeat))
	case max(l.longest, quiet) > longSilence:
		e.find(beatsHeld, "%s: silent for %s, where a heartbeat comes every %s at the latest", l.name, seconds(max(l.longest, quiet)), seconds(latestBeat))
	}
	beats := "no heartbeat was due"
	switch {
	case l.beats == 1:
		beats = "1 heartbeat"
	case l.beats > 1:
		beats = strconv.Itoa(l.beats) + " heartbeats"
	}
	e.fact(l.name, "first state after %s, open for %s, %s", milliseconds(l.state.Sub(l.opened)), seconds(open), beats)
}

// judgeHeld says what became of a poll that was to be held until there is another
// state than that of a tag.
func (e *exam) judgeHeld(l *line, wait time.Duration, tag string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended.IsZero() {
		e.find(noAnswer, "long poll: no answer within %s, where it asked to be held for %s", seconds(time.Since(l.opened)), seconds(wait))
		return
	}
	held := l.ended.Sub(l.opened)
	cut := pollCut
	if held > clientWait {
		cut = pollCutLate
	}
	a := l.refused
	leaving := slices.ContainsFunc(e.report.Findings, func(f *Finding) bool { return f.kind == goodbye })
	switch {
	case leaving && a != nil: // and then it answers at once
	case a == nil:
		e.find(cut, "long poll: cut after %s: %s", seconds(held), failure(l.err))
	case a.status == http.StatusOK && a.header.Get("ETag") != tag: // there was news
	case a.status == http.StatusOK, a.status == http.StatusNotModified && held < wait-3*time.Second:
		e.find(notHeld, "long poll: answered %d, without news, after %s, where it asked to be held for %s", a.status, seconds(held), seconds(wait))
	case a.name != "":
		e.find(goodbye, "long poll: %s", a.what())
	case a.status != http.StatusNotModified:
		e.find(cut, "long poll: answered %s after %s", a.what(), seconds(held))
	}
	e.fact("long poll", "held for %s", seconds(held))
}

// A token is what this side can read of one, which proves nothing.
type token struct {
	order                      string
	issued, notBefore, expires time.Time
}

func readToken(text string) token {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return token{}
	}
	var claims struct {
		Orders        []string
		Iat, Nbf, Exp int64
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil || len(claims.Orders) == 0 {
		return token{}
	}
	at := func(unix int64) time.Time {
		if unix == 0 {
			return time.Time{}
		}
		return time.Unix(unix, 0)
	}
	return token{claims.Orders[0], at(claims.Iat), at(claims.Nbf), at(claims.Exp)}
}

// refusal says why the gateway refused the token, and what its clock has to do
// with it.
func (t token) refusal(a answer) string {
	text := a.what() + ": " + a.detail
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return text
	}
	for _, claim := range []struct {
		name string
		at   time.Time
	}{{"iat", t.issued}, {"nbf", t.notBefore}} {
		if ahead := claim.at.Sub(date); !claim.at.IsZero() && ahead > clockLeeway {
			text += fmt.Sprintf("; its %s is %s ahead of the answer's Date, and %s are allowed", claim.name, seconds(ahead), seconds(clockLeeway))
		}
	}
	if late := date.Sub(t.expires); !t.expires.IsZero() && late >= 0 {
		text += fmt.Sprintf("; its exp is %s behind the answer's Date", seconds(late))
	}
	return text
}

func seconds(d time.Duration) string {
	if d < 2*time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return strconv.Itoa(int(d.Round(time.Second).Seconds())) + " s"
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(1, d.Round(time.Millisecond).Milliseconds()), 10) + " ms"
}
