package bench

import (
	"context"
	"fmt"
	"time"
)

// latency measures the time from webhook to screen at steady rates.
func latency(ctx context.Context, t *trial) error {
	clients := max(t.Clients*2/3, 1)
	b, err := t.start(ctx, Setup{}, clients)
	if err != nil {
		return err
	}
	b.mixed(t.SSEShare)
	if _, err := b.fill(ctx, clients); err != nil {
		return err
	}
	if err := b.atRate(ctx, float64(t.Rates[0]), t.part(.05, 300*time.Millisecond, 2*time.Second)); err != nil { // warm up
		return err
	}
	for _, rate := range t.Rates {
		if err := b.steady(ctx, rate); err != nil {
			return err
		}
	}
	return b.check(ctx, "")
}

// atRate sends events at a rate and waits until they are shown.
func (b *bed) atRate(ctx context.Context, rate float64, d time.Duration) error {
	b.pace(rate, d, b.publishNext)
	if err := b.run(ctx, d, nil); err != nil {
		return err
	}
	return b.rest(ctx)
}

// steady measures one rate.
func (b *bed) steady(ctx context.Context, rate int) error {
	t := b.trial
	b.book.restart()
	commits, err := b.commits(ctx)
	if err != nil {
		return err
	}
	m, sent, shown := b.meter(), b.book.published, b.book.delivered
	if err := b.atRate(ctx, float64(rate), t.Duration); err != nil {
		return err
	}
	used := b.since(m)
	key, name := fmt.Sprintf("%d.", rate), fmt.Sprintf("%s/s", thousands(float64(rate)))
	events := float64(b.book.published - sent)
	t.times(key, name, spread(b.book.latencies))
	t.set(key+"sent", name+": events sent", Amount, events)
	t.set(key+"shown", name+": events shown", Amount, float64(b.book.delivered-shown))
	used.per(b, key, name+": ", "events", events)
	return b.setCommits(ctx, key, name+": ", commits)
}

// commits are what a gateway tells of its ledger: how many commits there were, how
// many writes shared them, and the seconds that they took.
type commits struct{ number, writes, seconds float64 }

func (b *bed) commits(ctx context.Context) (commits, error) {
	m, err := b.admin.metrics(ctx)
	return commits{
		m["paybell_ledger_commit_duration_seconds_count"], m["paybell_ledger_commit_writes_sum"], m["paybell_ledger_commit_duration_seconds_sum"],
	}, err
}

// setCommits notes what commits were like since before. Other servers have none.
func (b *bed) setCommits(ctx context.Context, key, name string, before commits) error {
	now, err := b.commits(ctx)
	if number := now.number - before.number; number > 0 {
		b.trial.set(key+"commit", name+"a commit took, on average", Seconds, (now.seconds-before.seconds)/number)
		b.trial.set(key+"shared", name+"writes that shared one, on average", Amount, (now.writes-before.writes)/number)
	}
	return err
}

// saturation measures how many events a second go through when there are always
// more; for comparison also with a commit for each, where the subject can.
func saturation(ctx context.Context, t *trial) error {
	if err := t.saturate(ctx, Setup{}, "", ""); err != nil {
		return err
	}
	if !t.subject.Paybell || !t.subject.Fresh {
		return nil
	}
	return t.saturate(ctx, Setup{CommitBatch: 1}, "alone.", "a commit for each: ")
}

// flooded is how many events are on their way at once: more than a commit takes,
// so that one fills while another is on its way to the disk.
const flooded = 512

// story is how many events each order gets at saturation. An order has a handful
// in life. Going on for a time instead would give the faster subject longer
// histories, and charge it for them.
const story = 3

func (t *trial) saturate(ctx context.Context, how Setup, key, name string) error {
	b, err := t.again(ctx, how, t.Clients)
	if err != nil {
		return err
	}
	b.mixed(t.SSEShare)
	if _, err := b.fill(ctx, t.Clients); err != nil {
		return err
	}
	b.flood = flooded
	if err := b.taken(ctx, t.Clients); err != nil { // warm up
		return err
	}
	b.book.restart()
	commits, err := b.commits(ctx)
	if err != nil {
		return err
	}
	m, taken, shown := b.meter(), b.book.acked, b.book.delivered
	if err := b.taken(ctx, story*t.Clients); err != nil {
		return err
	}
	took := time.Since(m.began).Seconds()
	used := b.since(m)
	events := float64(b.book.acked - taken)
	t.set(key+"events", name+"events verified, durable and answered", Rate, events/took)
	t.set(key+"shown", name+"events shown", Rate, float64(b.book.delivered-shown)/took)
	t.times(key, name+"webhook to screen", spread(b.book.latencies))
	used.per(b, key, name, "events", events)
	if err := b.setCommits(ctx, key, name, commits); err != nil {
		return err
	}
	return b.check(ctx, key)
}

// taken lets a flood go on until the server has taken so many more events, or
// until it is plain that it will not.
func (b *bed) taken(ctx context.Context, events int) error {
	until := b.book.acked + events
	return b.run(ctx, 10*b.trial.patience, func() bool { return b.book.acked >= until })
}

// burst measures the time until the last client has heard when all orders are
// paid at once.
func burst(ctx context.Context, t *trial) error {
	b, err := t.start(ctx, Setup{}, t.Clients)
	if err != nil {
		return err
	}
	b.mixed(t.SSEShare)
	if _, err := b.fill(ctx, t.Clients); err != nil {
		return err
	}
	if err := b.atRate(ctx, 50, t.part(.05, 300*time.Millisecond, 2*time.Second)); err != nil { // warm up
		return err
	}
	b.book.restart()
	due := b.now()
	for i := range t.Clients {
		b.publish(i, due)
	}
	if err := b.rest(ctx); err != nil {
		return err
	}
	s := spread(b.book.latencies)
	t.set("events", "orders paid at once", Amount, float64(t.Clients))
	t.set("last", "until the last screen", Seconds, s.Max.Seconds())
	t.set("half", "until half the screens", Seconds, s.P50.Seconds())
	return b.check(ctx, "")
}
