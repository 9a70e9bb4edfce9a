package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// drain stops a server under load, as a deploy does, and starts another over the
// same ledger: every client must be told when to come back, and every webhook
// that was answered must be there.
func drain(ctx context.Context, t *trial) error {
	clients := max(t.Clients/3, 5)
	window := t.part(.1, time.Second, 6*time.Second)
	b, err := t.start(ctx, Setup{DrainMillis: int(window.Milliseconds())}, clients)
	if err != nil {
		return err
	}
	b.mixed(t.SSEShare)
	if _, err := b.fill(ctx, clients); err != nil {
		return err
	}
	b.pace(float64(min(slices.Max(t.Rates), 500)), 2*time.Minute, func(due int64) { b.publishAny(due) })
	if err := b.run(ctx, t.part(.05, time.Second, 3*time.Second), nil); err != nil {
		return err
	}
	t.set("window", "the time that the server gives itself", Seconds, window.Seconds())
	if err := b.stopUnderLoad(ctx, window); err != nil {
		return err
	}
	if err := b.afterStop(ctx, clients); err != nil {
		return err
	}
	return t.stopTwice(ctx)
}

// publishAny makes an event of some order, whoever waits for it.
func (l *load) publishAny(due int64) {
	l.last = (l.last + l.step) % l.reach
	l.publish(l.last, due)
}

// stopUnderLoad sends SIGTERM and keeps the load on until the process has ended.
func (b *bed) stopUnderLoad(ctx context.Context, window time.Duration) error {
	t, began, taken := b.trial, b.now(), b.book.acked
	if err := unix.Kill(b.server.PIDs[0], unix.SIGTERM); err != nil {
		return fmt.Errorf("bench: stop the server: %w", err)
	}
	if err := b.run(ctx, window+time.Minute, b.hasEnded); err != nil {
		return err
	}
	if !b.hasEnded() {
		return errors.New("the server did not end within a minute")
	}
	t.set("took", "until the process had ended", Seconds, time.Duration(b.now()-began).Seconds())
	t.set("exit", "exit code", Amount, float64(b.server.ExitCode()))
	if code := b.server.ExitCode(); code != 0 {
		t.fail("the exit code is %d", code)
	}
	t.set("taken", "webhooks answered while it stopped", Amount, float64(b.book.acked-taken))
	b.pacers = nil
	b.provider.giveUp = true
	b.provider.queue, b.provider.head, b.provider.retries = nil, 0, nil
	return b.run(ctx, 300*time.Millisecond, nil)
}

func (b *bed) hasEnded() bool {
	select {
	case <-b.server.Ended:
		return true
	default:
		return false
	}
}

// afterStop judges how clients were sent away, and lets them come to another
// server over the same ledger.
func (b *bed) afterStop(ctx context.Context, clients int) error {
	t := b.trial
	told := 0
	for _, e := range b.ends {
		if e.told {
			told++
		}
	}
	t.set("clients", "clients that waited", Amount, float64(clients))
	t.set("told", "… told when to come back", Amount, float64(told))
	if told < clients {
		t.fail("%d of %d clients were not told when to come back", clients-told, clients)
	}
	waits := slices.Clone(b.goodbyes)
	slices.Sort(waits)
	for _, q := range []struct {
		key, name string
		share     float64
	}{{"least", "the shortest wait told", 0}, {"p50", "… the median", .5}, {"most", "… the longest", 1}} {
		t.set("wait."+q.key, q.name, Seconds, float64(quantile(waits, q.share))/1e3)
	}
	t.set("wait.crowded", "… told to the fullest tenth of the window", Share, crowded(waits))

	server, err := b.server.Again(ctx)
	if err != nil {
		return fmt.Errorf("start again over the same ledger: %w", err)
	}
	t.stops = slices.Insert(t.stops, 0, func() { t.stop(server) }) // it ends after the load
	if err := b.setServer(server); err != nil {
		return err
	}
	b.admin = newAdmin(server.Admin)
	if _, err := b.fill(ctx, clients); err != nil {
		return err
	}
	return b.check(ctx, "")
}

// crowded returns the share of sorted waits in the fullest tenth of their range.
func crowded(waits []uint32) float64 {
	if len(waits) == 0 {
		return 0
	}
	var tenths [10]int
	least, most := waits[0], waits[len(waits)-1]
	for _, w := range waits {
		tenths[min(9, int(w-least)*10/int(most-least+1))]++
	}
	return float64(slices.Max(tenths[:])) / float64(len(waits))
}

// stopTwice sends a second SIGTERM, which must end the process at once, however
// long its drain would take.
func (t *trial) stopTwice(ctx context.Context) error {
	clients := max(t.Clients/50, 5)
	b, err := t.again(ctx, Setup{DrainMillis: 60_000}, clients)
	if err != nil {
		return err
	}
	b.mixed(t.SSEShare)
	if _, err := b.fill(ctx, clients); err != nil {
		return err
	}
	began := b.now()
	for range 2 {
		began = b.now()
		if err := unix.Kill(b.server.PIDs[0], unix.SIGTERM); err != nil {
			return fmt.Errorf("bench: stop the server: %w", err)
		}
		if err := b.run(ctx, 300*time.Millisecond, b.hasEnded); err != nil {
			return err
		}
	}
	if err := b.run(ctx, 10*time.Second, b.hasEnded); err != nil {
		return err
	}
	if !b.hasEnded() {
		t.fail("a second SIGTERM did not end the server within 10 s")
		return nil
	}
	t.set("twice", "ended by a second SIGTERM within", Seconds, time.Duration(b.now()-began).Seconds())
	return nil
}
