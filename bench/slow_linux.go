package bench

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// slow measures what clients cost that stop reading for good, and connections
// that never get to the point; and whether the others feel it.
//
// The clients that stop reading all wait for the same orders, so that a few
// events a second fill what the network holds for each. They are compared with as
// many that read.
func slow(ctx context.Context, t *trial) error {
	others, crowd := min(t.Clients, 2_000), max(t.Clients/75, 10)
	b, err := t.start(ctx, Setup{}, others+sharedOrders)
	if err != nil {
		return err
	}
	b.mixed(t.SSEShare)
	b.setReach(others)
	if _, err := b.fill(ctx, others); err != nil {
		return err
	}
	s := &slowTrial{bed: b, others: others, size: crowd}
	for _, part := range []func(context.Context) error{s.readers, s.deaf, s.loris} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return b.check(ctx, "")
}

const (
	sharedOrders = 20
	sharedRate   = 50  // events a second for them
	othersRate   = 200 // … and for the orders of the others
	slowPatience = 45 * time.Second
	slowLook     = 8 * time.Second // by then what the network holds is full, and no deadline has passed
)

// A slowTrial is scenario slow under way.
type slowTrial struct {
	*bed
	others, size int // of the crowd
	versions     uint32
	held         float64  // what the server holds, in bytes
	reading      []sample // with a crowd that reads
}

// sharedEvent makes an event for one of the orders that the crowd waits for. The
// book does not keep it.
func (s *slowTrial) sharedEvent(int64) {
	s.send(job{order: s.others + int(s.versions%sharedOrders), number: s.versions/sharedOrders + 1, repeat: true})
	s.versions++
}

// under sends events to all, and returns after a while how long those of the
// others took. If done is given, it then goes on until done says so.
func (s *slowTrial) under(ctx context.Context, done func(sample) bool) ([]sample, Spread, error) {
	s.book.restart()
	s.pace(othersRate, slowPatience, s.publishNext)
	s.pace(sharedRate, slowPatience, s.sharedEvent)
	defer func() { s.pacers = nil }()
	w := s.sample(ctx, 250*time.Millisecond)
	defer w.stop()
	if err := s.run(ctx, slowLook, nil); err != nil {
		return nil, Spread{}, err
	}
	others := spread(s.book.latencies)
	if err := s.look(ctx); err != nil {
		return nil, Spread{}, err
	}
	if done == nil {
		return w.stop(), others, nil
	}
	err := s.run(ctx, slowPatience-slowLook, func() bool { return done(w.last()) })
	return w.stop(), others, err
}

// look reads what the server holds: its heap in use, and its stacks.
func (s *slowTrial) look(ctx context.Context) error {
	r, err := s.read(ctx, true)
	s.held = r.heap + r.stacks
	return err
}

// admitCrowd opens the crowd's connections, half of each transport.
func (s *slowTrial) admitCrowd(deaf bool) error {
	for i := range s.size {
		d, ok := s.server.Dialects[i%len(s.server.Dialects)].(Crowder)
		if !ok {
			return fmt.Errorf("bench: the dialect %T cannot wait for several orders", d)
		}
		request := d.SubscribeAll(nil, s.others, s.others+sharedOrders)
		if err := s.admit(stranger{kind: "deaf", bytes: request, first: len(request), deaf: deaf}, s.waits, narrow); err != nil {
			return err
		}
	}
	return nil
}

// narrow makes a socket like one across the world: segments of an Ethernet's size,
// for which the sender's kernel reserves tens of KB and not the loopback's
// megabytes, and as little room as may be to receive.
func narrow(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1448)
}

// dismiss closes the crowd's connections.
func (s *slowTrial) dismiss(ctx context.Context) error {
	for i := range s.crowd {
		s.crowd[i].close()
	}
	s.crowd = s.crowd[:0]
	return s.run(ctx, s.trial.settle()/2, nil)
}

// readers has a crowd that reads, to compare with.
func (s *slowTrial) readers(ctx context.Context) error {
	if err := s.admitCrowd(false); err != nil {
		return err
	}
	samples, others, err := s.under(ctx, nil)
	if err != nil {
		return err
	}
	s.reading = samples
	s.trial.set("others.before", "the others' p99, while all read", Seconds, others.P99.Seconds())
	return s.dismiss(ctx)
}

// deaf has a crowd that does not read, until the server has closed them all.
func (s *slowTrial) deaf(ctx context.Context) error {
	if err := s.admitCrowd(true); err != nil {
		return err
	}
	began, most := s.now(), 0.0
	all := func(now sample) bool {
		most = max(most, now.connections)
		return most > float64(s.others) && now.connections <= float64(s.others)
	}
	reading := s.held
	samples, others, err := s.under(ctx, all)
	if err != nil {
		return err
	}
	t, n := s.trial, float64(s.size)
	var closed []int64
	before := 0.0
	for _, at := range samples {
		if before > at.connections {
			for range int(before - at.connections) {
				closed = append(closed, at.at-began)
			}
		}
		before = at.connections
	}
	t.set("clients", "clients that stopped reading", Amount, n)
	t.set("closed", "… closed by the server", Amount, float64(len(closed)))
	if len(closed) > 0 {
		t.set("closed.first", "… the first after", Seconds, time.Duration(slices.Min(closed)).Seconds())
		t.set("closed.last", "… the last after", Seconds, time.Duration(slices.Max(closed)).Seconds())
	}
	if len(closed) < s.size {
		t.fail("%d of %d clients that stopped reading were not closed within %v", s.size-len(closed), s.size, slowPatience)
	}
	t.set("memory", "… server memory for each, above one that reads", Bytes, (s.held-reading)/n)
	t.set("sockets", "… kernel memory for each, above one that reads", Bytes, float64(peak(samples)-peak(s.reading))/n)
	t.set("others.deaf", "the others' p99, with clients that do not read", Seconds, others.P99.Seconds())
	return s.dismiss(ctx)
}

// loris has connections that never get to the point, until the server has closed
// them all.
func (s *slowTrial) loris(ctx context.Context) error {
	each := max(s.trial.Clients/150, 2)
	for _, kind := range s.habits() {
		for range each {
			to := s.waits
			if kind.kind == "body" {
				to = s.takes
			}
			if err := s.admit(kind, to, nil); err != nil {
				return err
			}
		}
	}
	all := func(sample) bool {
		return !slices.ContainsFunc(s.crowd, func(one stranger) bool { return one.ended == 0 })
	}
	_, others, err := s.under(ctx, all)
	if err != nil {
		return err
	}
	for _, kind := range s.habits() {
		var took []int64
		for _, one := range s.crowd {
			if one.kind == kind.kind && one.ended > 0 {
				took = append(took, one.ended-one.opened)
			}
		}
		name := "closed: " + lorisNames[kind.kind]
		s.trial.set("loris."+kind.kind, name, Amount, float64(len(took)))
		if len(took) < each {
			s.trial.fail("%d of %d connections were not closed within %v: %s", each-len(took), each, slowPatience, lorisNames[kind.kind])
		}
		if len(took) > 0 {
			s.trial.set("loris."+kind.kind+".last", "… the last after", Seconds, time.Duration(slices.Max(took)).Seconds())
		}
	}
	s.trial.set("others.loris", "the others' p99, with these", Seconds, others.P99.Seconds())
	return s.dismiss(ctx)
}

var lorisNames = map[string]string{
	"silent":    "it says nothing",
	"head":      "a byte of the request's head each half second",
	"body":      "a byte of a webhook's body each half second",
	"handshake": "half a WebSocket handshake",
	"tokenless": "a WebSocket without a token",
}

// habits are the kinds of connections that never get to the point.
func (s *slowTrial) habits() []stranger {
	const half = int64(500 * time.Millisecond)
	d := s.server.dialect(WebSocket)
	handshake := d.Subscribe(nil, 0)
	request := d.Publish(nil, s.others, 1)
	head := bytes.Index(request, []byte("\r\n\r\n")) + 4
	var tokenless []byte
	for line := range lines(handshake) {
		if !strings.HasPrefix(string(line), "Authorization:") {
			tokenless = append(append(tokenless, line...), "\r\n"...)
		}
	}
	return []stranger{
		{kind: "silent"},
		{kind: "head", bytes: handshake, first: 1, piece: 1, every: half},
		{kind: "body", bytes: request, first: head, piece: 1, every: half},
		{kind: "handshake", bytes: handshake[:len(handshake)/2], first: len(handshake) / 2},
		{kind: "tokenless", bytes: tokenless, first: len(tokenless)},
	}
}

// A sample is what there is at a moment.
type sample struct {
	at          int64
	sockets     int64 // kernel memory of all TCP sockets
	connections float64
}

// peak is the most kernel memory in samples.
func peak(samples []sample) int64 {
	highest := int64(0)
	for _, s := range samples {
		highest = max(highest, s.sockets)
	}
	return highest
}

// A sampler reads what a server uses, now and then, while the load goes on.
type sampler struct {
	mu      sync.Mutex
	samples []sample
	end     context.CancelFunc
	ended   chan struct{}
}

// sample starts a sampler. It has one goroutine, until stop.
func (b *bed) sample(ctx context.Context, every time.Duration) *sampler {
	ctx, cancel := context.WithCancel(ctx)
	w := &sampler{end: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			metrics, err := b.admin.metrics(ctx)
			if err == nil {
				s := sample{at: b.now(), sockets: socketMemory(), connections: total(metrics, "paybell_connections", "")}
				w.mu.Lock()
				w.samples = append(w.samples, s)
				w.mu.Unlock()
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

// last returns the newest sample.
func (w *sampler) last() sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == 0 {
		return sample{}
	}
	return w.samples[len(w.samples)-1]
}

// stop ends the sampler and returns what it has.
func (w *sampler) stop() []sample {
	w.end()
	<-w.ended
	return w.samples
}
