package checker

import (
	"slices"
	"testing"
)

// signedOut is the log of a run in which tokens are revoked: c1's by its id, c2's by
// its subject and c3's by its order, while c4 goes on, as c2 does with a new token.
// Order A changes all along.
func signedOut() *Run {
	r := &Run{
		Plan: Plan{
			Scenario: "signed out", Epoch: epoch, QuietAt: at(20_000), EndAt: at(25_000), Bounds: Bounds{Node: 3 * Second, Revoked: 5 * Second},
		},
		Revocations: []Revocation{
			{Sent: at(2000), Answered: at(2010), Node: "n1", Kind: "jti", Value: "t1", Code: 201},
			{Sent: at(2000), Answered: at(2900), Node: "n2", Kind: "subject", Value: "u2"}, // the node died
			{Sent: at(3000), Answered: at(3010), Node: "n1", Kind: "subject", Value: "u2", Code: 201, IssuedBefore: at(4000)},
			{Sent: at(3000), Answered: at(3010), Node: "n1", Kind: "order", Value: "B", Code: 201, IssuedBefore: at(4000)},
		},
	}
	come := func(ms int, client string, conn int, what, token, subject string, issued int, orders ...string) {
		r.Clients = append(r.Clients, Receipt{
			At: at(ms), Client: client, Conn: conn, Node: "n1", What: what, Orders: orders, Token: token, Subject: subject, Issued: at(issued), Expires: at(900_000),
		})
	}
	got := func(ms int, client string, conn int, typ string, v int64) {
		r.Clients = append(r.Clients, shown(ms, client, conn, typ, v))
	}
	ends := func(ms int, client string, conn int, what, reason string) {
		r.Clients = append(r.Clients, Receipt{At: at(ms), Client: client, Conn: conn, Node: "n1", What: what, Reason: reason})
	}
	for i, ms := range []int{1000, 8500} {
		v := int64(i + 1)
		r.Journal = append(r.Journal, Row{Reading: 1, Shard: 3, Seq: v, Committed: at(ms), State: *shown(0, "", 0, "", v).State})
		e := paidEvent("A", ms, "pending", v)
		e.Payment = []string{"p1", "p2"}[i]
		r.Inbox = append(r.Inbox, Stored{Reading: 1, Source: "shop", ID: e.Payment, Order: "A"})
		r.Webhooks = append(r.Webhooks, Attempt{Sent: at(ms), Answered: at(ms + 5), Node: "n1", ID: e.Payment, Code: 200, Event: e})
	}
	come(1000, "c1", 1, Opened, "t1", "u1", 0, "A")
	got(1001, "c1", 1, Snapshot, 1)
	come(1002, "c2", 1, Opened, "t2", "u2", 0, "A")
	got(1003, "c2", 1, Snapshot, 1)
	come(1004, "c3", 1, Opened, "t3", "u3", 0, "A", "B")
	got(1005, "c3", 1, Snapshot, 1)
	come(1006, "c4", 1, Opened, "t4", "u4", 0, "A")
	got(1007, "c4", 1, Snapshot, 1)
	ends(2020, "c1", 1, Told, Revoked) // 8
	ends(2021, "c1", 1, Closed, "")
	ends(3500, "c2", 1, Closed, Revoked) // 10
	ends(3900, "c3", 1, Closed, Revoked)
	come(4100, "c1", 2, Refused, "t1", "u1", 0, "A") // 12
	r.Clients[12].Reason = Revoked
	come(4200, "c3", 2, Opened, "t3", "u3", 0, "A", "B") // as a browser does
	ends(4201, "c3", 2, Closed, Revoked)
	come(4300, "c2", 2, Opened, "t5", "u2", 4000, "A") // 15
	got(4301, "c2", 2, Snapshot, 1)
	got(8505, "c4", 1, Update, 2) // 17
	got(8506, "c2", 2, Update, 2)
	return r
}

// shown is a state of order A that a client gets.
func shown(ms int, client string, conn int, typ string, v int64) Receipt {
	s := version("A", v, "pending", false, v, 0, 0)
	return Receipt{At: at(ms), Client: client, Conn: conn, Node: "n1", What: Received, Type: typ, State: &s}
}

func TestARevocationIsNoViolation(t *testing.T) {
	for _, v := range written(t, signedOut()).Check() {
		t.Error(v)
	}
}

func TestEachFaultAroundARevocationIsNoticed(t *testing.T) {
	// late has a client shown something 5 s after its token was revoked, and then go.
	late := func(r *Run, line int, client string, after ...int) {
		r.Clients = slices.Insert(r.Clients, line, shown(8510, client, 1, Update, 2))
		for i, line := range after {
			r.Clients[line].At = at(8520 + i)
		}
	}
	for _, m := range []mutation{
		{"a state comes by a token that was revoked by its id", "I10", "clients.jsonl:9", func(r *Run) { late(r, 8, "c1", 9, 10, 13) }},
		{"a state comes by a token that was revoked by its subject", "I10", "clients.jsonl:11", func(r *Run) {
			late(r, 10, "c2", 11, 16, 17)
			r.Clients[17].State = r.Clients[19].State
			r.Clients = r.Clients[:19]
		}},
		{"a state comes by a token whose order was revoked", "I10", "clients.jsonl:12", func(r *Run) { late(r, 11, "c3", 12, 14, 15) }},
		{"a client stays for long", "I10", "clients.jsonl:1", func(r *Run) { r.Clients[9].At, r.Clients[12].At = at(8000), at(8001) }},
		{"a client stays for ever", "I10", "clients.jsonl:1", func(r *Run) {
			r.Plan.Bounds.Revoked = 0
			r.Clients[0].Orders, r.Clients[1].State = []string{"C"}, &State{Order: "C", Epoch: epoch, Status: "created", Livemode: true}
			r.Clients = slices.Delete(r.Clients, 9, 10)
		}},
		{"a node forgets what it has refused", "I10", "clients.jsonl:15", func(r *Run) {
			again := r.Clients[0]
			again.At, again.Conn = at(4150), 3
			ends := Receipt{At: at(4160), Client: "c1", Conn: 3, Node: "n1", What: Closed}
			r.Clients = slices.Insert(r.Clients, 13, again, shown(4151, "c1", 3, Snapshot, 1), ends)
		}},
		{"a client goes though nobody revoked its token", "I10", "clients.jsonl:20", func(r *Run) {
			r.Clients = append(r.Clients, Receipt{At: at(9000), Client: "c4", Conn: 1, Node: "n1", What: Closed, Reason: Revoked})
		}},
		{"a token that was issued later is refused", "I10", "clients.jsonl:20", func(r *Run) {
			r.Clients = append(r.Clients, Receipt{At: at(9000), Client: "c2", Conn: 2, Node: "n1", What: Closed, Reason: Revoked})
		}},
		{"a revocation counts that was refused", "I10", "clients.jsonl:", func(r *Run) { r.Revocations[0].Code = 403 }},
		{"a revocation counts before it was asked for", "I10", "clients.jsonl:", func(r *Run) { r.Revocations[0].Sent = at(2030) }},
	} {
		m.check(t, signedOut())
	}
}
