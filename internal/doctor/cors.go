package doctor

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// cors examines what the shop's page may do: what a browser asks beforehand, and
// what it needs in the answer.
func (e *exam) cors(ctx context.Context) {
	if e.o.Origin == "" {
		e.report.leaveOut("CORS: name the shop's page with --origin")
		return
	}
	e.o.Tell("CORS for " + e.o.Origin)
	ahead, err := e.ask(ctx, http.MethodOptions, nobody, http.Header{
		"Origin": {e.o.Origin}, "Access-Control-Request-Method": {http.MethodGet}, "Access-Control-Request-Headers": {"authorization"},
	})
	if err != nil {
		e.find(noAnswer, "OPTIONS %s: %s", nobody, clean(err.Error()))
		return
	}
	if !e.allowed("the preflight", ahead) {
		return
	}
	if ahead.status > 299 {
		e.find(preflightBlocked, "the preflight of a page of %s is answered %s", e.o.Origin, ahead.what())
		return
	}
	// "*" does not allow Authorization (Fetch, 4.8, CORS-preflight fetch).
	if allowed := ahead.header.Get("Access-Control-Allow-Headers"); !lists(ahead.header, "Access-Control-Allow-Headers", "authorization") {
		e.find(preflightBlocked, "the preflight's Access-Control-Allow-Headers is %q and lacks Authorization", clean(allowed))
		return
	}
	then, err := e.ask(ctx, http.MethodGet, nobody, with("Origin", e.o.Origin))
	if err != nil || !e.allowed("the answer", then) {
		return
	}
	const shown = "Access-Control-Expose-Headers"
	if !lists(then.header, shown, "etag") && !lists(then.header, shown, "*") {
		e.find(corsHidden, "the answer's %s is %q and lacks ETag", shown, clean(then.header.Get(shown)))
	}
	e.fact("CORS", "pages of %s may ask and read", e.o.Origin)
}

// allowed says whether an answer lets a page of the origin read it.
func (e *exam) allowed(which string, a answer) bool {
	origins := a.header.Values("Access-Control-Allow-Origin")
	switch {
	case len(origins) == 1 && origins[0] == e.o.Origin:
		return true
	case len(origins) == 1 && origins[0] == "*":
		e.find(corsAny, "%s allows pages of any origin", which)
		return true
	case len(origins) > 1 || len(origins) == 1 && strings.Contains(origins[0], ","):
		e.find(corsTwice, "%s has Access-Control-Allow-Origin twice: %s", which, clean(strings.Join(origins, " and ")))
	case len(origins) == 1:
		e.find(originRefused, "%s allows %s, not %s", which, clean(origins[0]), e.o.Origin)
	case lists(a.header, "Vary", "origin"): // so the gateway has looked at it
		e.find(originRefused, "%s allows no page of %s", which, e.o.Origin)
	default:
		e.find(preflightBlocked, "%s says nothing of CORS: %s, without Access-Control-Allow-Origin", which, a.what())
	}
	return false
}

// lists says whether a header that is a list has a value.
func lists(h http.Header, name, value string) bool {
	all := strings.Split(strings.Join(h.Values(name), ","), ",")
	return slices.ContainsFunc(all, func(s string) bool {
		return strings.EqualFold(strings.TrimSpace(s), value)
	})
}
