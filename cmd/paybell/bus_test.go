package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
)

const clusterSecret = "a secret of thirty-two bytes, or more"

// A gateway with a bus says what it tells other nodes, and shows none of the states
// of another ledger, which could only come from a gateway that is none of its own.
func TestAGatewayTellsOthersThroughTheBus(t *testing.T) {
	server := rig.StartRedis(t, rig.RedisOptions{})
	start := func() *testGateway {
		return startGatewayWith(t, filepath.Join(t.TempDir(), "paybell.db"), func(c *config) {
			c.Bus, c.ClusterSecret = busURL("redis://"+server.Address()), clusterSecret
		})
	}
	one, another := start(), start()
	for _, gw := range []*testGateway{one, another} {
		gw.untilMetric("paybell_bus_suspect 0")
	}
	one.gateway.nodes.Publish([]order.Change{{
		Shard: order.ShardOf("A1001"), Seq: 1, State: order.State{Order: "A1001", Version: 1, Epoch: "another", Status: order.Paid},
	}})
	one.untilMetric(`paybell_bus_hints_published_total{result="` + string(bus.Sent) + `"} 1`)
	another.untilMetric(`paybell_bus_hints_received_total{result="taken"} 1`)
	another.untilMetric("paybell_bus_delay_seconds_count 1")
	another.untilMetric(`paybell_follower_hints_total{outcome="foreign"} 1`)
}

func (gw *testGateway) untilMetric(want string) {
	gw.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, body := gw.do("GET", gw.admin+"/metrics", "", "")
		if strings.Contains(body, want+"\n") {
			return
		}
		if time.Now().After(deadline) {
			gw.t.Fatalf("no %s in\n%s", want, body)
		}
	}
}
