package hub

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/order"
)

// buy asks for a ticket.
func (n *node) buy(token, body string) (ticket string, a answer) {
	n.t.Helper()
	r := n.get("/v1/tickets", token, nil)
	r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader(body))
	resp, err := n.client.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Ticket, Order, Type string
		ExpiresIn           int `json:"expires_in"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		n.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusCreated && (got.ExpiresIn != 30 || len(got.Ticket) < 26 || resp.Header.Get("Cache-Control") != "no-store") {
		n.t.Errorf("sold %+v", got)
	}
	a = answer{status: resp.StatusCode, problem: strings.TrimPrefix(got.Type, "urn:paybell:problem:")}
	a.state.Order = got.Order
	return got.Ticket, a
}

// ride opens a stream with a ticket and no token.
func (n *node) ride(ticket, more string) *watch {
	return streamSSE(n, n.get("/v1/sse?ticket="+url.QueryEscape(ticket)+more, "", nil))
}

func TestTicketOpensOneStream(t *testing.T) {
	n := start(t, Options{})
	n.commit("a", order.Paid)
	ticket, a := n.buy(n.token("a", "b"), `{"order":"a"}`)
	if a.status != 201 || a.state.Order != "a" {
		t.Fatalf("%+v", a)
	}
	n.ride(ticket, "").want("snapshot", "a", 1)
	n.ride(ticket, "").wantClosed(401)
}

func TestTicketRequests(t *testing.T) {
	n := start(t, Options{})
	one, two := n.token("a"), n.token("a", "b")
	for name, test := range map[string]struct {
		token, body string
		status      int
		problem     string
	}{
		"of one":          {one, "", 201, ""},
		"of one, named":   {one, `{"order":"a"}`, 201, ""},
		"nothing asked":   {one, `{}`, 201, ""},
		"null":            {one, `{"order":null}`, 201, ""},
		"which of two":    {two, "", 400, "order-missing"},
		"not yours":       {one, `{"order":"b"}`, 403, "not-your-order"},
		"empty order":     {one, `{"order":""}`, 400, "bad-request"},
		"number":          {one, `{"order":7}`, 400, "bad-request"},
		"list":            {one, `["a"]`, 400, "bad-request"},
		"no JSON":         {one, `order=a`, 400, "bad-request"},
		"name twice":      {one, `{"order":"a","order":"b"}`, 400, "bad-request"},
		"too long":        {one, `{"order":"` + strings.Repeat("a", 2000) + `"}`, 400, "bad-request"},
		"no token":        {"", "", 401, "token-missing"},
		"forged":          {tokenMark, "", 401, "token-invalid"},
		"token of nobody": {n.token(), "", 403, "not-your-order"},
	} {
		if _, a := n.buy(test.token, test.body); a.status != test.status || a.problem != test.problem {
			t.Errorf("%s: %d %s, want %d %s", name, a.status, a.problem, test.status, test.problem)
		}
	}
}

func TestTicketIsBoundToItsOrder(t *testing.T) {
	n := start(t, Options{})
	ticket, _ := n.buy(n.token("a", "b"), `{"order":"a"}`)
	n.ride(ticket, "&order=b").wantClosed(403)
	n.ride(ticket, "").wantClosed(401) // and is used up

	ticket, _ = n.buy(n.token("a"), "")
	n.ride(ticket, "&ticket=another").wantClosed(401)

	ticket, _ = n.buy(n.token("a"), "")
	a := n.do(n.get("/v1/orders/a?ticket="+ticket, "", nil))
	if a.status != 401 || a.problem != "token-missing" {
		t.Errorf("a poll with a ticket: %d %s", a.status, a.problem)
	}
}

func TestTicketIsGoodOnceHoweverManyTry(t *testing.T) {
	n := newNode(t, Options{})
	for range 200 {
		key := n.tickets.issue(Grant{Orders: []string{"o"}}, time.Now())
		var good atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, ok := n.tickets.redeem(key, time.Now()); ok {
					good.Add(1)
				}
			})
		}
		if all.Wait(); good.Load() != 1 {
			t.Fatalf("redeemed %d times", good.Load())
		}
	}
}

func TestTicketsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		fresh, _ := n.buy(n.token("o"), "")
		stale, _ := n.buy(n.token("o"), "")
		brief, _ := n.buy(n.grant(Grant{Orders: []string{"o"}, Expires: time.Now().Add(10 * time.Second)}), "")
		short, _ := n.buy(n.grant(Grant{Orders: []string{"o"}, Expires: time.Now().Add(35 * time.Second)}), "")

		time.Sleep(29 * time.Second)
		n.ride(brief, "").wantClosed(401) // its token has ended
		n.ride(fresh, "").want("snapshot", "o", 0)
		w := n.ride(short, "")
		w.want("snapshot", "o", 0)
		time.Sleep(time.Second)
		n.ride(stale, "").wantClosed(401)
		for e := w.next(); e.Type != "closed"; e = w.next() { // with the token that bought the ticket
		}

		forgotten := 10
		for range forgotten {
			n.buy(n.token("o"), "")
		}
		time.Sleep(2 * ticketLife)
		n.buy(n.token("o"), "")
		if got := len(n.tickets.waiting); got != 1 {
			t.Errorf("%d tickets wait, of which %d are over", got, forgotten)
		}
	})
}

func TestTooManyTickets(t *testing.T) {
	n := start(t, Options{})
	n.buy(n.token("o"), "")
	for i := range maxTickets - 1 {
		n.tickets.waiting[strconv.Itoa(i)] = ticket{expires: time.Now().Add(ticketLife)}
	}
	if _, a := n.buy(n.token("o"), ""); a.status != 503 || a.problem != "busy" {
		t.Errorf("%d %s", a.status, a.problem)
	}
}

func TestOneTokenCannotTakeAllTickets(t *testing.T) {
	var box tickets
	now := time.Now()
	greedy := Grant{TokenID: "greedy"}
	first := box.issue(greedy, now)
	var last string
	for range 1000 {
		if last = box.issue(greedy, now); last == "" {
			t.Fatal("no ticket")
		}
	}
	if n := len(box.waiting); n != perToken {
		t.Errorf("%d tickets of one token wait, want %d", n, perToken)
	}
	if _, ok := box.redeem(first, now); ok {
		t.Error("the oldest ticket outlived a thousand newer ones")
	}
	if _, ok := box.redeem(last, now); !ok {
		t.Error("the newest ticket is not good")
	}
	box.issue(Grant{TokenID: "later"}, now.Add(2*ticketLife))
	if len(box.waiting) != 1 || len(box.issued) != 1 {
		t.Errorf("%d tickets and %d tokens are remembered after their time", len(box.waiting), len(box.issued))
	}
}
