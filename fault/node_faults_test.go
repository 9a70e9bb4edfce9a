//go:build unix

package fault_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
)

func TestFaultNothing(t *testing.T) {
	onlyLong(t)
	b := newBed(t, "nothing is broken", 1, settings{})
	b.run(load{orders: either(1500, 100), rate: 200, crowd: either(3000, 150)})
}

func TestFaultNodeKilled(t *testing.T) {
	onlyLong(t)
	b := newBed(t, "node killed", 1, settings{})
	b.run(load{
		orders: either(1500, 150), rate: 200, crowd: either(1000, 150),
		breaks: func(ctx context.Context) { b.killNodes(ctx, either(10*time.Second, time.Second)) },
	})
}

// killNodes kills a node every so often, and starts it again.
func (b *bed) killNodes(ctx context.Context, every time.Duration) {
	for {
		if pause(ctx, every); ctx.Err() != nil {
			return
		}
		n := b.nodes[rand.IntN(len(b.nodes))]
		b.breaks(checker.NodeFault, n.name, func() int {
			n.kill()
			n.start(b.t)
			return 1
		})
	}
}
