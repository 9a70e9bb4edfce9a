package main

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/paybell/paybell/internal/problem"
)

// A readiness remembers for a second whether the ledger takes writes: asking is
// a commit, and anybody may ask.
type readiness struct {
	check func(context.Context) error

	mu    sync.Mutex
	asked time.Time
	err   error
}

// ledger returns the last check's error, after a new check if that is a second ago.
func (r *readiness) ledger() error { return r.within(time.Second) }

// within returns the last check's error, after a new check if that is older. Who
// asks meanwhile waits for the same check, which is nobody's own: a caller that
// hangs up does not make it fail.
func (r *readiness) within(age time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked.IsZero() && time.Since(r.asked) < age {
		return r.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r.err = r.check(ctx)
	r.asked = time.Now()
	return r.err
}

// unready says why this node should get no traffic, or "". Whether the ledger takes
// writes is found out by check.
func (g *gateway) unready(check func() error) string {
	if g.leaving.Load() {
		return "shutting down"
	}
	if time.Since(time.Unix(0, g.lastFailure.Load())) < 5*time.Second {
		return "a commit to the ledger failed within the last 5 s"
	}
	if err := check(); err != nil {
		return "the ledger takes no writes"
	}
	return g.follower.Trouble()
}

// readinessCheck is how old a check of the ledger may be that nobody asked for: a
// node that no load balancer probes should not commit every second for nothing.
const readinessCheck = 10 * time.Second

// watchReadiness logs when this node gets ready and when it is not any more, and
// keeps the gauge, until ctx ends or the gateway stops.
func (g *gateway) watchReadiness(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for known, was := false, false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		why := g.unready(func() error { return g.ready.within(readinessCheck) })
		if g.leaving.Load() {
			g.metrics.ready.Set(0)
			return
		}
		is := why == ""
		g.metrics.ready.Set(map[bool]float64{true: 1}[is])
		switch {
		case known && is == was:
		case is:
			g.log.Info("ready")
		default:
			g.log.Warn("not ready", "why", why)
		}
		known, was = true, is
	}
}

// health adds the addresses that supervisors ask: /livez fails when the process
// should be replaced, /readyz as soon as it should get no traffic. Why is for
// the operator alone.
func (g *gateway) health(mux *http.ServeMux, public bool) {
	ok := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		io.WriteString(w, "ok\n")
	}
	mux.Handle("/livez", methods{http.MethodGet: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { ok(w) })})
	mux.Handle("/readyz", methods{http.MethodGet: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		why := g.unready(g.ready.ledger)
		if why == "" {
			ok(w)
			return
		}
		if public {
			why = "This node takes no requests now."
		}
		problem.Problem{
			Status: http.StatusServiceUnavailable, Name: "not-ready", Title: "Not ready", Detail: why, RetryAfter: time.Second,
		}.Write(w)
	})})
}
