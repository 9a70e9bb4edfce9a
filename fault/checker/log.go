// Package checker decides from logs alone whether a gateway kept its promises
// while things broke around it.
//
// It imports nothing of Paybell, so that a mistake there cannot hide itself here:
// what an order's events amount to is told again in model.go, from the documents
// and not from the code. It reads what the provider sent and was answered, what each
// client received, what the ledger holds, what nodes said, and what was broken
// when; every invariant is a function over these (see [Invariants]).
package checker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Time is in microseconds since 1970, by the clock of the machine that all
// parts of a run share.
type Time int64

// Common spans of a [Time].
const (
	Millisecond Time = 1000
	Second           = 1000 * Millisecond
)

// A Mark says in which line of which log a record is.
type Mark struct {
	file string
	line int
}

func (m Mark) String() string {
	if m.line == 0 {
		return m.file
	}
	return fmt.Sprintf("%s:%d", m.file, m.line)
}

// The files of a run's folder.
const (
	PlanFile     = "plan.json"
	WebhooksFile = "webhooks.jsonl"
	ClientsFile  = "clients.jsonl"
	JournalFile  = "journal.jsonl"
	InboxFile    = "inbox.jsonl"
	NodesFile    = "nodes.jsonl"
	FaultsFile   = "faults.jsonl"

	RevocationsFile = "revocations.jsonl"
)

// A Run is all that was written down of one run.
type Run struct {
	Plan     Plan
	Webhooks []Attempt
	Clients  []Receipt
	Journal  []Row
	Inbox    []Stored
	Nodes    []Note
	Faults   []Fault

	Revocations []Revocation
}

// A Plan is what a run was to be, and what it is held to.
type Plan struct {
	Scenario string           `json:"scenario"`
	Seed     uint64           `json:"seed"`
	Epoch    string           `json:"epoch"`           // the ledger's, at the start
	Terms    map[string]Terms `json:"terms,omitempty"` // of the orders that were registered
	QuietAt  Time             `json:"quiet_at"`        // nothing was broken or sent from here on
	EndAt    Time             `json:"end_at"`          // clients were let go only after this
	Replayed int              `json:"replayed"`        // readings above it came after all webhooks were sent again; 0: they were not
	Canaries []string         `json:"canaries,omitempty"`
	Bounds   Bounds           `json:"bounds"`
}

// Bounds are how late a client may hear of a commit. 0: not held to any.
type Bounds struct {
	CalmP99 Time  `json:"calm_p99,omitempty"` // while nothing is broken
	Bus     Time  `json:"bus,omitempty"`      // while only the bus is
	Node    Time  `json:"node,omitempty"`     // around the death of a node
	Revoked Time  `json:"revoked,omitempty"`  // until nothing comes any more by a token that was revoked
	RSS     int64 `json:"rss,omitempty"`      // bytes of each node at the end
}

// Terms are what the merchant registered for an order.
type Terms struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// An Event is what a webhook says.
type Event struct {
	Order    string `json:"order"`
	Payment  string `json:"payment,omitempty"`
	Ref      string `json:"ref,omitempty"`
	Kind     string `json:"kind"` // payment, refund, dispute, order
	Status   string `json:"status"`
	Amount   int64  `json:"amount,omitempty"`
	Currency string `json:"currency,omitempty"`
	At       Time   `json:"at"` // the provider's time
	Test     bool   `json:"test,omitempty"`
}

// An Attempt is one POST of a webhook, and what it was answered.
type Attempt struct {
	Mark     `json:"-"`
	Sent     Time   `json:"sent"`
	Answered Time   `json:"answered"`
	Node     string `json:"node"` // the node or proxy it was sent to
	ID       string `json:"id"`
	Code     int    `json:"code"`             // 0: no answer
	Forged   bool   `json:"forged,omitempty"` // must not be believed
	Replay   bool   `json:"replay,omitempty"` // sent again after everything was over
	Event    Event  `json:"event"`
}

// Accepted says whether the sender was told that the event is safe.
func (a Attempt) Accepted() bool { return a.Code/100 == 2 }

// What a [Receipt] tells of.
const (
	Opened   = "opened"   // the connection stands
	Received = "state"    // a state came
	Told     = "told"     // a goodbye, or an answer that says to come later
	Closed   = "closed"   // by whomever
	Refused  = "refused"  // the connection did not come to stand
	Snapshot = "snapshot" // type of a state that is the first of its connection
	Update   = "update"   // type of a newer one
	Polled   = "poll"     // type of one that was asked for

	Revoked = "token_revoked" // reason of Told, Closed and Refused
)

// A Receipt is one thing that happened to a client.
type Receipt struct {
	Mark      `json:"-"`
	At        Time     `json:"at"`
	Client    string   `json:"client"`
	Conn      int      `json:"conn"` // counts the client's connections
	Node      string   `json:"node"`
	Transport string   `json:"transport"`
	What      string   `json:"what"`
	Orders    []string `json:"orders,omitempty"`  // of Opened and Refused: what its token names
	Expires   Time     `json:"expires,omitempty"` // … the token's end
	Token     string   `json:"token,omitempty"`   // … its id
	Subject   string   `json:"subject,omitempty"` // … and whose it is
	Issued    Time     `json:"issued,omitempty"`
	Type      string   `json:"type,omitempty"`
	State     *State   `json:"state,omitempty"`
	Code      int      `json:"code,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	RetryMS   int      `json:"retry_ms,omitempty"`
}

// A State is what the gateway shows of an order, in its own words.
type State struct {
	Order     string `json:"order"`
	Version   int64  `json:"version"`
	Epoch     string `json:"epoch"`
	Status    string `json:"status"`
	Final     bool   `json:"final"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Paid      int64  `json:"paid"`
	Refunded  int64  `json:"refunded"`
	Disputed  bool   `json:"disputed"`
	Overpaid  bool   `json:"overpaid"`
	Method    string `json:"method"`
	Reason    string `json:"reason"`
	ActionURL string `json:"action_url"`
	Livemode  bool   `json:"livemode"`
	UpdatedAt string `json:"updated_at"`
}

// A Row is a change in the ledger's journal, written down when it was first read
// since the ledger was put back from a backup, or was given a new epoch.
type Row struct {
	Mark      `json:"-"`
	Reading   int   `json:"reading"`        // counts the readings of the journal
	Copy      int   `json:"copy,omitempty"` // how often the ledger had been put back from a backup
	Shard     int   `json:"shard"`
	Seq       int64 `json:"seq"`
	Committed Time  `json:"committed"`
	State     State `json:"state"`
}

// A Stored is an event that the ledger holds, written down when it was first read
// since the ledger was put back from a backup.
type Stored struct {
	Mark    `json:"-"`
	Reading int    `json:"reading"`
	Copy    int    `json:"copy,omitempty"` // as of a [Row]
	Source  string `json:"source"`
	ID      string `json:"id"`
	Order   string `json:"order"`
}

// What a [Note] tells of.
const (
	Line   = "line"   // the node printed Text
	Before = "before" // Values, with no client connected yet
	After  = "after"  // Values, with no client connected any more
)

// A Note is something that a node said, or that was read from it.
type Note struct {
	Mark   `json:"-"`
	At     Time               `json:"at"`
	Node   string             `json:"node"`
	What   string             `json:"what"`
	Text   string             `json:"text,omitempty"`
	Values map[string]float64 `json:"values,omitempty"`
}

// What can be broken.
const (
	BusFault      = "bus"
	NodeFault     = "node"
	LedgerFault   = "ledger"         // Node cannot reach it; empty: nobody can
	RefusalFault  = "ledger-refuses" // it takes no writes
	RestoreFault  = "restored"       // it was replaced by an older copy of itself, and nobody reached it meanwhile
	NewEpochFault = "new-epoch"      // it was given one, as belongs to a restore
)

// A Fault is what was broken, from when to when, and how often that had an
// effect, as far as it could be counted.
type Fault struct {
	Mark    `json:"-"`
	At      Time   `json:"at"`
	Until   Time   `json:"until"`
	Kind    string `json:"kind"`
	Node    string `json:"node,omitempty"`
	Epoch   string `json:"epoch,omitempty"`   // of NewEpochFault: the new one; of RestoreFault: the copy's
	Backup  Time   `json:"backup,omitempty"`  // of RestoreFault: all that was answered until then is in the copy
	Reading int    `json:"reading,omitempty"` // of RestoreFault: what it read of the copy is what the copy was made with
	Noticed Time   `json:"noticed,omitempty"` // of NewEpochFault: every node had noticed that it was due; 0: they had no time to
	Effects int    `json:"effects"`
	Text    string `json:"text,omitempty"`
}

// Read reads the folder of a run.
func Read(dir string) (*Run, error) {
	r := &Run{}
	plan, err := os.ReadFile(filepath.Join(dir, PlanFile))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(plan, &r.Plan); err != nil {
		return nil, fmt.Errorf("%s: %w", PlanFile, err)
	}
	return r, errors.Join(
		lines(dir, WebhooksFile, &r.Webhooks, func(a *Attempt) *Mark { return &a.Mark }),
		lines(dir, ClientsFile, &r.Clients, func(c *Receipt) *Mark { return &c.Mark }),
		lines(dir, JournalFile, &r.Journal, func(j *Row) *Mark { return &j.Mark }),
		lines(dir, InboxFile, &r.Inbox, func(s *Stored) *Mark { return &s.Mark }),
		lines(dir, NodesFile, &r.Nodes, func(n *Note) *Mark { return &n.Mark }),
		lines(dir, RevocationsFile, &r.Revocations, func(v *Revocation) *Mark { return &v.Mark }),
		lines(dir, FaultsFile, &r.Faults, func(f *Fault) *Mark { return &f.Mark }),
	)
}

// lines reads a log of one JSON object per line. One that is not there is empty.
func lines[T any](dir, file string, into *[]T, mark func(*T) *Mark) error {
	content, err := os.ReadFile(filepath.Join(dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	n := 0
	for line := range bytes.Lines(content) {
		n++
		var record T
		if err := json.Unmarshal(line, &record); err != nil {
			return fmt.Errorf("%s:%d: %w", file, n, err)
		}
		*mark(&record) = Mark{file, n}
		*into = append(*into, record)
	}
	return nil
}
