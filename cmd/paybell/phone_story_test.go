package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// TestThePhoneClient compiles the client of docs/mobile.md once, and lets an app
// that uses it go through what a phone goes through.
func TestThePhoneClient(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles Java")
	}
	classes := phoneClasses(t)
	for name, story := range map[string]func(*testing.T, string){
		"follows an order from created to paid":      phoneFollows,
		"comes back when the gateway is restarted":   phoneSurvivesRestart,
		"lives on short tokens":                      phoneRenewsTokens,
		"changes its token in mid-stream":            phoneRenewsByItself,
		"never shows a version that falls":           phoneShowsNoOlderState,
		"ends when the order is none of its token's": phoneIsForbidden,
		"ends at a wrong address":                    phoneIsLost,
		"ends when its tokens are refused":           phoneIsUnauthorized,
		"gets over portals and crowds":               phoneGetsOverRefusals,
		"gets over nonsense and a weak backend":      phoneGetsOverNonsense,
		"waits as long as it is told":                phoneWaits,
		"reads characters that are cut":              phoneReadsCutCharacters,
		"reads whatever is an event stream":          phoneReadsOddStreams,
		"polls where a proxy holds streams back":     phonePolls,
		"opens a silent stream anew":                 phoneLeavesSilence,
		"polls with what it knows":                   phonePollsWithTags,
		"shows later what it was kept from showing":  phoneShowsLater,
		"asks first when it comes to the foreground": phoneAsksFirst,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, classes)
		})
	}
}

// tokensOf are sessions of an order at a gateway.
func tokensOf(gw *testGateway, id string) func(int64) string {
	return func(int64) string { return gw.session(id) }
}

func always(token string) func(int64) string { return func(int64) string { return token } }

func pay(gw *testGateway, id string) {
	gw.t.Helper()
	if status := gw.deliver("stripe", webhook.Simulation{ID: "evt_" + id, Order: id, Status: order.Paid}); status != http.StatusOK {
		gw.t.Fatalf("the webhook was answered %d", status)
	}
}

func phoneFollows(t *testing.T, classes string) {
	gw := startGateway(t)
	p := startPhone(t, phonePlan{classes: classes, gateway: gw.base, order: "A/1", token: tokensOf(gw, "A/1")})
	p.want(1, order.Created)
	pay(gw, "A/1")
	if s := p.want(2, order.Paid); s.Paid != 9900 {
		t.Errorf("the app shows %d paid", s.Paid)
	}
	p.says("end null")
	if n := p.tokens.Load(); n != 1 {
		t.Errorf("it asked for %d tokens", n)
	}
}

// startGatewayAt starts a gateway on a port of its own, so that it can come back.
func startGatewayAt(t *testing.T, port int, ledger string, like *testGateway) *testGateway {
	t.Helper()
	at := newBerth(t, ledger, func(c *config) {
		if like != nil {
			*c = *like.config
		}
		c.PublicURL = "http://" + rig.Address(port)
	})
	at.public.Close()
	var err error
	if at.public, err = net.Listen("tcp", rig.Address(port)); err != nil {
		t.Fatal(err)
	}
	st, err := openLedger(t.Context(), at.config.Ledger, false)
	if err != nil {
		t.Fatal(err)
	}
	gw := at.start(t, st)
	stop := gw.stop
	gw.stop = sync.OnceValue(func() error {
		defer st.Close()
		return stop()
	})
	t.Cleanup(func() { gw.stop() })
	return gw
}

func phoneSurvivesRestart(t *testing.T, classes string) {
	port, ledger := rig.FreePort(t), filepath.Join(t.TempDir(), "paybell.db")
	first := startGatewayAt(t, port, ledger, nil)
	token := first.session("A1")
	p := startPhone(t, phonePlan{classes: classes, gateway: first.base, order: "A1", token: always(token)})
	p.want(1, order.Created)
	first.deliver("stripe", webhook.Simulation{ID: "evt_1", Order: "A1", Status: order.Pending})
	p.want(2, order.Pending)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := startGatewayAt(t, port, ledger, first)
	pay(second, "A1")
	p.want(3, order.Paid) // and version 2 not again
	p.says("end null")
}

func phoneRenewsTokens(t *testing.T, classes string) {
	gw := startGateway(t)
	p := startPhone(t, phonePlan{classes: classes, gateway: gw.base, order: "A1", token: func(int64) string {
		content := gw.backend(http.StatusCreated, "POST", "/v1/sessions", `{"order":"A1","amount":9900,"currency":"EUR","expires_in":4}`)
		return decode[struct{ Token string }](t, content).Token
	}})
	p.want(1, order.Created)
	for deadline := time.Now().Add(patience); p.tokens.Load() < 3; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it asked for %d tokens", p.tokens.Load())
		}
	}
	pay(gw, "A1")
	p.want(2, order.Paid)
	p.says("end null")
}

func phoneRenewsByItself(t *testing.T, classes string) {
	rec := startRecorder(t,
		held(shown("snapshot", 1, order.Created, false), "event: token_expiring\ndata: {\"expires_in\":1}\n\n"), // and goes on
		held(shown("snapshot", 2, order.Paid, true)))
	p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: func(n int64) string { return "t" + strconv.FormatInt(n, 10) }})
	p.want(1, order.Created)
	p.want(2, order.Paid)
	p.says("end null")
	if v := rec.seen(); len(v) != 2 || v[0].bearer != "t1" || v[1].bearer != "t2" {
		t.Errorf("the requests were %v", v)
	}
}

// stateOf is a message with a state of order A1 in an epoch.
func stateOf(epoch, name string, version int64, status order.Status, final bool) string {
	return strings.Replace(shown(name, version, status, final), `"epoch":"e"`, `"epoch":"`+epoch+`"`, 1)
}

func phoneShowsNoOlderState(t *testing.T, classes string) {
	const soon = "retry: 1\n\n"
	rec := startRecorder(t,
		stream(soon, stateOf("e", "snapshot", 3, order.Pending, false), stateOf("e", "update", 2, order.Failed, false),
			stateOf("e", "update", 3, order.Failed, false)),
		stream(soon, stateOf("e", "snapshot", 2, order.Created, false)),
		stream(soon, stateOf("e", "snapshot", 3, order.Pending, false), stateOf("f", "update", 9, order.Failed, false),
			strings.Replace(shown("update", 9, order.Paid, true), `"order":"A1"`, `"order":"B1"`, 1),
			stateOf("f", "snapshot", 1, order.Authorized, false), stateOf("e", "update", 10, order.Failed, false),
			stateOf("f", "update", 2, order.Paid, true)))
	p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: always("t")})
	p.want(3, order.Pending)
	p.want(1, order.Authorized)
	p.want(2, order.Paid)
	p.says("end null")
}

func phoneIsForbidden(t *testing.T, classes string) {
	gw := startGateway(t)
	p := startPhone(t, phonePlan{classes: classes, gateway: gw.base, order: "A1", token: tokensOf(gw, "B1")})
	p.says("end HTTP 403: Not your order: The token does not name this order. Ask the shop's backend for one that does.")
	if n := p.tokens.Load(); n != 1 {
		t.Errorf("it asked for %d tokens", n)
	}
}

func phoneIsLost(t *testing.T, classes string) {
	gw := startGateway(t)
	p := startPhone(t, phonePlan{classes: classes, gateway: gw.base + "/pay/", order: "A1", token: tokensOf(gw, "A1")})
	p.says("end HTTP 404: Not found: There is nothing at this address.")
	for _, wordless := range []string{"", `{"title":`} {
		rec := startRecorder(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, wordless)
		})
		p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: always("t")})
		p.says("end HTTP 404")
	}
}

func phoneIsUnauthorized(t *testing.T, classes string) {
	gw := startGateway(t)
	p := startPhone(t, phonePlan{classes: classes, gateway: gw.base, order: "A1", token: always("no.such.token")})
	p.says("end HTTP 401: Token not valid: auth: a part of the token is not base64url without padding (RFC 7515 section 2)")
	if n := p.tokens.Load(); n != 3 {
		t.Errorf("it asked for %d tokens", n)
	}
}

func phoneShowsLater(t *testing.T, classes string) {
	rec := startRecorder(t,
		held(shown("snapshot", 1, order.Created, false)+shown("update", 2, order.Paid, true)),
		answer(polled(2, order.Paid, true)))
	p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: always("t"), leaves: true})
	p.want(1, order.Created)
	p.says("left")
	p.tell("start")
	p.says("started")
	p.want(2, order.Paid)
	p.says("end null")
}

func phoneAsksFirst(t *testing.T, classes string) {
	background := make(chan struct{})
	rec := startRecorder(t,
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, shown("snapshot", 1, order.Created, false))
			http.NewResponseController(w).Flush()
			select {
			case <-background:
				io.WriteString(w, shown("update", 2, order.Pending, false)) // to nobody
			case <-r.Context().Done():
			}
		},
		answer(polled(3, order.Authorized, false)),
		held(shown("snapshot", 4, order.Failed, false)),
		refuse(http.StatusBadGateway),
		held(shown("snapshot", 5, order.Paid, true)))
	p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: always("t")})
	p.want(1, order.Created)
	p.tell("stop")
	p.says("stopped")
	close(background)
	time.Sleep(50 * time.Millisecond) // what came meanwhile would be shown by now
	p.tell("start")
	p.says("started")
	p.want(3, order.Authorized)
	p.want(4, order.Failed)
	p.tell("stop")
	p.tell("stop")
	p.tell("start")
	p.tell("start")
	for _, line := range []string{"stopped", "stopped", "started", "started"} {
		p.says(line)
	}
	p.want(5, order.Paid)
	p.says("end null")
	p.tell("start") // there is nothing more to follow
	p.says("started")
	var paths []string
	for _, v := range rec.seen() {
		paths = append(paths, v.path)
	}
	want := "/v1/sse /v1/orders/A1 /v1/sse /v1/orders/A1 /v1/sse"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("it asked for %s, want %s", got, want)
	}
}
