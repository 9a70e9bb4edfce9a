package hub

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An era is one of the ledger's epochs, by the order in which the hub met them:
// a watcher has 2 bytes for its own. Versions compare within an era, and eras do
// not compare: nobody can tell from an epoch whether it is newer.
type era uint16

// eras number the epochs, which are as many as the ledger has had while the hub
// was there: what is counted comes from the ledger and from nowhere else.
type eras struct {
	mu    sync.Mutex
	known atomic.Pointer[[]string]
}

func (e *eras) of(epoch string) era {
	if n := e.find(epoch); n >= 0 {
		return era(n)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := e.find(epoch); n >= 0 {
		return era(n)
	}
	var known []string
	if old := e.known.Load(); old != nil {
		known = slices.Clone(*old)
	}
	known = append(known, strings.Clone(epoch)) // not the text that it is a part of
	e.known.Store(&known)
	return era(len(known) - 1)
}

func (e *eras) find(epoch string) int {
	known := e.known.Load()
	if known == nil {
		return -1
	}
	return slices.Index(*known, epoch)
}

// Renew says that the ledger is in an epoch from now on, and has it read anew for
// every watcher. A client that was shown another epoch gets a snapshot, and any
// other only what is newer than what it has. Changes of other epochs are shown to
// nobody any more. Renew does not wait for the ledger.
//
// It is one of a kind with [Hub.Dispatch]: of both, one call comes after another.
func (h *Hub) Renew(epoch string) {
	h.epoch.Store(&epoch)
	select {
	case h.renewal <- struct{}{}:
	default: // the one that is to come is later than this
	}
}

// Renewals read for so many clients at once, and pause when the ledger cannot be
// read. Orders that several watch are read once.
const (
	renewalGroup = maxQuery
	renewalPause = 250 * time.Millisecond
)

// renew runs what Renew asks for, until ctx ends.
func (h *Hub) renew(ctx context.Context) {
	for {
		select {
		case <-h.renewal:
		case <-ctx.Done():
			return
		}
		// Whoever is not among all these yet has not registered, and so reads later
		// than Renew was called.
		for group := range slices.Chunk(h.wheel.all(), renewalGroup) {
			for len(group) > 0 && ctx.Err() == nil {
				if group = h.renewGroup(group); len(group) > 0 {
					pauseFor(ctx, renewalPause)
				}
			}
		}
	}
}

// renewGroup reads for some clients, and returns those for which that failed.
// Their watchers go on gathering.
func (h *Hub) renewGroup(group []*client) []*client {
	var mu sync.Mutex
	var failed []*client
	var reads sync.WaitGroup
	for _, c := range group {
		watchers := c.watching()
		if len(watchers) == 0 {
			continue
		}
		reads.Add(1)
		h.read(c, watchers, func(err error) {
			defer reads.Done()
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, c)
			}
		})
	}
	reads.Wait()
	return failed
}

// watching returns the client's watchers; none if it is ending.
func (c *client) watching() []*watcher {
	c.mu.Lock()
	defer c.mu.Unlock()
	var watchers []*watcher
	for w := c.watchers; w != nil && c.ending == nil; w = w.sibling {
		watchers = append(watchers, w)
	}
	return watchers
}

func pauseFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
