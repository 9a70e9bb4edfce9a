package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/postgres"
	"github.com/paybell/paybell/order/sqlite"
)

func newLedgerCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "ledger",
		Short: "Look after the ledger: its tables, its epoch, its move to PostgreSQL",
		Long: `Look after the ledger, in which every payment is kept: sqlite:PATH for one
gateway, or postgres://USER@HOST/DATABASE for any number.

Which ledger is what --ledger says, or else the configuration. A password in an
argument can be seen by all users of the machine; PGPASSWORD and PGPASSFILE, or
the configuration, keep it to yourself. The commands never show it.`,
		Example: `  paybell ledger status --config paybell.yaml
  paybell ledger migrate --ledger postgres://owner@db.example/paybell
  paybell ledger copy --from sqlite:paybell.db --to postgres://owner@db.example/paybell

  # After a backup was restored, before the gateways start
  paybell ledger new-epoch --config paybell.yaml`,
	})
	cmd.AddCommand(newLedgerStatusCommand(), newLedgerMigrateCommand(), newLedgerNewEpochCommand(), newLedgerCopyCommand())
	return cmd
}

// whichLedger gives cmd the flags that name a ledger, and returns what finds it.
func whichLedger(cmd *cobra.Command) func() (ledger, error) {
	path := configFlag(cmd, "the configuration file, of which only the ledger is used")
	url := cmd.Flags().String("ledger", "", "the ledger, instead of the configuration's: sqlite:PATH or postgres://…")
	return func() (ledger, error) {
		if *url != "" {
			return parseLedger(cmd, "ledger", *url)
		}
		return configuredLedger(*path)
	}
}

func configuredLedger(path string) (ledger, error) {
	c, err := loadConfig(path, os.Environ())
	if err != nil {
		return "", err
	}
	return c.Ledger, nil
}

func parseLedger(cmd *cobra.Command, flag, text string) (ledger, error) {
	l := ledger(text)
	if err := l.check(); err != nil {
		return "", misusef(cmd, "--%s %v", flag, err)
	}
	return l, nil
}

func newLedgerStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how a ledger is",
		Long: `Say how a ledger is: its epoch, how many changes its journals hold, its size, and
of a database its server and whether its tables are up to date. Nothing is changed.

A SQLite ledger can be looked at while no gateway runs on it.`,
		Example: `  paybell ledger status --config paybell.yaml`,
		Args:    exactly(),
	}
	which := whichLedger(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := which()
		if err != nil {
			return err
		}
		if l.path() != "" {
			return fileStatus(cmd.Context(), l, cmd.OutOrStdout())
		}
		return databaseStatus(cmd.Context(), l, cmd.OutOrStdout())
	}
	return cmd
}

// openFile opens a SQLite ledger that is there already, as it is.
func openFile(ctx context.Context, l ledger, newEpoch bool) (*sqlite.Store, error) {
	if _, err := os.Stat(l.path()); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no ledger at %s", l.path())
	}
	st, err := sqlite.Open(ctx, l.path(), sqlite.Options{NewEpoch: newEpoch, AsItIs: true})
	return st, mendFile(l, err)
}

func fileStatus(ctx context.Context, l ledger, out io.Writer) error {
	st, err := openFile(ctx, l, false)
	if err != nil {
		return err
	}
	defer st.Close()
	heads, err := st.Heads(ctx)
	if err != nil {
		return err
	}
	size := int64(0)
	if info, err := os.Stat(l.path()); err == nil {
		size = info.Size()
	}
	_, err = fmt.Fprintf(out, `ledger    %s
epoch     %s
changes   %d
size      %s
`, l, heads.Epoch, changesIn(heads), megabytes(size))
	return err
}

func databaseStatus(ctx context.Context, l ledger, out io.Writer) error {
	s, err := postgres.Inspect(ctx, string(l))
	if err != nil {
		return err
	}
	standbys := "none that commits wait for"
	if s.Standbys != "" {
		standbys = s.Standbys
	}
	tables := fmt.Sprintf("form %d, up to date", s.Form)
	switch {
	case s.Form == 0:
		tables = "none yet: run 'paybell ledger migrate', or start a gateway"
	case s.Form < s.Latest:
		tables = fmt.Sprintf("form %d of %d: run 'paybell ledger migrate', or start a gateway", s.Form, s.Latest)
	}
	fmt.Fprintf(out, `ledger    %s
server    PostgreSQL %s, synchronous_commit %s
standbys  %s
gateways  %d connections
tables    %s
`, l, s.Server, s.Commit, standbys, s.Connections, tables)
	if s.Form == s.Latest {
		fmt.Fprintf(out, `epoch     %s
changes   %d
size      %s
`, s.Heads.Epoch, changesIn(s.Heads), megabytes(s.Bytes))
	}
	return nil
}

// changesIn is how many changes the journals hold: they have no holes.
func changesIn(heads order.Heads) (n int64) {
	for _, seq := range heads.Seq {
		n += seq
	}
	return n
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

func newLedgerMigrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring a ledger's tables up to date, or make them",
		Long: `Bring a ledger's tables up to date, or make them. All is done in one transaction,
and doing it again does nothing.

A gateway does the same when it starts. This is for databases in which the
gateways' role may not make tables: run it as the owner, before the gateways of
the new version start. Gateways of the version before go on working, unless the changelog says
otherwise.`,
		Example: `  paybell ledger migrate --ledger postgres://owner@db.example/paybell`,
		Args:    exactly(),
	}
	which := whichLedger(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := which()
		if err != nil {
			return err
		}
		if l.path() != "" {
			st, err := openLedger(cmd.Context(), l, false)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "up to date")
			return st.Close()
		}
		applied, err := postgres.Migrate(cmd.Context(), string(l))
		if err != nil {
			return err
		}
		for _, m := range applied {
			fmt.Fprintln(cmd.OutOrStdout(), "applied", m.Name)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "up to date")
		return err
	}
	return cmd
}

func newLedgerNewEpochCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new-epoch",
		Short: "Give a restored backup a new epoch",
		Long: `Give a ledger a new epoch, and print it. This belongs to restoring a backup:
customers may have seen versions of their orders that the backup does not have, and
under the old epoch their screens would take no others for new. Under a new one
every screen starts afresh.

Gateways on a database notice within a second. A SQLite ledger must have none
running.`,
		Example: `  paybell ledger new-epoch --config paybell.yaml`,
		Args:    exactly(),
	}
	which := whichLedger(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := which()
		if err != nil {
			return err
		}
		epoch, err := beginEpoch(cmd.Context(), l)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), epoch)
		return err
	}
	return cmd
}

func beginEpoch(ctx context.Context, l ledger) (string, error) {
	if l.path() != "" {
		st, err := openFile(ctx, l, true)
		if err != nil {
			return "", err
		}
		return st.Epoch(), st.Close()
	}
	if s, err := postgres.Inspect(ctx, string(l)); err != nil || s.Form == 0 {
		return "", cmp.Or(err, fmt.Errorf("there is no ledger at %s: is it another database, or another schema (search_path)?", l))
	}
	st, err := openLedger(ctx, l, true)
	if err != nil {
		return "", err
	}
	return st.Epoch(), st.Close()
}
