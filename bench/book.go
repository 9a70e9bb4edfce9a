package bench

// A book keeps count of every event: when it was due, whether the server took
// it, and whether its client heard of it, once. It is the referee of a run, so it
// trusts nothing that a server says.
type book struct {
	accounts []account
	entries  []entry
	free     int32 // the first of the entries that are not in use; -1: none

	latencies []int64 // from due to heard, in ns; of what was heard since restart

	published int // events made
	acked     int // … that the server took with a 2xx
	delivered int // … that their client heard of while it was connected
	caughtUp  int // … that it heard of when it came back
	merged    int // … of the delivered, that a newer state made up for
	repeated  int // messages about an event that its client had heard of
	misrouted int // messages about another client's order
	stale     int // first states that were older than what the server had taken before
	unknown   int // messages about events that were never made
}

// An account is what is known of one order.
type account struct {
	published   uint32 // the last event made
	acked       uint32 // the last event below which all were taken by the server
	heard       uint32 // the newest event that the client knows of
	first, last int32  // its events that are not heard of, in the entries; -1: none
}

// An entry is an event of which its client has not heard.
type entry struct {
	due    int64 // on the loop's clock; 0: its latency does not count
	number uint32
	next   int32
	acked  bool
}

func newBook(orders int) *book {
	b := &book{accounts: make([]account, orders), free: -1}
	for i := range b.accounts {
		b.accounts[i].first, b.accounts[i].last = -1, -1
	}
	return b
}

// restart forgets the latencies so far.
func (b *book) restart() { b.latencies = b.latencies[:0] }

// publish makes the next event of an order. due 0: its latency does not count.
func (b *book) publish(order int, due int64) uint32 {
	a := &b.accounts[order]
	a.published++
	b.published++
	at := b.free
	if at < 0 {
		at = int32(len(b.entries))
		b.entries = append(b.entries, entry{})
	} else {
		b.free = b.entries[at].next
	}
	b.entries[at] = entry{due: due, number: a.published, next: -1}
	if a.last < 0 {
		a.first = at
	} else {
		b.entries[a.last].next = at
	}
	a.last = at
	return a.published
}

// ack notes that the server took an event.
func (b *book) ack(order int, number uint32) {
	b.acked++
	a := &b.accounts[order]
	a.acked = max(a.acked, number)
	for at := a.first; at >= 0; at = b.entries[at].next {
		if b.entries[at].number == number {
			b.entries[at].acked = true
			return
		}
	}
}

// hear notes what client i heard.
func (b *book) hear(i int, h Heard, now int64) {
	switch {
	case h.What != State && h.What != Message:
		return
	case h.Order != i:
		b.misrouted++
		return
	}
	a := &b.accounts[i]
	switch {
	case h.Number == 0 || h.Number > a.published:
		b.unknown++
	case h.What == Message:
		if b.take(a, h.Number, now) == 0 {
			b.repeated++
			return
		}
	case h.Number <= a.heard:
		b.repeated++
		return
	default:
		if n := b.takeUpTo(a, h.Number, now); n > 1 {
			b.merged += n - 1
		}
	}
	a.heard = max(a.heard, h.Number)
}

// up notes what the state includes that client i was sent first. taken is the
// last event that the server had taken when the client asked.
func (b *book) up(i int, number, taken uint32) {
	a := &b.accounts[i]
	switch {
	case number > a.published:
		b.unknown++
	case number < taken:
		b.stale++
	}
	before := b.delivered
	b.takeUpTo(a, number, 0)
	b.caughtUp += b.delivered - before
	b.delivered = before
	a.heard = max(a.heard, number)
}

// take removes one event from those not heard of, and returns how many it was.
// now 0: it was heard of at no particular time.
func (b *book) take(a *account, number uint32, now int64) int {
	before := int32(-1)
	for at := a.first; at >= 0; before, at = at, b.entries[at].next {
		if b.entries[at].number == number {
			b.remove(a, before, at, now)
			return 1
		}
	}
	return 0
}

// takeUpTo is take for an event and all before it.
func (b *book) takeUpTo(a *account, number uint32, now int64) int {
	n := 0
	before := int32(-1)
	for at := a.first; at >= 0; {
		next := b.entries[at].next
		if b.entries[at].number <= number {
			b.remove(a, before, at, now)
			n++
		} else {
			before = at
		}
		at = next
	}
	return n
}

func (b *book) remove(a *account, before, at int32, now int64) {
	e := &b.entries[at]
	if now > 0 && e.due > 0 {
		b.latencies = append(b.latencies, now-e.due)
	}
	b.delivered++
	if before < 0 {
		a.first = e.next
	} else {
		b.entries[before].next = e.next
	}
	if a.last == at {
		a.last = before
	}
	e.next = b.free
	b.free = at
}

// lost counts the events that the server took and of which their clients have
// not heard.
func (b *book) lost() int {
	n := 0
	for i := range b.accounts {
		for at := b.accounts[i].first; at >= 0; at = b.entries[at].next {
			if b.entries[at].acked {
				n++
			}
		}
	}
	return n
}

// open counts the events that are neither taken nor heard of.
func (b *book) open() int { return b.published - b.delivered - b.caughtUp }
