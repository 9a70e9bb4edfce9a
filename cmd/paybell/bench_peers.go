package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/paybell/paybell/bench"
)

// benchPeers are the other servers that `make bench` measures, by the names of
// bench/peers.
var benchPeers = []string{"nchan", "nchan-auth", "centrifuge", "mercure"}

// peerScenarios are what they are measured in, once each.
var peerScenarios = []string{"idle", "latency", "saturation", "burst"}

// measurePeers measures the servers that a program starts, built of bench/peers.
// One that does not start here is left out, with a word.
func (b *benchmark) measurePeers(ctx context.Context, program string, talk io.Writer) ([]*bench.Report, error) {
	o := b.Options
	o.Runs, o.Only, o.Rates = 1, peerScenarios, []int{bench.ComparedRate(o.Rates)}
	var reports []*bench.Report
	for _, name := range benchPeers {
		start := func(ctx context.Context, _ bench.Setup) (*bench.Server, error) { return startPeer(ctx, program, name) }
		report, err := bench.Run(ctx, bench.Subject{Name: name, Start: start}, o)
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			fmt.Fprintf(talk, "\n%s is left out: %v\n", name, err)
			continue
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// startPeer starts one of the other servers, and returns once it listens.
func startPeer(ctx context.Context, program, name string) (*bench.Server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	secret := rand.Text() + rand.Text()
	cmd := exec.CommandContext(ctx, program, "-peer", name, "-listen", address, "-token-secret", secret)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it takes its children with it
	cmd.SysProcAttr = endsWithParent()
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	first, _ := bufio.NewReader(out).ReadBytes('\n')
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, out)
		cmd.Wait()
		close(ended)
	}()
	stop := func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	}
	var ready struct {
		Ready         bool
		Version, Mode string
		Admin         string
		PIDs          []int
	}
	if err := json.Unmarshal(first, &ready); err != nil || !ready.Ready {
		stop()
		return nil, fmt.Errorf("%s did not start: %s", name, strings.TrimSpace(trouble.String()))
	}
	return &bench.Server{
		Address: address, Admin: ready.Admin, PIDs: ready.PIDs, Version: ready.Version, Mode: ready.Mode,
		Dialects: bench.PeerDialects(name, []byte(secret)), Stop: stop,
	}, nil
}

// freeAddress is a loopback address that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
