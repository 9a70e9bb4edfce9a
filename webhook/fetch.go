package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
)

// A Fetcher is a Provider of which some webhooks say only that there is news.
// Open returns for them a note with the status [order.ToFetch], whose Ref says of
// what. The webhook is answered once the note is durable; what it is about is
// fetched after that, and again until it is had.
type Fetcher interface {
	// Fetch asks the provider about a Ref of such a note, and returns the events
	// that its answer amounts to, as Open does, and the answer for the record. The
	// ids of events are made of what they say: to ask again gives the same.
	//
	// An error that wraps ErrUnreadable ends it, because to ask again is of no
	// use; any other does not. Errors hold nothing secret.
	Fetch(ctx context.Context, ref string) (events []order.Event, answer []byte, err error)
}

// A KeyedFetcher is a Fetcher that can do without, where it was given no key to
// fetch with: what it then learns of stays a note.
type KeyedFetcher interface {
	Fetcher
	Fetches() bool
}

// Fetching returns the Fetcher that a provider is, if it is one and has what it
// fetches with.
func Fetching(p Provider) (Fetcher, bool) {
	if keyed, ok := p.(KeyedFetcher); ok && !keyed.Fetches() {
		return nil, false
	}
	f, ok := p.(Fetcher)
	return f, ok
}

// A Getter fetches from a provider's API. The client of internal/guarded is one,
// and the one that providers take where they are given none.
type Getter interface {
	Get(ctx context.Context, address string, header http.Header) ([]byte, error)
}

// A FetchOutcome is what became of a try to fetch, for metrics and logs.
type FetchOutcome string

// The outcomes of a try.
const (
	Fetched     FetchOutcome = "fetched"
	FetchFailed FetchOutcome = "failed"  // it is tried again
	FetchEnded  FetchOutcome = "gave_up" // a person must look: it is quarantined
)

// FetchOptions tune [Fetches]. The zero value is what production runs.
type FetchOptions struct {
	// Backoff is how long to wait after so many tries in vain, 1 and up. nil: 1 s,
	// 2 s, 4 s … 1 h.
	Backoff func(tries int) time.Duration
	GiveUp  time.Duration // after the first news. 0: 3 days
	Timeout time.Duration // of a try. 0: 20 s
	Every   time.Duration // how often to look for what is due. 0: 1 s

	// Observe is told of every try. nil: nobody is told.
	Observe func(source string, outcome FetchOutcome)

	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means slog.Default
}

// Fetches asks providers about what their webhooks do not say. On many nodes
// each has one; they share the work through the store.
type Fetches struct {
	sources map[string]Source
	jobs    order.Fetches
	ledger  Recorder
	opts    FetchOptions
	wake    chan struct{}
}

// NewFetches returns Fetches for the sources whose providers are Fetchers. They
// are asked while Run runs.
func NewFetches(sources []Source, jobs order.Fetches, ledger Recorder, opts FetchOptions) *Fetches {
	if opts.Backoff == nil {
		opts.Backoff = func(tries int) time.Duration { return min(time.Second<<min(tries-1, 12), time.Hour) }
	}
	if opts.GiveUp == 0 {
		opts.GiveUp = 3 * 24 * time.Hour
	}
	if opts.Timeout == 0 {
		opts.Timeout = 20 * time.Second
	}
	if opts.Every == 0 {
		opts.Every = time.Second
	}
	if opts.Observe == nil {
		opts.Observe = func(string, FetchOutcome) {}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	f := &Fetches{sources: map[string]Source{}, jobs: jobs, ledger: ledger, opts: opts, wake: make(chan struct{}, 1)}
	for _, s := range sources {
		f.sources[s.Name] = s
	}
	return f
}

// Wake says that something is due. It does not block. Of nil Fetches it does
// nothing.
func (f *Fetches) Wake() {
	if f == nil {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// fetchesAtOnce is how many questions are asked side by side.
const fetchesAtOnce = 8

// Run asks what is due, until ctx ends. A question that was claimed is asked
// again after some time, by whichever node, if it was not settled: at least once.
func (f *Fetches) Run(ctx context.Context) error {
	tick := time.NewTicker(f.opts.Every)
	defer tick.Stop()
	for {
		now := f.opts.Now()
		claimed, err := f.jobs.ClaimFetches(ctx, now, now.Add(3*f.opts.Timeout), fetchesAtOnce)
		if err != nil && ctx.Err() == nil {
			f.opts.Log.Warn("look for what is to be fetched", "err", err)
		}
		var asked sync.WaitGroup
		for _, job := range claimed {
			asked.Go(func() { f.do(ctx, job) })
		}
		asked.Wait()
		if len(claimed) == fetchesAtOnce && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-f.wake:
		}
	}
}

// do asks one question, records what is answered, and only then settles it.
func (f *Fetches) do(ctx context.Context, job order.Fetch) {
	err := f.fetch(ctx, job)
	outcome, again := Fetched, time.Time{}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return // its claim runs out
	case errors.Is(err, ErrUnreadable) || f.opts.Now().Sub(job.Since) > f.opts.GiveUp:
		outcome = FetchEnded
		f.opts.Log.Error("gave up fetching", "source", job.Source, "ref", job.Ref, "tries", job.Tries+1, "err", err)
		if _, err := f.ledger.Record(ctx, order.Callback{
			Source: job.Source, ReceivedAt: f.opts.Now().UTC(), Quarantine: fmt.Sprintf("fetch %s: %v", job.Ref, err),
		}, nil); err != nil {
			return
		}
	default:
		outcome, again = FetchFailed, f.opts.Now().Add(f.opts.Backoff(job.Tries+1))
		f.opts.Log.Warn("fetch", "source", job.Source, "ref", job.Ref, "tries", job.Tries+1, "err", err)
	}
	if err := f.jobs.SettleFetch(ctx, job, again); err != nil && ctx.Err() == nil {
		f.opts.Log.Warn("settle a fetch", "source", job.Source, "err", err)
	}
	f.opts.Observe(job.Source, outcome)
}

func (f *Fetches) fetch(ctx context.Context, job order.Fetch) (err error) {
	source := f.sources[job.Source]
	fetcher, ok := Fetching(source.Provider)
	if !ok {
		return errors.New("the source is not configured, or its provider fetches nothing")
	}
	defer func() {
		if cause := recover(); cause != nil {
			f.opts.Log.Error("provider panicked", "type", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
			err = errors.New("the provider's reader broke down")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	events, answer, err := fetcher.Fetch(ctx, job.Ref)
	if err == nil {
		err = stamp(events, job.Source)
	}
	if err != nil {
		return err
	}
	if settle(events, source.Mode, source.Provider) {
		f.opts.Log.Warn("fetched what is of the mode that the source is not in: it moves no order", "source", job.Source, "ref", job.Ref)
	}
	_, err = f.ledger.Record(ctx, order.Callback{Source: job.Source, ReceivedAt: f.opts.Now().UTC(), Body: Mask(answer)}, events)
	return err
}
