package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	goruntime "runtime/metrics"
	"time"
)

// Garbage costs memory until it is collected, and time when it is. A gateway has
// storms, when much is thrown away and time is short, and long waits, when memory
// is what its customers cost. So it collects seldom while it is busy, and gives
// back what is left of a storm when that is over: Go's garbage, and the pages that
// the ledger has cached.
const (
	gcPercent  = 200             // instead of Go's 100; GOGC overrides it
	calmPeriod = 3 * time.Second // how often to look
	calmBytes  = 3 << 20         // allocated in that time at most: 1 MB/s
	worthwhile = 4 << 20         // bytes that were allocated since memory was given back last, at least
)

// tuneMemory sets how often to collect.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// A memory knows how much there is to give back.
type memory struct {
	shrink    func(context.Context) error // the ledger's caches
	log       *slog.Logger
	samples   []goruntime.Sample
	allocated uint64 // in all, when last looked at
	returned  uint64 // … when memory was last given back
}

func newMemory(shrink func(context.Context) error, log *slog.Logger) *memory {
	m := &memory{shrink: shrink, log: log}
	for _, name := range []string{
		"/gc/heap/allocs:bytes", "/gc/heap/live:bytes",
		"/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes",
	} {
		m.samples = append(m.samples, goruntime.Sample{Name: name})
	}
	return m
}

// run gives memory back until ctx ends.
func (m *memory) run(ctx context.Context) {
	tick := time.NewTicker(calmPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.giveBack(ctx)
		}
	}
}

// giveBack gives memory back if it is calm and enough has been used since the last
// time.
func (m *memory) giveBack(ctx context.Context) {
	goruntime.Read(m.samples)
	value := func(i int) uint64 { return m.samples[i].Value.Uint64() }
	allocated, live, held := value(0), value(1), value(2)+value(3)+value(4)
	calm := allocated-m.allocated < calmBytes
	m.allocated = allocated
	if !calm || allocated-m.returned < worthwhile {
		return
	}
	m.returned = allocated
	if err := m.shrink(ctx); err != nil {
		m.log.Warn("shrink the ledger's caches", "err", err)
	}
	if held > live+live/4 { // or collecting costs more than it brings
		debug.FreeOSMemory()
	}
}
