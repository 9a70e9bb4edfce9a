package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/order"
)

const (
	probePeriod = 500 * time.Millisecond
	// maxSilent is how many probes may be lost before a link counts as deaf.
	maxSilent = 2
	// maxUnconfirmed is how long a subscription may take to be in force.
	maxUnconfirmed = 4 * probePeriod
	minPause       = 100 * time.Millisecond // between two tries to open a link, doubled each time
	maxPause       = 2 * time.Second
)

var (
	errDeaf        = errors.New("nothing comes through a connection that seems well")
	errUnconfirmed = errors.New("the subscription is not confirmed")
	errEnded       = errors.New("the subscription was ended from there, as it is when a slot moves")
	errSwitched    = errors.New("there is a new primary")
)

// A link is one subscription, on a connection of its own. What it does not hear
// any more it opens again.
type link struct {
	bus     *Bus
	shards  map[string]int // by channel
	probing string         // the channel on which only this node hears itself
	restart chan struct{}  // opened anew, because there is something better to be connected to

	doubted  atomic.Bool // it is one of the bus's doubts
	probes   uint64      // sent so far
	failures int         // to open it, since it was last heard
	tries    int
}

func newLink(b *Bus, probing string) *link {
	l := &link{bus: b, shards: map[string]int{}, probing: probing, restart: make(chan struct{}, 1), tries: rand.IntN(order.Shards)}
	l.doubted.Store(true)
	return l
}

func (l *link) doubt() {
	if !l.doubted.Swap(true) {
		l.bus.doubts.add(1)
	}
}

func (l *link) trust() {
	if l.doubted.Swap(false) {
		l.bus.doubts.add(-1)
	}
}

// run keeps the subscription open until ctx ends.
func (l *link) run(ctx context.Context) {
	for {
		err := l.session(ctx)
		if ctx.Err() != nil {
			return
		}
		l.doubt()
		l.bus.observer.Link(bus.Ended)
		l.bus.complain("hints do not come", err)
		l.bus.askWhoOwns()
		pause := rand.N(minPause / 2)
		if l.failures > 0 {
			most := min(minPause<<min(l.failures, 10), maxPause)
			pause = most/2 + rand.N(most/2)
		}
		l.failures++
		select {
		case <-ctx.Done():
			return
		case <-l.restart:
		case <-time.After(pause):
		}
	}
}

// session opens the subscription and listens, and probes it, until it ends.
func (l *link) session(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	pubsub, err := l.subscribe(ctx)
	defer func() {
		end(nil)
		l.bus.closing.Go(func() { pubsub.Close() }) // it can take until a dial ends
	}()
	if err != nil {
		return err
	}
	e := &ear{link: l, inForce: make(chan struct{}, 1), echo: make(chan struct{}, 1)}
	l.bus.closing.Go(func() { end(e.listen(context.WithValue(ctx, passive{}, true), pubsub)) })
	return l.attend(ctx, e)
}

// subscribe asks for the channels. It does not wait until they are granted.
func (l *link) subscribe(ctx context.Context) (*redis.PubSub, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	channels := append(slices.Sorted(maps.Keys(l.shards)), l.probing)
	if !l.bus.at.sharded {
		// In a cluster the first channel decides on the node, and every node will do.
		l.tries++
		n := l.tries % len(channels)
		channels = append(channels[n:], channels[:n]...)
		pubsub := l.bus.client.Subscribe(ctx)
		return pubsub, pubsub.Subscribe(ctx, channels...)
	}
	pubsub := l.bus.client.SSubscribe(ctx)
	return pubsub, pubsub.SSubscribe(ctx, channels...)
}

// attend probes the subscription, and says when it can be trusted and why it has
// to end.
func (l *link) attend(ctx context.Context, e *ear) error {
	period := time.NewTicker(probePeriod)
	defer period.Stop()
	unconfirmed := time.After(maxUnconfirmed)
	before, silent, accepted, missed := l.probes, 0, false, false
	probe := func() {
		if accepted = l.probe(ctx); !accepted {
			l.doubt()
			missed = true
		}
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.restart:
			l.failures = 0
			return errSwitched
		case <-unconfirmed:
			return errUnconfirmed
		case <-e.inForce:
			unconfirmed = nil
			l.bus.observer.Link(bus.Opened)
			l.bus.doubts.receiver.Gap()
			probe()
		case <-e.echo:
			// A late one will do: where the way is long, the next is sent by then.
			if e.echoed.Load() <= before || ctx.Err() != nil {
				continue
			}
			if missed { // hints may have been too
				l.bus.doubts.receiver.Gap()
			}
			silent, missed, l.failures = 0, false, 0
			l.trust()
		case <-period.C:
			if unconfirmed != nil {
				continue
			}
			// Silence says something only where Redis took the probe.
			if accepted && e.echoed.Load() != l.probes {
				l.bus.observer.Link(bus.ProbeLost)
				l.doubt()
				missed = true
				if silent++; silent == maxSilent {
					return errDeaf
				}
			}
			probe()
		}
	}
}

// probe publishes to this node itself, and says whether Redis accepted that.
func (l *link) probe(ctx context.Context) bool {
	l.probes++
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	cmd := l.bus.command(ctx, l.probing, strconv.FormatUint(l.probes, 10))
	if err := l.bus.client.Process(ctx, cmd); err != nil {
		l.bus.complain("probes are not accepted", err)
		l.bus.observer.Link(bus.ProbeFail)
		l.bus.askWhoOwns()
		return false
	}
	l.bus.observer.Link(bus.ProbeSent)
	return true
}

// An ear is what hears a subscription.
type ear struct {
	link      *link
	confirmed map[string]bool
	inForce   chan struct{} // all channels are confirmed, for the first time or again
	echo      chan struct{} // a probe came back: that with the number echoed, at least
	echoed    atomic.Uint64
}

// listen takes in what comes until the subscription ends, and says why. It is the
// only one to read the PubSub, and reads it without a deadline, because one that
// fires within a message loses it.
func (e *ear) listen(ctx context.Context, pubsub *redis.PubSub) error {
	for {
		received, err := pubsub.Receive(ctx)
		if err == nil {
			err = e.hear(received)
		}
		if err != nil {
			if ctx.Err() == nil {
				e.link.doubt()
			}
			return err
		}
	}
}

func (e *ear) hear(received any) error {
	switch m := received.(type) {
	case *redis.Message:
		e.message(m)
	case *redis.Subscription:
		if strings.HasSuffix(m.Kind, "unsubscribe") {
			return fmt.Errorf("%w: %s %s", errEnded, m.Kind, m.Channel)
		}
		if e.confirmed == nil {
			e.confirmed = map[string]bool{}
		}
		e.confirmed[m.Channel] = true
		if len(e.confirmed) == len(e.link.shards)+1 {
			signal(e.inForce)
		}
	}
	return nil
}

func (e *ear) message(m *redis.Message) {
	b := e.link.bus
	shard, known := e.link.shards[m.Channel]
	if !known { // the probe
		if n, err := strconv.ParseUint(m.Payload, 10, 64); err == nil {
			e.echoed.Store(n)
			signal(e.echo)
		}
		return
	}
	if bus.IsFrom(m.Payload, b.node) {
		return // Publish has told this node's receiver
	}
	hint, err := b.key.Decode(m.Payload, shard)
	if err != nil {
		refusal, _ := errors.AsType[bus.Refusal](err)
		b.observer.Received(refusal, 0)
		if refusal == bus.Forged {
			b.complain("hints of another node are not believed", err)
		}
		return
	}
	b.observer.Received("", max(0, time.Since(hint.Sent)))
	b.doubts.receiver.Hints([]order.Change{hint.Change})
}

// signal says that something has changed, to one who looks what.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
