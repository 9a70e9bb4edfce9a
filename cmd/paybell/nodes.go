package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/paybell/paybell/order"
)

const (
	beatEvery = 3 * time.Second
	// beatsWithin is for how long a node that says nothing still counts.
	beatsWithin = 10 * time.Second
)

// A heartbeat says in the ledger that this node runs, and learns how many do.
type heartbeat struct {
	nodes order.Nodes
	share func(nodes int) // is told when their number has changed
	log   *slog.Logger
}

// run beats until ctx ends. While the ledger is out of reach, the number that was
// known last stays.
func (h heartbeat) run(ctx context.Context) {
	node, known, level := rand.Text(), 1, slog.LevelWarn
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, beatEvery)
		nodes, err := h.nodes.Beat(attempt, node, beatsWithin)
		cancel()
		switch {
		case ctx.Err() != nil: // the beat was cut short
		case err != nil:
			h.log.Log(ctx, level, "say that this node runs", "err", err)
			level = slog.LevelDebug // others speak louder of a ledger that is lost
		case nodes != known:
			h.log.Info("nodes that share the limits", "nodes", nodes, "before", known)
			h.share(nodes)
			known = nodes
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	farewell, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := h.nodes.Leave(farewell, node); err != nil {
		h.log.Debug("say that this node is gone", "err", err)
	}
}
