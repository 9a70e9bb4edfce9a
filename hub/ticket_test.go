package hub

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
	n.ride(ticket, "").want("snapshot", "a", 0) // and was not used up by that
	n.ride(ticket, "").wantClosed(401)

	ticket, _ = n.buy(n.token("a"), "")
	n.ride(ticket, "&ticket=another").wantClosed(401)

	ticket, _ = n.buy(n.token("a"), "")
	a := n.do(n.get("/v1/orders/a?ticket="+ticket, "", nil))
	if a.status != 401 || a.problem != "token-missing" {
		t.Errorf("a poll with a ticket: %d %s", a.status, a.problem)
	}
}

func TestTicketIsGoodOnceHoweverManyTry(t *testing.T) {
	n := start(t, Options{})
	for range 20 {
		ticket, _ := n.buy(n.token("o"), "")
		var good atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				w := n.ride(ticket, "")
				if e := w.next(); e.Type == "snapshot" {
					good.Add(1)
				} else if e.code != 401 {
					t.Errorf("saw %+v", e)
				}
				w.leave()
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

		for range 10 {
			ticket, _ := n.buy(n.token("o"), "")
			n.ride(ticket, "").want("snapshot", "o", 0)
		}
		time.Sleep(2 * ticketLife)
		ticket, _ := n.buy(n.token("o"), "")
		n.ride(ticket, "").want("snapshot", "o", 0)
		if got := len(n.tickets.Tickets.(*usedTickets).ends); got != 1 {
			t.Errorf("%d uses are remembered, of which one can still matter", got)
		}
	})
}

func TestTicketOfOneNodeOpensAnother(t *testing.T) {
	used := &usedTickets{} // as the ledger is
	opts := Options{Tickets: used, TicketSecret: []byte("a secret of the cluster, 32 bytes or so")}
	a, b := start(t, opts), start(t, opts)
	stranger := start(t, Options{Tickets: used})
	ticket, _ := a.buy(a.token("o"), "")
	stranger.ride(ticket, "").wantClosed(401)
	b.ride(ticket, "").want("snapshot", "o", 0)
	a.ride(ticket, "").wantClosed(401)
	b.ride(ticket, "").wantClosed(401)
}

func TestTicketThatIsNotOurs(t *testing.T) {
	n := start(t, Options{})
	ticket, _ := n.buy(n.grant(Grant{TokenID: "jti-1", Subject: "anna", KeyID: "k1", Orders: []string{"secret-order"}}), "")
	raw, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range []string{"anna", "secret-order", "jti-1", "k1"} {
		if bytes.Contains(raw, []byte(told)) {
			t.Errorf("a ticket tells %q to who sees the address", told)
		}
	}
	forged := map[string]string{"empty": "", "short": "AAAA", "no base64": "%%%", "padded": ticket + "=", "long": strings.Repeat("A", 5000)}
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		forged[fmt.Sprint("byte ", i)] = base64.RawURLEncoding.EncodeToString(changed)
	}
	for i := range raw {
		forged[fmt.Sprint("cut to ", i)] = base64.RawURLEncoding.EncodeToString(raw[:i])
	}
	for name, ticket := range forged {
		if _, ok := n.tickets.open(sealedTicket, ticket, time.Now()); ok {
			t.Errorf("%s: opened", name)
		}
	}
	n.ride(forged["byte 30"], "").wantClosed(401)
	n.ride(ticket, "").want("snapshot", "secret-order", 0)
}

// TestTicketsOfATokenAreCounted: who has a token of its own takes none from others.
func TestTicketsOfATokenAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startPipes(t, Options{})
		greedy := n.grant(Grant{TokenID: "greedy", Orders: []string{"o"}})
		for range perToken {
			if _, a := n.buy(greedy, ""); a.status != 201 {
				t.Fatalf("%d %s", a.status, a.problem)
			}
		}
		if _, a := n.buy(greedy, ""); a.status != 429 || a.problem != "too-many-tickets" {
			t.Errorf("one more: %d %s", a.status, a.problem)
		}
		if _, a := n.buy(n.grant(Grant{TokenID: "modest", Orders: []string{"o"}}), ""); a.status != 201 {
			t.Errorf("another's: %d %s", a.status, a.problem)
		}
		time.Sleep(ticketLife)
		if _, a := n.buy(greedy, ""); a.status != 201 {
			t.Errorf("later: %d %s", a.status, a.problem)
		}
		if len(n.tickets.bought) != 1 {
			t.Errorf("%d tokens are counted", len(n.tickets.bought))
		}
	})
}

// deaf is a ledger that cannot commit.
type deaf struct{}

func (deaf) Redeem(ctx context.Context, _ string, _ time.Time) (bool, error) { return false, errDisk }

func TestTicketThatCannotBeUsedUpOpensNothing(t *testing.T) {
	eachForm(t, func(t *testing.T, goroutines bool) {
		n := start(t, Options{Goroutines: goroutines, Tickets: deaf{}})
		ticket, _ := n.buy(n.token("o"), "")
		a := n.do(n.get("/v1/sse?ticket="+ticket, "", nil))
		if a.status != 503 || a.problem != "ledger-unavailable" || a.retry == 0 {
			t.Errorf("%+v", a)
		}
		if n.seats.taken() != 0 {
			t.Error("its seat is still taken")
		}
		openSSE(n, n.token("o"), "o").want("snapshot", "o", 0) // a token needs no commit
	})
}
