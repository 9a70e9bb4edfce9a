package checker

import (
	"cmp"
	"math"
	"slices"
)

// facts are a run with what its invariants look up.
type facts struct {
	*Run

	stored map[string]Mark  // event ids in the ledger, where first
	kept   map[string]bool  // … before all were sent again
	events map[string]Event // by id, as they were sent

	rows      map[string][]Row // an order's changes in the last epoch, by version
	histories [][]Row          // an order's changes in one epoch each, by version
	at        map[place]Row
	epochs    map[string]bool // that the ledger ever had

	conns []*connection // in the sequence in which they came to stand
}

// A place is a version of an order.
type place struct {
	epoch, order string
	version      int64
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
		Run: r, stored: map[string]Mark{}, kept: map[string]bool{}, events: map[string]Event{},
		rows: map[string][]Row{}, at: map[place]Row{}, epochs: map[string]bool{r.Plan.Epoch: true},
	}
	for _, s := range r.Inbox {
		if _, ok := f.stored[s.ID]; !ok {
			f.stored[s.ID] = s.Mark
		}
		if r.Plan.Replayed == 0 || s.Reading <= r.Plan.Replayed {
			f.kept[s.ID] = true
		}
	}
	for _, a := range r.Webhooks {
		if !a.Forged {
			f.events[a.ID] = a.Event
		}
	}
	for _, fault := range r.Faults {
		if fault.Kind == NewEpochFault {
			f.epochs[fault.Epoch] = true
		}
	}
	f.readJournal()
	f.connect()
	return f
}

func (f *facts) readJournal() {
	type history struct{ epoch, order string }
	at := map[history]int{}
	epoch := f.Plan.Epoch
	for _, row := range f.Journal {
		epoch = row.State.Epoch
		h := history{epoch, row.State.Order}
		i, ok := at[h]
		if !ok {
			i = len(f.histories)
			at[h] = i
			f.histories = append(f.histories, nil)
		}
		f.histories[i] = append(f.histories[i], row)
		f.at[place{epoch, row.State.Order, row.State.Version}] = row
	}
	for _, rows := range f.histories {
		slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.State.Version, b.State.Version) })
		if rows[0].State.Epoch == epoch {
			f.rows[rows[0].State.Order] = rows
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
