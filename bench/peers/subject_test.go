package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/paybell/paybell/bench"
)

// subject is a peer as the bench measures it: this program again, in a process of
// its own for each scenario.
func subject(name string) bench.Subject {
	return bench.Subject{Name: name, Start: func(ctx context.Context, _ bench.Setup) (*bench.Server, error) {
		return start(ctx, name)
	}}
}

// start starts a peer, and returns once it listens.
func start(ctx context.Context, name string) (*bench.Server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	secret := rand.Text() + rand.Text()
	cmd := exec.CommandContext(ctx, program, "-peer", name, "-listen", address, "-token-secret", secret)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var r ready
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		cmd.Wait() // it has ended, or is of no use
		return nil, fmt.Errorf("%s did not start: %s", name, strings.TrimSpace(complaint.String()))
	}
	return &bench.Server{
		Address: address, Admin: r.Admin, PIDs: r.PIDs, Version: r.Version, Mode: r.Mode,
		Dialects: bench.PeerDialects(name, []byte(secret)),
		Stop: func() {
			cmd.Cancel()
			cmd.Wait()
		},
	}, nil
}

// freeAddress is a loopback address that nobody listened on a moment ago.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
