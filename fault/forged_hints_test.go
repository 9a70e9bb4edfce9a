//go:build unix

package fault_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/order"
)

// Whoever may publish on a shared Redis can show nobody a state that is not in
// the ledger, and cannot make hints late for anybody.
func TestFaultForgedHints(t *testing.T) {
	share(t)
	b := newRedisBed(t, "forged hints", 2, settings{})
	client := redis.NewClient(&redis.Options{Addr: b.redis.Address()})
	defer client.Close()
	l := usual()
	l.crowd = either(1000, 120)
	l.breaks = func(ctx context.Context) { b.forge(ctx, client) }
	b.run(l)
}

// forge publishes what strangers could, and what replays and a strange ledger
// would, for every hint that it hears; and sees that each was counted.
func (b *redisBed) forge(ctx context.Context, client *redis.Client) {
	key, err := bus.NewKey(clusterSecret)
	if err != nil {
		b.t.Error(err)
		return
	}
	other, _ := bus.NewKey(strings.Repeat("another secret ", 3))
	listening := client.PSubscribe(ctx, "paybell:{*")
	defer listening.Close()
	forged := 0
	for m := range listening.Channel() {
		if strings.Contains(m.Channel, "probe") || ctx.Err() != nil {
			continue
		}
		if forged >= 50 {
			break
		}
		wire := []byte(m.Payload)
		shard, _ := strconv.Atoi(strings.Trim(strings.TrimPrefix(m.Channel, "paybell:"), "{}"))
		hint, err := key.Decode(m.Payload, shard)
		if err != nil {
			continue // it is one of ours below
		}
		if hint.From == (bus.Sender{'f'}) {
			continue
		}
		forged++
		publish := func(channel string, wire []byte) { client.Publish(ctx, channel, wire) }
		publish(m.Channel, bytes.Replace(wire, []byte(`"livemode":true`), []byte(`"livemode":null`), 1))
		publish(m.Channel, wire[:rand.IntN(len(wire))])
		publish(m.Channel, wire[:len(wire)-1])
		publish(m.Channel, bytes.Repeat(wire, 100))
		publish(fmt.Sprintf("paybell:{%d}", (shard+1)%order.Shards), wire)
		publish(m.Channel, wire) // again

		strange := hint
		strange.From = bus.Sender{'f'}
		strange.Change.State.Status, strange.Change.State.Paid = order.Paid, 1
		strange.Change.State.Version++
		strange.Change.Seq++
		if w, err := other.Encode(strange); err == nil { // another cluster's
			publish(m.Channel, w)
		}
		strange.Change.State.Epoch = strings.Repeat("f", 32)
		if w, err := key.Encode(strange); err == nil { // another ledger's
			publish(m.Channel, w)
		}
	}
	time.Sleep(200 * time.Millisecond)
	for _, name := range []string{
		`paybell_bus_hints_received_total{result="forged"}`, `paybell_bus_hints_received_total{result="truncated"}`,
		`paybell_bus_hints_received_total{result="oversize"}`, `paybell_bus_hints_received_total{result="misplaced"}`,
		`paybell_follower_hints_total{outcome="old"}`, `paybell_follower_hints_total{outcome="foreign"}`,
	} {
		if n := b.sum(name); n == 0 {
			b.t.Errorf("%s is 0 after %d forgeries", name, forged)
		} else {
			b.t.Logf("%s %d", name, n)
		}
	}
}
