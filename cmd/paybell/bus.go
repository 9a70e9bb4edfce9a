package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/bus/redis"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/postgres"
)

// nodes is a gateway's way to the others.
type nodes interface {
	// Publish hands over changes that are durable. It never blocks.
	Publish([]order.Change)
	// Run brings what is published, here and elsewhere, until ctx ends.
	Run(context.Context, bus.Receiver) error
}

// minClusterSecret is as long as a secret for HS256 must be: it proves as much. It
// holds wherever there is a secret, because tickets are sealed with it.
const minClusterSecret = 32

// openBus returns the bus that the configuration names, or the one within the
// process. It connects to nothing.
func openBus(c *config, observer bus.Observer, log *slog.Logger) (nodes, error) {
	if c.Bus == "" {
		return &bus.Local{}, nil
	}
	b, err := redis.Open(string(c.Bus), string(c.ClusterSecret), redis.Options{Observer: observer, Log: log})
	if err != nil {
		at, _ := c.where("bus")
		return nil, fmt.Errorf("%s: bus: %w", at, err)
	}
	log.Info("bus", "at", b)
	return b, nil
}

func (k *checker) bus() {
	if k.Bus != "" {
		if err := redis.Check(string(k.Bus)); err != nil {
			k.mistakef("bus", "%v", err)
		}
		if k.Ledger.path() != "" {
			k.mistakef("bus", "needs ledger: postgres://…, since nodes that tell each other of changes share a ledger")
		}
	}
	shared := k.Bus != "" || postgres.IsURL(string(k.Ledger))
	switch {
	case shared && k.ClusterSecret == "":
		k.mistakef("cluster_secret", "is missing: with a bus or a PostgreSQL ledger, all nodes need the same one; make it with: openssl rand -hex 32")
	case k.ClusterSecret != "" && len(k.ClusterSecret) < minClusterSecret:
		k.mistakef("cluster_secret", "is shorter than %d bytes; make one with: openssl rand -hex 32", minClusterSecret)
	}
}

// busMetrics is the observer of the bus.
type busMetrics struct{ *metrics }

func (m busMetrics) Published(f bus.Fate, hints int) {
	m.hintsPublished.WithLabelValues(string(f)).Add(float64(hints))
}

func (m busMetrics) Received(r bus.Refusal, late time.Duration) {
	if r != "" {
		m.hintsReceived.WithLabelValues(string(r)).Inc()
		return
	}
	m.hintsReceived.WithLabelValues("taken").Inc()
	m.hintDelay.Observe(late.Seconds())
}

func (m busMetrics) Link(e bus.LinkEvent) { m.busLinks.WithLabelValues(string(e)).Inc() }

func (m busMetrics) Suspect(suspect bool) {
	m.busSuspect.Set(map[bool]float64{true: 1}[suspect])
}
