package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashChildMark) != "" {
		if err := crashChild(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testscript.Main(m, map[string]func(){"paybell": main})
}

// TestScripts runs the commands as people type them: testdata/script.
func TestScripts(t *testing.T) {
	example, err := filepath.Abs("../../deploy/paybell.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	server := sync.OnceValue(func() *rig.Postgres { return rig.StartPostgres(t) })
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLE", example)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // under -race every command would end a second late
			if dir := os.Getenv("GOCOVERDIR"); dir != "" {
				env.Setenv("GOCOVERDIR", dir)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await,
			// "database VARIABLE" makes an empty database and sets the variable to its URL.
			"database": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], server().Database(strings.ToLower(rand.Text())))
			},
		},
	})
}

// exits runs a command that must end with the code in its first argument:
// "exits 2 paybell srve".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG …]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await waits until a file has what the pattern finds, and sets the variable, if
// one is named, to the pattern's first group: "await FILE PATTERN [VARIABLE]".
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: await FILE PATTERN [VARIABLE]")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	var content []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		content, _ = os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		if found := pattern.FindSubmatch(content); found != nil {
			if len(args) == 3 {
				ts.Setenv(args[2], string(found[1]))
			}
			return
		}
	}
	ts.Fatalf("%s never had %s:\n%s", args[0], args[1], content)
}
