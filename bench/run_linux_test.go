package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fake is a server of a few lines: it counts the events of each order, and shows
// the count to the one who waits for it. Its deliver may be replaced by one that
// does it wrong.
type fake struct {
	mu      sync.Mutex
	newest  map[int]int
	waiting map[int]chan string
	deliver func(f *fake, order, n int)
	refuse  func(n int) int // the status of an answer; 0: as usual
}

func rightly(f *fake, order, n int) { f.show(order, order, n) }

// show tells client i of an event of an order.
func (f *fake) show(i, order, n int) {
	if c := f.waiting[i]; c != nil {
		c <- fmt.Sprintf("event: state\ndata: %d %d\n\n", order, n)
	}
}

func (f *fake) wait(w http.ResponseWriter, r *http.Request) {
	order, _ := strconv.Atoi(r.PathValue("order"))
	c := make(chan string, 1000)
	f.mu.Lock()
	f.waiting[order] = c
	first := fmt.Sprintf("event: first\ndata: %d %d\n\n", order, f.newest[order])
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	for text := first; ; {
		io.WriteString(w, text)
		http.NewResponseController(w).Flush()
		select {
		case text = <-c:
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fake) publish(w http.ResponseWriter, r *http.Request) {
	order, _ := strconv.Atoi(r.PathValue("order"))
	n, _ := strconv.Atoi(r.PathValue("n"))
	f.mu.Lock()
	defer f.mu.Unlock()
	if status := f.refuse(n); status != 0 {
		http.Error(w, "no room for "+r.URL.Path, status)
		return
	}
	f.newest[order]++
	f.deliver(f, order, f.newest[order])
	io.WriteString(w, "ok")
}

// A fakeDialect speaks to it.
type fakeDialect struct{}

func (fakeDialect) Wire() Wire { return EventStream }

func (fakeDialect) Subscribe(b []byte, i int) []byte {
	return fmt.Appendf(b, "GET /%d HTTP/1.1\r\nHost: fake\r\n\r\n", i)
}

func (fakeDialect) Publish(b []byte, i int, n uint32) []byte {
	return fmt.Appendf(b, "POST /%d/%d HTTP/1.1\r\nHost: fake\r\nContent-Length: 0\r\n\r\n", i, n)
}

func (fakeDialect) Hear(_ int, message, say []byte) (Heard, []byte) {
	h := Heard{What: State}
	if string(EventField(message, "event")) == "first" {
		h.What = Up
	}
	if _, err := fmt.Sscan(string(EventField(message, "data")), &h.Order, &h.Number); err != nil {
		return Heard{}, say
	}
	return h, say
}

// start is Subject.Start of the fake.
func (f *fake) start(context.Context, Setup) (*Server, error) {
	f.newest, f.waiting = map[int]int{}, map[int]chan string{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{order}", f.wait)
	mux.HandleFunc("POST /{order}/{n}", f.publish)
	server := httptest.NewServer(mux)
	return &Server{
		Address: strings.TrimPrefix(server.URL, "http://"), Dialects: []Dialect{fakeDialect{}},
		Stop: func() { server.CloseClientConnections(); server.Close() },
	}, nil
}

// measure runs a scenario on a fake.
func measure(t *testing.T, f *fake, scenario string) *Report {
	t.Helper()
	if f.deliver == nil {
		f.deliver = rightly
	}
	if f.refuse == nil {
		f.refuse = func(int) int { return 0 }
	}
	report, err := Run(t.Context(), Subject{Name: "fake", Start: f.start}, Options{
		Clients: 30, Rates: []int{200}, Duration: 300 * time.Millisecond, Only: []string{scenario}, patience: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func value(t *testing.T, r *Report, key string) float64 {
	t.Helper()
	f, ok := r.Figure(key)
	if !ok {
		t.Fatalf("%s was not measured", key)
	}
	return f.Value
}

func TestAServerThatDoesRightHasNoFailures(t *testing.T) {
	for _, scenario := range []string{"idle", "latency", "saturation", "burst"} {
		t.Run(scenario, func(t *testing.T) {
			report := measure(t, &fake{}, scenario)
			if len(report.Failures) > 0 {
				t.Errorf("failures: %q", report.Failures)
			}
			if len(report.Figures) < 5 {
				t.Errorf("figures: %v", report.Figures)
			}
		})
	}
}

func TestWhatIsSentIsWhatIsShown(t *testing.T) {
	report := measure(t, &fake{}, "latency")
	if sent, shown := value(t, report, "latency.200.sent"), value(t, report, "latency.200.shown"); sent != 60 || shown != sent {
		t.Errorf("%v events were sent, and %v shown; want 60", sent, shown)
	}
	if p50, most := value(t, report, "latency.200.p50"), value(t, report, "latency.200.max"); p50 <= 0 || p50 > most {
		t.Errorf("p50 is %v s, and the longest %v s", p50, most)
	}
}

func TestTheRefereeSeesWhatGoesWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		fake  *fake
		key   string
		words string
	}{
		{"an order that is not shown", &fake{deliver: func(f *fake, order, n int) {
			if order != 4 { // a single event that is not shown, a newer state makes up for
				f.show(order, order, n)
			}
		}}, "lost", ""},
		{"a version shown twice", &fake{deliver: func(f *fake, order, n int) {
			f.show(order, order, n)
			f.show(order, order, n)
		}}, "repeated", ""},
		{"an older version after a newer one", &fake{deliver: func(f *fake, order, n int) {
			f.show(order, order, n)
			if n > 1 {
				f.show(order, order, n-1)
			}
		}}, "repeated", ""},
		{"another's order", &fake{deliver: func(f *fake, order, n int) {
			f.show(order, order, n)
			f.show((order+1)%20, order, n)
		}}, "misrouted", ""},
		{"a state that no event made", &fake{deliver: func(f *fake, order, n int) {
			f.show(order, order, n)
			f.show(order, order, n+100)
		}}, "unknown", ""},
		{"a webhook refused", &fake{refuse: func(n int) int {
			if n == 2 {
				return http.StatusForbidden
			}
			return 0
		}}, "refused", "403: no room for /"},
		{"a webhook never taken", &fake{refuse: func(n int) int {
			if n == 2 {
				return http.StatusServiceUnavailable
			}
			return 0
		}}, "unanswered", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report := measure(t, c.fake, "latency")
			if value(t, report, "latency."+c.key) == 0 {
				t.Errorf("%s was not counted; failures: %q", c.key, report.Failures)
			}
			all := strings.Join(report.Failures, "\n")
			if !strings.Contains(all, "latency: "+c.key+" ") || !strings.Contains(all, c.words) {
				t.Errorf("failures: %q", report.Failures)
			}
		})
	}
}

// TestAStallIsChargedForAllThatWaited has a server that stops for a while: every
// event that was due meanwhile must count from when it was due.
func TestAStallIsChargedForAllThatWaited(t *testing.T) {
	const stall = 250 * time.Millisecond
	stalled := false
	report := measure(t, &fake{deliver: func(f *fake, order, n int) {
		if n == 4 && !stalled { // the first three are to warm up
			stalled = true
			time.Sleep(stall) // with the lock: nobody else gets on
		}
		f.show(order, order, n)
	}}, "latency")
	if most := value(t, report, "latency.200.max"); most < stall.Seconds() {
		t.Errorf("the longest took %v s, and one stood still for %v", most, stall)
	}
	// Due were 200 a second. A sender that waits for its answers would have had
	// none on the way but one, and the median would not have moved.
	if p50 := value(t, report, "latency.200.p50"); p50 < .01 {
		t.Errorf("the median is %v s, though most events were due in a stall", p50)
	}
}

func TestAClientThatComesBackMustGetWhatWasTaken(t *testing.T) {
	b := newBook(2)
	n := b.publish(0, 1)
	b.ack(0, n)
	b.up(0, 0, b.accounts[0].acked)
	if b.stale != 1 || b.lost() != 1 {
		t.Errorf("stale %d, lost %d; want 1 and 1", b.stale, b.lost())
	}
	b.up(0, n, b.accounts[0].acked)
	if b.stale != 1 || b.lost() != 0 || b.caughtUp != 1 || len(b.latencies) != 0 {
		t.Errorf("after the right state: stale %d, lost %d, caught up %d, %d latencies", b.stale, b.lost(), b.caughtUp, len(b.latencies))
	}
}

func TestANewerStateMakesUpForOlderOnesAndAMessageDoesNot(t *testing.T) {
	for what, lost := range map[What]int{State: 0, Message: 2} {
		b := newBook(1)
		for range 3 {
			b.ack(0, b.publish(0, 10))
		}
		b.hear(0, Heard{What: what, Number: 3}, 30)
		if b.lost() != lost {
			t.Errorf("%d: lost %d, want %d", what, b.lost(), lost)
		}
		if sum := b.delivered + b.open(); sum != 3 {
			t.Errorf("%d: %d delivered and %d open of 3", what, b.delivered, b.open())
		}
	}
}

func TestMoreClientsThanFilesAreRefused(t *testing.T) {
	most, err := room(10)
	if err != nil {
		t.Fatal(err)
	}
	if most >= 900_000 {
		t.Skip("this machine has room for all")
	}
	_, err = Run(t.Context(), Subject{}, Options{Clients: 1_000_000})
	if err == nil || !strings.Contains(err.Error(), "ulimit -Hn") {
		t.Errorf("a million clients: %v", err)
	}
}

func TestCtrlCEndsARun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{deliver: func(f *fake, order, n int) { cancel() }, refuse: func(int) int { return 0 }}
	_, err := Run(ctx, Subject{Name: "fake", Start: f.start}, Options{Clients: 10, Duration: 10 * time.Second, Only: []string{"latency"}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
}
