package checker

import (
	"cmp"
	"math"
	"slices"
)

// facts are a run with what its invariants look up.
type facts struct {
	*Run

	reigns   []reign // of copies of the ledger and its epochs, one after the other
	restores []Fault

	stored map[string]Mark   // event ids in the ledger that there is in the end, where first
	kept   map[string]bool   // … before all were sent again
	held   []map[string]bool // event ids that each restore brought back
	events map[string]Event  // by id, as they were sent

	rows      map[string][]Row  // an order's changes in the end, by version
	histories map[history][]Row // … in each copy and epoch
	at        map[place][]Row   // one in each
	epochs    map[string]bool   // that the ledger ever had

	conns []*connection // in the sequence in which they came to stand
}

// A history is that of an order in one copy of the ledger and one epoch.
type history struct {
	copy         int
	epoch, order string
}

// A place is a version of an order.
type place struct {
	order   string
	version int64
}

// A connection is one of a client, from the moment that it stood.
type connection struct {
	open    Receipt
	states  []Receipt
	goodbye Time // when it was told to go; 0: never
	end     Time // when it closed; never, for one that did not
}

const never = Time(math.MaxInt64)

// live says whether a connection was there at a time.
func (c *connection) live(at Time) bool { return c.open.At <= at && c.end > at }

// last is what the client was last told of an order, or nil.
func (c *connection) last(id string) *Receipt {
	for i := len(c.states) - 1; i >= 0; i-- {
		if c.states[i].State.Order == id {
			return &c.states[i]
		}
	}
	return nil
}

func gather(r *Run) *facts {
	f := &facts{
		Run: r, reigns: r.reigns(), stored: map[string]Mark{}, kept: map[string]bool{}, events: map[string]Event{},
		rows: map[string][]Row{}, histories: map[history][]Row{}, at: map[place][]Row{}, epochs: map[string]bool{r.Plan.Epoch: true},
	}
	for _, fault := range r.Faults {
		switch fault.Kind {
		case NewEpochFault:
			f.epochs[fault.Epoch] = true
		case RestoreFault:
			f.restores = append(f.restores, fault)
			f.held = append(f.held, map[string]bool{})
		}
	}
	f.readInbox()
	for _, a := range r.Webhooks {
		if !a.Forged {
			f.events[a.ID] = a.Event
		}
	}
	f.readJournal()
	f.connect()
	return f
}

func (f *facts) readInbox() {
	last := f.reigns[len(f.reigns)-1].copy
	for _, s := range f.Inbox {
		if s.Copy > 0 && s.Copy <= last && s.Reading <= f.restores[s.Copy-1].Reading {
			f.held[s.Copy-1][s.ID] = true
		}
		if s.Copy != last {
			continue
		}
		if _, ok := f.stored[s.ID]; !ok {
			f.stored[s.ID] = s.Mark
		}
		if f.Plan.Replayed == 0 || s.Reading <= f.Plan.Replayed {
			f.kept[s.ID] = true
		}
	}
}

func (f *facts) readJournal() {
	for _, row := range f.Journal {
		h := history{row.Copy, row.State.Epoch, row.State.Order}
		f.histories[h] = append(f.histories[h], row)
		p := place{row.State.Order, row.State.Version}
		f.at[p] = append(f.at[p], row)
	}
	last := f.reigns[len(f.reigns)-1]
	for h, rows := range f.histories {
		slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.State.Version, b.State.Version) })
		if h.copy == last.copy && h.epoch == last.epoch {
			f.rows[h.order] = rows
		}
	}
}

func (f *facts) connect() {
	type key struct {
		client string
		conn   int
	}
	known := map[key]*connection{}
	for _, c := range f.Clients {
		k := key{c.Client, c.Conn}
		if c.What == Opened {
			known[k] = &connection{open: c, end: never}
			f.conns = append(f.conns, known[k])
			continue
		}
		conn := known[k]
		if conn == nil {
			continue
		}
		switch c.What {
		case Received:
			if c.State != nil {
				conn.states = append(conn.states, c)
			}
		case Told:
			conn.goodbye = c.At
		case Closed:
			conn.end = c.At
		}
	}
}
