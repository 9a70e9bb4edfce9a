package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/bench"
)

const benchHelp = `Measure a gateway under load: thousands of clients that wait, each with a token
for an order of its own, and signed webhooks that reach them.

Every scenario starts a gateway as 'paybell serve' does, in a process of its own,
on free ports, with its ledger in a temporary folder, and ends it. --config
measures one that runs already; what needs a gateway of its own is left out then.

Latency is from the moment a webhook was due until its client has read the state,
so that a stall is charged for all that had to wait for it. Each event must reach
its client, once, and no other client: where one does not, the command says so and
its exit code is 1.

Scenarios, in the order in which they run:
`

const benchExample = `  # A first look, in seconds
  paybell bench --clients 200 --rate 50 --duration 2s

  # The full size: 15,000 clients, some minutes. ulimit -n must allow them
  paybell bench

  # One question at a time
  paybell bench --only idle --clients 10000 --sse-share 1
  paybell bench --only latency --rate 100,1000,3000 --duration 20s --runs 3
  paybell bench --only burst,drain --json > today.json

  # Slow providers, repeated webhooks, phones that drop and come back
  paybell bench --profile night-peak --rate 1000

  # A gateway that runs already, by its configuration
  paybell bench --config paybell.yaml --only latency --clients 2000`

// A benchmark is what `paybell bench` was asked to do.
type benchmark struct {
	bench.Options
	config  string // of a running gateway; empty: start one
	dir     string
	profile string
	json    bool
	out     string
	parts   string // a file with what `go test -bench` printed
	peers   string // the program that starts other servers, to be measured too
}

func newBenchCommand() *cobra.Command {
	var about strings.Builder
	for _, s := range bench.Scenarios() {
		fmt.Fprintf(&about, "  %-12s %s\n", s.Name, s.About)
	}
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure a gateway under load",
		Long:    benchHelp + strings.TrimRight(about.String(), "\n"),
		Example: benchExample,
		Args:    exactly(),
	}
	var b benchmark
	flags := cmd.Flags()
	flags.StringVarP(&b.config, "config", "c", "", "the configuration of a gateway that runs already (left out: start one for each scenario)")
	flags.IntVar(&b.Clients, "clients", 15_000, "how many clients wait")
	flags.Float64Var(&b.SSEShare, "sse-share", .5, "the share of them on SSE, from 0 to 1; the others are on WebSocket")
	flags.IntSliceVar(&b.Rates, "rate", []int{500, 2_000}, "webhooks a second; several, with commas, one after the other")
	flags.DurationVar(&b.Duration, "duration", time.Minute, "how long each rate is measured; other scenarios take a part or a multiple of it")
	flags.IntVar(&b.Runs, "runs", 1, "how often to measure; the figures are medians")
	flags.StringSliceVar(&b.Only, "only", nil, "run only these scenarios, with commas (default all but night-peak)")
	flags.IntVar(&b.Addresses, "addresses", 0, "how many addresses of 127.0.0.0/8 clients come from (default one for each 500)")
	flags.StringVar(&b.profile, "profile", "", "night-peak: what a bad night brings, all at once")
	flags.StringVar(&b.dir, "dir", os.TempDir(), "the folder for ledgers, on the disk to be measured")
	flags.BoolVar(&b.json, "json", false, "print the figures as JSON")
	flags.StringVar(&b.out, "out", "", "also write the figures as a page, with pictures beside it: docs/performance.md")
	flags.StringVar(&b.parts, "parts", "", "put what 'go test -bench' printed into this file on the page")
	flags.StringVar(&b.peers, "peers", "", "measure the servers too that this program starts, built of bench/peers")
	for _, name := range []string{"parts", "peers"} {
		flags.MarkHidden(name)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return b.run(cmd) }
	return cmd
}

func (b *benchmark) run(cmd *cobra.Command) error {
	switch b.profile {
	case "":
	case "night-peak":
		b.Only = []string{b.profile}
	default:
		return misusef(cmd, "there is no profile %q; there is night-peak", b.profile)
	}
	if err := b.Check(); err != nil {
		return misusef(cmd, "%v", err)
	}
	ctx, cancel := untilSignal(cmd.Context())
	defer cancel()
	ticker := &progress{out: cmd.ErrOrStderr()}
	b.Progress = ticker.tell
	report, err := bench.Run(ctx, b.subject(), b.Options)
	ticker.end()
	if err != nil {
		return err
	}
	report.Command = commandLine(cmd)
	reports := []*bench.Report{report}
	if b.peers != "" {
		others, err := b.measurePeers(ctx, b.peers, cmd.ErrOrStderr())
		ticker.end()
		if err != nil {
			return err
		}
		reports = append(reports, others...)
	}
	if err := b.print(reports, cmd.OutOrStdout()); err != nil {
		return err
	}
	if len(report.Failures) > 0 {
		return fmt.Errorf("%d promises did not hold:\n  %s", len(report.Failures), strings.Join(report.Failures, "\n  "))
	}
	return nil
}

// print prints all reports, and writes the page.
func (b *benchmark) print(reports []*bench.Report, out io.Writer) error {
	for _, report := range reports {
		if !b.json {
			report.Table(out)
		} else if err := report.JSON(out); err != nil {
			return err
		}
	}
	if b.out == "" {
		return nil
	}
	var parts []byte
	if b.parts != "" {
		var err error
		if parts, err = os.ReadFile(b.parts); err != nil {
			return fmt.Errorf("read what 'go test -bench' printed: %w", err)
		}
	}
	return bench.WritePage(b.out, reports, string(parts))
}

func (b *benchmark) subject() bench.Subject {
	s := bench.Subject{Name: "paybell", Paybell: true}
	if b.config != "" {
		s.Start = b.running
		return s
	}
	s.Fresh = true
	s.Start = func(ctx context.Context, how bench.Setup) (*bench.Server, error) {
		return startGatewayProcess(ctx, b.dir, how)
	}
	return s
}

// commandLine is the command as it can be typed again.
func commandLine(cmd *cobra.Command) string {
	text := cmd.CommandPath()
	for _, arg := range os.Args[min(2, len(os.Args)):] {
		text += " " + arg
	}
	return text
}

var errNoBenchSource = errors.New("the configuration has no source of provider standard or stripe with a secret, whose webhooks could be signed")
