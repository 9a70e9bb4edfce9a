package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// fewDescriptors sends more clients than the server's limit of open files lets
// in. Those who are in must stay, webhooks must be taken, and once the crowd has
// gone all must be as before.
func fewDescriptors(ctx context.Context, t *trial) error {
	const limit, crowd = 1024, 1300
	b, err := t.start(ctx, Setup{Descriptors: limit}, crowd)
	if err != nil {
		return err
	}
	b.mixed(t.SSEShare)
	b.setReach(crowd)
	if _, err := b.fill(ctx, 100); err != nil {
		return err
	}
	if err := b.atRate(ctx, 50, 500*time.Millisecond); err != nil { // webhook connections are open from before
		return err
	}
	b.parallel = crowd
	_, came, err := b.connect(ctx, 100, crowd, 3*time.Second)
	if err != nil {
		return err
	}
	t.set("clients", "clients that came", Amount, crowd)
	t.set("in", "… let in", Amount, float64(100+came))
	b.refusals()
	if err := b.whileFull(ctx); err != nil {
		return err
	}
	return b.afterCrowd(ctx)
}

// refusals notes what those saw who were not let in.
func (b *bed) refusals() {
	by := map[string]int{}
	told := 0
	for _, e := range b.ends {
		how := "cut off without an answer"
		switch {
		case e.status != 0:
			how = fmt.Sprintf("refused with %d", e.status)
		case e.code != 0:
			how = fmt.Sprintf("closed with code %d", e.code)
		}
		by[how]++
		if e.retryAfter >= 0 || e.told {
			told++
		}
	}
	silent := 0
	for i := range b.clients {
		if p := b.clients[i].phase; p == connecting || p == asking {
			silent++
		}
	}
	for _, how := range slices.Sorted(maps.Keys(by)) {
		b.trial.set("out."+how[strings.LastIndexByte(how, ' ')+1:], "… "+how, Amount, float64(by[how]))
	}
	b.trial.set("told", "… and told when to come again", Amount, float64(told))
	b.trial.set("silent", "… left without an answer", Amount, float64(silent))
}

// whileFull sends webhooks while no descriptor is left: over connections from
// before, and over new ones.
func (b *bed) whileFull(ctx context.Context) error {
	t, before := b.trial, b.waiting
	taken := b.book.acked
	if err := b.atRate(ctx, 50, 2*time.Second); err != nil {
		return err
	}
	t.set("webhooks.old", "webhooks taken meanwhile, of 100 over open connections", Amount, float64(b.book.acked-taken))
	for i := range b.provider.senders {
		if b.provider.senders[i].fd >= 0 {
			b.fire(i)
		}
	}
	taken, sent := b.book.acked, 0
	b.pace(20, time.Second, func(due int64) { sent++; b.publishNext(due) })
	if err := b.run(ctx, 5*time.Second, nil); err != nil {
		return err
	}
	t.set("webhooks.new", fmt.Sprintf("… of %d over new ones, within 5 s", sent), Amount, float64(b.book.acked-taken))
	t.set("stayed", "clients that stayed", Amount, float64(b.waiting))
	if b.waiting < before {
		t.fail("%d of %d waiting clients were cut off while the server was full", before-b.waiting, before)
	}
	return nil
}

// afterCrowd lets most clients go, after which there must be room for new ones.
func (b *bed) afterCrowd(ctx context.Context) error {
	t := b.trial
	const first, next = 100, 300
	for i := first; i < len(b.clients); i++ {
		b.leave(i, false)
	}
	b.parallel = 64
	if err := b.run(ctx, 2*time.Second, nil); err != nil {
		return err
	}
	_, came, err := b.connect(ctx, first, first+next, 5*time.Second)
	if err != nil {
		return err
	}
	t.set("after", fmt.Sprintf("clients let in afterwards, of %d", next), Amount, float64(came))
	if came < next {
		t.fail("%d of %d clients were not let in after the crowd had left", next-came, next)
	}
	if err := b.catchUp(ctx, first+next); err != nil {
		return err
	}
	taken, sent := b.book.acked, b.book.published
	if err := b.atRate(ctx, 50, 2*time.Second); err != nil {
		return err
	}
	t.set("webhooks.after", "webhooks taken afterwards", Amount, float64(b.book.acked-taken))
	if b.book.acked-taken < b.book.published-sent {
		t.fail("webhooks were not taken after the crowd had left")
	}
	return b.check(ctx, "")
}

// catchUp lets those of the clients from one on come back for a moment who left
// before they saw all events of their orders.
func (b *bed) catchUp(ctx context.Context, from int) error {
	for i := from; i < len(b.clients); i++ {
		if b.book.accounts[i].first < 0 {
			continue
		}
		b.open(i)
		if err := b.run(ctx, time.Second, func() bool { return b.clients[i].phase == up || b.clients[i].phase == away }); err != nil {
			return err
		}
		b.leave(i, false)
	}
	return nil
}
