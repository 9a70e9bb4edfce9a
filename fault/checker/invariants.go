package checker

import (
	"fmt"
	"slices"
	"strings"
)

// A Violation is one line of a log that should not be there, or one that should.
type Violation struct {
	Invariant string
	At        Mark
	Text      string
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s: %s", v.Invariant, v.At, v.Text) }

// An Invariant is one thing that no fault may break.
type Invariant struct {
	Name    string
	Promise string
	check   func(*facts, report)
}

// A report notes a violation at a line.
type report func(at Mark, format string, args ...any)

// Invariants are all that a run is held to. The gap at I8 is that of the
// delivery protocol, which has no separate mode for intermediate states.
var Invariants = []Invariant{
	{"I1", "an event that was answered 2xx is in the ledger", durable},
	{"I2", "an event counts once; an order's versions are 1, 2, 3 …", once},
	{"I3", "in each shard sequence numbers have no holes, and what is read is a prefix of what is read later", prefix},
	{"I4", "an order's last state is what all its events amount to, in whatever order they came", merged},
	{"I5", "what a client sees is in the journal, word for word", sound},
	{"I6", "versions that a client sees only rise, and few come twice", monotone},
	{"I7", "in the end every client has the newest state of each of its orders", complete},
	{"I9", "a change reaches clients in time", timely},
	{"I10", "a client sees only orders of its token, and nothing after the token's end or its revocation", authorized},
	{"I11", "a client of a node that cannot reach the ledger is not left in silence", told},
	{"I12", "what clients took is given back once they have gone", released},
	{"I13", "strangers cause no 5xx, nothing panics or races, and no secret is in a log", robust},
	{"I14", "the epoch changes with a restored ledger only, and then every client starts afresh once", epochs},
	{"I15", "no 2xx while the ledger takes no writes, and no 4xx for a genuine webhook", honest},
	{"I16", "all webhooks sent again change nothing", idempotent},
}

// Check returns all violations in a run, those of one invariant after the other.
func (r *Run) Check() []Violation {
	f := gather(r)
	var all []Violation
	for _, i := range Invariants {
		i.check(f, func(at Mark, format string, args ...any) {
			all = append(all, Violation{i.Name, at, fmt.Sprintf(format, args...)})
		})
	}
	return all
}

func once(f *facts, wrong report) {
	seen := distinct(f.Inbox)
	for _, s := range f.Inbox {
		if first := seen[Stored{Copy: s.Copy, Source: s.Source, ID: s.ID}]; first != s.Mark {
			wrong(s.Mark, "%s of %s is stored twice, first at %v", s.ID, s.Source, first)
		}
	}
	for _, h := range f.histories {
		for i, row := range h {
			if row.State.Version != int64(i+1) {
				wrong(row.Mark, "order %s: change %d has version %d", row.State.Order, i+1, row.State.Version)
				break
			}
		}
	}
}

func prefix(f *facts, wrong report) {
	type shard struct {
		copy, number int
		epoch        string
	}
	type position struct {
		reading int
		seq     int64
	}
	last := map[shard]position{} // as the journal was read
	for _, row := range f.Journal {
		s := shard{row.Copy, row.Shard, row.State.Epoch}
		was := last[s]
		switch {
		case row.Seq == was.seq+1:
		case row.Seq > was.seq:
			wrong(row.Mark, "shard %d: after %d comes %d", row.Shard, was.seq, row.Seq)
		default:
			wrong(row.Mark, "shard %d: %d appeared in reading %d, after %d had been seen in reading %d",
				row.Shard, row.Seq, row.Reading, was.seq, was.reading)
			continue
		}
		last[s] = position{row.Reading, row.Seq}
	}
}

func merged(f *facts, wrong report) {
	told := map[string][]Event{}
	for _, s := range f.Inbox {
		if e, ok := f.events[s.ID]; ok && f.stored[s.ID] == s.Mark { // in the end, and not a second time
			told[e.Order] = append(told[e.Order], e)
		} else if !ok {
			wrong(s.Mark, "%s is stored and nobody sent it", s.ID)
		}
	}
	for id, events := range told {
		rows := f.rows[id]
		if len(rows) == 0 {
			wrong(Mark{file: JournalFile}, "order %s has %d events and no change", id, len(events))
			continue
		}
		last := rows[len(rows)-1]
		want := Amount(f.Plan.Terms[id], events)
		if got := last.State; summary(got) != summary(want) {
			wrong(last.Mark, "order %s is %v; its %d events amount to %v", id, summary(got), len(events), summary(want))
		}
	}
}

// summary is what [Amount] decides of a state.
func summary(s State) string {
	return fmt.Sprintf("{%s final=%t amount=%d %s paid=%d refunded=%d disputed=%t overpaid=%t livemode=%t}",
		s.Status, s.Final, s.Amount, s.Currency, s.Paid, s.Refunded, s.Disputed, s.Overpaid, s.Livemode)
}

func sound(f *facts, wrong report) {
	for _, c := range f.Clients {
		if c.What != Received || c.State == nil || !f.epochs[c.State.Epoch] {
			continue // of epochs that never were, I14 speaks
		}
		s := *c.State
		if s.Version == 0 {
			if s.Status != "created" || s.Paid != 0 || s.Refunded != 0 {
				wrong(c.Mark, "version 0 of order %s is %v", s.Order, summary(s))
			}
			continue
		}
		rows := f.at[place{s.Order, s.Version}]
		matches := slices.ContainsFunc(rows, func(row Row) bool {
			same := row.State
			same.Epoch = s.Epoch // a copy's journal goes on in its new epoch
			return same == s && f.reigned(row.Copy, s.Epoch)
		})
		switch {
		case len(rows) == 0:
			wrong(c.Mark, "version %d of order %s is not in the journal", s.Version, s.Order)
		case !matches:
			wrong(c.Mark, "version %d of order %s differs from the journal's at %v", s.Version, s.Order, rows[0].Mark)
		}
	}
}

// mostRepeated is the share of states that may come twice on a connection, for a
// client would drop them. One that begins anew is no repetition.
const mostRepeated = 0.01

func monotone(f *facts, wrong report) {
	type seen struct {
		epoch   string
		version int64
		conn    int
	}
	states, repeated := 0, 0
	var first Mark
	last := map[[2]string]seen{}
	for _, c := range f.Clients {
		if c.What != Received || c.State == nil {
			continue
		}
		states++
		key := [2]string{c.Client, c.State.Order}
		was, ok := last[key]
		now := seen{c.State.Epoch, c.State.Version, c.Conn}
		last[key] = now
		switch {
		case !ok || was.epoch != now.epoch || f.unsettled(c.At):
		case now.version < was.version:
			wrong(c.Mark, "client %s saw version %d of order %s after %d", c.Client, now.version, c.State.Order, was.version)
		case now.version == was.version && now.conn == was.conn:
			if repeated++; repeated == 1 {
				first = c.Mark
			}
		}
	}
	if float64(repeated) > mostRepeated*float64(states) {
		wrong(first, "%d of %d states came twice on a connection; this is the first", repeated, states)
	}
}

// settling is how long a connection must have been there at the end to have been
// told something: who comes at the last moment is let go before the answer.
const settling = Second

func complete(f *facts, wrong report) {
	for _, c := range f.conns {
		if !c.live(f.Plan.EndAt) || c.open.At > f.Plan.EndAt-settling && len(c.states) == 0 {
			continue
		}
		for _, id := range c.open.Orders {
			rows := f.rows[id]
			if len(rows) == 0 {
				continue
			}
			newest, last := rows[len(rows)-1], c.last(id)
			switch {
			case last == nil:
				wrong(c.open.Mark, "client %s was told nothing of order %s, which is at version %d", c.open.Client, id, newest.State.Version)
			case last.State.Epoch == newest.State.Epoch && last.State.Version < newest.State.Version:
				wrong(last.Mark, "client %s ended with version %d of order %s; %v has version %d",
					c.open.Client, last.State.Version, id, newest.Mark, newest.State.Version)
			}
		}
	}
}

// grace is how long after its end a token may still show something.
const grace = 5 * Second

func authorized(f *facts, wrong report) {
	for _, c := range f.conns {
		for _, got := range c.states {
			if !slices.Contains(c.open.Orders, got.State.Order) {
				wrong(got.Mark, "client %s saw order %s, which its token does not name", got.Client, got.State.Order)
			}
			if late := got.At - c.open.Expires; c.open.Expires > 0 && late > grace {
				wrong(got.Mark, "client %s saw order %s %d ms after its token had ended", got.Client, got.State.Order, late/Millisecond)
			}
		}
		f.ended(c, wrong)
	}
	f.refused(wrong)
}

// silence is how long a client may hear nothing from a node that has lost the
// ledger: until the node gives up, and a little for the close to be seen.
const silence = 15*Second + 3*Second

func told(f *facts, wrong report) {
	for _, fault := range f.Faults {
		if fault.Kind != LedgerFault || fault.Until-fault.At <= silence {
			continue
		}
		for _, c := range f.conns {
			touched := fault.Node == "" || fault.Node == c.open.Node
			from := max(fault.At, c.open.At) + silence
			if touched && c.open.At < fault.Until && from < fault.Until && c.end > from && (c.goodbye == 0 || c.goodbye > from) {
				wrong(c.open.Mark, "client %s was neither closed nor told while its node could not reach the ledger from %v on",
					c.open.Client, fault.Mark)
			}
		}
	}
}

func released(f *facts, wrong report) {
	type key struct{ node, value string }
	before := map[key]float64{}
	for _, n := range f.Nodes {
		for name, value := range n.Values {
			switch n.What {
			case Before:
				before[key{n.Node, name}] = value
			case After:
				if was, ok := before[key{n.Node, name}]; ok && value > was*1.02+spare[name] {
					wrong(n.Mark, "node %s had %s %g and has %g after all clients have gone", n.Node, name, was, value)
				}
			}
		}
		if rss := n.Values[residentBytes]; n.What == After && f.Plan.Bounds.RSS > 0 && rss > float64(f.Plan.Bounds.RSS) {
			wrong(n.Mark, "node %s takes %.0f MB, more than its bound", n.Node, rss/1e6)
		}
	}
}

// Names of figures in a [Note], as the gateway's metrics have them.
const residentBytes = "process_resident_memory_bytes"

// spare is what a small figure may be above its share: connections that idle,
// goroutines that come and go. Memory is held to its bound instead.
var spare = map[string]float64{
	"go_goroutines":                 12,
	"process_open_fds":              24,
	"process_resident_memory_bytes": 1 << 40,
}

func robust(f *facts, wrong report) {
	for _, a := range f.Webhooks {
		if a.Forged && (a.Code >= 500 || a.Accepted()) {
			wrong(a.Mark, "a forged webhook was answered %d", a.Code)
		}
	}
	for _, n := range f.Nodes {
		if n.What != Line {
			continue
		}
		for _, bad := range []string{"panic", "DATA RACE", "fatal error:"} {
			if strings.Contains(n.Text, bad) {
				wrong(n.Mark, "node %s printed %q", n.Node, bad)
			}
		}
		for i, canary := range f.Plan.Canaries {
			if strings.Contains(n.Text, canary) {
				wrong(n.Mark, "node %s printed secret %d", n.Node, i)
			}
		}
	}
}

func honest(f *facts, wrong report) {
	for _, a := range f.Webhooks {
		if a.Forged {
			continue
		}
		if a.Code/100 == 4 && a.Code != 429 {
			wrong(a.Mark, "%s is genuine and was answered %d", a.ID, a.Code)
		}
		for _, fault := range f.Faults {
			if fault.Kind == RefusalFault && a.Accepted() && a.Sent > fault.At && a.Answered < fault.Until {
				wrong(a.Mark, "%s was answered %d while the ledger took no writes, from %v on", a.ID, a.Code, fault.Mark)
			}
		}
	}
}

func idempotent(f *facts, wrong report) {
	if f.Plan.Replayed == 0 {
		return
	}
	for _, row := range f.Journal {
		if row.Reading > f.Plan.Replayed {
			wrong(row.Mark, "order %s got version %d when all webhooks were sent again", row.State.Order, row.State.Version)
		}
	}
}
