//go:build unix

// Package rig starts real servers for tests: each on a free port of the loopback
// interface, in a folder of its own, and ended with the test that started it.
// What a server prints is kept, and shown where it does not come up.
package rig

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to come up or to end. It is generous:
// a slow machine is no fault.
const patience = 60 * time.Second

// A Command is how a server is started.
type Command struct {
	Name string // of the program: on PATH, or with its path
	Args []string
	Dir  string   // it runs there
	Env  []string // besides the test's own
	// As is the credential to run under. nil: the test's own.
	As *syscall.Credential
}

// A Process is a running server. Its methods are for one goroutine at a time.
type Process struct {
	cmd  *exec.Cmd
	log  string // path
	dead chan struct{}
	end  sync.Once
	err  error // of Wait, once dead is closed
}

// Start starts a server, which is killed when the test ends. It does not wait
// for the server to be ready.
func Start(t testing.TB, c Command) *Process {
	t.Helper()
	out, err := os.CreateTemp(Folder(t), filepath.Base(c.Name)+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(c.Name, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attributes(c.As)
	p := &Process{cmd: cmd, log: out.Name(), dead: make(chan struct{})}
	// The kernel ends a child with the thread that started it, so that no server
	// outlives a test that was killed. The thread must therefore live as long as
	// the child is wanted.
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		out.Close()
		close(p.dead)
		runtime.UnlockOSThread()
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v (is it installed? make setup)", c.Name, err)
	}
	t.Cleanup(p.Kill)
	return p
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal. One that has ended hears nothing.
func (p *Process) Signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// Pause stops the process as SIGSTOP does: its sockets stay open and its kernel
// goes on acknowledging, but it does nothing until Resume.
func (p *Process) Pause() { p.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() { p.Signal(syscall.SIGCONT) }

// Kill ends the process at once and waits for its end.
func (p *Process) Kill() {
	p.end.Do(func() { p.Signal(syscall.SIGKILL) })
	<-p.dead
}

// Stop asks the process to end with a signal and waits until it has. One that
// takes too long is killed, which is an error.
func (p *Process) Stop(s syscall.Signal) error {
	p.Signal(s)
	select {
	case <-p.dead:
		return p.err
	case <-time.After(patience):
		p.Kill()
		return errors.New("rig: the process did not end by itself")
	}
}

// Done is closed once the process has ended.
func (p *Process) Done() <-chan struct{} { return p.dead }

// Log is all that the process has printed.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// tail is the end of the log, for people.
func (p *Process) tail() string {
	all := p.Log()
	return all[max(0, len(all)-64<<10):]
}

// Until calls ready until it returns nil. The test fails when the process ends
// first or takes too long, and shows what it printed.
func (p *Process) Until(t testing.TB, ready func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := ready()
		if err == nil {
			return
		}
		select {
		case <-p.dead:
			t.Fatalf("%s ended before it was ready: %v\n%s", p.cmd.Path, p.err, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v\n%s", p.cmd.Path, err, p.tail())
		}
	}
}

// given are the ports that FreePort has returned.
var given sync.Map

// FreePort returns a TCP port of the loopback interface on which nobody listens,
// and never the same twice. It is below those that the kernel takes for outgoing
// connections, so that a server which is restarted finds its port free. Another
// process may take it before it is used, which a caller sees as a server that
// does not come up.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 12_000 + rand.IntN(20_000)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", Address(port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port of the loopback interface is free")
	return 0
}

// Address is a port of the loopback interface as host:port.
func Address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Folder returns a new folder that is removed with the test. Its path is short,
// because that of a Unix socket may have 107 bytes at most.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rig")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "rig:", err)
		}
	})
	return dir
}
