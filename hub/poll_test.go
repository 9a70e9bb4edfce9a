package hub

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

func TestPollTags(t *testing.T) {
	n := start(t, Options{})
	n.commit("o", order.Pending)
	n.commit("o", order.Pending)
	token := n.token("o")
	for tag, status := range map[string]int{
		"":                   200,
		`"e1.2"`:             304,
		`W/"e1.2"`:           304,
		`"x", "e1.2" ,W/"y"`: 304,
		"*":                  304,
		`"e1.1"`:             200,
		`"e1.3"`:             200,
		`"e2.2"`:             200,
		`e1.2`:               200, // unquoted
		`""e1.2""`:           200,
		`"e1.2`:              200,
		`""`:                 200,
		`w/"e1.2"`:           200, // RFC 9110, section 8.8.3: case-sensitive
		`"E1.2"`:             200,
		"\"\xff\"":           200,
		`,,, ,`:              200,
		`"e1.2" "e1.2"`:      200,
	} {
		a := n.poll(t.Context(), token, "o", "", tag)
		if a.status != status || a.tag != `"e1.2"` {
			t.Errorf("If-None-Match %s: %d with ETag %s, want %d", tag, a.status, a.tag, status)
		}
		if a.retry < 2 || a.retry > 4 {
			t.Errorf("Retry-After %d", a.retry)
		}
	}
	r := n.get("/v1/orders/o", token, http.Header{"If-None-Match": {`"x"`, `"e1.2"`}})
	if a := n.do(r); a.status != 304 {
		t.Errorf("two header lines: %d", a.status)
	}
	n.commit("o", order.Paid)
	if a := n.poll(t.Context(), token, "o", "", ""); a.retry != 30 || !a.state.Final {
		t.Errorf("final, and come again in %d", a.retry)
	}
}

func TestPollRequestsAreRefused(t *testing.T) {
	n := start(t, Options{})
	token := n.token("o")
	for _, wait := range []string{"-1", "1.5", "1e3", "x", "%00", "99999999999", "25s"} {
		if a := n.poll(t.Context(), token, "o", wait, ""); a.status != 400 || a.problem != "bad-request" {
			t.Errorf("wait=%s: %d %s", wait, a.status, a.problem)
		}
	}
	if a := n.poll(t.Context(), "", "o", "", ""); a.status != 401 || a.problem != "token-missing" {
		t.Errorf("%d %s", a.status, a.problem)
	}
	if a := n.poll(t.Context(), token, "p", "", ""); a.status != 403 || a.problem != "not-your-order" {
		t.Errorf("%d %s", a.status, a.problem)
	}
}

func TestHeldPoll(t *testing.T) {
	for name, test := range map[string]struct {
		tag, wait string
		meanwhile func(n *node)
		status    int
		version   int64
		after     time.Duration
	}{
		"nothing new":       {`"e1.1"`, "25", func(*node) {}, 304, 0, 25 * time.Second},
		"at most a minute":  {`"e1.1"`, "3600", func(*node) {}, 304, 0, time.Minute},
		"news":              {`"e1.1"`, "25", func(n *node) { n.commit("o", order.Paid) }, 200, 2, 10 * time.Second},
		"of another":        {`"e1.1"`, "25", func(n *node) { n.commit("p", order.Paid) }, 304, 0, 25 * time.Second},
		"any":               {"*", "25", func(n *node) { n.commit("o", order.Paid) }, 304, 0, 25 * time.Second},
		"news already":      {`"e1.0"`, "25", nil, 200, 1, 0},
		"another epoch":     {`"e0.1"`, "25", nil, 200, 1, 0},
		"no tag":            {"", "25", nil, 200, 1, 0},
		"no tag of ours":    {"e1.1", "25", nil, 200, 1, 0},
		"no wait":           {`"e1.1"`, "0", nil, 304, 0, 0},
		"one of several":    {`"e1.0", "e1.1"`, "25", func(n *node) { n.commit("o", order.Paid) }, 200, 2, 10 * time.Second},
		"stale repetitions": {`"e1.1"`, "25", func(n *node) { n.Dispatch([]order.Change{{State: n.book.states["o"]}}) }, 304, 0, 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := startPipes(t, Options{})
				n.commit("o", order.Pending)
				began := time.Now()
				if test.meanwhile != nil {
					time.AfterFunc(10*time.Second, func() { test.meanwhile(n) })
				}
				a := n.poll(context.Background(), n.token("o"), "o", test.wait, test.tag)
				if a.status != test.status || a.state.Version != test.version || time.Since(began) != test.after {
					t.Errorf("%d version %d after %v, want %d version %d after %v",
						a.status, a.state.Version, time.Since(began), test.status, test.version, test.after)
				}
				n.eventually("the poll is forgotten", func() bool { return n.Clients() == 0 })
			})
		})
	}
}

func TestTokenThatEndsWhileAPollIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		token := n.grant(Grant{Orders: []string{"o"}, Expires: time.Now().Add(40 * time.Second)})
		began := time.Now()
		a := n.poll(context.Background(), token, "o", "60", `"e1.0"`)
		if took := time.Since(began); a.status != 304 || took < 40*time.Second || took > 41*time.Second {
			t.Errorf("%d after %v", a.status, took)
		}
		if a := n.poll(context.Background(), token, "o", "60", `"e1.0"`); a.status != 401 || a.problem != "token-expired" {
			t.Errorf("then %d %s", a.status, a.problem)
		}
	})
}

func TestClientThatLeavesAHeldPoll(t *testing.T) {
	n := start(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan answer)
	go func() { ended <- n.poll(ctx, n.token("o"), "o", "60", `"e1.0"`) }()
	n.eventually("the poll is held", func() bool { return n.Clients() == 1 })
	cancel()
	<-ended
	n.wantEmpty()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed["poll gone"] != 1 || len(n.told) != 0 {
		t.Errorf("closed %v, told %v", n.closed, n.told)
	}
}

// A client that leaves while the ledger is read is nothing to warn of.
func TestClientThatLeavesDuringTheRead(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		for _, path := range []string{"/v1/orders/o", "/v1/sse"} {
			n := start(t, Options{Goroutines: goroutines})
			reading, left := make(chan struct{}), make(chan struct{})
			n.book.before = func() {
				close(reading)
				<-left
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan answer)
			go func() { ended <- n.do(n.get(path, n.token("o"), nil).WithContext(ctx)) }()
			<-reading
			cancel()
			<-ended
			n.wantEmpty() // before the read has ended
			close(left)
			if n.logged() != "" {
				t.Errorf("%s logged %s", path, n.logged())
			}
		}
	})
}

func TestCutPollBeforeTheRead(t *testing.T) {
	n := start(t, Options{})
	reading, cut := make(chan struct{}), make(chan struct{})
	n.book.before = func() {
		close(reading)
		<-cut
	}
	ended := make(chan answer)
	go func() { ended <- n.poll(context.Background(), n.token("o"), "o", "60", `"e1.0"`) }()
	<-reading
	n.Disconnect("o")
	close(cut)
	if a := <-ended; a.status != 503 || a.retry != 1 {
		t.Errorf("%+v", a)
	}
}
