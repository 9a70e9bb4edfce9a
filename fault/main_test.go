//go:build unix

package fault_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/paybell/paybell/fault/checker"
)

var (
	long   = flag.Bool("fault.long", false, "run every scenario at full length, and hold it to its times")
	seed   = flag.Uint64("fault.seed", 0, "the seed of all that is random in a scenario; 0: a new one")
	racing = flag.Bool("fault.race", false, "build the gateway with the race detector")
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	printTable()
	os.RemoveAll(builds.dir)
	os.Exit(code)
}

// A weakness is a change of the gateway's source that a scenario must notice.
type weakness struct {
	file     string // from the repository's folder
	old, new string // texts
}

// builds are the programs that were built, by their weaknesses.
var builds struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

// program builds paybell, as it is or with weaknesses, and returns its path. What
// was built is shared.
func program(t testing.TB, weak ...weakness) string {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	if builds.dir == "" {
		dir, err := os.MkdirTemp("", "fault")
		if err != nil {
			t.Fatal(err)
		}
		builds.dir, builds.paths = dir, map[string]string{}
	}
	key := fmt.Sprint(weak)
	if path, ok := builds.paths[key]; ok {
		return path
	}
	path := filepath.Join(builds.dir, fmt.Sprintf("paybell-%d", len(builds.paths)))
	args := []string{"build", "-o", path}
	if *racing {
		args = append(args, "-race")
	}
	if len(weak) > 0 {
		args = append(args, "-overlay", overlay(t, path, weak))
	}
	out, err := exec.Command("go", append(args, "github.com/paybell/paybell/cmd/paybell")...).CombinedOutput()
	if err != nil {
		t.Fatalf("build paybell: %v\n%s", err, out)
	}
	builds.paths[key] = path
	return path
}

// overlay writes the weakened files beside a program, and returns the file that
// tells the go command of them.
func overlay(t testing.TB, beside string, weak []weakness) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for i, w := range weak {
		original := filepath.Join(root, w.file)
		if replace[original] == "" {
			replace[original] = fmt.Sprintf("%s-%d.go", beside, i)
			content, err := os.ReadFile(original)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(replace[original], content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		content, err := os.ReadFile(replace[original])
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(content), w.old) != 1 {
			t.Fatalf("%s has no single %q to weaken", w.file, w.old)
		}
		weakened := strings.Replace(string(content), w.old, w.new, 1)
		if err := os.WriteFile(replace[original], []byte(weakened), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(beside+".json", content, 0o600); err != nil {
		t.Fatal(err)
	}
	return beside + ".json"
}

// newSeed is the seed that was asked for, or a new one. It is printed, so that a
// run that fails can be had again.
func newSeed(t testing.TB) uint64 {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(rand.Uint32())
	}
	t.Logf("seed %d", s)
	return s
}

// A line is one scenario in the table at the end.
type line struct {
	scenario string
	seed     uint64
	figures  checker.Figures
	broken   int // violations
}

var table struct {
	sync.Mutex
	lines []line
}

func addLine(l line) {
	table.Lock()
	defer table.Unlock()
	table.lines = append(table.lines, l)
}

func printTable() {
	if len(table.lines) == 0 || !testing.Verbose() && !*long {
		return
	}
	const form = "%-34s %11v %8v %8v %6v %9v %8v %10v %10v %10v %8v\n"
	fmt.Println(strings.Repeat("─", 134))
	fmt.Printf(form, "scenario", "seed", "effects", "acked", "lost", "repeated", "states", "stale max", "p99", "p99 calm", "broken")
	ms := func(t checker.Time) string { return fmt.Sprintf("%d ms", t/checker.Millisecond) }
	for _, l := range table.lines {
		f := l.figures
		fmt.Printf(form, l.scenario, l.seed, f.Effects, f.Acked, f.Lost, f.Repeated, f.States, ms(f.Stale), ms(f.P99), ms(f.CalmP99), l.broken)
	}
}

// either is the long form's value or the short form's.
func either[T any](inLong, inShort T) T {
	if *long {
		return inLong
	}
	return inShort
}

// share runs a test beside others where times are not held to. They mostly wait.
func share(t *testing.T) {
	t.Helper()
	if !*long {
		t.Parallel()
	}
}

// onlyLong skips what takes minutes, or what another scenario shows as well.
func onlyLong(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("in make fault only")
	}
}
