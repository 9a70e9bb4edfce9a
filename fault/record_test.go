//go:build unix

package fault_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
)

// now is this moment as all logs have it.
func now() checker.Time { return checker.Time(time.Now().UnixMicro()) }

// A record is one log of a run. Anybody may write.
type record struct {
	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	n    int
}

func (r *record) write(v any) {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err) // all that is written are plain structs
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.w.Write(line)
	r.w.WriteByte('\n')
	r.n++
}

// records are the logs of a run, in the folder that the checker reads.
type records struct {
	dir string

	webhooks, clients, journal, inbox, nodes, breakage, revocations *record
}

func newRecords(t testing.TB, dir string) *records {
	t.Helper()
	open := func(name string) *record {
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return &record{file: file, w: bufio.NewWriterSize(file, 64<<10)}
	}
	return &records{
		dir: dir, webhooks: open(checker.WebhooksFile), clients: open(checker.ClientsFile), journal: open(checker.JournalFile),
		inbox: open(checker.InboxFile), nodes: open(checker.NodesFile), breakage: open(checker.FaultsFile),
		revocations: open(checker.RevocationsFile),
	}
}

// close writes all to the disk, and the plan with it.
func (r *records) close(t testing.TB, plan checker.Plan) {
	t.Helper()
	for _, one := range []*record{r.webhooks, r.clients, r.journal, r.inbox, r.nodes, r.breakage, r.revocations} {
		one.mu.Lock()
		if err := one.w.Flush(); err != nil {
			t.Fatal(err)
		}
		one.file.Close()
		one.mu.Unlock()
	}
	content, err := json.MarshalIndent(plan, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, checker.PlanFile), content, 0o600); err != nil {
		t.Fatal(err)
	}
}
