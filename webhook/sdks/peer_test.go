package sdks_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A question about a request, as the programs in node and golang read it.
type question struct {
	Op      string `json:"op"` // verify or sign
	SDK     string `json:"sdk"`
	Secret  string `json:"secret"`
	URL     string `json:"url"`
	Headers []line `json:"headers"`
	Body    []byte `json:"body"`
	At      int64  `json:"at"` // when it is received or signed, in milliseconds since 1970
}

// An answer says whether the SDK did as it was asked. OK of verify means that
// the SDK takes the request for genuine.
type answer struct {
	OK      bool              `json:"ok"`
	Why     string            `json:"why"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
}

// A peer is a running program that holds SDKs.
type peer struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts one of the two programs, which ends with the test.
func start(t *testing.T, name string) *peer {
	t.Helper()
	var cmd *exec.Cmd
	switch name {
	case "node":
		if _, err := os.Stat("node/node_modules"); err != nil {
			t.Fatal("the SDKs for Node are not installed: make setup")
		}
		cmd = exec.Command("node", "node/main.mjs")
	case "golang":
		program := filepath.Join(t.TempDir(), "golang.test")
		build := exec.Command("go", "test", "-c", "-o", program, ".")
		build.Dir = name
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the SDKs for Go: %v\n%s", err, out)
		}
		cmd = exec.Command(program, "-test.run=TestAnswer", "-test.timeout=0")
		cmd.Env = append(os.Environ(), "PAYBELL_SDKS=1")
	}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
	return &peer{in, bufio.NewReader(out)}
}

// ask returns the answers to the questions, in their order.
func (p *peer) ask(t *testing.T, questions []question) []answer {
	t.Helper()
	written := make(chan error, 1)
	go func() {
		w := json.NewEncoder(p.in)
		for _, q := range questions {
			if err := w.Encode(q); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	answers := make([]answer, len(questions))
	for i := range answers {
		text, err := p.out.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(text, &answers[i])
		}
		if err != nil {
			t.Fatalf("answer %d of %s: %v", i, questions[i].SDK, err)
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	return answers
}
