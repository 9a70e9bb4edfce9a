package checker

import (
	"slices"
	"testing"
)

const second = "c3d5e7f9a1b24c6d8e0f1a2b3c4d5e6f" // epoch of a ledger that was restored

// in is a state in another epoch.
func in(epoch string, s State) *State { s.Epoch = epoch; return &s }

// restored is the log of a run in which a backup was put back: order A was paid
// after it was made, and the provider tells of it again. The nodes noticed what
// had happened; c1 waits from before to after, and c2 comes at the wrong moment.
func restored() *Run {
	nothing := State{Order: "A", Epoch: epoch, Status: "created", Livemode: true}
	a1, a2 := version("A", 1, "pending", false, 1000, 0, 0), version("A", 2, "paid", true, 1000, 1000, 0)
	again := a2
	again.UpdatedAt = "2027-01-15T08:00:30.000Z"
	post := func(ms int, id, status string, made int) Attempt {
		return Attempt{Sent: at(ms), Answered: at(ms + 5), Node: "n1", ID: id, Code: 200, Event: paidEvent("A", made, status, 1000)}
	}
	row := func(reading, copies int, seq int64, ms int, s *State) Row {
		return Row{Reading: reading, Copy: copies, Shard: 3, Seq: seq, Committed: at(ms), State: *s}
	}
	opened := func(ms int, client string, conn int) Receipt {
		return Receipt{At: at(ms), Client: client, Conn: conn, Node: "n1", Transport: "sse", What: Opened, Orders: []string{"A"}, Expires: at(900_000)}
	}
	got := func(ms int, client string, conn int, typ string, s *State) Receipt {
		return Receipt{At: at(ms), Client: client, Conn: conn, What: Received, Type: typ, State: s}
	}
	closed := func(ms int, client string, conn int) Receipt {
		return Receipt{At: at(ms), Client: client, Conn: conn, What: Closed}
	}
	return &Run{
		Plan: Plan{
			Scenario: "restored", Epoch: epoch, QuietAt: at(40_000), EndAt: at(50_000), Replayed: 6, Bounds: Bounds{Bus: Second, Node: Second},
		},
		Webhooks: []Attempt{
			post(1000, "e1", "pending", 1000), post(12_000, "e2", "paid", 12_000),
			post(30_000, "e1", "pending", 1000), post(30_000, "e2", "paid", 12_000),
		},
		Clients: []Receipt{
			opened(0, "c1", 1), got(1, "c1", 1, Snapshot, &nothing), got(1010, "c1", 1, Update, &a1), got(12_010, "c1", 1, Update, &a2),
			opened(15_000, "c2", 1), got(15_001, "c2", 1, Snapshot, &a2), closed(16_000, "c2", 1),
			opened(21_100, "c2", 2), got(21_101, "c2", 2, Snapshot, &a1),
			{At: at(21_500), Client: "c1", Conn: 1, What: Told, Reason: "ledger_unavailable"}, closed(21_501, "c1", 1), closed(21_502, "c2", 2),
			opened(25_000, "c1", 2), got(25_001, "c1", 2, Snapshot, in(second, a1)),
			opened(26_000, "c2", 3), got(26_001, "c2", 3, Snapshot, in(second, a1)),
			got(30_010, "c1", 2, Update, in(second, again)), got(30_011, "c2", 3, Update, in(second, again)),
		},
		Journal: []Row{
			row(1, 0, 1, 1004, &a1), row(2, 0, 2, 12_004, &a2), row(3, 1, 1, 1004, &a1),
			row(4, 1, 1, 1004, in(second, a1)), row(5, 1, 2, 30_004, in(second, again)),
		},
		Inbox: []Stored{
			{Reading: 2, Source: "shop", ID: "e1", Order: "A"}, {Reading: 2, Source: "shop", ID: "e2", Order: "A"},
			{Reading: 3, Copy: 1, Source: "shop", ID: "e1", Order: "A"}, {Reading: 6, Copy: 1, Source: "shop", ID: "e2", Order: "A"},
		},
		Faults: []Fault{
			{At: at(20_000), Until: at(21_000), Kind: RestoreFault, Epoch: epoch, Backup: at(10_000), Reading: 3, Effects: 1},
			{At: at(22_500), Until: at(22_600), Kind: NewEpochFault, Epoch: second, Noticed: at(22_000), Effects: 1},
		},
	}
}

// unnoticed is the same, but that the restored ledger had its new epoch before
// nodes could reach it: c1 stays, and is told to begin anew where it is.
func unnoticed() *Run {
	r := restored()
	r.Faults[1].At, r.Faults[1].Until, r.Faults[1].Noticed = at(20_800), at(20_900), 0
	stay, update := r.Clients[13], r.Clients[16]
	stay.At, stay.Conn, update.Conn = at(21_200), 1, 1
	r.Clients = append(r.Clients[:4:4], stay, update)
	r.Journal = slices.Delete(r.Journal, 2, 3)
	return r
}

func TestARestoreIsNoViolation(t *testing.T) {
	for name, run := range map[string]*Run{"noticed": restored(), "unnoticed": unnoticed()} {
		for _, v := range written(t, run).Check() {
			t.Errorf("%s: %v", name, v)
		}
	}
	if f := restored().Figures(); f.Lost != 0 || f.Repeated != 0 {
		t.Errorf("what came again is taken for lost or for repeated: %+v", f)
	}
}

func TestEachFaultAroundARestoreIsNoticed(t *testing.T) {
	poll := func(ms, conn int, s *State) Receipt {
		return Receipt{At: at(ms), Client: "c1", Conn: conn, What: Received, Type: Polled, State: s}
	}
	for _, m := range []mutation{
		{"an event from before the backup is not in it", "I1", "webhooks.jsonl:1", func(r *Run) { r.Inbox[2].Reading = 6 }},
		{"an event that was sent again is not stored", "I1", "webhooks.jsonl:4", func(r *Run) {
			r.Inbox, r.Journal, r.Clients = r.Inbox[:3], r.Journal[:4], r.Clients[:16]
		}},
		{"an event that was not sent again is missed", "I4", "journal.jsonl:5", func(r *Run) {
			r.Webhooks, r.Inbox = r.Webhooks[:3], r.Inbox[:3]
		}},
		{"an event is twice in the restored ledger", "I2", "inbox.jsonl:5", func(r *Run) { r.Inbox = append(r.Inbox, r.Inbox[3]) }},
		{"the restored ledger leaves out a change", "I3", "journal.jsonl:5", func(r *Run) { r.Journal[4].Seq = 3 }},
		{"a state of the lost ledger is shown in the new epoch", "I5", "clients.jsonl:17", func(r *Run) {
			r.Clients[16].State = in(second, *r.Clients[3].State)
		}},
		{"a client goes back in the new epoch", "I6", "clients.jsonl:19", func(r *Run) {
			r.Clients = append(r.Clients, poll(31_000, 2, r.Clients[13].State), poll(31_001, 2, r.Clients[16].State))
		}},
		{"a client goes back before the restore", "I6", "clients.jsonl:5", func(r *Run) {
			r.Clients = slices.Insert(r.Clients, 4, poll(13_000, 1, r.Clients[2].State))
		}},
		{"a client misses what came after the restore", "I7", "clients.jsonl:14", func(r *Run) { r.Clients = slices.Delete(r.Clients, 16, 17) }},
		{"a client is shown the old epoch again", "I14", "clients.jsonl:1", func(r *Run) {
			r.Clients = slices.Insert(r.Clients, 14, poll(25_500, 2, r.Clients[2].State))
		}},
		{"a client begins anew twice", "I14", "clients.jsonl:17", func(r *Run) { r.Clients[16].Type = Snapshot }},
		{"a node shows what it knows to be old", "I14", "clients.jsonl:9", func(r *Run) {
			r.Clients[8].At, r.Clients[11].At = at(22_100), at(22_200)
		}},
		{"the ledger changes its epoch by itself", "I14", "journal.jsonl:3", func(r *Run) { r.Journal[2].State.Epoch = "0000" }},
	} {
		m.check(t, restored())
	}
	for _, m := range []mutation{
		{"a restored ledger is kept from a client", "I14", "clients.jsonl:1", func(r *Run) { r.Clients = r.Clients[:4] }},
		{"a restored ledger is kept from a client that goes", "I14", "clients.jsonl:1", func(r *Run) {
			r.Clients = append(r.Clients[:4], Receipt{At: at(29_000), Client: "c1", Conn: 1, What: Closed})
		}},
		{"a restored ledger is shown as news", "I14", "clients.jsonl:5", func(r *Run) { r.Clients[4].Type = Update }},
	} {
		m.check(t, unnoticed())
	}
}
