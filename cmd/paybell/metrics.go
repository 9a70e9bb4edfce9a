package main

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/paybell/paybell/webhook"
)

// metrics are all figures that a gateway shows to its operator. They are here,
// in one place, and the parts only tell what happens. No label holds anything
// that a stranger chooses.
type metrics struct {
	registry *prometheus.Registry

	webhooks        *prometheus.CounterVec
	webhookDuration *prometheus.HistogramVec
	commits         *prometheus.CounterVec
	commitWrites    prometheus.Histogram
	commitDuration  prometheus.Histogram
	connections     *prometheus.GaugeVec
	opened          *prometheus.CounterVec
	closed          *prometheus.CounterVec
	refused         *prometheus.CounterVec
	sent            *prometheus.CounterVec
	delay           *prometheus.HistogramVec
	tokens          *prometheus.CounterVec
	untold          prometheus.Counter
	addresses       *prometheus.CounterVec
	ready           prometheus.Gauge

	hintsPublished *prometheus.CounterVec
	hintsReceived  *prometheus.CounterVec
	hintDelay      prometheus.Histogram
	busLinks       *prometheus.CounterVec
	busSuspect     prometheus.Gauge
}

// delays are the buckets of everything that should take about a millisecond.
var delays = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		webhooks: counter("paybell_webhooks_total", "Webhook requests by source and outcome.", "source", "outcome"),
		webhookDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "paybell_webhook_duration_seconds", Help: "From a webhook's first byte read to its answer.", Buckets: delays,
		}, []string{"source"}),
		commits: counter("paybell_ledger_commits_total", "Transactions of the ledger by result.", "result"),
		commitWrites: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "paybell_ledger_commit_writes", Help: "How many writes shared a commit.", Buckets: prometheus.ExponentialBuckets(1, 2, 8),
		}),
		commitDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "paybell_ledger_commit_duration_seconds", Help: "How long a commit took, until it was durable.", Buckets: delays,
		}),
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "paybell_connections", Help: "Clients connected now.",
		}, []string{"transport"}),
		opened:  counter("paybell_connections_opened_total", "Clients that connected.", "transport"),
		closed:  counter("paybell_connections_closed_total", "Clients that left, by cause.", "transport", "cause"),
		refused: counter("paybell_connections_refused_total", "Connections refused because of a limit.", "reason"),
		sent:    counter("paybell_states_sent_total", "States written to clients.", "transport"),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "paybell_delivery_delay_seconds", Help: "From the commit of a change to its write to a client that was waiting.", Buckets: delays,
		}, []string{"transport"}),
		tokens:    counter("paybell_tokens_total", "Tokens checked, by result.", "result"),
		addresses: counter("paybell_client_addresses_total", "Clients that were counted by address, by whose word it is known.", "from"),
		untold: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "paybell_timeline_dropped_total", Help: "Deliveries missing from timelines because the ledger was too busy to note them.",
		}),
		ready: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "paybell_ready", Help: "1 while this node is ready for traffic, as /readyz says; looked at every second.",
		}),

		hintsPublished: counter("paybell_bus_hints_published_total", "Hints for other nodes by what became of them.", "result"),
		hintsReceived:  counter("paybell_bus_hints_received_total", "Hints of other nodes by whether they were taken, or why not.", "result"),
		hintDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "paybell_bus_delay_seconds", Help: "From a hint's sending to its coming, by the clocks of two nodes.", Buckets: delays,
		}),
		busLinks: counter("paybell_bus_links_total", "What happened to the connections that hints come by.", "event"),
		busSuspect: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "paybell_bus_suspect", Help: "1 while hints may not come, and the journal is what is relied on.",
		}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.webhooks, m.webhookDuration, m.commits, m.commitWrites, m.commitDuration, m.connections,
		m.opened, m.closed, m.refused, m.sent, m.delay, m.tokens, m.untold, m.addresses, m.ready,
		m.hintsPublished, m.hintsReceived, m.hintDelay, m.busLinks, m.busSuspect,
	)
	return m
}

// gauge adds a figure that is read when it is asked for.
func (m *metrics) gauge(name, help string, read func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(read()) }))
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// webhook is the observer of package webhook.
func (m *metrics) webhook(source string, outcome webhook.Outcome, took time.Duration) {
	m.webhooks.WithLabelValues(source, string(outcome)).Inc()
	m.webhookDuration.WithLabelValues(source).Observe(took.Seconds())
}

// commit is the observer of the ledger.
func (m *metrics) commit(writes int, took time.Duration, err error) {
	if err != nil {
		m.commits.WithLabelValues("failed").Inc()
		return
	}
	m.commits.WithLabelValues("done").Inc()
	m.commitWrites.Observe(float64(writes))
	m.commitDuration.Observe(took.Seconds())
}

// Opened, Closed and Sent make metrics the hub's observer.
func (m *metrics) Opened(transport string) {
	m.opened.WithLabelValues(transport).Inc()
	m.connections.WithLabelValues(transport).Inc()
}

func (m *metrics) Closed(transport, cause string) {
	m.closed.WithLabelValues(transport, cause).Inc()
	m.connections.WithLabelValues(transport).Dec()
}

// Refused makes metrics the observer of refusals: the hub's, and the listener's.
func (m *metrics) Refused(reason string) { m.refused.WithLabelValues(reason).Inc() }

func (m *metrics) Sent(transport string, late time.Duration) {
	m.sent.WithLabelValues(transport).Inc()
	if late > 0 {
		m.delay.WithLabelValues(transport).Observe(late.Seconds())
	}
}
