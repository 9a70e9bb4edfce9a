//go:build unix

package fault_test

import (
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
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// built is the program, which all scenarios share.
var built struct {
	once      sync.Once
	dir, path string
	err       error
}

// program builds paybell once and returns its path.
func program(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "fault"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "paybell")
		args := []string{"build", "-o", built.path}
		if *racing {
			args = append(args, "-race")
		}
		out, err := exec.Command("go", append(args, "github.com/paybell/paybell/cmd/paybell")...).CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatalf("build paybell: %v", built.err)
	}
	return built.path
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
