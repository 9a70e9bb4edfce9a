// The program peers starts another server that holds waiting clients, so that
// Paybell can be measured beside it. README.md says which, and how.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	_ "net/http/pprof" // on the admin listener
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// heartbeat is the period at which every peer shows its idle clients that it is
// alive: the one that Paybell uses.
const heartbeat = 20 * time.Second

// An options is what every peer is told.
type options struct {
	listen  string // loopback address and port
	secret  []byte // HS256 secret of the tokens
	workers int    // nginx's worker processes
}

// A ready is what a peer says of itself once it listens.
type ready struct {
	Ready   bool   `json:"ready"`
	Peer    string `json:"peer"`
	Version string `json:"version"`
	Mode    string `json:"mode"`
	Admin   string `json:"admin,omitempty"` // HOST:PORT with /metrics and /debug/pprof/ of a peer in Go
	PIDs    []int  `json:"pids"`            // all the processes that are the peer
}

// A peer listens, calls announce once with its version, mode and processes, and
// serves until the context ends.
type peer func(ctx context.Context, o options, announce func(ready)) error

var peers = map[string]peer{
	"centrifuge": serveCentrifuge,
	"mercure":    serveMercure,
	"nchan":      serveNchan,
	"nchan-auth": serveNchanAuth,
}

const usage = `peers serves as another server, to measure it beside Paybell:

  peers -peer NAME -listen ADDRESS -token-secret SECRET [-workers N]

The names are %s. README.md says more.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := serve(ctx, os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Printf(usage, strings.Join(names(), ", "))
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func names() []string { return slices.Sorted(maps.Keys(peers)) }

// serve serves as one peer.
func serve(ctx context.Context, arguments []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints what is wrong
	name := flags.String("peer", "", "")
	secret := flags.String("token-secret", "", "")
	flags.StringVar(&o.listen, "listen", "", "")
	flags.IntVar(&o.workers, "workers", 1, "")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	o.secret = []byte(*secret)

	start, known := peers[*name]
	switch {
	case !known:
		return fmt.Errorf("-peer is %q; there are %s", *name, strings.Join(names(), ", "))
	case !loopback(o.listen):
		return fmt.Errorf("-listen is %q; it must be a loopback address with a port, such as 127.0.0.1:9999", o.listen)
	case len(o.secret) < 32:
		return errors.New("-token-secret must have 32 bytes or more")
	case o.workers < 1:
		return fmt.Errorf("-workers is %d; there must be one at least", o.workers)
	}
	return start(ctx, o, func(r ready) {
		r.Ready, r.Peer = true, *name
		json.NewEncoder(out).Encode(r) // a reader that has gone needs no answer
	})
}

// loopback says whether the address is an IP address of this machine's loopback,
// with a port. Peers accept publishing from anybody who reaches them.
func loopback(address string) bool {
	at, err := net.ResolveTCPAddr("tcp", address)
	return err == nil && at.IP.IsLoopback() && at.Port != 0
}

// serveHTTP serves the handler in this process until the context ends, and
// metrics and profiles beside it. It announces both.
func serveHTTP(ctx context.Context, o options, handler http.Handler, library, mode string, announce func(ready)) error {
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	admin, err := serveAdmin(ctx)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	announce(ready{Version: versionOf(library), Mode: mode, Admin: admin, PIDs: []int{os.Getpid()}})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serveAdmin serves this process's metrics and profiles until the context ends,
// and returns where.
func serveAdmin(ctx context.Context) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	http.Handle("GET /metrics", promhttp.Handler())
	server := &http.Server{} // net/http/pprof adds itself to the default handler
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(listener)
	return listener.Addr().String(), nil
}

// versionOf names a module that this program was built with, and its version.
func versionOf(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module {
				return m.Path[strings.LastIndexByte(m.Path, '/')+1:] + " " + m.Version
			}
		}
	}
	return module
}
