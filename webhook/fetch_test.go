package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
	"github.com/paybell/paybell/webhook"
)

// A thin provider says in its webhooks only of which payment there is news.
type thin struct {
	mu    sync.Mutex
	asked []string
	pings int
	fetch func(ref string) ([]order.Event, error)
}

func (p *thin) Open(r webhook.Request) ([]order.Event, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pings++
	ref := string(r.Body)
	return []order.Event{{
		ID: fmt.Sprintf("ping_%d", p.pings), Payment: ref, Ref: ref, Kind: order.KindNote, Status: order.ToFetch, At: r.At,
	}}, nil
}

func (p *thin) Fetch(_ context.Context, ref string) ([]order.Event, []byte, error) {
	p.mu.Lock()
	p.asked = append(p.asked, ref)
	p.mu.Unlock()
	events, err := p.fetch(ref)
	return events, []byte(`{"card":"4242424242424242"}`), err
}

func (p *thin) tries() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

func paidBy(ref string) []order.Event {
	return []order.Event{{
		ID: ref + "/paid", Order: "A1001", Payment: ref, Kind: order.KindPayment, Status: order.Paid, Amount: 100, Currency: "EUR", Livemode: true,
	}}
}

// A shop has one source of provider thin, on a ledger in a file.
type shop struct {
	t      *testing.T
	path   string
	source webhook.Source
	opts   webhook.FetchOptions

	ledger *order.Ledger
	got    []webhook.FetchOutcome
	mu     sync.Mutex
	ping   func(ref string) int
	stop   func()
}

func (s *shop) start(fetching bool) {
	s.t.Helper()
	store, err := sqlite.Open(s.t.Context(), s.path, sqlite.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.ledger = order.NewLedger(store, order.LedgerOptions{})
	s.opts.Observe = func(_ string, o webhook.FetchOutcome) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, o)
	}
	s.opts.Every = 10 * time.Millisecond
	fetches := webhook.NewFetches([]webhook.Source{s.source}, store, s.ledger, s.opts)
	handler := webhook.NewHandler([]webhook.Source{s.source}, s.ledger, webhook.Options{ToFetch: fetches.Wake})
	mux := http.NewServeMux()
	mux.Handle("/webhooks/{source}", handler)
	var running sync.WaitGroup
	running.Go(func() { s.ledger.Run(ctx) })
	if fetching {
		running.Go(func() { fetches.Run(ctx) })
	}
	server := httptest.NewServer(mux)
	s.t.Cleanup(server.Close)
	s.ping = func(ref string) int {
		answer, err := http.Post(server.URL+"/webhooks/thin", "application/json", strings.NewReader(ref))
		if err != nil {
			s.t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	stopped := false
	s.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			running.Wait()
			store.Close()
		}
	}
	s.t.Cleanup(s.stop)
}

func (s *shop) wantStatus(id string, want order.Status) {
	s.t.Helper()
	until(s.t, func() bool {
		states, err := s.ledger.States(s.t.Context(), []string{id})
		return err == nil && states[0].Status == want
	}, "order %s is not %s", id, want)
}

func (s *shop) outcomes() []webhook.FetchOutcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func newShop(t *testing.T, p *thin) *shop {
	return &shop{
		t: t, path: filepath.Join(t.TempDir(), "paybell.db"), source: webhook.Source{Name: "thin", Provider: p},
		opts: webhook.FetchOptions{Backoff: func(int) time.Duration { return 20 * time.Millisecond }},
	}
}

func TestNewsIsAnsweredAtOnceAndFetchedAfterwards(t *testing.T) {
	hold := make(chan struct{})
	p := &thin{fetch: func(ref string) ([]order.Event, error) { <-hold; return paidBy(ref), nil }}
	s := newShop(t, p)
	s.start(true)
	if status := s.ping("tr_1"); status != http.StatusOK { // while nothing can be fetched
		t.Fatalf("answered %d", status)
	}
	close(hold)
	s.wantStatus("A1001", order.Paid)
	timeline, err := s.ledger.Timeline(t.Context(), "A1001")
	if err != nil || len(timeline.Callbacks) != 2 {
		t.Errorf("the timeline has %d callbacks, not the news and what was fetched: %v", len(timeline.Callbacks), err)
	}
}

func TestAProviderThatIsDownIsAskedAgain(t *testing.T) {
	p := &thin{}
	p.fetch = func(ref string) ([]order.Event, error) {
		if p.tries() < 4 {
			return nil, errors.New("answered 503")
		}
		return paidBy(ref), nil
	}
	s := newShop(t, p)
	s.start(true)
	s.ping("tr_1")
	s.wantStatus("A1001", order.Paid)
	until(t, func() bool { return len(s.outcomes()) == 4 }, "four tries are not observed")
	if got := s.outcomes(); got[0] != webhook.FetchFailed || got[3] != webhook.Fetched {
		t.Errorf("outcomes %v", got)
	}
}

// TestFetchesSurviveAStop: one gateway acknowledges, and the next one fetches.
func TestFetchesSurviveAStop(t *testing.T) {
	p := &thin{fetch: func(ref string) ([]order.Event, error) { return paidBy(ref), nil }}
	s := newShop(t, p)
	s.start(false)
	s.ping("tr_1")
	s.stop()
	if p.tries() != 0 {
		t.Fatal("fetched by a gateway that fetches nothing")
	}
	s.start(true)
	s.wantStatus("A1001", order.Paid)
}

func TestWhatCannotBeUnderstoodIsGivenUp(t *testing.T) {
	p := &thin{fetch: func(string) ([]order.Event, error) {
		return nil, fmt.Errorf("%w: no such thing", webhook.ErrUnreadable)
	}}
	s := newShop(t, p)
	s.start(true)
	s.ping("tr_1")
	until(t, func() bool { return len(s.outcomes()) == 1 }, "nothing was tried")
	if got := s.outcomes(); got[0] != webhook.FetchEnded || p.tries() != 1 {
		t.Errorf("outcomes %v of %d tries", got, p.tries())
	}
}

func TestFetchesAreGivenUpAfterTheirTime(t *testing.T) {
	p := &thin{fetch: func(string) ([]order.Event, error) { return nil, errors.New("answered 503") }}
	s := newShop(t, p)
	s.opts.GiveUp = time.Nanosecond
	s.start(true)
	s.ping("tr_1")
	until(t, func() bool { return slices.Contains(s.outcomes(), webhook.FetchEnded) }, "not given up")
}

func TestABackoffDoublesUpToAnHour(t *testing.T) {
	var waits []time.Duration
	clock := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	jobs := &book{job: order.Fetch{Source: "thin", Ref: "tr_1", Since: clock}, again: clock}
	p := &thin{fetch: func(string) ([]order.Event, error) { return nil, errors.New("answered 503") }}
	ctx, cancel := context.WithCancel(t.Context())
	f := webhook.NewFetches([]webhook.Source{{Name: "thin", Provider: p}}, jobs, &recorder{}, webhook.FetchOptions{
		Every: time.Millisecond, Now: func() time.Time { return clock },
	})
	jobs.settled = func(again time.Time) {
		if again.IsZero() {
			cancel()
			return
		}
		waits = append(waits, again.Sub(clock))
		clock = again
	}
	f.Run(ctx)
	if waits[0] != time.Second || waits[1] != 2*time.Second || waits[11] != 2048*time.Second || waits[12] != time.Hour || len(waits) < 70 || len(waits) > 90 {
		t.Errorf("%d waits: %v", len(waits), waits)
	}
}

// A book is a list of one fetch, which is due whenever it is asked for: the
// clock of its test stands at its time.
type book struct {
	job     order.Fetch
	again   time.Time
	settled func(again time.Time)
}

func (b *book) ClaimFetches(context.Context, time.Time, time.Time, int) ([]order.Fetch, error) {
	return []order.Fetch{b.job}, nil
}

func (b *book) SettleFetch(_ context.Context, _ order.Fetch, again time.Time) error {
	b.job.Tries++
	b.settled(again)
	return nil
}

// until waits for what comes some time.
func until(t *testing.T, come func() bool, format string, args ...any) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !come(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf(format, args...)
		}
	}
}
