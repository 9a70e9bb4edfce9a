package main

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// buildFetches makes what asks providers about webhooks that say only that there
// is news, or nil where no source has such a provider.
func buildFetches(sources []webhook.Source, st store, ledger *order.Ledger, m *metrics, log *slog.Logger) (*webhook.Fetches, error) {
	for _, s := range sources {
		if _, ok := webhook.Fetching(s.Provider); !ok {
			continue
		}
		jobs, ok := st.(order.Fetches)
		if !ok {
			return nil, fmt.Errorf("source %s says in its webhooks only that there is news, and this kind of ledger cannot keep what is to be fetched", s.Name)
		}
		total := prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "paybell_fetches_total", Help: "Tries to fetch what a webhook only hints at, by source and outcome.",
		}, []string{"source", "outcome"})
		m.registry.MustRegister(total)
		return webhook.NewFetches(sources, jobs, ledger, webhook.FetchOptions{
			Log: log, Observe: func(source string, o webhook.FetchOutcome) { total.WithLabelValues(source, string(o)).Inc() },
		}), nil
	}
	return nil, nil
}
