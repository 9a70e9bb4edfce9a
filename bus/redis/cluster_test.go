package redis_test

import (
	"testing"

	"github.com/paybell/paybell/bus/bustest"
	"github.com/paybell/paybell/internal/rig"
)

func TestClusterClassic(t *testing.T) { testCluster(t, "classic") }

func TestClusterSharded(t *testing.T) { testCluster(t, "sharded") }

func testCluster(t *testing.T, mode string) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	command, rules := "PUBLISH", "+subscribe +publish +cluster|slots"
	if mode == "sharded" {
		command, rules = "SPUBLISH", "+ssubscribe +spublish +cluster|slots"
	}
	c := rig.StartRedisCluster(t, rights(rules))
	back := func(t *testing.T, mend func()) {
		t.Cleanup(func() {
			mend()
			c.Settle(t)
		})
	}
	bustest.Run(t, bustest.Bed{
		Join: joins("redis+cluster://bus:secret@" + c.Hosts() + "?pubsub=" + mode),
		Forge: func(t *testing.T, shard int, message string) {
			publish(t, c.Nodes[0], command, "paybell", shard, message)
		},
		Connections: func(t testing.TB) (n int) {
			for _, r := range c.Nodes {
				n += r.UserConnections(t, "bus")
			}
			return n
		},
		Away: func(t *testing.T) func() {
			for _, n := range c.Nodes {
				n.Kill()
			}
			return func() {
				for _, n := range c.Nodes {
					n.Restart(t)
				}
				c.Settle(t)
			}
		},
		Faults: []bustest.Fault{
			{Name: "the death of a primary", Strike: func(t *testing.T) func() {
				owner := c.Owner(t, "paybell:{0}")
				owner.Kill()
				back(t, func() { owner.Restart(t) })
				return nil
			}},
			{Name: "a primary that stands still", Strike: func(t *testing.T) func() {
				owner := c.Owner(t, "paybell:{0}")
				owner.Pause()
				back(t, owner.Resume)
				return nil
			}},
			{Name: "slots that move", Unnoticed: mode == "classic", Strike: func(t *testing.T) func() {
				for _, channel := range []string{"paybell:{0}", "paybell:{7}", "paybell:{15}"} {
					c.Move(t, channel)
				}
				return nil
			}},
			{Name: "connections that are cut", Strike: func(t *testing.T) func() {
				for _, n := range c.Nodes {
					n.Do(t, "CLIENT", "KILL", "TYPE", "pubsub")
				}
				return nil
			}},
		},
	})
}
