package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/auth"
)

func newConfigCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "config",
		Short: "Check or print the configuration",
		Long: `Check or print the configuration.

It is one YAML file. In any text, ${NAME} is the environment variable NAME, which
must be set, and $$ is one dollar. Secrets and keys may be "file:PATH", with
relative paths beginning at the file's own folder.

Environment variables named after the keys override the file: PAYBELL_LISTEN,
PAYBELL_LEDGER, PAYBELL_AUTH_ISSUER; lists have commas between their items, as in
PAYBELL_ORIGINS. Any other PAYBELL_ variable is a mistake, unless the file refers
to it. The commands themselves read PAYBELL_CONFIG, PAYBELL_URL and PAYBELL_TOKEN.`,
		Example: `  paybell config check --config paybell.yaml
  paybell config print --config paybell.yaml`,
	})
	cmd.AddCommand(newConfigCheckCommand(), newConfigPrintCommand())
	return cmd
}

func newConfigCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether a gateway would start with the configuration",
		Long: `Say whether a gateway would start with the configuration: everything is read,
every provider and key is made, and nothing is opened, listened on or asked for
over the network. Mistakes are told together, with file and line: first those of
form, then those of meaning, then those of providers and keys.`,
		Example: `  paybell config check --config paybell.yaml`,
		Args:    exactly(),
	}
	path := configFlag(cmd, "the configuration file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := loadConfig(*path, os.Environ())
		if err != nil {
			return err
		}
		if err := c.tryParts(); err != nil {
			return err
		}
		return c.summarize(cmd.OutOrStdout())
	}
	return cmd
}

func newConfigPrintCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the configuration in force, with secrets masked",
		Long: `Print the configuration in force as YAML: the file with its variables filled in,
what PAYBELL_ variables override, and the defaults. A comment says where each
value came from. Secrets are masked.`,
		Example: `  paybell config print --config paybell.yaml`,
		Args:    exactly(),
	}
	path := configFlag(cmd, "the configuration file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := loadConfig(*path, os.Environ())
		if err != nil {
			return err
		}
		return c.print(cmd.OutOrStdout())
	}
	return cmd
}

// tryParts makes everything that the configuration describes, and returns all
// that went wrong.
func (c *config) tryParts() error {
	_, sources := buildSources(c)
	_, verifier := buildVerifier(c, nil, slog.New(slog.DiscardHandler))
	var minter, keys, certificate error
	if verifier == nil { // else the same would be told twice
		if _, minter = buildMinter(c, nil); errors.Is(minter, errNoSigningKey) {
			minter = nil
		}
	}
	if _, err := auth.NewAPIKeys(reveal(c.Auth.APIKeys)); err != nil {
		at, _ := c.where("auth.api_keys")
		keys = fmt.Errorf("%s: auth.api_keys: %w", at, err)
	}
	if c.TLS.Cert != "" {
		if _, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key); err != nil {
			certificate = fmt.Errorf("%s: tls: %w", place(c.file, c.from["tls"].line), err)
		}
	}
	return errors.Join(verifier, minter, keys, sources, certificate)
}

// summarize says what a gateway with this configuration is.
func (c *config) summarize(w io.Writer) error {
	var sources, keys []string
	for _, name := range sortedKeys(c.Sources) {
		sources = append(sources, fmt.Sprintf("%s (%s)", name, c.Sources[name].Provider))
	}
	for _, k := range c.Auth.Keys {
		id := k.ID
		if id == "" {
			id = "key set"
		}
		keys = append(keys, fmt.Sprintf("%s (%s)", id, k.Algorithm))
	}
	origins := "none: no web page may connect"
	if len(c.Origins) > 0 {
		origins = strings.Join(c.Origins, ", ")
	}
	backends := fmt.Sprintf("%d API keys", len(c.Auth.APIKeys))
	switch len(c.Auth.APIKeys) {
	case 0:
		backends = "no API key: no backend may register orders"
	case 1:
		backends = "1 API key"
	}
	page := ""
	if c.Hosted.Enabled {
		page = "  page      " + c.PublicURL + "/pay/{order}\n"
	}
	bus := "none: a node that shares the ledger finds changes there"
	if c.Bus != "" {
		bus = c.Bus.String()
	}
	if c.Ledger.path() != "" {
		bus = "none: the only node"
	}
	_, err := fmt.Fprintf(w, `ok
  listen    %s, admin %s
  ledger    %s
  bus       %s
  sources   %s
  keys      %s
  backends  %s
  origins   %s
%s`, c.Listen, c.Admin, c.Ledger, bus, strings.Join(sources, ", "), strings.Join(keys, ", "), backends, origins, page)
	return err
}
