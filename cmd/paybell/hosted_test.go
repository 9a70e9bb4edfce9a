package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientjs "github.com/paybell/paybell/client-js"
	"github.com/paybell/paybell/order"
)

// startHosted starts a gateway with a hosted page. change may be nil.
func startHosted(t *testing.T, change func(*config)) *testGateway {
	t.Helper()
	return startGatewayWith(t, t.TempDir()+"/l.db", func(c *config) {
		c.Hosted = hostedConfig{Enabled: true, Name: "Bell & Sons", Back: "https://shop.example/"}
		if change != nil {
			change(c)
		}
	})
}

// A visitor is a browser without JavaScript.
type visitor struct {
	gw     *testGateway
	client http.Client
}

func (gw *testGateway) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		gw.t.Fatal(err)
	}
	return &visitor{gw, http.Client{Jar: jar}}
}

func (v *visitor) send(request *http.Request, err error) (*http.Response, string) {
	v.gw.t.Helper()
	if err != nil {
		v.gw.t.Fatal(err)
	}
	response, err := v.client.Do(request)
	if err != nil {
		v.gw.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		v.gw.t.Fatal(err)
	}
	return response, string(content)
}

func (v *visitor) get(address string) (*http.Response, string) {
	v.gw.t.Helper()
	return v.send(http.NewRequestWithContext(v.gw.t.Context(), "GET", v.gw.base+address, nil))
}

// post sends a shop's form.
func (v *visitor) post(address, pass string) (*http.Response, string) {
	v.gw.t.Helper()
	request, err := http.NewRequestWithContext(v.gw.t.Context(), "POST", v.gw.base+address, strings.NewReader(url.Values{"pass": {pass}}.Encode()))
	if err == nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return v.send(request, err)
}

// enter asks for a pass as the page's script does.
func (gw *testGateway) enter(want int, id, pass string) string {
	gw.t.Helper()
	response, content := gw.do("POST", "/pay/"+id, "", url.Values{"pass": {pass}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json")
	if response.StatusCode != want {
		gw.t.Errorf("entering %s was answered %d, want %d: %s", id, response.StatusCode, want, content)
	}
	return content
}

// title is what a page says of the order.
func title(content string) string {
	_, rest, _ := strings.Cut(content, `<p class="title">`)
	text, _, _ := strings.Cut(rest, "<")
	return text
}

func TestHostedPageWorksWithoutJavaScript(t *testing.T) {
	gw := startHosted(t, nil)
	gw.backend(201, "POST", "/v1/sessions", `{"order":"A1","amount":9900,"currency":"EUR","return_url":"https://shop.example/thanks?a=1&b=2",
		"expires_at":"`+time.Now().Add(90*time.Minute).UTC().Format(time.RFC3339)+`"}`)
	token := gw.tokenOf("A1")
	v := gw.visitor()
	response, content := v.post("/pay/A1", token)
	if response.StatusCode != 200 || response.Request.URL.String() != gw.base+"/pay/A1" || response.Request.Method != "GET" {
		t.Fatalf("the form led to %d at %v", response.StatusCode, response.Request.URL)
	}
	for _, want := range []string{
		"Waiting for your payment", "€99.00", `<bdi id="order">A1</bdi>`, "1 hour 30 min", "Bell &amp; Sons",
		`<noscript><meta http-equiv="refresh" content="4"></noscript>`,
	} {
		if !strings.Contains(content, want) {
			t.Errorf("the page has no %q:\n%s", want, content)
		}
	}
	gw.backend(201, "POST", "/v1/orders/A1/events", `{"status":"requires_action","payment":"p","action_url":"weixin://wap/pay?a=1"}`)
	if _, content = v.get("/pay/A1"); !strings.Contains(content, `href="weixin://wap/pay?a=1"`) {
		t.Errorf("no link to the wallet:\n%s", content)
	}
	gw.backend(201, "POST", "/v1/orders/A1/events", `{"status":"failed","payment":"p"}`)
	if _, content = v.get("/pay/A1"); title(content) != "Payment failed" || !strings.Contains(content, `href="https://shop.example/thanks?a=1&amp;b=2">Try again`) {
		t.Errorf("no way to try again:\n%s", content)
	}
	gw.backend(201, "POST", "/v1/orders/A1/events", `{"status":"paid","payment":"q","amount":9900,"currency":"EUR"}`)
	_, content = v.get("/pay/A1")
	if title(content) != "Paid" || !strings.Contains(content, `content="6;url=https://shop.example/thanks?a=1&amp;b=2"`) {
		t.Errorf("paid:\n%s", content)
	}
}

// tokenOf signs a token as the shop itself may.
func (gw *testGateway) tokenOf(id string) string {
	gw.t.Helper()
	minter, err := buildMinter(gw.config, nil)
	if err != nil {
		gw.t.Fatal(err)
	}
	token, _, err := minter.Mint("u1", []string{id}, 0)
	if err != nil {
		gw.t.Fatal(err)
	}
	return token
}

func TestHostedPageIsTheSameForEveryOrderWithoutAPass(t *testing.T) {
	gw := startHosted(t, nil)
	gw.session("A1")
	other := gw.session("A2")
	page := func(id string, headers ...string) string {
		t.Helper()
		response, content := gw.do("GET", "/pay/"+id, "", "", headers...)
		if response.StatusCode != 200 || response.Header.Get("Set-Cookie") != "" && len(headers) == 0 {
			t.Errorf("%s was answered %d %v", id, response.StatusCode, response.Header)
		}
		id, _, _ = strings.Cut(id, "?")
		return strings.ReplaceAll(content, id, "ID")
	}
	known := page("A1")
	if known != page("nothing-of-the-kind") {
		t.Error("an order that there is looks different")
	}
	for _, cookie := range []string{"x", "pass.x", other, strings.Repeat("x", 5000)} {
		if page("A1", "Cookie", cookieName("A1")+"="+cookie) != known {
			t.Errorf("a bad cookie changes the page")
		}
	}
	for _, query := range []string{"?pass=" + other, "?ticket=" + other, "?token=" + other, "?return_url=https://evil.example"} {
		if page("A1"+query) != known {
			t.Errorf("%s changes the page", query)
		}
	}
	for id, pass := range map[string]string{"A1": other, "A9": other, "A2": "x." + other} {
		status := map[bool]int{true: 403, false: 401}[pass == other]
		gw.enter(status, id, pass)
		response, content := gw.visitor().post("/pay/"+id, pass)
		if response.StatusCode != status || !strings.Contains(content, "Go back to the shop") || response.Header.Get("Set-Cookie") != "" {
			t.Errorf("the form was answered %d %v", response.StatusCode, response.Header)
		}
	}
	gw.enter(401, "A1", "")
	gw.enter(400, "A1", strings.Repeat("x", 9000))
}

func TestHostedPageTakesTicketsOnce(t *testing.T) {
	gw := startHosted(t, nil)
	_, content := gw.do("POST", "/v1/tickets", gw.session("A1"), "")
	ticket := decode[struct{ Ticket string }](t, content).Ticket
	answer := decode[struct {
		Pass           string
		ExpiresIn      int  `json:"expires_in"`
		ReturnURL      any  `json:"return_url"`
		OrderExpiresIn *int `json:"order_expires_in"`
	}](t, gw.enter(200, "A1", ticket))
	if answer.ExpiresIn < 890 || answer.ExpiresIn > 900 || answer.ReturnURL != nil || answer.OrderExpiresIn != nil {
		t.Errorf("entered with %+v", answer)
	}
	gw.enter(401, "A1", ticket)
	gw.watch("A1", answer.Pass).want("snapshot", 1, order.Created)
	gw.enter(200, "A1", answer.Pass)
	gw.backend(201, "POST", "/v1/revocations", `{"order":"A1"}`)
	if content := gw.enter(401, "A1", answer.Pass); !strings.Contains(content, "token-revoked") {
		t.Errorf("revoked: %s", content)
	}
}

var inline = regexp.MustCompile(`(?s)<(script)>(.*?)</script>|<(style)>(.*?)</style>`)

func TestHostedPagesHeaders(t *testing.T) {
	gw := startHosted(t, nil)
	v := gw.visitor()
	v.post("/pay/A1", gw.session("A1"))
	answers := map[string]func() (*http.Response, string){
		"with a pass": func() (*http.Response, string) { return v.get("/pay/A1") },
		"without": func() (*http.Response, string) {
			return gw.do("GET", "/pay/A1", "", "", "Origin", "https://evil.example")
		},
	}
	for what, answer := range answers {
		response, page := answer()
		h := response.Header
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Access-Control-Allow-Origin": "",
			"Cross-Origin-Opener-Policy": "same-origin", "Content-Language": "en",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", what, name, got, want)
			}
		}
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "connect-src 'self' ws://" + strings.TrimPrefix(gw.base, "http://"), "base-uri 'none'",
			"form-action 'none'", "frame-ancestors 'none'", "img-src data:",
		} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: no %s in %s", what, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: %s", what, policy)
		}
		found := inline.FindAllStringSubmatch(page, -1)
		for _, part := range found {
			if !strings.Contains(policy, part[1]+part[3]+"-src "+cspHash(part[2]+part[4])) {
				t.Errorf("%s: the policy does not allow the page's own %s", what, part[1]+part[3])
			}
		}
		if len(found) != 2 || strings.Count(page, "<script") != 1 || regexp.MustCompile(`\s(on\w+|style)=`).MatchString(inline.ReplaceAllString(page, "")) {
			t.Errorf("%s: something runs that the policy does not know:\n%s", what, inline.ReplaceAllString(page, ""))
		}
		if addresses := regexp.MustCompile(`(?:src|href|action)="(https?:)?//[^"]*`).FindAllString(inline.ReplaceAllString(page, ""), -1); len(addresses) > 1 {
			t.Errorf("%s: it loads %v", what, addresses)
		}
	}
}

// A shop's own people open many. More cookies than a proxy takes would shut them out.
func TestHostedPagesOfManyOrdersFitAProxysHeaders(t *testing.T) {
	gw := startHosted(t, nil)
	v := gw.visitor()
	for i := range 40 {
		id := fmt.Sprint("ORDER-2026-", i)
		response, content := v.post("/pay/"+id, gw.tokenOf(id))
		if response.StatusCode != 200 || title(content) != "Waiting for your payment" {
			t.Fatalf("%s was answered %d:\n%s", id, response.StatusCode, content)
		}
		if kept := v.client.Jar.Cookies(response.Request.URL); len(kept) != min(i+1, keptOrders) {
			t.Fatalf("after %d orders there are %d cookies", i+1, len(kept))
		}
	}
	for id, want := range map[string]string{"ORDER-2026-39": "Waiting for your payment", "ORDER-2026-33": "Waiting for your payment", "ORDER-2026-0": "This page cannot show your payment"} {
		if _, content := v.get("/pay/" + id); !strings.Contains(content, want) {
			t.Errorf("%s: no %q", id, want)
		}
	}
}

func TestHostedPageInAFrameAndBehindAProxy(t *testing.T) {
	var here string
	gw := startHosted(t, func(c *config) {
		here, c.PublicURL = c.PublicURL, "https://pay.example.com/bell"
		c.Hosted.FrameAncestors = []string{"https://shop.example", "https://www.shop.example"}
	})
	gw.base = here
	response, _ := gw.do("GET", "/pay/A1", "", "")
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-ancestors https://shop.example https://www.shop.example") ||
		!strings.Contains(policy, "connect-src 'self' wss://pay.example.com;") || response.Header.Get("X-Frame-Options") != "" {
		t.Errorf("%v", response.Header)
	}
	content := gw.backend(201, "POST", "/v1/sessions", `{"order":"a/b:c?","amount":9900,"currency":"EUR"}`)
	session := decode[struct {
		Token string
		URLs  map[string]string
	}](t, content)
	if want := "https://pay.example.com/bell/pay/a%2Fb:c%3F#" + session.Token; session.URLs["page"] != want {
		t.Errorf("the page is at %s, want %s", session.URLs["page"], want)
	}
	request, err := http.NewRequestWithContext(t.Context(), "POST", gw.base+"/pay/a%2Fb:c%3F?lang=zh-CN", strings.NewReader("pass="+session.Token))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err = http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if location := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || location != "./a%2Fb:c%3F?lang=zh-CN" {
		t.Errorf("sent on with %d to %s", response.StatusCode, location)
	}
	cookie := response.Cookies()[0]
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/bell/pay/" ||
		cookie.MaxAge < 890 || cookie.MaxAge > 900 || cookie.Name != cookieName("a/b:c?") {
		t.Errorf("the cookie is %v", cookie)
	}
	response, content = gw.do("GET", "/pay/a%2Fb:c%3F", "", "", "Cookie", cookie.Name+"="+cookie.Value, "Accept-Language", "fr-FR, zh-HK;q=0.9, en;q=0.8")
	if response.StatusCode != 200 || title(content) != "等待付款" || !strings.Contains(content, `lang="zh-CN"`) {
		t.Errorf("answered %d:\n%s", response.StatusCode, content)
	}
}

func TestHostedPageEscapesWhatItShows(t *testing.T) {
	gw := startHosted(t, nil)
	evil := `"><script>alert(1)</script>`
	_, content := gw.do("GET", "/pay/"+url.PathEscape(evil), "", "")
	if strings.Contains(content, "<script>alert") || !strings.Contains(content, `order="&#34;&gt;&lt;script&gt;`) {
		t.Errorf("the address is in the page:\n%s", content)
	}
	id := `<b>'"&`
	gw.backend(201, "POST", "/v1/sessions", `{"order":"<b>'\"&","amount":9900,"currency":"EUR"}`)
	response, content := gw.visitor().post("/pay/"+url.PathEscape(id), gw.tokenOf(id))
	if response.StatusCode != 200 || strings.Contains(content, "<b>") || !strings.Contains(content, "Waiting for your payment") {
		t.Errorf("answered %d:\n%s", response.StatusCode, content)
	}
}

func TestReturnURLIsTheShopsAndSafe(t *testing.T) {
	for address, safe := range map[string]bool{
		"https://shop.example/thanks": true, "http://localhost:3000/": true, "http://127.0.0.1/": true, "http://[::1]:80/": true,
		"http://shop.example/": false, "javascript:alert(1)": false, "//evil.example": false, "/thanks": false, "https:evil": false,
		"https://user@evil.example/": false, "http://localhost.evil.example/": false, "http://127.0.0.1.evil.example/": false,
		"https://shop.example\\@evil.example/": false, "data:text/html,x": false, "": false, "https:///x": false,
	} {
		if got := checkLink(address) == nil; got != safe {
			t.Errorf("%q: %v", address, got)
		}
		if got := returnURL(order.Terms{ReturnURL: address}) != ""; got != safe {
			t.Errorf("%q leads away: %v", address, got)
		}
	}
}

func TestLinksThatRunInThePageAreNone(t *testing.T) {
	for address, want := range map[string]string{
		"https://bank.example/3ds?a=1": "https://bank.example/3ds?a=1", "alipays://pay?x=1": "alipays://pay?x=1",
		"javascript:alert(1)": "", "JavaScript:alert(1)": "", " javascript:alert(1)": "", "java\tscript:alert(1)": "", "data:text/html,x": "",
		"vbscript:x": "", "blob:x": "", "/relative": "",
	} {
		if got := actionLink(address); string(got) != want {
			t.Errorf("%q is a link to %q", address, got)
		}
	}
}

// A countingStore counts how often a timeline is read.
type countingStore struct {
	store
	timelines atomic.Int32
}

func (s *countingStore) Timeline(ctx context.Context, id string) (order.Timeline, error) {
	s.timelines.Add(1)
	return s.store.Timeline(ctx, id)
}

func TestHostedPageReadsTermsSeldom(t *testing.T) {
	var counting *countingStore
	gw := startGatewayOver(t, t.TempDir()+"/l.db", nil, func(st store) store {
		counting = &countingStore{store: st}
		return counting
	})
	v := gw.visitor()
	v.post("/pay/A1", gw.session("A1"))
	for range 20 {
		if _, content := v.get("/pay/A1"); title(content) != "Waiting for your payment" {
			t.Fatal(content)
		}
		gw.enter(200, "A1", gw.session("A1"))
	}
	if n := counting.timelines.Load(); n != 1 {
		t.Errorf("the timeline was read %d times", n)
	}
}

func TestHostedPageIsOffUnlessItIsAskedFor(t *testing.T) {
	gw := startHosted(t, func(c *config) { c.Hosted.Enabled = false })
	token := gw.session("A1")
	if response, _ := gw.do("GET", "/pay/A1", "", ""); response.StatusCode != 404 {
		t.Errorf("answered %d", response.StatusCode)
	}
	gw.enter(404, "A1", token)
	if content := gw.backend(201, "POST", "/v1/sessions", `{"order":"A1","amount":9900,"currency":"EUR"}`); strings.Contains(content, `"page"`) {
		t.Errorf("a session names a page: %s", content)
	}
}

func TestHostedPageAsksForAMomentWhileItsNodeLeaves(t *testing.T) {
	gw := startHosted(t, nil)
	v := gw.visitor()
	v.post("/pay/A1", gw.session("A1"))
	gw.gateway.hub.Drain(t.Context(), 0)
	response, content := v.get("/pay/A1")
	if response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" || title(content) != "One moment" ||
		!strings.Contains(content, `http-equiv="refresh" content="2"`) || !strings.Contains(response.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("answered %d %v:\n%s", response.StatusCode, response.Header, content)
	}
	if content := gw.enter(503, "A1", gw.session("A1")); !strings.Contains(content, "draining") {
		t.Errorf("the script is told %s", content)
	}
	if response, _ := gw.do("GET", "/pay/A1", "", ""); response.StatusCode != 200 {
		t.Errorf("without a pass: %d", response.StatusCode)
	}
}

func TestHostedPageTakesGetAndPost(t *testing.T) {
	gw := startHosted(t, nil)
	for method, want := range map[string]int{"HEAD": 200, "PUT": 405, "DELETE": 405, "OPTIONS": 204} {
		if response, _ := gw.do(method, "/pay/A1", "", ""); response.StatusCode != want {
			t.Errorf("%s was answered %d", method, response.StatusCode)
		}
	}
	for _, path := range []string{"/pay", "/pay/", "/pay/A1/more"} {
		if response, _ := gw.do("GET", path, "", ""); response.StatusCode != 404 {
			t.Errorf("%s was answered %d", path, response.StatusCode)
		}
	}
}

func TestHostedPageSpeaksTheCustomersLanguage(t *testing.T) {
	for _, c := range [][3]string{
		{"", "", "en"}, {"", "en-GB,en;q=0.9", "en"}, {"", "zh-TW", "zh-CN"}, {"", "de, zh;q=0.5, en;q=0.3", "zh-CN"},
		{"", "fr", "en"}, {"zh-Hans", "en", "zh-CN"}, {"en", "zh", "en"}, {"xx", "zh", "zh-CN"}, {"", ";;,,-,zhx", "en"},
	} {
		if got := hostedLanguage(c[0], c[1]); got != c[2] {
			t.Errorf("%q, %q: %s, want %s", c[0], c[1], got, c[2])
		}
	}
	for language, words := range hostedLanguages {
		if _, ok := element.Languages[language]; !ok {
			t.Errorf("the element does not speak %s", language)
		}
		text, _ := json.Marshal(words)
		if strings.Contains(string(text), `""`) {
			t.Errorf("%s: something is not said: %s", language, text)
		}
	}
	for _, status := range []order.Status{order.Created, order.Pending, order.RequiresAction, order.Authorized, order.PartiallyPaid, order.Paid,
		order.Failed, order.Canceled, order.Expired, order.PartiallyRefunded, order.Refunded, order.Review} {
		if _, ok := element.Languages["en"].Texts[string(status)]; !ok {
			t.Errorf("nothing is said of %s", status)
		}
	}
	if element.say("en", "new") != element.say("en", order.Pending) || element.mood("new") != "waiting" || element.Icons["waiting"] == "" {
		t.Error("a status that is not known")
	}
	if strings.Contains(clientjs.HostedScript, "</script") || strings.Contains(hostedStyle, "</style") {
		t.Error("the script or style ends itself")
	}
}
