package checker

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAGoodRunPasses(t *testing.T) {
	run := written(t, good())
	for _, v := range run.Check() {
		t.Error(v)
	}
	want := Figures{
		Acked: 6, Attempts: 9, States: 6, Effects: 3,
		Stale: 996 * Millisecond, CalmP99: 6 * Millisecond, P99: 996 * Millisecond,
		AnswerCalm: 5 * Millisecond, AnswerBroken: 5 * Millisecond,
	}
	if got := run.Figures(); got != want {
		t.Errorf("figures: got %+v, want %+v", got, want)
	}
}

// A mutation breaks one invariant, and the line it is found at is the one that
// was touched.
type mutation struct {
	name, invariant string
	at              string // prefix of the place of the violation
	mutate          func(*Run)
}

// check mutates a run that is good, and sees that this is noticed as what it is.
func (m mutation) check(t *testing.T, run *Run) {
	t.Helper()
	t.Run(m.name, func(t *testing.T) {
		m.mutate(run)
		violations := written(t, run).Check()
		if len(violations) == 0 {
			t.Fatal("not noticed")
		}
		for _, v := range violations {
			if v.Invariant != m.invariant || !strings.HasPrefix(v.At.String(), m.at) {
				t.Errorf("noticed as %v; want %s at %s", v, m.invariant, m.at)
			}
		}
	})
}

var mutations = []mutation{
	{"an acknowledged event is lost", "I1", "webhooks.jsonl:5", func(r *Run) { r.Inbox = slices.Delete(r.Inbox, 2, 3) }},
	{"an acknowledged event is stored only when it comes again", "I1", "webhooks.jsonl:9", func(r *Run) { r.Inbox[5].Reading = 3 }},
	{"an event is stored twice", "I2", "inbox.jsonl:7", func(r *Run) { r.Inbox = append(r.Inbox, r.Inbox[2]) }},
	{"a version is left out", "I2", "journal.jsonl:5", func(r *Run) {
		r.Journal[4].State.Version = 4
		r.Clients[11].State.Version = 4
	}},
	{"a sequence number is left out", "I3", "journal.jsonl:5", func(r *Run) { r.Journal[4].Seq = 4 }},
	{"a change appears below one that was seen", "I3", "journal.jsonl:", func(r *Run) {
		r.Journal[3], r.Journal[2] = r.Journal[2], r.Journal[3]
	}},
	{"an event's money is forgotten", "I4", "journal.jsonl:5", func(r *Run) {
		r.Journal[4].State.Refunded = 0
		r.Clients[11].State.Refunded = 0
	}},
	{"a late event takes back a payment", "I4", "journal.jsonl:4", func(r *Run) {
		r.Journal[3].State.Status = "pending"
		r.Clients[10].State.Status = "pending"
	}},
	{"the ledger makes up an event", "I4", "inbox.jsonl:7", func(r *Run) {
		r.Inbox = append(r.Inbox, Stored{Reading: 2, Source: "shop", ID: "e99", Order: "B"})
	}},
	{"a client is shown another amount", "I5", "clients.jsonl:5", func(r *Run) { r.Clients[4].State.Paid = 1 }},
	{"a client is shown what was rolled back", "I5", "clients.jsonl:12", func(r *Run) { r.Clients[11].State.Version = 4 }},
	{"nothing is shown as something", "I5", "clients.jsonl:2", func(r *Run) { r.Clients[1].State.Status = "paid" }},
	{"a client goes back to an older version", "I6", "clients.jsonl:6", func(r *Run) {
		r.Clients[4].State, r.Clients[5].State = r.Clients[5].State, r.Clients[4].State
	}},
	{"a client that comes back is shown an older version", "I6", "clients.jsonl:14", func(r *Run) {
		closed, opened, older, newer := r.Clients[8], r.Clients[9], r.Clients[6], r.Clients[10]
		closed.At, opened.At, older.At, newer.At = at(4600), at(4601), at(4602), at(4603)
		closed.Conn, opened.Conn, older.Conn, newer.Conn = 2, 3, 3, 3
		newer.Type = Update
		r.Clients = slices.Insert(r.Clients, 11, closed, opened, older, newer)
	}},
	{"every state comes twice", "I6", "clients.jsonl:6", func(r *Run) { r.Clients = slices.Insert(r.Clients, 5, r.Clients[4]) }},
	{"a client is never shown the last version", "I7", "clients.jsonl:6", func(r *Run) { r.Clients = slices.Delete(r.Clients, 11, 12) }},
	{"a client is told nothing at all", "I7", "clients.jsonl:10", func(r *Run) { r.Clients = slices.Delete(r.Clients, 10, 11) }},
	{"a change takes too long while all is well", "I9", "clients.jsonl:7", func(r *Run) { r.Clients[6].At = at(3404) }},
	{"a change takes too long while the bus is away", "I9", "clients.jsonl:12", func(r *Run) { r.Clients[11].At = at(13_600) }},
	{"a change takes for ever, and the client goes", "I9", "clients.jsonl:3", func(r *Run) {
		r.Clients = slices.Delete(r.Clients, 6, 8)
		r.Clients[6].At, r.Clients[7].At, r.Clients[8].At = at(7000), at(7001), at(7002)
	}},
	{"a client is shown another's order", "I10", "clients.jsonl:8", func(r *Run) {
		other := r.Clients[6]
		other.Client, other.Type = "c1", Update
		r.Clients = slices.Insert(r.Clients, 7, other)
	}},
	{"a token lasts beyond its end", "I10", "clients.jsonl:12", func(r *Run) { r.Clients[0].Expires = at(7999) }},
	{"a client waits on a node that knows nothing", "I11", "clients.jsonl:4", func(r *Run) { r.Clients = r.Clients[:12] }},
	{"a goroutine stays behind for each client", "I12", "nodes.jsonl:3", func(r *Run) { r.Nodes[2].Values["go_goroutines"] = 122 }},
	{"memory is not given back", "I12", "nodes.jsonl:3", func(r *Run) { r.Nodes[2].Values[residentBytes] = 101e6 }},
	{"a stranger causes an error", "I13", "webhooks.jsonl:10", func(r *Run) { r.Webhooks[9].Code = 500 }},
	{"a stranger is believed", "I13", "webhooks.jsonl:10", func(r *Run) { r.Webhooks[9].Code = 200 }},
	{"a node panics", "I13", "nodes.jsonl:2", func(r *Run) { r.Nodes[1].Text = "panic: nil map" }},
	{"a data race", "I13", "nodes.jsonl:2", func(r *Run) { r.Nodes[1].Text = "WARNING: DATA RACE" }},
	{"a secret is logged", "I13", "nodes.jsonl:2", func(r *Run) { r.Nodes[1].Text = `level=INFO secret=whsec_canary` }},
	{"a client sees an epoch that never was", "I14", "clients.jsonl:7", func(r *Run) { r.Clients[6].State.Epoch = "0000" }},
	{"a client is told twice to begin anew", "I14", "clients.jsonl:5", func(r *Run) { r.Clients[4].Type = Snapshot }},
	{"a genuine webhook is refused", "I15", "webhooks.jsonl:1", func(r *Run) { r.Webhooks[0].Code = 401 }},
	{"a webhook is accepted that cannot be stored", "I15", "webhooks.jsonl:4", func(r *Run) {
		r.Webhooks[3].Sent, r.Webhooks[3].Answered = at(21_000), at(21_005)
	}},
	{"a repetition makes a version", "I16", "journal.jsonl:5", func(r *Run) { r.Journal[4].Reading = 3 }},
}

func TestEachFaultIsNoticedByItsInvariant(t *testing.T) {
	held := map[string]bool{}
	for _, m := range mutations {
		held[m.invariant] = true
		m.check(t, good())
	}
	for _, i := range Invariants {
		if !held[i.Name] {
			t.Errorf("%s (%s) has no mutation", i.Name, i.Promise)
		}
	}
}

func TestALogThatCannotBeReadIsNamed(t *testing.T) {
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("a folder without a plan is read")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{PlanFile: "{}", ClientsFile: "{}\n{\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), ClientsFile+":2") {
		t.Errorf("half a line is read with %v", err)
	}
}

// A client that came as the run ended was taken for one that was left without word.
func TestWhoComesAtTheLastMomentIsOwedNothing(t *testing.T) {
	run := good()
	last := run.Plan.EndAt - Millisecond
	run.Clients = append(run.Clients,
		Receipt{At: last, Client: "late", Conn: 1, Node: "n1", Transport: "websocket", What: Opened, Orders: []string{"A"}, Expires: run.Plan.EndAt + 60*Second},
		Receipt{At: run.Plan.EndAt + Millisecond, Client: "late", Conn: 1, What: Closed})
	for _, v := range written(t, run).Check() {
		if v.Invariant == "I7" {
			t.Errorf("%v", v)
		}
	}
}
