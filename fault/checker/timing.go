package checker

import (
	"slices"
	"sort"
)

// A hearing is a change on its way to one connection that waited for it.
type hearing struct {
	row   Row
	from  Time    // the commit, or later the moment when the connection stood
	until Time    // it was shown, or the connection or the run ended
	shown Receipt // the first state as new as the row; What is empty: none
	conn  *connection
}

func (h hearing) late() Time { return h.until - h.from }

// hearings calls fn for each change that a connection should have shown: all
// that were committed while it stood, and the newest before. In each reign there
// is a journal of its own.
func (f *facts) hearings(fn func(hearing)) {
	for _, c := range f.conns {
		for _, id := range c.open.Orders {
			for _, r := range f.reigns {
				f.hearingsIn(r, c, id, fn)
			}
		}
	}
}

func (f *facts) hearingsIn(r reign, c *connection, id string, fn func(hearing)) {
	rows := f.histories[history{r.copy, r.epoch, id}]
	began := max(c.open.At, r.from)
	first := sort.Search(len(rows), func(i int) bool { return rows[i].Committed > began })
	seen := 0
	for _, row := range rows[max(first-1, 0):] {
		h := hearing{row: row, from: max(row.Committed, began), until: min(c.end, f.Plan.EndAt, r.until), conn: c}
		if h.from >= h.until {
			break
		}
		for ; seen < len(c.states); seen++ {
			s := c.states[seen].State
			if s.Order == id && s.Epoch == row.State.Epoch && s.Version >= row.State.Version {
				h.shown, h.until = c.states[seen], max(c.states[seen].At, h.from)
				break
			}
		}
		fn(h)
	}
}

// class is how late a change may be by what was broken meanwhile.
type class int

const (
	calm class = iota
	bus
	node
	unbound
)

// aftermath is how long after a fault it may still be felt.
const aftermath = 2 * Second

func (f *facts) class(from, until Time) class {
	worst := calm
	for _, fault := range f.Faults {
		if fault.At > until || fault.Until+aftermath < from {
			continue
		}
		switch fault.Kind {
		case BusFault:
			worst = max(worst, bus)
		case NodeFault:
			worst = max(worst, node)
		default:
			worst = unbound
		}
	}
	return worst
}

func timely(f *facts, wrong report) {
	bounds := [...]Time{bus: f.Plan.Bounds.Bus, node: f.Plan.Bounds.Node, unbound: 0}
	var waits []hearing
	f.hearings(func(h hearing) {
		c := f.class(h.from, h.until)
		if h.shown.What == "" && h.conn.live(f.Plan.EndAt) {
			return // which is for I7 to say
		}
		if c == calm {
			if h.shown.What != "" {
				waits = append(waits, h)
			}
			c = node // not one in a hundred, but not for ever
		}
		bound := bounds[c]
		if bound > 0 && h.late() > bound {
			how := "was shown"
			if h.shown.What == "" {
				how = "had not been shown"
			}
			wrong(lineOf(h), "version %d of order %s (%v) %s to client %s %d ms after it could be",
				h.row.State.Version, h.row.State.Order, h.row.Mark, how, h.conn.open.Client, h.late()/Millisecond)
		}
	})
	if limit := f.Plan.Bounds.CalmP99; limit > 0 && len(waits) > 0 {
		slices.SortFunc(waits, func(a, b hearing) int { return int(a.late() - b.late()) })
		if h := waits[len(waits)*99/100]; h.late() > limit {
			wrong(lineOf(h), "while nothing was broken 1 in 100 of %d changes took %d ms or more; this is one", len(waits), h.late()/Millisecond)
		}
	}
}

func lineOf(h hearing) Mark {
	if h.shown.What == "" {
		return h.conn.open.Mark
	}
	return h.shown.Mark
}

// Figures are what a run says for the table at its end.
type Figures struct {
	Acked    int  // events that were answered 2xx
	Lost     int  // of them, those that the ledger does not hold
	Repeated int  // events that the ledger holds more than once
	Attempts int  // POSTs of genuine webhooks
	States   int  // that clients received
	Stale    Time // the longest that a change took to a connection that waited for it
	CalmP99  Time // of those that took place while nothing was broken
	P99      Time // of all
	Effects  int  // of faults

	// How long the slowest of 100 accepted webhooks took to be answered.
	AnswerCalm   Time // while nothing was broken
	AnswerBroken Time // while something was
}

// Figures returns a run's figures.
func (r *Run) Figures() Figures {
	f := gather(r)
	var out Figures
	acked := map[string]bool{}
	var answers [2][]Time
	for _, a := range r.Webhooks {
		if a.Forged || a.Replay {
			continue
		}
		out.Attempts++
		if a.Accepted() {
			when := 0
			if f.class(a.Sent, a.Answered) != calm {
				when = 1
			}
			answers[when] = append(answers[when], a.Answered-a.Sent)
		}
		if a.Accepted() && !acked[a.ID] {
			acked[a.ID] = true
			out.Acked++
			if !f.kept[a.ID] {
				out.Lost++
			}
		}
	}
	out.AnswerCalm, out.AnswerBroken = percentile(answers[0], 99), percentile(answers[1], 99)
	out.Repeated = len(r.Inbox) - len(distinct(r.Inbox))
	for _, fault := range r.Faults {
		out.Effects += fault.Effects
	}
	var all, quiet []Time
	f.hearings(func(h hearing) {
		if h.shown.What == "" {
			return
		}
		all = append(all, h.late())
		out.Stale = max(out.Stale, h.late())
		if f.class(h.from, h.until) == calm {
			quiet = append(quiet, h.late())
		}
	})
	for _, c := range f.conns {
		out.States += len(c.states)
	}
	out.P99, out.CalmP99 = percentile(all, 99), percentile(quiet, 99)
	return out
}

// distinct are the events that a ledger held, each copy's by themselves, with where
// they are first.
func distinct(inbox []Stored) map[Stored]Mark {
	first := map[Stored]Mark{}
	for _, s := range inbox {
		key := Stored{Copy: s.Copy, Source: s.Source, ID: s.ID}
		if _, ok := first[key]; !ok {
			first[key] = s.Mark
		}
	}
	return first
}

// percentile sorts what it is given.
func percentile(of []Time, p int) Time {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return of[len(of)*p/100]
}
