package order

import (
	"context"
	"time"
)

// Nodes is a store's record of the gateways that run on it. Only a [Store] that
// many share has one.
type Nodes interface {
	// Beat says that a node runs, and returns how many have said so within a time,
	// this one among them.
	Beat(ctx context.Context, node string, within time.Duration) (nodes int, err error)
	// Leave says that a node runs no longer.
	Leave(ctx context.Context, node string) error
}
