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
	workers int    // nginx's worker processes; 0: one per core
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	names := strings.Join(slices.Sorted(maps.Keys(peers)), ", ")
	var o options
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	name := flags.String("peer", "", "which to start: "+names)
	secret := flags.String("token-secret", "", "the HS256 `secret` that tokens are checked with; 32 bytes or more")
	flags.StringVar(&o.listen, "listen", "", "loopback `address` and port")
	flags.IntVar(&o.workers, "workers", 0, "nginx's worker processes; 0: one per core")
	if err := flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	o.secret = []byte(*secret)

	serve, known := peers[*name]
	switch {
	case !known:
		return fmt.Errorf("-peer is %q; there are %s", *name, names)
	case !loopback(o.listen):
		return fmt.Errorf("-listen is %q; it must be a loopback address with a port, such as 127.0.0.1:9999", o.listen)
	case len(o.secret) < 32:
		return errors.New("-token-secret must have 32 bytes or more")
	case o.workers < 0:
		return fmt.Errorf("-workers is %d; it must not be negative", o.workers)
	}
	return serve(ctx, o, func(r ready) {
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
	adminListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	http.Handle("GET /metrics", promhttp.Handler())
	admin := &http.Server{} // net/http/pprof adds itself to the default handler
	go admin.Serve(adminListener)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() {
		server.Close()
		admin.Close()
	})
	announce(ready{Version: versionOf(library), Mode: mode, Admin: adminListener.Addr().String(), PIDs: []int{os.Getpid()}})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
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
