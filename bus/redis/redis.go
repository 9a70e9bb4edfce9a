// Package redis is a bus over Redis pub/sub: one server, a primary that Sentinel
// watches, or a Cluster.
//
// Every node is subscribed to one channel for each shard of the journal, all the
// time. Pub/sub keeps nothing and a connection can go deaf without an error, so
// each is probed: the node publishes to itself through Redis, and what does not
// hear that is opened again. Whoever can publish to the Redis can forge nothing,
// because hints are signed, and see everything, because they are not encrypted.
package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/order"
)

// Options tune a [Bus]. The zero value is what production runs.
type Options struct {
	Observer bus.Observer // nil: nobody observes
	Log      *slog.Logger // nil means slog.Default
}

// A Bus carries hints between nodes.
type Bus struct {
	at       address
	key      *bus.Key
	node     bus.Sender
	observer bus.Observer
	log      *slog.Logger

	lanes    []*lane
	running  atomic.Bool
	receiver atomic.Pointer[bus.Receiver] // while Run runs
	client   redis.UniversalClient        // of Run
	doubts   *doubts                      // of Run
	closing  sync.WaitGroup               // PubSubs, which may take their time

	troubled    atomic.Bool // Redis failed, and that was logged
	complaintMu sync.Mutex
	complaints  map[string]time.Time // when they were logged last
}

// Open reads a URL, which docs/bus.md describes, and the secret that all nodes
// share. It connects to nothing: that is Run's work, which a Redis that is not
// there does not end. No error shows a secret.
func Open(url, clusterSecret string, opts Options) (*Bus, error) {
	at, err := parseURL(url)
	if err != nil {
		return nil, fmt.Errorf("bus/redis: the URL %w", err)
	}
	if clusterSecret == "" {
		return nil, errors.New("bus/redis: needs a secret that all nodes share")
	}
	key, err := bus.NewKey(clusterSecret)
	if err != nil {
		return nil, err
	}
	b := &Bus{at: at, key: key, observer: opts.Observer, log: opts.Log, complaints: map[string]time.Time{}}
	rand.Read(b.node[:])
	if b.observer == nil {
		b.observer = nobody{}
	}
	if b.log == nil {
		b.log = slog.Default()
	}
	quietLog.Do(func() { redis.SetLogger(debugLog{b.log}) })
	// In a cluster a node that is away must not hold up the hints for the others.
	b.lanes = make([]*lane, 1)
	if at.kind == cluster {
		b.lanes = make([]*lane, order.Shards)
	}
	for i := range b.lanes {
		b.lanes[i] = &lane{bus: b, wake: make(chan struct{}, 1)}
	}
	return b, nil
}

// String is the URL without user, password and parameters.
func (b *Bus) String() string { return b.at.String() }

// Publish gives changes to this node's own receiver, in the goroutine that
// publishes, and has hints of them sent to the others. It waits for nothing: what
// comes faster than Redis takes it displaces older hints.
func (b *Bus) Publish(changes []order.Change) {
	if r := b.receiver.Load(); r != nil {
		(*r).Hints(changes)
	}
	if len(b.lanes) == 1 {
		b.lanes[0].push(changes)
		return
	}
	for i, c := range changes {
		b.lanes[c.Shard%len(b.lanes)].push(changes[i : i+1])
	}
}

// Run connects, and brings r what other nodes publish and this one does, until ctx
// ends; then it sends what is waiting, and has left neither goroutine nor
// connection when it returns. Whatever Redis does, it tries on. A Bus runs once.
func (b *Bus) Run(ctx context.Context, r bus.Receiver) error {
	if b.running.Swap(true) {
		return errors.New("bus/redis: runs already, or has run")
	}
	b.client = b.connect()
	links := b.links()
	b.doubts = &doubts{receiver: r, observer: b.observer, trusted: b.reportReturn, doubtful: len(links)}
	r.Suspect(true)
	b.observer.Suspect(true)
	b.receiver.Store(&r)

	var parts sync.WaitGroup
	for _, l := range b.lanes {
		parts.Go(func() { l.run(ctx) })
	}
	for _, l := range links {
		parts.Go(func() { l.run(ctx) })
	}
	if b.at.kind == sentinel {
		for _, host := range b.at.hosts {
			parts.Go(func() { b.watchSentinel(ctx, host, links) })
		}
	}
	parts.Wait()
	b.receiver.Store(nil)
	err := b.client.Close()
	b.closing.Wait()
	return err
}

// links returns what this bus subscribes with: one connection for all channels,
// or, where channels belong to slots, one for each.
func (b *Bus) links() []*link {
	name := hex.EncodeToString(b.node[:])
	probe := func(shard int) string { return b.at.channel(shard) + ":probe:" + name }
	if !b.at.sharded {
		l := newLink(b, probe(0))
		for shard := range order.Shards {
			l.shards[b.at.channel(shard)] = shard
		}
		return []*link{l}
	}
	links := make([]*link, order.Shards)
	for shard := range links {
		links[shard] = newLink(b, probe(shard)) // in the same slot, because of the braces
		links[shard].shards[b.at.channel(shard)] = shard
	}
	return links
}

// command publishes a message.
func (b *Bus) command(ctx context.Context, channel string, message any) *redis.IntCmd {
	name := "publish"
	if b.at.sharded {
		name = "spublish"
	}
	cmd := redis.NewIntCmd(ctx, name, channel, message)
	// go-redis sends PUBLISH to any node of a cluster, another each time, which
	// would put hints out of order. This way it goes to the owner of the slot.
	cmd.SetFirstKeyPos(1)
	return cmd
}

// askWhoOwns has a cluster be asked which node owns which slot, soon and once for
// all who want to know. By itself go-redis asks when a node says that a slot moved,
// and else once a minute: it would go to a node that died for that long.
func (b *Bus) askWhoOwns() {
	if c, ok := b.client.(*redis.ClusterClient); ok {
		c.ReloadState(context.Background())
	}
}

// complainEvery is how often the same fault is logged.
const complainEvery = 30 * time.Second

// complain logs a fault, unless one with the same effect and the same mend was
// logged a short while ago.
func (b *Bus) complain(what string, err error) {
	mend := b.mend(err)
	now, key := time.Now(), what+mend
	b.complaintMu.Lock()
	last, complained := b.complaints[key]
	repeated := complained && now.Sub(last) < complainEvery
	if !repeated {
		b.complaints[key] = now
	}
	b.complaintMu.Unlock()
	if repeated {
		return
	}
	if !errors.Is(err, bus.Forged) {
		b.troubled.Store(true)
	}
	attrs := []any{"bus", b.at.String(), "err", err}
	if mend != "" {
		attrs = append(attrs, "mend", mend)
	}
	b.log.Warn(what, attrs...)
}

// reportReturn logs, after complaints about Redis, that it is back.
func (b *Bus) reportReturn() {
	if b.troubled.Swap(false) {
		b.log.Info("hints come again", "bus", b.at.String())
	}
}

// A doubts counts the links of which it is not known that they hear. While there
// is one, the bus is suspect.
type doubts struct {
	receiver bus.Receiver
	observer bus.Observer
	trusted  func() // is told when no link is doubtful any more

	mu       sync.Mutex // held while the receiver is told, so that it is told in order
	doubtful int
}

func (d *doubts) add(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.doubtful > 0
	d.doubtful += n
	if suspect := d.doubtful > 0; suspect != before {
		d.receiver.Suspect(suspect)
		d.observer.Suspect(suspect)
		if !suspect {
			d.trusted()
		}
	}
}

type nobody struct{}

func (nobody) Published(bus.Fate, int)             {}
func (nobody) Received(bus.Refusal, time.Duration) {}
func (nobody) Link(bus.LinkEvent)                  {}
func (nobody) Suspect(bool)                        {}
