package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// churnRate is how many clients come and go a second.
const churnRate = 300

// churn lets clients come and go, half of them without a word, and looks for what
// stays behind.
func churn(ctx context.Context, t *trial) error {
	standing := min(t.Clients, 1_000)
	b, err := t.start(ctx, Setup{}, 2*standing)
	if err != nil {
		return err
	}
	b.mixed(t.SSEShare)
	if _, err := b.fill(ctx, standing); err != nil {
		return err
	}
	oldest, n := 0, len(b.clients)
	comeAndGo := func(d time.Duration) error {
		b.pace(5, d, b.publishNext)
		b.pace(churnRate, d, func(int64) {
			b.leave(oldest, oldest%4 < 2)
			b.open((oldest + standing) % n)
			oldest = (oldest + 1) % n
		})
		return b.run(ctx, d, nil)
	}
	calm := func() error {
		if err := b.run(ctx, 15*time.Second, func() bool { return b.opening == 0 && b.provider.flying() == 0 }); err != nil {
			return err
		}
		b.hangUp()
		return b.run(ctx, t.settle(), nil)
	}
	// First the same, so that what is kept for the next crowd is there: Go moves
	// nothing, and those who stay are spread over as much memory as the largest
	// crowd so far needed.
	d := 2 * t.Duration
	if err := errors.Join(comeAndGo(d), calm()); err != nil {
		return err
	}
	before, err := b.read(ctx, true)
	if err != nil {
		return err
	}
	m := b.meter()
	if err := comeAndGo(d); err != nil {
		return err
	}
	used := b.since(m)
	if err := calm(); err != nil {
		return err
	}
	after, err := b.read(ctx, true)
	if err != nil {
		return err
	}
	t.set("clients", "clients that came and went", Amount, d.Seconds()*churnRate)
	used.per(b, "", "", "that come and go", d.Seconds()*churnRate)
	b.compare(before, after)
	if _, _, err := b.connect(ctx, 0, n, 10*time.Second); err != nil { // who left has missed something, and must see it
		return err
	}
	return b.check(ctx, "")
}

// compare notes what a server used before and after, with as many clients.
func (b *bed) compare(before, after reading) {
	t := b.trial
	for _, f := range []struct {
		key, name     string
		unit          Unit
		before, after float64
	}{
		{"memory", "memory of the server", Bytes, float64(before.memory), float64(after.memory)},
		{"heap", "Go heap in use", Bytes, before.heap, after.heap},
		{"objects", "objects in it", Amount, before.objects, after.objects},
		{"goroutines", "goroutines", Amount, before.goroutines, after.goroutines},
		{"descriptors", "open files", Amount, float64(before.descriptors), float64(after.descriptors)},
		{"connections", "connections by its own count", Amount, before.connections, after.connections},
	} {
		t.set(f.key+".before", f.name+", before", f.unit, f.before)
		t.set(f.key+".after", f.name+", after", f.unit, f.after)
	}
	if after.connections != float64(b.waiting) {
		t.fail("the server counts %.0f connections, and there are %d", after.connections, b.waiting)
	}
	if after.goroutines > before.goroutines*1.1+10 {
		t.fail("there were %.0f goroutines, and then %.0f with as many clients", before.goroutines, after.goroutines)
	}
	if float64(after.descriptors) > float64(before.descriptors)*1.1+10 {
		t.fail("there were %d open files, and then %d with as many clients", before.descriptors, after.descriptors)
	}
}

// nightPeak is a bad night: a steady rate, and with it providers that take
// seconds over a request, webhooks that come again, and phones that lose their
// network and come back.
func nightPeak(ctx context.Context, t *trial) error {
	clients := max(t.Clients*2/3, 1)
	b, err := t.start(ctx, Setup{}, clients)
	if err != nil {
		return err
	}
	b.mixed(t.SSEShare)
	if _, err := b.fill(ctx, clients); err != nil {
		return err
	}
	rate := float64(t.Rates[0])
	if err := b.atRate(ctx, rate, t.part(.05, 300*time.Millisecond, 2*time.Second)); err != nil {
		return err
	}
	b.book.restart()
	drops, dribbled := 0, 0
	b.pace(rate, t.Duration, b.publishAny)
	b.pace(rate/10, t.Duration, func(int64) { b.repeat(rand.IntN(clients)) })
	b.pace(float64(clients)/200, t.Duration, func(int64) {
		if i := rand.IntN(clients); b.clients[i].phase == up {
			b.leave(i, drops%2 == 0)
			b.returnAt(i, b.now()+int64(1500*time.Millisecond))
			drops++
		}
	})
	b.pace(rate/100, t.Duration, func(int64) {
		if b.dribbleEvent() == nil {
			dribbled++
		}
	})
	if err := b.run(ctx, t.Duration, nil); err != nil {
		return err
	}
	all := func() bool {
		return len(b.returning) == 0 && b.opening == 0 && b.waiting == clients && b.book.open() == 0
	}
	if err := b.run(ctx, 15*time.Second, all); err != nil {
		return err
	}
	t.times("", "webhook to screen, phone connected", spread(b.book.latencies))
	t.set("drops", "phones that dropped and came back", Amount, float64(drops))
	t.set("caught_up", "events that they saw first when they came back", Amount, float64(b.book.caughtUp))
	t.set("repeats", "webhooks sent again, and taken", Amount, float64(b.provider.repeats))
	t.set("dribbled", "webhooks that took seconds to arrive", Amount, float64(dribbled))
	if b.waiting < clients {
		t.fail("%d of %d phones did not get back in", clients-b.waiting, clients)
	}
	return b.check(ctx, "")
}

// dribbleEvent sends an event over three seconds.
func (b *bed) dribbleEvent() error {
	order, ok := b.nextOrder()
	if !ok {
		return nil
	}
	j := job{order: order, number: b.book.publish(order, 0)}
	request := b.server.Dialects[b.clients[order].dialect].Publish(nil, order, j.number)
	return b.admit(stranger{
		kind: "provider", bytes: request, first: 100, piece: len(request)/30 + 1, every: int64(100 * time.Millisecond), job: &j,
	}, b.takes, nil)
}
