package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// nobody is an order that there is not. Without a token nobody is told so.
const nobody = "/v1/orders/paybell-doctor"

// door asks for an order without a token, and says whether it was a gateway that
// refused. Where there is another way in, it is taken.
func (e *exam) door(ctx context.Context) (open bool, err error) {
	a, err := e.ask(ctx, http.MethodGet, nobody, nil)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if a.redirects() {
		if !e.follow(a) {
			return false, nil
		}
		if err := e.reach(ctx); err != nil {
			return false, err
		}
		if a, err = e.ask(ctx, http.MethodGet, nobody, nil); err != nil {
			return false, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
	}
	e.served(a)
	switch {
	case a.name == "token-missing":
		e.clock(a)
		return true, nil
	case a.name == "not-found":
		e.find(pathChanged, "GET %s is answered %s: the gateway sees another path", e.base.Path+nobody, a.what())
	case a.name != "":
		e.find(notReady, "GET %s is answered %s: %s", nobody, a.what(), a.detail)
	case a.header.Get("Cf-Mitigated") != "":
		e.find(blocked, "GET %s is answered %s, with a challenge for a person", nobody, a.what())
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		e.find(blocked, "GET %s is answered %s", nobody, a.what())
	case a.status >= 502 && a.status <= 504:
		e.find(noGateway, "GET %s is answered %s", nobody, a.what())
	case a.redirects():
		e.find(redirected, "GET %s is sent on to %s", nobody, clean(a.header.Get("Location")))
	default:
		e.find(notPaybell, "GET %s is answered %s", nobody, a.what())
	}
	e.report.leaveOut("everything else: what answers is no gateway")
	return false, nil
}

// served notes who answers.
func (e *exam) served(a answer) {
	named := proxyIn(a.header)
	e.fronted = named != "" || e.o.Proxy != ""
	if e.report.Proxy == "" {
		e.report.Proxy = named
	}
	who := "nobody says so; a gateway itself, HAProxy and ALB do not"
	if server := a.header.Get("Server"); server != "" {
		who = clean(server)
	} else if named != "" {
		who = string(named)
	}
	e.fact("proxy", "%s", who)
	if e.base.Scheme == "https" {
		e.fact("HTTP", "%s", strings.TrimPrefix(a.proto, "HTTP/"))
		if a.proto == "HTTP/1.1" {
			e.find(onlyHTTP1, "HTTP/2 is not offered")
		}
	} else if !loopback(e.base.Hostname()) {
		e.find(noTLS, "http://%s is not encrypted", e.base.Host)
	}
}

// follow goes where a redirect leads, if that is the same host.
func (e *exam) follow(a answer) bool {
	to := clean(a.header.Get("Location"))
	target, err := e.base.Parse(a.header.Get("Location"))
	if err == nil {
		var same bool
		if target.Path, same = strings.CutSuffix(strings.TrimRight(target.Path, "/"), nobody); same && target.Hostname() == e.base.Hostname() &&
			target.Scheme == "https" && e.base.Scheme == "http" {
			e.find(toHTTPS, "%s sends to %s", e.base.Scheme+"://"+e.base.Host, "https://"+target.Host)
			target.RawQuery, target.Fragment, target.RawPath = "", "", ""
			e.base, e.report.URL = target, target.String()
			return true
		}
	}
	e.find(redirected, "GET %s is sent on to %s", nobody, to)
	e.report.leaveOut("everything else: run it for the address that is redirected to")
	return false
}

// clock compares the answer's clock with this machine's.
func (e *exam) clock(a answer) {
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		e.report.leaveOut("clocks: the answers have no Date")
		return
	}
	// Date has whole seconds, cut off; the answer was made somewhere within took.
	off := date.Add(time.Second / 2).Sub(a.sent.Add(a.took / 2))
	size := off.Abs() - a.took/2
	switch {
	case size <= shownLeeway:
		e.fact("clocks", "within %s of each other", seconds(shownLeeway))
		return
	case off > 0:
		e.fact("clocks", "that of the answers is %s ahead", seconds(off))
	default:
		e.fact("clocks", "that of the answers is %s behind", seconds(-off))
	}
	k := clockOff
	if size > clockLeeway {
		k = clockWrong
	}
	e.find(k, "the answers' Date is %v, this machine's clock says %v", date.UTC().Format(time.DateTime), a.sent.UTC().Format(time.DateTime))
}

// paths asks at the other addresses, each as nobody would be let in.
func (e *exam) paths(ctx context.Context) {
	for _, p := range []struct{ method, path, want string }{
		{http.MethodGet, "/v1/sse?order=paybell-doctor", "token-missing"},
		{http.MethodPost, "/v1/tickets", "token-missing"},
		{http.MethodPost, nobody + "/ack", "token-missing"},
		{http.MethodPost, "/webhooks/paybell-doctor", "unknown-source"},
	} {
		e.o.Tell(p.method + " " + p.path)
		a, err := e.ask(ctx, p.method, p.path, nil)
		switch {
		case err != nil:
			e.find(noAnswer, "%s %s: %s", p.method, p.path, clean(err.Error()))
		case a.redirects():
			e.find(redirected, "%s %s is sent on to %s", p.method, p.path, clean(a.header.Get("Location")))
		case a.name == "":
			e.find(blocked, "%s %s is answered %s", p.method, p.path, a.what())
		case a.name != p.want:
			e.find(pathChanged, "%s %s is answered %s, not %s", p.method, p.path, a.what(), p.want)
		}
	}
}

// authorization sends a token that is none, which a gateway would call so.
func (e *exam) authorization(ctx context.Context) {
	a, err := e.ask(ctx, http.MethodGet, nobody, with("Authorization", "Bearer paybell.doctor.probe"))
	switch {
	case err != nil:
		e.find(noAnswer, "GET %s: %s", nobody, clean(err.Error()))
	case a.name == "token-invalid":
		e.bearer = true
	case a.name == "token-missing":
		e.find(authorizationStripped, "a request with Authorization is answered %s", a.what())
	default:
		e.find(authorizationStripped, "a request with Authorization: Bearer is answered %s, not token-invalid", a.what())
	}
}

// health looks for what only the operator should see.
func (e *exam) health(ctx context.Context) {
	for _, path := range []string{"/metrics", "/debug/pprof/", "/readyz"} {
		a, err := e.ask(ctx, http.MethodGet, path, nil)
		switch {
		case err != nil:
		case path == "/readyz" && (a.name == "not-ready" || a.status == http.StatusOK && string(a.body) == "ok\n"):
			e.find(readyzShown, "GET %s is answered %d", path, a.status)
		case path == "/metrics" && strings.Contains(string(a.body), "paybell_"),
			path == "/debug/pprof/" && a.status == http.StatusOK && strings.Contains(string(a.body), "goroutine"):
			e.find(adminShown, "GET %s is answered %d, with what is the operator's", path, a.status)
		}
	}
}
