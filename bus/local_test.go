package bus_test

import (
	"testing"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/order"
)

func TestLocalCarriesChangesInOrderToEveryReceiver(t *testing.T) {
	var local bus.Local
	var seen [2][]int64
	for i := range seen {
		local.Subscribe(func(changes []order.Change) {
			for _, c := range changes {
				seen[i] = append(seen[i], c.Seq)
			}
		})
	}
	local.Publish([]order.Change{{Seq: 1}, {Seq: 2}})
	local.Publish([]order.Change{{Seq: 3}})
	for i, seqs := range seen {
		if len(seqs) != 3 || seqs[0] != 1 || seqs[1] != 2 || seqs[2] != 3 {
			t.Errorf("receiver %d saw %v, want 1 2 3", i, seqs)
		}
	}
}
