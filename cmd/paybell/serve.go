package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/postgres"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a gateway",
		Long: `Run a gateway: receive webhooks, keep the ledger, and push every order's state
to whoever waits for it.

SIGTERM or SIGINT ends it: /readyz fails first, then every client is told when
to come back, webhooks are served to the last. A second signal ends it at once.

A PostgreSQL that is not there yet is waited for, half a minute at most.`,
		Example: `  paybell serve --config paybell.yaml
  PAYBELL_LISTEN=:9000 paybell serve --config paybell.yaml

  # The first start on a restored backup
  paybell serve --config paybell.yaml --new-epoch`,
		Args: exactly(),
	}
	path := configFlag(cmd, "the configuration file")
	newEpoch := cmd.Flags().Bool("new-epoch", false, "the ledger is a restored backup: give it a new epoch, so that clients which saw later versions start afresh")
	commitBatch := cmd.Flags().Int("commit-batch", 0, "how many writes may share a commit; 0: as usual")
	cmd.Flags().MarkHidden("commit-batch") // for paybell bench
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := loadConfig(*path, os.Environ())
		if err != nil {
			return err
		}
		c.commitBatch = *commitBatch
		fmt.Fprintln(cmd.ErrOrStderr(), "# the configuration in force")
		if err := c.print(cmd.ErrOrStderr()); err != nil {
			return err
		}
		tuneMemory()
		log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
		ctx, cancel := untilSignal(cmd.Context())
		defer cancel()
		return serve(ctx, c, *newEpoch, log, cmd.OutOrStdout())
	}
	return cmd
}

// serve runs a gateway until ctx ends. It prints where it listens once it does.
func serve(ctx context.Context, c *config, newEpoch bool, log *slog.Logger, out io.Writer) error {
	st, err := awaitLedger(ctx, log, func(ctx context.Context) (openStore, error) { return openLedger(ctx, c.Ledger, newEpoch) })
	if err != nil {
		return err
	}
	defer st.Close()
	g, err := newGateway(c, st, log)
	if err != nil {
		return err
	}
	public, admin, err := listen(c)
	if err != nil {
		return err
	}
	log.Info("limits", "descriptors", g.budget.limit, "reserve", g.budget.reserve, "connections", g.hubLimits().Connections)
	log.Info("ledger", "at", c.Ledger.String(), "epoch", st.Epoch())
	fmt.Fprintf(out, "paybell listens on %s, admin on %s\n", public.Addr(), admin.Addr())
	return g.run(ctx, public, admin)
}

const (
	ledgerPatience = 30 * time.Second // of a start
	ledgerPause    = time.Second      // between two tries
	ledgerNews     = 5 * time.Second  // between two lines in the log
)

// awaitLedger opens a ledger, and tries again for a while where its database is out
// of reach: machines start in any order. What somebody must mend ends it at once.
func awaitLedger(ctx context.Context, log *slog.Logger, open func(context.Context) (openStore, error)) (openStore, error) {
	began := time.Now()
	for told := (time.Time{}); ; {
		st, err := open(ctx)
		away := errors.Is(err, order.ErrUnavailable) && !errors.Is(err, postgres.ErrRefused)
		left := ledgerPatience - time.Since(began)
		if !away || left <= 0 || ctx.Err() != nil {
			return st, err
		}
		if time.Since(told) >= ledgerNews {
			told = time.Now()
			log.Warn("wait for the ledger", "for", left.Round(time.Second), "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("ended while it waited: %w", err)
		case <-time.After(ledgerPause):
		}
	}
}

// untilSignal returns a context that the first SIGTERM or SIGINT ends. After
// that the signals do what they always do, so a second one ends the process.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
