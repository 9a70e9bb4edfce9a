package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func addressOf(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(text)
}

func TestEveryLimitRefusesTheNextAndNobodyElse(t *testing.T) {
	type client struct{ token, address string }
	for name, test := range map[string]struct {
		limits Limits
		in     []client
		out    client
		want   *refusal // of the client that comes last; nil: it gets in
	}{
		"all":              {Limits{Connections: 2}, []client{{"a", "192.0.2.1"}, {"b", "192.0.2.2"}}, client{"c", "192.0.2.3"}, &tooMany},
		"no limit of all":  {Limits{Connections: -1}, []client{{"a", "192.0.2.1"}, {"b", "192.0.2.2"}}, client{"c", "192.0.2.3"}, nil},
		"token":            {Limits{PerToken: 2}, []client{{"a", "192.0.2.1"}, {"a", "192.0.2.2"}}, client{"a", "192.0.2.3"}, &tooManyOfToken},
		"other token":      {Limits{PerToken: 2}, []client{{"a", "192.0.2.1"}, {"a", "192.0.2.1"}}, client{"b", "192.0.2.1"}, nil},
		"no token yet":     {Limits{PerToken: 1}, []client{{"", "192.0.2.1"}, {"", "192.0.2.1"}}, client{"", "192.0.2.1"}, nil},
		"many without":     {Limits{Connections: 8}, []client{{"", "192.0.2.1"}, {"", "192.0.2.1"}}, client{"", "192.0.2.2"}, &tooMany},
		"one with among":   {Limits{Connections: 8}, []client{{"", "192.0.2.1"}, {"", "192.0.2.1"}}, client{"a", "192.0.2.2"}, nil},
		"without, no end":  {Limits{Connections: -1}, []client{{"", "192.0.2.1"}, {"", "192.0.2.1"}}, client{"", "192.0.2.2"}, nil},
		"no token limit":   {Limits{PerToken: -1}, []client{{"a", "192.0.2.1"}, {"a", "192.0.2.1"}}, client{"a", "192.0.2.1"}, nil},
		"address":          {Limits{PerAddress: 2}, []client{{"a", "192.0.2.1"}, {"b", "192.0.2.1"}}, client{"c", "192.0.2.1"}, &tooManyOfAddress},
		"mapped address":   {Limits{PerAddress: 1}, []client{{"a", "192.0.2.1"}}, client{"c", "::ffff:192.0.2.1"}, &tooManyOfAddress},
		"other address":    {Limits{PerAddress: 1}, []client{{"a", "192.0.2.1"}}, client{"c", "192.0.2.2"}, nil},
		"same /64":         {Limits{PerAddress: 1}, []client{{"a", "2001:db8:1:2::1"}}, client{"c", "2001:db8:1:2:ffff::9"}, &tooManyOfAddress},
		"other /64":        {Limits{PerAddress: 1}, []client{{"a", "2001:db8:1:2::1"}}, client{"c", "2001:db8:1:3::1"}, nil},
		"no address limit": {Limits{PerAddress: -1}, []client{{"a", "192.0.2.1"}}, client{"c", "192.0.2.1"}, nil},
		"unknown address":  {Limits{PerAddress: 1}, []client{{"a", ""}}, client{"c", ""}, nil},
		"loopback":         {Limits{PerAddress: 1}, []client{{"a", "127.0.0.1"}, {"a", "::1"}}, client{"c", "127.0.0.1"}, nil},
		"loopback counted": {Limits{PerAddress: 1, Loopback: true}, []client{{"a", "127.0.0.1"}}, client{"c", "127.0.0.1"}, &tooManyOfAddress},
		"default of all":   {Limits{PerToken: -1, PerAddress: -1}, slices.Repeat([]client{{"b", ""}}, 10_000), client{"a", "192.0.2.1"}, &tooMany},
		"all tokens alike": {Limits{PerToken: -1}, slices.Repeat([]client{{"a", ""}}, 2500), client{"a", "192.0.2.1"}, nil},
		"default of token": {Limits{}, slices.Repeat([]client{{"a", ""}}, 20), client{"a", "192.0.2.1"}, &tooManyOfToken},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSeats(test.limits.withDefaults())
			for _, c := range test.in {
				if _, why := s.take(c.token, addressOf(c.address)); why != nil {
					t.Fatalf("%v was refused: %s", c, why.name())
				}
			}
			before := fmt.Sprint(s.all, s.unnamed, s.tokens, s.addresses)
			one, why := s.take(test.out.token, addressOf(test.out.address))
			if why != test.want {
				t.Errorf("the last client was answered %v, want %v", why, test.want)
			}
			if after := fmt.Sprint(s.all, s.unnamed, s.tokens, s.addresses); why != nil && (after != before || one != seat{}) {
				t.Errorf("a refused client is counted: %s", after)
			}
		})
	}
}

func TestSeatThatIsLeftIsFree(t *testing.T) {
	s := newSeats(Limits{Connections: 1}.withDefaults())
	for range 3 {
		one, why := s.take("a", addressOf("192.0.2.1"))
		if why != nil {
			t.Fatal(why.name())
		}
		if _, why := s.take("b", addressOf("192.0.2.2")); why != &tooMany {
			t.Fatal("a second client got the only seat")
		}
		s.leave(one)
	}
}

// TestTokenThatComesLaterCounts is for WebSockets that bring it in their first
// message, and for its renewals, which are counted under the first.
func TestTokenThatComesLaterCounts(t *testing.T) {
	s := newSeats(Limits{PerToken: 1}.withDefaults())
	first, _ := s.take("", netip.Addr{})
	second, _ := s.take("", netip.Addr{})
	first, why := s.name(first, "a")
	if why != nil {
		t.Fatal(why.name())
	}
	if second, why = s.name(second, "a"); why != &tooManyOfToken {
		t.Fatalf("a second connection came with the token: %v", why)
	}
	s.leave(second)
	if first, why = s.name(first, "renewed"); why != nil {
		t.Fatal(why.name())
	}
	if _, why = s.take("a", netip.Addr{}); why != &tooManyOfToken {
		t.Error("the renewal freed the place of the first token")
	}
	if _, why = s.take("renewed", netip.Addr{}); why != nil {
		t.Error("the renewal took a second place")
	}
	s.leave(first)
	if _, why = s.take("a", netip.Addr{}); why != nil {
		t.Error("the place of a token was not freed")
	}
}

func TestNothingIsLeftOfACrowd(t *testing.T) {
	s := newSeats(Limits{Connections: 500, PerToken: 5, PerAddress: 50}.withDefaults())
	var refused atomic.Int64
	var crowd sync.WaitGroup
	for range 16 {
		crowd.Go(func() {
			var mine []seat
			for range 3000 {
				if len(mine) > 0 && rand.IntN(2) == 0 {
					s.leave(mine[0])
					mine = mine[1:]
					continue
				}
				token := strconv.Itoa(rand.IntN(5))
				address := netip.AddrFrom4([4]byte{192, 0, 2, byte(rand.IntN(10))})
				one, why := s.take("", address)
				if why == nil {
					mine = append(mine, one)
					mine[len(mine)-1], why = s.name(one, token)
				}
				if why != nil {
					refused.Add(1)
				}
			}
			for _, one := range mine {
				s.leave(one)
			}
		})
	}
	crowd.Wait()
	if s.taken() != 0 || s.unnamed != 0 || len(s.tokens) != 0 || len(s.addresses) != 0 {
		t.Errorf("left over: %d in all, %d without a token, %v, %v", s.all, s.unnamed, s.tokens, s.addresses)
	}
	if refused.Load() == 0 {
		t.Error("nobody was refused: the crowd was too small to test anything")
	}
}

// TestCountingIsCheap holds the budget of 40 bytes for a customer who waits, with
// a token and an address of their own.
func TestCountingIsCheap(t *testing.T) {
	const clients = 50_000
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what had finalizers goes with the second
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	taken := make([]seat, clients)
	before := heap()
	s := newSeats(Limits{Connections: clients}.withDefaults())
	for i := range taken {
		var why *refusal
		if taken[i], why = s.take(strconv.Itoa(i), netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})); why != nil {
			t.Fatal(why.name())
		}
	}
	each := float64(heap()-before)/clients + 8 // the seat itself
	t.Logf("%.1f bytes a client", each)
	if each > 40 {
		t.Errorf("a client is counted in %.1f bytes", each)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(taken)
}

func TestGateLetsABurstInAndThenARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Limits{Rate: 10, Queue: 100}.withDefaults())
		began := time.Now()
		for i := range 10 {
			if g.enter(t.Context()) != nil || time.Since(began) != 0 {
				t.Fatalf("number %d of the burst came in after %v", i, time.Since(began))
			}
		}
		for i := range 5 {
			if g.enter(t.Context()) != nil {
				t.Fatal("refused")
			}
			if want := time.Duration(i+1) * time.Second / 10; time.Since(began).Round(time.Millisecond) != want {
				t.Errorf("number %d after the burst came in after %v, want %v", i, time.Since(began), want)
			}
		}
	})
}

func TestGateRefusesAtOnceWhomItCannotServe(t *testing.T) {
	for name, test := range map[string]struct {
		limits Limits
		in     int // of 100 newcomers at one moment
	}{
		"line is full":         {Limits{Rate: 50, Queue: 8}, 58},
		"turn comes too late":  {Limits{Rate: 20, Queue: 1000}, 40},
		"line without an end":  {Limits{Rate: 20, Queue: -1}, 40},
		"no limit":             {Limits{Rate: -1}, 100},
		"more than enough":     {Limits{}, 100},
		"nobody waits in line": {Limits{Rate: 30, Queue: 1}, 31},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(test.limits.withDefaults())
				began := time.Now()
				var in, out atomic.Int64
				var crowd sync.WaitGroup
				for range 100 {
					crowd.Go(func() {
						switch why := g.enter(t.Context()); {
						case why == nil:
							in.Add(1)
						case why != &tooFast || time.Since(began) != 0:
							t.Errorf("refused %v after %v", why, time.Since(began))
						default:
							out.Add(1)
						}
					})
				}
				crowd.Wait()
				if in.Load() != int64(test.in) || in.Load()+out.Load() != 100 {
					t.Errorf("%d came in and %d did not, want %d in", in.Load(), out.Load(), test.in)
				}
				if took := time.Since(began); took > maxTurn {
					t.Errorf("the last waited for %v", took)
				}
				if g.waiting.Load() != 0 {
					t.Errorf("%d still stand in line", g.waiting.Load())
				}
			})
		})
	}
}

func TestNewcomerWhoGoesGivesUpTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Limits{Rate: 2, Queue: 10}.withDefaults())
		g.enter(t.Context())
		g.enter(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan *refusal)
		go func() { left <- g.enter(ctx) }()
		synctest.Wait()
		cancel()
		if <-left != &tooFast {
			t.Error("who went came in")
		}
		began := time.Now()
		if g.enter(t.Context()) != nil || time.Since(began) > 500*time.Millisecond {
			t.Errorf("the next waited for %v, behind one who had gone", time.Since(began))
		}
	})
}

func TestRefusalsSayWhenToComeBack(t *testing.T) {
	for _, why := range []*refusal{&tooMany, &tooManyOfToken, &tooManyOfAddress, &tooFast, &tooManyOrders} {
		waits := map[string]bool{}
		for range 200 {
			recorder := httptest.NewRecorder()
			why.Write(recorder)
			answer := recorder.Result()
			seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
			least, most := why.RetryAfter.Seconds(), (why.RetryAfter + why.spread).Seconds()
			if err != nil || float64(seconds) < least || float64(seconds) > most {
				t.Fatalf("%s: Retry-After %q", why.Name, answer.Header.Get("Retry-After"))
			}
			waits[answer.Header.Get("Retry-After")] = true
			var body struct{ Type string }
			if json.NewDecoder(answer.Body).Decode(&body); answer.StatusCode != http.StatusTooManyRequests || body.Type != "urn:paybell:problem:"+why.Name {
				t.Fatalf("answered %d %s", answer.StatusCode, body.Type)
			}
			c := why.cause()
			if c.code != 4429 || c.retry < why.RetryAfter || c.retry > why.RetryAfter+why.spread || c.name != why.name() {
				t.Fatalf("closed with %+v", c)
			}
			if len(c.reason) == 0 || len(c.reason) > 123 { // RFC 6455, section 5.5
				t.Fatalf("the reason %q has %d bytes", c.reason, len(c.reason))
			}
		}
		if len(waits) < 3 {
			t.Errorf("%s: everybody comes back at the same time", why.Name)
		}
	}
	if why := (Limits{}.withDefaults()).allowOrders(100); why != nil {
		t.Errorf("100 orders: %s", why.name())
	}
	if why := (Limits{Orders: 2}).allowOrders(3); why != &tooManyOrders {
		t.Errorf("3 orders of 2: %v", why)
	}
	if why := (Limits{Orders: -1}).allowOrders(1000); why != nil {
		t.Errorf("1000 orders without a limit: %s", why.name())
	}
}

// A refusalLog observes refusals, and nothing else.
type refusalLog struct {
	unobserved
	reasons []string
}

func (l *refusalLog) Refused(reason string) { l.reasons = append(l.reasons, reason) }

func TestRefusalsAreObserved(t *testing.T) {
	log := &refusalLog{}
	authorize := func(string) (Grant, error) { return Grant{}, errors.New("nobody") }
	New(nil, authorize, Options{Observer: log}).refused(&tooManyOfToken)
	New(nil, authorize, Options{}).refused(&tooMany) // one that does not look
	if len(log.reasons) != 1 || log.reasons[0] != "too_many_connections_of_token" {
		t.Errorf("observed %v", log.reasons)
	}
}

// A tellTale is a connection that remembers what it was told.
type tellTale struct{ told []string }

func (c *tellTale) Seated()   { c.told = append(c.told, "seated") }
func (c *tellTale) Unseated() { c.told = append(c.told, "unseated") }

func TestRequestKnowsItsConnection(t *testing.T) {
	c := &tellTale{}
	r := httptest.NewRequest("GET", "/", nil)
	connectionOf(r).Seated() // of a listener that does not count
	r = r.WithContext(WithConnection(r.Context(), c))
	connectionOf(r).Seated()
	connectionOf(r).Unseated()
	if fmt.Sprint(c.told) != "[seated unseated]" {
		t.Errorf("told %v", c.told)
	}
}

func BenchmarkSeats(b *testing.B) {
	s := newSeats(Limits{Connections: -1}.withDefaults())
	address := addressOf("192.0.2.1")
	b.RunParallel(func(pb *testing.PB) {
		token := strconv.Itoa(rand.Int())
		for pb.Next() {
			if one, why := s.take(token, address); why == nil {
				s.leave(one)
			}
		}
	})
}

func TestNodesShareLimits(t *testing.T) {
	for _, c := range []struct{ limit, nodes, want int }{
		{20, 1, 20}, {20, 2, 10}, {20, 3, 7}, {20, 100, 5}, {1000, 3, 334}, {3, 4, 3}, {-1, 4, -1},
	} {
		h := newNode(t, Options{Limits: Limits{PerToken: c.limit, PerAddress: -1}})
		h.Share(c.nodes)
		taken := 0
		for range 2000 {
			one, why := h.seats.take("token", netip.Addr{})
			if why != nil {
				if why != &tooManyOfToken {
					t.Fatal(why.Name)
				}
				break
			}
			defer h.seats.leave(one)
			taken++
		}
		if c.want < 0 {
			c.want = 2000
		}
		if taken != c.want {
			t.Errorf("of %d, one of %d nodes gives %d, want %d", c.limit, c.nodes, taken, c.want)
		}
		h.Share(1) // the others have gone
		if _, why := h.seats.take("token", netip.Addr{}); (why == nil) != (taken < c.limit || c.limit < 0) {
			t.Errorf("alone again, with %d of %d taken: %v", taken, c.limit, why)
		}
	}
}

func TestNodesShareTheLimitOfAnAddress(t *testing.T) {
	h := newNode(t, Options{Limits: Limits{PerAddress: 20}})
	h.Share(2)
	address := netip.MustParseAddr("192.0.2.7")
	for i := range 11 {
		if _, why := h.seats.take(fmt.Sprint(i), address); (why == &tooManyOfAddress) != (i == 10) {
			t.Errorf("number %d: %v", i, why)
		}
	}
}
