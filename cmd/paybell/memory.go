package main

import (
	"context"
	"os"
	"runtime/debug"
	goruntime "runtime/metrics"
	"time"
)

// Garbage costs memory until it is collected, and time when it is. A gateway has
// storms, when much is thrown away and time is short, and long waits, when memory
// is what its customers cost. So it collects seldom while it is busy, and gives
// back what is left of a storm when that is over.
const (
	gcPercent  = 200             // instead of Go's 100; GOGC overrides it
	calmPeriod = 3 * time.Second // how often to look
	calmBytes  = 3 << 20         // allocated in that time at most: 1 MB/s
	worthwhile = 4 << 20         // bytes that may be given back, at least
)

// tuneMemory sets how often to collect.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// A memory knows what the heap holds beyond what is alive.
type memory struct {
	samples   []goruntime.Sample
	allocated uint64 // in all, when last looked at
	returned  uint64 // … when memory was last given back
}

func newMemory() *memory {
	m := &memory{}
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
			if m.idle() {
				debug.FreeOSMemory()
			}
		}
	}
}

// idle says whether it is calm and there is memory to give back. What fills
// little holes between living objects cannot be given back, and is not tried for
// again before as much has been allocated.
func (m *memory) idle() bool {
	goruntime.Read(m.samples)
	value := func(i int) uint64 { return m.samples[i].Value.Uint64() }
	allocated, live, held := value(0), value(1), value(2)+value(3)+value(4)
	calm := allocated-m.allocated < calmBytes
	m.allocated = allocated
	if !calm || held < live+worthwhile || allocated-m.returned < held-live {
		return false
	}
	m.returned = allocated
	return true
}
