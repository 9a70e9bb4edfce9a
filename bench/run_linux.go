package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Run measures a subject, scenario by scenario, each time on a fresh server. What
// it cannot measure at all is its error; promises that did not hold are in the
// report. When ctx ends, so do the servers, and Run.
func Run(ctx context.Context, subject Subject, o Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := checkRoom(o.Clients); err != nil {
		return nil, err
	}
	report := &Report{Subject: subject.Name, Date: time.Now(), Machine: thisMachine()}
	for _, s := range Scenarios() {
		if chosen, why := o.chooses(s, subject); !chosen {
			if why != "" {
				report.LeftOut = append(report.LeftOut, why)
			}
			continue
		}
		runs := o.Runs
		if s.once {
			runs = 1
		}
		for n := range runs {
			t := &trial{Options: o, subject: subject, scenario: s.Name, report: report, say: o.Progress}
			if t.say == nil {
				t.say = func(string) {}
			}
			title := s.Name
			if runs > 1 {
				title = fmt.Sprintf("%s, run %d of %d", s.Name, n+1, runs)
			}
			t.say(title)
			if err := t.run(ctx); err != nil {
				if ended := context.Cause(ctx); ended != nil {
					return report, ended
				}
				return report, fmt.Errorf("%s: %w", s.Name, err)
			}
		}
	}
	return report, nil
}

// chooses says whether a scenario is to run, and if not, why a person who did not
// think of it should know.
func (o Options) chooses(s Scenario, subject Subject) (bool, string) {
	switch {
	case s.own && !subject.Paybell:
		return false, ""
	case s.fresh && !subject.Fresh && (len(o.Only) == 0 || slices.Contains(o.Only, s.Name)):
		return false, s.Name + ", which starts and stops a gateway of its own"
	case len(o.Only) > 0:
		return slices.Contains(o.Only, s.Name), ""
	case s.named:
		return false, ""
	case o.Duration < s.least:
		return false, fmt.Sprintf("%s, which makes sense with --duration %v or more, or by its name", s.Name, s.least)
	}
	return true, ""
}

// A trial is one run of one scenario.
type trial struct {
	Options
	subject  Subject
	scenario string
	report   *Report
	say      func(string)
	stops    []func()
}

// run runs the scenario, and ends all that it started.
func (t *trial) run(ctx context.Context) error {
	defer func() {
		for _, stop := range slices.Backward(t.stops) {
			stop()
		}
	}()
	return map[string]func(context.Context, *trial) error{
		"idle": idle, "latency": latency, "saturation": saturation, "burst": burst, "slow": slow, "drain": drain,
		"descriptors": fewDescriptors, "churn": churn, "night-peak": nightPeak,
	}[t.scenario](ctx, t)
}

// set notes a figure of the scenario.
func (t *trial) set(key, name string, unit Unit, value float64) {
	t.report.add(t.scenario+"."+key, name, unit, value)
}

// times notes a distribution.
func (t *trial) times(key, name string, s Spread) {
	for _, part := range []struct {
		key string
		at  time.Duration
	}{{"p50", s.P50}, {"p99", s.P99}, {"p999", s.P999}, {"max", s.Max}} {
		t.set(key+part.key, name+": "+part.key, Seconds, part.at.Seconds())
	}
}

// fail notes a promise that did not hold.
func (t *trial) fail(format string, args ...any) {
	t.report.Failures = append(t.report.Failures, t.scenario+": "+fmt.Sprintf(format, args...))
}

// part is a share of the duration, within bounds.
func (t *trial) part(share float64, least, most time.Duration) time.Duration {
	return min(max(time.Duration(share*float64(t.Duration)), least), most)
}

// settle is how long to wait until a server has come to rest.
func (t *trial) settle() time.Duration { return t.part(.4, 300*time.Millisecond, 10*time.Second) }

// A bed is a server under load.
type bed struct {
	*load
	trial *trial
	admin *admin
}

// start starts a server, and a load of so many clients that are not there yet.
func (t *trial) start(ctx context.Context, how Setup, clients int) (*bed, error) {
	server, err := t.subject.Start(ctx, how)
	if err != nil {
		return nil, err
	}
	t.stops = append(t.stops, func() { t.stop(server) })
	t.report.Version, t.report.Mode = server.Version, server.Mode
	const senders = 256
	l, err := newLoad(server, clients, t.Addresses, senders)
	if err != nil {
		return nil, err
	}
	t.stops = append(t.stops, l.close)
	l.progress = func(state string) { t.say(t.scenario + ": " + state) }
	return &bed{load: l, trial: t, admin: newAdmin(server.Admin)}, nil
}

// stop ends a server, which must have had no reason to complain.
func (t *trial) stop(server *Server) {
	if server.Complaints != nil {
		if lines := server.Complaints(); len(lines) > 0 {
			t.fail("the server logged %d errors, the first: %s", len(lines), lines[0])
		}
	}
	server.Stop()
}

// fill lets the first clients connect, all of which must come.
func (b *bed) fill(ctx context.Context, clients int) (time.Duration, error) {
	took, came, err := b.connect(ctx, 0, clients, 15*time.Second)
	if err == nil && came < clients {
		err = fmt.Errorf("%d of %d clients came up; %s", came, clients, b.why())
	}
	return took, err
}

// why says how connections ended that should not have.
func (b *bed) why() string {
	if len(b.ends) == 0 {
		return "the others got no answer"
	}
	e := b.ends[len(b.ends)-1]
	return fmt.Sprintf("%d were ended by the server, the last with status %d, close code %d", len(b.ends), e.status, e.code)
}

// rest waits until all that was sent has been taken and shown, or until that will
// not happen any more.
func (b *bed) rest(ctx context.Context) error {
	b.flood = 0
	return b.run(ctx, b.trial.patience, func() bool {
		return b.provider.flying() == 0 && (b.book.open() == 0 || b.provider.giveUp && b.book.lost() == 0)
	})
}

// check waits for what is still on its way, and then demands what must hold of
// every event so far.
func (b *bed) check(ctx context.Context, prefix string) error {
	if err := b.rest(ctx); err != nil {
		return err
	}
	k, p := b.book, &b.provider
	for _, c := range []struct {
		key, name string
		n         int
	}{
		{"lost", "events that a client never heard of", k.lost()},
		{"repeated", "versions seen twice", k.repeated},
		{"misrouted", "orders that the token does not name", k.misrouted},
		{"stale", "first states older than what was known", k.stale},
		{"unknown", "states that no event made", k.unknown},
		{"refused", "events refused", p.refused},
		{"unanswered", "events that the server never took", b.unanswered()},
	} {
		b.trial.set(prefix+c.key, c.name, Count, float64(c.n))
		if c.n > 0 {
			b.trial.fail("%s%s %d: %s%s", prefix, c.key, c.n, c.name, b.refusal(c.key))
		}
	}
	return nil
}

// unanswered counts the events that were sent until the server took them, and
// still were not. One that was stopped need not.
func (b *bed) unanswered() int {
	if b.provider.giveUp {
		return 0
	}
	return b.book.published - b.book.acked - b.provider.refused
}

func (b *bed) refusal(key string) string {
	if key != "refused" {
		return ""
	}
	return fmt.Sprintf("; the first with %d: %s", b.provider.refusal, strings.TrimSpace(b.provider.text))
}

// A reading is what a server uses at a moment.
type reading struct {
	memory      int64
	goroutines  float64
	heap        float64
	stacks      float64
	objects     float64
	descriptors int
	connections float64
	metrics     map[string]float64
}

// read reads what the server uses. With collect, its heap is what is in use.
func (b *bed) read(ctx context.Context, collect bool) (reading, error) {
	var r reading
	var errs []error
	for _, pid := range b.server.PIDs {
		bytes, err := memory(pid)
		errs = append(errs, err)
		r.memory += bytes
		r.descriptors += descriptors(pid)
	}
	if collect {
		errs = append(errs, b.admin.collect(ctx))
	}
	var err error
	r.metrics, err = b.admin.metrics(ctx)
	errs = append(errs, err)
	r.goroutines = r.metrics["go_goroutines"]
	r.heap = r.metrics["go_memstats_heap_alloc_bytes"]
	r.stacks = r.metrics["go_memstats_stack_inuse_bytes"]
	r.objects = r.metrics["go_memstats_heap_objects"]
	r.connections = total(r.metrics, "paybell_connections", "")
	return r, errors.Join(errs...)
}

// A meter tells how much processor time was used since it was made.
type meter struct {
	theirs, ours time.Duration
	began        time.Time
}

func (b *bed) meter() meter {
	m := meter{ours: cpuTime(0), began: time.Now()}
	for _, pid := range b.server.PIDs {
		m.theirs += cpuTime(pid)
	}
	return m
}

// used is the processor time of the server's processes, and the load's own.
type used struct{ theirs, ours time.Duration }

func (b *bed) since(m meter) used {
	now := b.meter()
	return used{now.theirs - m.theirs, now.ours - m.ours}
}

// per notes what was used for 10,000 of so many.
func (u used) per(b *bed, key, name, what string, n float64) {
	if len(b.server.PIDs) == 0 || n == 0 {
		return
	}
	b.trial.set(key+"cpu", name+"processor time of 10,000 "+what, Seconds, u.theirs.Seconds()/n*1e4)
	b.trial.set(key+"generator", name+"… of the load's own", Seconds, u.ours.Seconds()/n*1e4)
}
