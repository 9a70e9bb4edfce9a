package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/postgres"
)

func newLedgerCopyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy",
		Short: "Copy a ledger from SQLite to PostgreSQL",
		Long: `Copy all that a SQLite ledger keeps into an empty one in PostgreSQL: callbacks,
events, payments, orders and their terms, the journal with its numbers, idempotency
keys, revocations, who was told what, what providers are still to be asked about,
and the epoch. Clients notice nothing: the gateways that start on the copy go on
where the old one stopped.

Stop the gateway first. The copy is one transaction: until its end nothing of it is
there, and one that fails or is interrupted leaves the target empty, to be started
again. At the end the rows of both are counted and the journal is checked, and the
file is marked as moved: no gateway starts on it any more, because what it would be
told is not in the copy. It can be copied again, into another empty ledger, and
'paybell ledger new-epoch --ledger sqlite:PATH' brings it back into service.

The role that fills the target owns its tables. Where the gateways have another
one, docs/ledger.md says what to grant it.`,
		Example: `  paybell ledger copy --from sqlite:paybell.db --to postgres://owner@db.example/paybell

  # Into the ledger of a configuration
  paybell ledger copy --from sqlite:paybell.db --config paybell.yaml`,
		Args: exactly(),
	}
	path := configFlag(cmd, "the configuration file whose ledger is the target, without --to")
	from := cmd.Flags().String("from", "", "the ledger to read: sqlite:PATH")
	to := cmd.Flags().String("to", "", "the ledger to fill: postgres://…")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		source, target, err := copyEnds(cmd, *from, *to, *path)
		if err != nil {
			return err
		}
		ctx, cancel := untilSignal(cmd.Context())
		defer cancel()
		return copyLedger(ctx, source, target, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func copyEnds(cmd *cobra.Command, from, to, path string) (source, target ledger, err error) {
	if from == "" {
		return "", "", misusef(cmd, "--from is missing")
	}
	if source, err = parseLedger(cmd, "from", from); err != nil {
		return "", "", err
	}
	if to != "" {
		target, err = parseLedger(cmd, "to", to)
	} else {
		target, err = configuredLedger(path)
	}
	switch {
	case err != nil:
		return "", "", err
	case source.path() == "":
		return "", "", misusef(cmd, "--from must be sqlite:PATH: a copy goes from SQLite to PostgreSQL only")
	case target.path() != "":
		return "", "", misusef(cmd, "the target must be postgres://…: a copy goes from SQLite to PostgreSQL only")
	}
	return source, target, nil
}

// An exporter hands out all that a ledger keeps.
type exporter interface {
	Epoch() string
	Count(context.Context) (order.Count, error)
	Export(context.Context, func(order.Part) error) error
}

// An importer takes in all that a ledger keeps, or nothing.
type importer interface {
	Add(context.Context, order.Part) error
	Commit(ctx context.Context, epoch string, want order.Count) error
	Abort()
}

func copyLedger(ctx context.Context, from, to ledger, stdout, stderr io.Writer) error {
	source, err := openFile(ctx, from, false)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := postgres.BeginImport(ctx, string(to))
	if errors.Is(err, postgres.ErrNotEmpty) {
		return fmt.Errorf("%w: a copy needs an empty one, such as a new database or, with &search_path=NAME, a new schema", err)
	}
	if err != nil {
		return err
	}
	began := time.Now()
	count, err := copyParts(ctx, source, target, stderr)
	switch {
	case err != nil && ctx.Err() != nil && !errors.Is(err, postgres.ErrUnsure):
		return errors.New("interrupted; nothing was copied")
	case err != nil:
		return err
	}
	if err := source.MarkMoved(context.WithoutCancel(ctx), to.String()); err != nil {
		return fmt.Errorf("the copy is complete, and the file is not marked as moved: start no gateway on it: %w", err)
	}
	_, err = fmt.Fprintf(stdout, `copied %s to %s in %v
  callbacks %d, events %d, repeats %d
  payments %d, orders %d, changes %d
  keys %d, told %d, fetches %d, revocations %d
  epoch %s
`, from, to, time.Since(began).Round(100*time.Millisecond), count.Callbacks, count.Events, count.Repeats,
		count.Payments, count.Orders, count.Changes, count.Keys, count.Told, count.Fetches, count.Revocations, source.Epoch())
	return err
}

func copyParts(ctx context.Context, source exporter, target importer, progress io.Writer) (order.Count, error) {
	defer target.Abort()
	want, err := source.Count(ctx)
	if err != nil {
		return want, err
	}
	var got order.Count
	told := time.Now()
	err = source.Export(ctx, func(part order.Part) error {
		if err := target.Add(ctx, part); err != nil {
			return err
		}
		got = got.Plus(part.Count())
		if time.Since(told) > time.Second {
			told = time.Now()
			fmt.Fprintf(progress, "copied %d of %d rows\n", got.Total(), want.Total())
		}
		return nil
	})
	if err == nil && got != want {
		err = fmt.Errorf("the source gave %+v rows, and has %+v", got, want)
	}
	if err != nil {
		return got, fmt.Errorf("nothing was copied: %w", err)
	}
	fmt.Fprintf(progress, "copied %d of %d rows; checking\n", got.Total(), want.Total())
	return got, target.Commit(ctx, source.Epoch(), want)
}
