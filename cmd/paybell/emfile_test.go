//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// doorChildMark in the environment makes TestListenerOutlivesTheLastDescriptor
// the process whose descriptors run out.
const doorChildMark = "DOOR_TEST_CHILD"

// doorChild runs a listener, and does what it reads: "take" opens files until it
// may open no more, "free" closes them, "cpu" says how long it has computed, and
// "counts" how many connections there are, and how many were refused for want of
// a descriptor.
func doorChild(t *testing.T) {
	d := startDoor(t, listenerConfig{reserve: 1000})
	c, _ := d.dial("") // what the first connection needs, such as the poller, is open after it
	d.wantOK(c)
	c.Close()
	eventually(t, "it is closed", func() bool { open, _, _ := d.counts(); return open == 0 })
	limit := syscall.Rlimit{Cur: 60, Max: 60}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	fmt.Println("door", d.address)
	var taken []*os.File
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "take":
			for {
				f, err := os.Open(os.DevNull)
				if err != nil {
					break
				}
				taken = append(taken, f)
			}
			fmt.Println("door", len(taken))
		case "free":
			for _, f := range taken {
				f.Close()
			}
			fmt.Println("door", len(taken))
		case "cpu":
			var u syscall.Rusage
			syscall.Getrusage(syscall.RUSAGE_SELF, &u)
			fmt.Println("door", time.Duration(u.Utime.Nano()+u.Stime.Nano()).Milliseconds())
		case "counts":
			open, _, _ := d.counts()
			fmt.Println("door", open, d.refusals(refusedDescriptors))
		}
	}
}

// A farDoor is a listener in another process.
type farDoor struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

// next returns what the child says next.
func (d *farDoor) next() string {
	d.t.Helper()
	for d.out.Scan() {
		if said, ok := strings.CutPrefix(d.out.Text(), "door "); ok {
			return said
		}
	}
	d.t.Fatal("the child has ended")
	return ""
}

func (d *farDoor) tell(command string) string {
	d.t.Helper()
	io.WriteString(d.in, command+"\n")
	return d.next()
}

func (d *farDoor) cpu() (ms int) {
	fmt.Sscan(d.tell("cpu"), &ms)
	return ms
}

func TestListenerOutlivesTheLastDescriptor(t *testing.T) {
	if os.Getenv(doorChildMark) != "" {
		doorChild(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), doorChildMark+"=1")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer in.Close()
	d := &farDoor{t: t, in: in, out: bufio.NewScanner(out)}
	address := d.next()

	silent := dialFrom(t, "", address)
	eventually(t, "a connection is accepted", func() bool { return d.tell("counts") == "1 0" })
	time.Sleep(freshFor)
	if d.tell("take") == "0" {
		t.Fatal("no descriptor could be taken")
	}

	// A connection that says nothing makes room, …
	next := dialFrom(t, "", address)
	if response, _, err := ask(next, getLivez); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("answered %v, %v", response, err)
	}
	wantClosed(t, silent)
	next.Close()
	eventually(t, "it is closed", func() bool { return d.tell("counts") == "0 0" })
	d.tell("take")

	// … and where there is none, newcomers are told, and nothing spins.
	before := d.cpu()
	const newcomers = 30
	for range newcomers {
		c := dialFrom(t, "", address)
		response, body, err := ask(c, "")
		if err != nil {
			t.Fatalf("no answer: %v; open and refused are %s", err, d.tell("counts"))
		}
		wantProblem(t, response, body, http.StatusServiceUnavailable, "busy")
		if response.Header.Get("Retry-After") == "" {
			t.Error("not told when to come back")
		}
	}
	time.Sleep(time.Second)
	if took := d.cpu() - before; took > 700 {
		t.Errorf("it computed for %d ms of a second in which nobody came", took)
	}
	if got, want := d.tell("counts"), fmt.Sprint(0, newcomers); got != want {
		t.Errorf("open and refused are %s, want %s", got, want)
	}

	d.tell("free")
	c := dialFrom(t, "", address)
	if response, _, err := ask(c, getLivez); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("afterwards answered %v, %v", response, err)
	}
}
