package bench

import (
	"context"
	"time"
)

// idle measures clients that wait, and what it costs to let them in: both
// transports together, and each alone, so that each has its own figures.
func idle(ctx context.Context, t *trial) error {
	server, err := t.start(ctx, Setup{}, t.Clients)
	if err != nil {
		return err
	}
	wires := t.wires(server.server)
	both := len(wires) > 1 && t.subject.Paybell
	if both {
		server.mixed(t.SSEShare)
		if err := server.idle(ctx, "both.", "both"); err != nil {
			return err
		}
	}
	for n, w := range wires {
		if n > 0 || both {
			if server, err = t.again(ctx, Setup{}, t.Clients); err != nil {
				return err
			}
		}
		server.only(w)
		if err := server.idle(ctx, w.String()+".", w.title()); err != nil {
			return err
		}
	}
	return nil
}

// wires are those of a server on which there are to be clients, or all.
func (t *trial) wires(server *Server) (wires []Wire) {
	unwanted := map[Wire]bool{EventStream: t.SSEShare == 0, WebSocket: t.SSEShare == 1}
	for _, d := range server.Dialects {
		if len(server.Dialects) == 1 || !unwanted[d.Wire()] {
			wires = append(wires, d.Wire())
		}
	}
	return wires
}

// again ends the server that there is, and starts a fresh one.
func (t *trial) again(ctx context.Context, how Setup, clients int) (*bed, error) {
	for n := len(t.stops); n > 0; n = len(t.stops) {
		t.stops[n-1]()
		t.stops = t.stops[:n-1]
	}
	return t.start(ctx, how, clients)
}

// idle measures one population.
func (b *bed) idle(ctx context.Context, key, name string) error {
	t, clients := b.trial, float64(b.trial.Clients)
	if err := b.warmUp(ctx); err != nil {
		return err
	}
	empty, err := b.read(ctx, true)
	if err != nil {
		return err
	}
	if err := b.arrive(ctx, key, name); err != nil {
		return err
	}
	waiting, err := b.read(ctx, false)
	if err != nil {
		return err
	}
	for i := range t.Clients {
		b.publish(i, b.now())
	}
	if err := b.check(ctx, key); err != nil {
		return err
	}
	b.hangUp()
	if err := b.run(ctx, t.rest(), nil); err != nil {
		return err
	}
	after, err := b.read(ctx, false)
	if err != nil {
		return err
	}
	collected, err := b.read(ctx, true)
	if err != nil {
		return err
	}
	if t.Clients < fewClients { // whose memory is lost in the process's own
		return nil
	}
	if len(b.server.PIDs) > 0 {
		t.set(key+"rest", name+": rest before its memory is read", Seconds, t.rest().Seconds())
		t.set(key+"memory", name+": memory of the server per client", Bytes, float64(waiting.memory-empty.memory)/clients)
		t.set(key+"memory_after", name+": … after an event for each", Bytes, float64(after.memory-empty.memory)/clients)
	}
	if len(collected.metrics) > 0 {
		t.set(key+"heap", name+": Go heap in use per client", Bytes, (collected.heap-empty.heap)/clients)
		t.set(key+"stacks", name+": stacks of goroutines per client", Bytes, (collected.stacks-empty.stacks)/clients)
		t.set(key+"goroutines", name+": goroutines", Amount, waiting.goroutines)
	}
	return nil
}

// fewClients is below how many their memory says nothing.
const fewClients = 1000

// warmUp lets some clients in, has an event for each, and lets them go, so that
// what a server does once is done: its program is read from the disk, its pools
// and statements are made. What it has then is the empty server.
func (b *bed) warmUp(ctx context.Context) error {
	clients := min(b.trial.Clients, 200)
	if _, err := b.fill(ctx, clients); err != nil {
		return err
	}
	if b.trial.subject.Fresh { // or it keeps no states, and has none when they come back
		for i := range clients {
			b.publish(i, 0)
		}
	}
	if err := b.rest(ctx); err != nil {
		return err
	}
	for i := range clients {
		b.leave(i, false)
	}
	b.hangUp()
	return b.run(ctx, b.trial.rest(), nil)
}

// rest is how long a server is left alone before its memory is read. It takes some
// seconds to notice that it is calm, and to give back what it does not need.
func (t *trial) rest() time.Duration { return t.part(1, 300*time.Millisecond, 10*time.Second) }

// arrive lets all clients in, and the server come to rest.
func (b *bed) arrive(ctx context.Context, key, name string) error {
	t := b.trial
	m := b.meter()
	took, err := b.fill(ctx, t.Clients)
	if err != nil {
		return err
	}
	b.since(m).per(b, key, name+": ", "connects", float64(t.Clients))
	t.set(key+"connects", name+": clients let in", Rate, float64(t.Clients)/took.Seconds())
	return b.run(ctx, t.rest(), nil)
}
