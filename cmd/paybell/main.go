// Command paybell tells waiting customers, the moment it is true, that their
// order is paid. It is the only place where the parts of Paybell meet.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// The exit codes of every command.
const (
	exitDone    = 0
	exitFailed  = 1
	exitMisused = 2 // the command line makes no sense; nothing was done
)

// run is the whole program: it does what args, which leave out the program's
// name, ask for. Results go to stdout, talk to stderr. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "paybell: "+text)
	}
	if errors.As(err, new(misuse)) {
		return exitMisused
	}
	return exitFailed
}

const rootHelp = `Paybell tells a waiting customer, the moment it is true, that the order is paid.

Payment providers' webhooks come in, are verified, become one durable state per
order, and reach every browser and phone that waits for that order over
WebSocket, SSE or polling.`

const rootExample = `  # See it work: a shop, a pretended provider and the gateway in one process
  paybell demo

  # Run it
  paybell config check --config paybell.yaml
  paybell serve --config paybell.yaml

  # Watch an order from one terminal, and pay it from another
  paybell watch A1001 --config paybell.yaml
  paybell simulate stripe --config paybell.yaml --order A1001 --status paid --amount 9900 --currency CNY`

func newRootCommand() *cobra.Command {
	root := group(&cobra.Command{
		Use:           "paybell",
		Short:         "Payment status, pushed to whoever waits for it",
		Long:          rootHelp,
		Example:       rootExample,
		Version:       buildVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagMistake)
	root.SetHelpCommand(newHelpCommand())
	root.AddCommand(
		newDemoCommand(),
		newServeCommand(),
		newConfigCommand(),
		newLedgerCommand(),
		newTokenCommand(),
		newWatchCommand(),
		newSimulateCommand(),
		newVerifyCommand(),
		newBenchCommand(),
		newDoctorCommand(),
		newScriptCommand(),
		newVersionCommand(),
	)
	return root
}

// newHelpCommand is cobra's, but tells a command that is not there.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Tell how to use a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return misusef(cmd.Root(), "unknown command %q%s", rest[0], didYouMean(rest[0], commandNames(about)))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// group makes cmd a command that only holds others: what it is given must be
// the name of one of these.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return misusef(cmd, "unknown command %q%s", args[0], didYouMean(args[0], commandNames(cmd)))
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SetOut(cmd.ErrOrStderr()) // it is talk here: nobody asked for help
		if err := cmd.Help(); err != nil {
			return err
		}
		return misuse{}
	}
	return cmd
}

func commandNames(cmd *cobra.Command) []string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

// A misuse is an error in how a command was called, which ends it with
// exitMisused.
type misuse struct{ text string }

func (m misuse) Error() string { return m.text }

// misusef says what is wrong with a call of cmd, and where to read on.
func misusef(cmd *cobra.Command, format string, args ...any) error {
	return misuse{fmt.Sprintf(format, args...) + "\nRun '" + cmd.CommandPath() + " --help' for how to use it."}
}

// flagMistake is told of every flag that pflag cannot make sense of.
func flagMistake(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return misusef(cmd, "%v", err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	given := "--" + unknown.GetSpecifiedName()
	return misusef(cmd, "unknown flag %s%s", given, didYouMean(given, names))
}

// exactly makes cmd insist on one argument for each of its names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > len(names):
			return misusef(cmd, "%q is too much for '%s'", args[len(names)], cmd.CommandPath())
		case len(args) < len(names):
			return misusef(cmd, "%s is missing", strings.Join(names[len(args):], " "))
		}
		return nil
	}
}

// configFlag gives cmd the flag --config and returns where its value will be.
func configFlag(cmd *cobra.Command, meaning string) *string {
	path := "paybell.yaml"
	if set := os.Getenv("PAYBELL_CONFIG"); set != "" {
		path = set
	}
	return cmd.Flags().StringP("config", "c", path, meaning)
}
