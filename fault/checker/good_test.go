package checker

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

const (
	start = 1_800_000_000 * Second
	epoch = "5f0c4be2a1d94c7f8f3f0a3a6a4c9d10"
)

// at is a moment of the run below, in ms since its start.
func at(ms int) Time { return start + Time(ms)*Millisecond }

func paidEvent(order string, ms int, status string, amount int64) Event {
	return Event{Order: order, Payment: "p-" + order, Kind: "payment", Status: status, Amount: amount, Currency: "EUR", At: at(ms)}
}

func version(order string, v int64, status string, final bool, amount, paid, refunded int64) State {
	return State{
		Order: order, Version: v, Epoch: epoch, Status: status, Final: final, Amount: amount, Currency: "EUR",
		Paid: paid, Refunded: refunded, Livemode: true, UpdatedAt: "2027-01-15T08:00:00.000Z",
	}
}

// good is the log of a small run in which nothing went wrong, though much was
// broken: order A is paid and refunded in part while the bus is away, and B is
// paid while its client changes nodes.
func good() *Run {
	nothing := State{Order: "A", Epoch: epoch, Status: "created", Livemode: true}
	a1, a2, a3 := version("A", 1, "pending", false, 1000, 0, 0), version("A", 2, "paid", true, 1000, 1000, 0), version("A", 3, "partially_refunded", true, 1000, 1000, 300)
	b1, b2 := version("B", 1, "authorized", false, 500, 0, 0), version("B", 2, "paid", true, 500, 500, 0)
	refund := Event{Order: "A", Payment: "p-A", Ref: "r1", Kind: "refund", Status: "refunded", Amount: 300, Currency: "EUR", At: at(3000)}
	post := func(ms int, node, id string, code int, e Event) Attempt {
		return Attempt{Sent: at(ms), Answered: at(ms + 5), Node: node, ID: id, Code: code, Event: e}
	}
	row := func(reading, shard int, seq int64, ms int, s State) Row {
		return Row{Reading: reading, Shard: shard, Seq: seq, Committed: at(ms), State: s}
	}
	opened := func(ms int, client string, conn int, node string, orders ...string) Receipt {
		return Receipt{At: at(ms), Client: client, Conn: conn, Node: node, Transport: "websocket", What: Opened, Orders: orders, Expires: at(900_000)}
	}
	got := func(ms int, client string, conn int, typ string, s State) Receipt {
		return Receipt{At: at(ms), Client: client, Conn: conn, What: Received, Type: typ, State: &s}
	}
	return &Run{
		Plan: Plan{
			Scenario: "good", Seed: 1, Epoch: epoch, Terms: map[string]Terms{"A": {Amount: 1000, Currency: "EUR"}},
			QuietAt: at(60_000), EndAt: at(66_000), Replayed: 2, Canaries: []string{"whsec_canary"},
			Bounds: Bounds{CalmP99: 250 * Millisecond, Bus: 1500 * Millisecond, Node: 3 * Second, RSS: 100e6},
		},
		Webhooks: []Attempt{
			post(1000, "n1", "e1", 503, paidEvent("A", 1000, "pending", 1000)),
			post(1100, "n2", "e1", 200, paidEvent("A", 1000, "pending", 1000)),
			post(1150, "n1", "e1", 200, paidEvent("A", 1000, "pending", 1000)),
			post(2000, "n1", "e2", 200, paidEvent("A", 2000, "paid", 1000)),
			post(2500, "n1", "e3", 200, paidEvent("A", 1500, "pending", 1000)), // late
			post(12_000, "n2", "e4", 200, refund),
			post(3000, "n2", "e5", 200, paidEvent("B", 3000, "authorized", 500)),
			post(4000, "n2", "e6", 0, paidEvent("B", 4000, "paid", 500)),
			post(4200, "n1", "e6", 200, paidEvent("B", 4000, "paid", 500)),
			{Sent: at(5000), Answered: at(5001), Node: "n1", ID: "e7", Code: 401, Forged: true, Event: paidEvent("B", 5000, "paid", 9999)},
			{Sent: at(67_000), Answered: at(67_001), Node: "n1", ID: "e2", Code: 200, Replay: true, Event: paidEvent("A", 2000, "paid", 1000)},
		},
		Clients: []Receipt{
			opened(0, "c1", 1, "n1", "A"),
			got(1, "c1", 1, Snapshot, nothing),
			opened(10, "c2", 1, "n2", "B"),
			opened(20, "c3", 1, "n3", "C"),
			got(1105, "c1", 1, Update, a1),
			got(2005, "c1", 1, Update, a2),
			got(3010, "c2", 1, Snapshot, b1),
			{At: at(3500), Client: "c2", Conn: 1, What: Told, Reason: "drain", RetryMS: 300},
			{At: at(3501), Client: "c2", Conn: 1, What: Closed, Code: 1001},
			opened(4500, "c2", 2, "n1", "B"),
			got(4501, "c2", 2, Snapshot, b2),
			got(13_000, "c1", 1, Update, a3), // by the head poll
			{At: at(46_000), Client: "c3", Conn: 1, What: Closed, Code: 1012},
		},
		Journal: []Row{
			row(1, 3, 1, 1104, a1), row(1, 3, 2, 2004, a2), row(1, 5, 1, 3004, b1),
			row(2, 5, 2, 4004, b2), row(2, 3, 3, 12_004, a3),
		},
		Inbox: []Stored{
			{Reading: 2, Source: "shop", ID: "e1", Order: "A"}, {Reading: 2, Source: "shop", ID: "e2", Order: "A"},
			{Reading: 2, Source: "shop", ID: "e3", Order: "A"}, {Reading: 2, Source: "shop", ID: "e4", Order: "A"},
			{Reading: 2, Source: "shop", ID: "e5", Order: "B"}, {Reading: 2, Source: "shop", ID: "e6", Order: "B"},
		},
		Nodes: []Note{
			{At: at(0), Node: "n1", What: Before, Values: map[string]float64{"go_goroutines": 22, "process_open_fds": 20, residentBytes: 20e6}},
			{At: at(10), Node: "n1", What: Line, Text: "paybell listens on 127.0.0.1:8080"},
			{At: at(70_000), Node: "n1", What: After, Values: map[string]float64{"go_goroutines": 24, "process_open_fds": 22, residentBytes: 40e6}},
		},
		Faults: []Fault{
			{At: at(11_000), Until: at(14_000), Kind: BusFault, Effects: 1},
			{At: at(20_000), Until: at(24_000), Kind: RefusalFault, Effects: 1},
			{At: at(30_000), Until: at(55_000), Kind: LedgerFault, Node: "n3", Effects: 1},
		},
	}
}

// written writes a run as a harness does and reads it as the checker does.
func written(t *testing.T, r *Run) *Run {
	t.Helper()
	dir := t.TempDir()
	plan, err := json.Marshal(r.Plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, PlanFile), plan, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, dir, WebhooksFile, r.Webhooks)
	write(t, dir, ClientsFile, r.Clients)
	write(t, dir, JournalFile, r.Journal)
	write(t, dir, InboxFile, r.Inbox)
	write(t, dir, NodesFile, r.Nodes)
	write(t, dir, FaultsFile, r.Faults)
	write(t, dir, RevocationsFile, r.Revocations)
	read, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func write[T any](t *testing.T, dir, name string, records []T) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	for _, record := range records {
		if err := json.NewEncoder(w).Encode(record); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}
