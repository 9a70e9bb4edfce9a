package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/paybell/paybell/hub"
)

// followerMetrics say how this node keeps up with the ledger. They are the
// follower's observer.
type followerMetrics struct {
	hints    *prometheus.CounterVec
	followed *prometheus.CounterVec
	delay    *prometheus.HistogramVec
	catchUps *prometheus.CounterVec
	read     prometheus.Counter
	notices  *prometheus.CounterVec
}

// follower returns the metrics of the follower, registered.
func (m *metrics) follower() hub.FollowerObserver {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	f := &followerMetrics{
		hints:    counter("paybell_follower_hints_total", "Hints of changes by what became of them: next, old, ahead, foreign (of another epoch), ignored.", "outcome"),
		followed: counter("paybell_follower_changes_total", "Changes dispatched to watchers by the path on which they came: hint, reorder (it waited for those before it), read.", "path"),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "paybell_follower_delay_seconds", Help: "From the commit of a change, by the committing node's clock, to its dispatch here; of each batch the oldest.", Buckets: delays,
		}, []string{"path"}),
		catchUps: counter("paybell_follower_catch_ups_total", "Reads of missing changes by what showed that they were missing: a hint after them, or the journal's heads.", "cause"),
		read:     prometheus.NewCounter(prometheus.CounterOpts{Name: "paybell_follower_read_changes_total", Help: "Changes read from the journal."}),
		notices:  counter("paybell_follower_notices_total", "What should be rare: gap, epoch, hole, regression, lost, found.", "what"),
	}
	for _, what := range []string{hub.NoticeGap, hub.NoticeEpoch, hub.NoticeHole, hub.NoticeRegression, hub.NoticeLost, hub.NoticeFound} {
		f.notices.WithLabelValues(what) // an alert needs a zero to rise from
	}
	m.registry.MustRegister(f.hints, f.followed, f.delay, f.catchUps, f.read, f.notices)
	return f
}

func (f *followerMetrics) Hinted(outcome string, hints int) {
	f.hints.WithLabelValues(outcome).Add(float64(hints))
}

func (f *followerMetrics) Followed(path string, changes int, late time.Duration) {
	f.followed.WithLabelValues(path).Add(float64(changes))
	f.delay.WithLabelValues(path).Observe(max(late, 0).Seconds()) // clocks differ
}

func (f *followerMetrics) CaughtUp(cause string, changes int) {
	f.catchUps.WithLabelValues(cause).Inc()
	f.read.Add(float64(changes))
}

func (f *followerMetrics) Noticed(what string) { f.notices.WithLabelValues(what).Inc() }
