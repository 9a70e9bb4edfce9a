package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	clientjs "github.com/paybell/paybell/client-js"
	"github.com/paybell/paybell/hub"
	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/order"
)

var (
	//go:embed hosted/page.html
	hostedPage string
	//go:embed hosted/page.css
	hostedStyle string
)

var hostedTemplate = template.Must(template.New("page").Parse(hostedPage))

// maxHostedForm bounds what is posted to a hosted page: a token, and some air.
const maxHostedForm = 8 << 10

// A hosted answers /pay/{order}, the waiting page for shops that write none. It
// says nothing of an order to who has no pass for it, and the same of every other.
type hosted struct {
	hub    *hub.Hub
	terms  hostedTerms
	config hostedConfig
	base   *url.URL // as the world reaches the gateway
	policy string
}

// pageOrigins are those whose pages may connect: the configured ones, and that of
// the gateway's own page.
func (c *config) pageOrigins() []string {
	if !c.Hosted.Enabled {
		return c.Origins
	}
	own, err := url.Parse(c.PublicURL)
	if err != nil {
		return c.Origins
	}
	origin, err := normalOrigin(own.Scheme + "://" + own.Host)
	if err != nil {
		return c.Origins
	}
	return append(slices.Clip(c.Origins), origin)
}

func newHosted(c *config, h *hub.Hub, ledger *order.Ledger) (*hosted, error) {
	base, err := url.Parse(c.PublicURL)
	if err != nil {
		return nil, err
	}
	return &hosted{hub: h, terms: hostedTerms{ledger: ledger}, config: c.Hosted, base: base, policy: hostedPolicy(base, c.Hosted.FrameAncestors)}, nil
}

// hostedPolicy allows the page's own script and style by their hashes, and
// connections to the gateway. Not all browsers count WebSockets to 'self'.
func hostedPolicy(base *url.URL, ancestors []string) string {
	frames := "'none'"
	if len(ancestors) > 0 {
		frames = strings.Join(ancestors, " ")
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + cspHash(clientjs.HostedScript),
		"style-src " + cspHash(hostedStyle),
		"connect-src 'self' ws" + strings.TrimPrefix(base.Scheme, "http") + "://" + base.Host,
		"img-src data:",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors " + frames,
	}, "; ")
}

func cspHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// show answers GET /pay/{order}. To who comes with a pass in a cookie it shows the
// order as it is, and without JavaScript again every few seconds. To anybody else it
// is the same page, whose script looks for a token in its address, which no server
// sees.
func (p *hosted) show(w http.ResponseWriter, r *http.Request) {
	v := p.view(r)
	cookie, err := r.Cookie(cookieName(v.ID))
	if err != nil {
		v.Shell = true
		p.write(w, http.StatusOK, v)
		return
	}
	pass, why := p.hub.Pass(r.Context(), v.ID, cookie.Value)
	if why == nil {
		p.keep(w, r, v.ID, pass)
		why = p.fill(r.Context(), &v, pass.Grant)
	}
	switch {
	case why == nil:
		p.write(w, http.StatusOK, v)
	case isRefusal(why):
		p.forget(w, v.ID)
		v.Shell = true
		p.write(w, http.StatusOK, v)
	default:
		p.busy(w, v, why)
	}
}

// enter answers POST /pay/{order}: a token or ticket in the form field "pass" buys
// a pass, and so does the pass of before, there or in the cookie. The page's script
// asks for JSON; a shop's form is sent on to the page.
func (p *hosted) enter(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("order")
	r.Body = http.MaxBytesReader(w, r.Body, maxHostedForm)
	err := r.ParseForm()
	forScript := r.Header.Get("Accept") == "application/json"
	brought := r.PostForm.Get("pass") // never from the address, which others log
	if cookie, none := r.Cookie(cookieName(id)); none == nil && brought == "" {
		brought = cookie.Value
	}
	var pass hub.Pass
	var why *problem.Problem
	if err != nil {
		unreadable := invalid("the body is not a form, or is too long")
		why = &unreadable
	} else if pass, why = p.hub.Pass(r.Context(), id, brought); why == nil {
		p.keep(w, r, id, pass)
	}
	switch {
	case why == nil && !forScript:
		p.secure(w)
		w.Header().Set("Location", "./"+url.PathEscape(id)+languageQuery(r))
		w.WriteHeader(http.StatusSeeOther)
	case why == nil:
		p.answer(w, r, pass)
	case forScript:
		why.Write(w)
	case why.RetryAfter > 0:
		p.busy(w, p.view(r), why)
	default:
		v := p.view(r)
		v.Closed, v.Mood = true, "failed"
		p.write(w, why.Status, v)
	}
}

// answer tells the page's script what it needs beside the order's state.
func (p *hosted) answer(w http.ResponseWriter, r *http.Request, pass hub.Pass) {
	terms, err := p.terms.of(r.Context(), pass.Grant.Orders[0])
	if err != nil {
		unreadable.Write(w)
		return
	}
	answer := struct {
		Pass           string  `json:"pass"`
		ExpiresIn      int     `json:"expires_in"`
		ReturnURL      *string `json:"return_url"`
		OrderExpiresIn *int    `json:"order_expires_in"`
	}{Pass: pass.Text, ExpiresIn: secondsUntil(pass.Grant.Expires)}
	if address := returnURL(terms); address != "" {
		answer.ReturnURL = &address
	}
	if !terms.ExpiresAt.IsZero() {
		seconds := secondsUntil(terms.ExpiresAt)
		answer.OrderExpiresIn = &seconds
	}
	writeJSON(w, http.StatusOK, answer)
}

var unreadable = problem.Problem{
	Status: http.StatusServiceUnavailable, Name: "ledger-unavailable", Title: "The ledger is not available",
	Detail: "The state of the order is not known right now. Try again shortly.", RetryAfter: 2 * time.Second,
}

// returnURL is where the customer of an order is sent: what the shop registered,
// and nothing that came with a request. What was stored by an older gateway may be
// less than what is taken today.
func returnURL(t order.Terms) string {
	if t.ReturnURL == "" || checkLink(t.ReturnURL) != nil {
		return ""
	}
	return t.ReturnURL
}

// isLoopbackHost says whether a URL's host is this machine.
func isLoopbackHost(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// checkLink takes an address to which customers may be sent: https, or http on
// this machine.
func checkLink(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && isLoopbackHost(u.Hostname())) {
		return errors.New("is not an absolute https URL (http is for addresses of this machine)")
	}
	return nil
}

func secondsUntil(t time.Time) int { return max(0, int(time.Until(t).Round(time.Second)/time.Second)) }

func isRefusal(why *problem.Problem) bool {
	return why.Status == http.StatusUnauthorized || why.Status == http.StatusForbidden
}

// cookiePrefix is what the names of all passes' cookies begin with.
const cookiePrefix = "paybell_"

// cookieName keeps orders apart whose ids no cookie's name or path could hold.
func cookieName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return cookiePrefix + hex.EncodeToString(sum[:8])
}

// cookie is for the hosted pages alone, and for whoever comes to them by a link or a
// redirect from elsewhere, as from the bank: so Lax, not Strict.
func (p *hosted) cookie(id, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(id), Value: value, Path: p.base.EscapedPath() + "/pay/", MaxAge: age,
		HttpOnly: true, Secure: p.base.Scheme == "https", SameSite: http.SameSiteLaxMode,
	}
}

// keptOrders is of how many orders a browser keeps passes, which it sends together:
// proxies, nginx for one, take 8 KiB of cookies.
const keptOrders = 8

// keep also forgets the oldest of too many others. Browsers send these first
// (RFC 6265, section 5.4).
func (p *hosted) keep(w http.ResponseWriter, r *http.Request, id string, pass hub.Pass) {
	own := p.cookie(id, pass.Text, max(1, secondsUntil(pass.Grant.Expires)))
	http.SetCookie(w, own)
	others := slices.DeleteFunc(r.Cookies(), func(c *http.Cookie) bool { return !strings.HasPrefix(c.Name, cookiePrefix) || c.Name == own.Name })
	for _, old := range others[:max(0, len(others)-keptOrders+1)] {
		gone := p.cookie(id, "", -1)
		gone.Name = old.Name
		http.SetCookie(w, gone)
	}
}

func (p *hosted) forget(w http.ResponseWriter, id string) { http.SetCookie(w, p.cookie(id, "", -1)) }

func (p *hosted) secure(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Robots-Tag", "noindex")
	if len(p.config.FrameAncestors) == 0 {
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	}
}

func (p *hosted) write(w http.ResponseWriter, status int, v hostedView) {
	p.secure(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.Lang)
	w.WriteHeader(status)
	hostedTemplate.Execute(w, v) // fails when the customer has gone
}

// busy shows that it takes a moment, and tries again.
func (p *hosted) busy(w http.ResponseWriter, v hostedView, why *problem.Problem) {
	wait := max(1, int(why.RetryAfter/time.Second))
	w.Header().Set("Retry-After", fmt.Sprint(wait))
	connecting := element.Languages[v.Lang].Words.Connecting
	v.Title, v.Text, v.Icon = connecting[0], connecting[1], icon("waiting")
	v.Refresh = fmt.Sprint(wait + 1)
	p.write(w, why.Status, v)
}

// icon is a drawing of the element. It comes with the program.
func icon(mood string) template.HTML { return template.HTML(element.Icons[mood]) }
