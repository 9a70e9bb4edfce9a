package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/order/sqlite"
)

func newDemoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a shop, a pretended provider and a gateway in one process",
		Long: `Run everything in one process, with no service and no configuration: a shop's
page that waits for its payment, a pretended provider that signs real webhooks,
and the gateway between them. It listens on this machine only.

The ledger stays in the folder that is printed at the start. While it runs, its
configuration is there too, with new secrets for every provider that can be
simulated, so that this pays an order of its shop:

  paybell simulate wechatpay --order D-XXXX-1001

In a folder named with --dir, say so: -c DIR/paybell.yaml --url URL.`,
		Example: `  paybell demo
  paybell demo --listen 127.0.0.1:9000 --dir ./my-demo`,
		Args: exactly(),
	}
	var at, adminAt, dir string
	flags := cmd.Flags()
	flags.StringVar(&at, "listen", "127.0.0.1:8080", "loopback address of the page; another free port is taken when this one is not free and you did not name it")
	flags.StringVar(&adminAt, "admin", "127.0.0.1:0", "loopback address of metrics and health; port 0 takes a free one")
	flags.StringVar(&dir, "dir", demoDir(), "folder of the ledger")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, address := range []string{at, adminAt} {
			if !isLoopback(address) {
				return misusef(cmd, "%s is not on the loopback interface, and the demo lets anyone pay", address)
			}
		}
		ctx, cancel := untilSignal(cmd.Context())
		defer cancel()
		public, err := listenAt(at)
		if errors.Is(err, syscall.EADDRINUSE) && !flags.Changed("listen") {
			public, err = listenAt("127.0.0.1:0")
		}
		if err != nil {
			return fmt.Errorf("%w; name a free address with --listen", err)
		}
		admin, err := listenAt(adminAt)
		if err != nil {
			public.Close()
			return fmt.Errorf("%w; name a free address with --admin", err)
		}
		return runDemo(ctx, public, admin, dir, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

// runDemo runs the demo on two open listeners until ctx ends.
func runDemo(ctx context.Context, public, admin net.Listener, dir string, stdout, stderr io.Writer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the demo's folder: %w", err)
	}
	c := demoConfig(public.Addr().(*net.TCPAddr).Port, filepath.Join(dir, "paybell.db"))
	others, err := demoSources(c.PublicURL)
	if err != nil {
		return err
	}
	maps.Copy(c.Sources, others)
	log := slog.New(slog.NewTextHandler(stderr, nil))
	st, err := sqlite.Open(ctx, c.Ledger.path(), sqlite.Options{})
	if errors.Is(err, sqlite.ErrInUse) {
		return fmt.Errorf("%w: another demo is running; stop it, or name another folder with --dir", err)
	}
	if err != nil {
		return err
	}
	defer st.Close()
	g, err := newGateway(c, st, log)
	if err != nil {
		return err
	}
	shop, err := newDemoShop(c, g, rand.Text()[:4])
	if err != nil {
		return err
	}
	shop.routes(g.public)
	if err := writeDemoFile(demoFile(dir), c); err != nil {
		return err
	}
	defer os.Remove(demoFile(dir))
	fmt.Fprintf(stdout, `Paybell's demo is running.

  The shop   %s/demo
  Ledger     %s
  Metrics    http://%s/metrics
  Webhooks   paybell simulate PROVIDER --order ORDER
             %s

Press Ctrl-C to stop.
`, c.PublicURL, c.Ledger.path(), admin.Addr(), strings.Join(sortedKeys(c.Sources), ", "))
	return g.run(ctx, public, admin)
}
