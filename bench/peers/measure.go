package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/bench"
)

// A measurement is what `peers measure` was asked to do.
type measurement struct {
	bench.Options
	peers []string
	json  bool
}

// measure measures peers one after the other, and prints a report of each. One
// that cannot be measured does not keep the others from it.
func measure(ctx context.Context, arguments []string, out io.Writer) error {
	m, err := parseMeasurement(arguments)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range m.peers {
		m.Progress = func(text string) { fmt.Fprintf(os.Stderr, "%s: %s\n", name, text) }
		report, err := bench.Run(ctx, subject(name), m.Options)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
			continue
		}
		report.Command = strings.Join(append([]string{"peers"}, os.Args[1:]...), " ")
		if !m.json {
			report.Table(out)
		} else if err := report.JSON(out); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func parseMeasurement(arguments []string) (measurement, error) {
	m := measurement{Options: bench.Options{SSEShare: .5}}
	flags := newFlags()
	flags.IntVar(&m.Clients, "clients", 5_000, "")
	flags.DurationVar(&m.Duration, "duration", 10*time.Second, "")
	flags.IntVar(&m.Runs, "runs", 1, "")
	flags.BoolVar(&m.json, "json", false, "")
	flags.Func("rate", "", func(list string) error {
		for text := range strings.SplitSeq(list, ",") {
			rate, err := strconv.Atoi(text)
			if err != nil {
				return err
			}
			m.Rates = append(m.Rates, rate)
		}
		return nil
	})
	flags.Func("only", "", func(list string) error {
		m.Only = strings.Split(list, ",")
		return nil
	})
	if err := flags.Parse(arguments); err != nil {
		return m, err
	}
	if m.peers = flags.Args(); len(m.peers) == 0 {
		m.peers = names()
	}
	for _, name := range m.peers {
		if !slices.Contains(names(), name) {
			return m, fmt.Errorf("there is no peer %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	return m, m.Check()
}
