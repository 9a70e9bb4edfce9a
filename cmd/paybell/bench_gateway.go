package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/paybell/paybell/bench"
)

// running returns the gateway of a configuration, which somebody else started.
func (b *benchmark) running(context.Context, bench.Setup) (*bench.Server, error) {
	c, err := loadConfig(b.config, os.Environ())
	if err != nil {
		return nil, err
	}
	if c.TLS.Cert != "" {
		return nil, fmt.Errorf("the gateway of %s speaks TLS, and this measures one that does not", b.config)
	}
	dialects, err := benchDialects(c)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(c.Listen) // checked already, as all of it
	number, _ := strconv.Atoi(port)
	if number == 0 {
		return nil, fmt.Errorf("the gateway of %s listens on a port that the system chose; say which with PAYBELL_LISTEN and PAYBELL_ADMIN", b.config)
	}
	return &bench.Server{
		Address: onLoopback(c.Listen), Admin: onLoopback(c.Admin), PIDs: bench.ListenerPIDs(number), Dialects: dialects, Stop: func() {},
	}, nil
}

// onLoopback is where an address that listens everywhere can be reached from
// here.
func onLoopback(address string) string {
	host, port, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host == "" || host == "localhost" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// A gatewayProcess is a gateway in a process and a folder of its own.
type gatewayProcess struct {
	dir string
	how bench.Setup
	cmd *exec.Cmd

	ended chan struct{}
}

// startGatewayProcess starts a gateway over a new ledger.
func startGatewayProcess(ctx context.Context, parent string, how bench.Setup) (*bench.Server, error) {
	dir, err := os.MkdirTemp(parent, "paybell-bench-")
	if err != nil {
		return nil, fmt.Errorf("make the folder of a ledger: %w", err)
	}
	g := &gatewayProcess{dir: dir, how: how}
	var dialects []bench.Dialect
	c, err := g.configure()
	if err == nil {
		dialects, err = benchDialects(c)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return g.start(ctx, dialects)
}

func (g *gatewayProcess) path() string { return filepath.Join(g.dir, "paybell.yaml") }

// configure writes the configuration of a gateway, which is production's but for
// its addresses and secrets.
func (g *gatewayProcess) configure() (*config, error) {
	drain := defaults().Drain
	if g.how.DrainMillis > 0 {
		drain = time.Duration(g.how.DrainMillis) * time.Millisecond
	}
	text := fmt.Sprintf(`listen: 127.0.0.1:0
admin: 127.0.0.1:0
ledger: %s
drain: %s
auth:
  keys: [{id: bench, algorithm: HS256, secret: %s}]
limits: {rate: -1} # how fast it can let clients in is one of the questions
sources:
  bench: {provider: standard, secrets: [%s]}
`, strconv.Quote("sqlite:"+filepath.Join(g.dir, "paybell.db")), drain, rand.Text()+rand.Text(), string(standardSecret()))
	if err := os.WriteFile(g.path(), []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return loadConfig(g.path(), nil)
}

// start starts the process, and returns once it listens.
func (g *gatewayProcess) start(ctx context.Context, dialects []bench.Dialect) (*bench.Server, error) {
	log, err := os.OpenFile(filepath.Join(g.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write the gateway's log: %w", err)
	}
	defer log.Close()
	if g.cmd, err = g.command(ctx); err != nil {
		return nil, err
	}
	g.cmd.Stderr = log
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a gateway: %w", err)
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a gateway: %w", err)
	}
	first, _ := bufio.NewReader(out).ReadString('\n')
	g.ended = make(chan struct{})
	go func() {
		io.Copy(io.Discard, out)
		g.cmd.Wait()
		close(g.ended)
	}()
	at := regexp.MustCompile(`listens on (\S+), admin on (\S+)`).FindStringSubmatch(first)
	if at == nil {
		defer g.stop()
		return nil, fmt.Errorf("the gateway did not start:\n%s", g.lastWords())
	}
	return &bench.Server{
		Address: at[1], Admin: at[2], PIDs: []int{g.cmd.Process.Pid}, Version: strings.Fields(buildVersion())[1], Dialects: dialects,
		Complaints: g.complaints,
		Stop:       g.stop, Ended: g.ended, ExitCode: func() int { return g.cmd.ProcessState.ExitCode() },
		Again: func(ctx context.Context) (*bench.Server, error) {
			return (&gatewayProcess{dir: g.dir}).start(ctx, dialects)
		},
	}, nil
}

// command is `paybell serve` as this program is itself, without the environment's
// PAYBELL_ variables.
func (g *gatewayProcess) command(ctx context.Context) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	args := []string{os.Args[0], "serve", "--config", g.path()}
	if g.how.CommitBatch > 0 {
		args = append(args, "--commit-batch", strconv.Itoa(g.how.CommitBatch))
	}
	if g.how.Descriptors > 0 { // of the hard limit too, to which Go raises the soft one
		script := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, g.how.Descriptors)
		args = append([]string{"sh", "-c", script, self}, args[1:]...)
		if self, err = exec.LookPath("sh"); err != nil {
			return nil, fmt.Errorf("set the limit of open files: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = args
	cmd.SysProcAttr = endsWithParent()
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, envPrefix) {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	return cmd, nil
}

// stop ends the process, if it has not ended, and removes its folder.
func (g *gatewayProcess) stop() {
	g.cmd.Process.Signal(syscall.SIGKILL) // what it stored has served
	<-g.ended
	os.RemoveAll(g.dir)
}

// complaints are the lines of the gateway's log that tell of errors, and where it
// broke down.
func (g *gatewayProcess) complaints() []string {
	text, _ := os.ReadFile(filepath.Join(g.dir, "log"))
	var found []string
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte(" level=ERROR ")) || bytes.HasPrefix(line, []byte("panic:")) || bytes.HasPrefix(line, []byte("fatal error:")) {
			found = append(found, strings.TrimSpace(string(line)))
		}
	}
	return found
}

// lastWords is the end of the gateway's log.
func (g *gatewayProcess) lastWords() string {
	text, _ := os.ReadFile(filepath.Join(g.dir, "log"))
	lines := bytes.Split(bytes.TrimSpace(text), []byte{'\n'})
	return string(bytes.Join(lines[max(0, len(lines)-10):], []byte{'\n'}))
}
