package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

const (
	nginxBinary = "/usr/sbin/nginx"
	nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"
	maxFiles    = 65536 // connections per worker that nginx makes room for
)

//go:embed nchan.conf
var nchanConf string

var nchanTemplate = template.Must(template.New("nchan.conf").Parse(nchanConf))

func serveNchan(ctx context.Context, o options, announce func(ready)) error {
	return serveNginx(ctx, o, false, announce)
}

// serveNchanAuth is serveNchan with a checker of tokens in this process, which
// nginx asks at each connect.
func serveNchanAuth(ctx context.Context, o options, announce func(ready)) error {
	return serveNginx(ctx, o, true, announce)
}

// serveNginx runs nginx in a folder of its own until the context ends.
func serveNginx(ctx context.Context, o options, checked bool, announce func(ready)) error {
	for _, file := range []string{nginxBinary, nchanModule} {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("%w; bench/peers/setup installs it", err)
		}
	}
	folder, err := os.MkdirTemp("", "nchan-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)

	r := ready{Version: nchanVersion(), Mode: fmt.Sprintf("workers: %d; in memory, no stored messages; pings every 20 s; small pools", o.workers)}
	checker := ""
	if checked {
		checker = filepath.Join(folder, "checker")
		if err := serveChecker(ctx, checker, o.secret); err != nil {
			return err
		}
		if r.Admin, err = serveAdmin(ctx); err != nil {
			return err
		}
		r.Mode += "; a sub-request to a checker in Go for each connect"
		r.PIDs = []int{os.Getpid()}
	}
	conf, err := writeNginxConf(folder, checker, o)
	if err != nil {
		return err
	}
	n := startNginx(folder, conf)
	defer n.stop()
	pids, err := n.processes(ctx, o.workers)
	if err != nil {
		return err
	}
	r.PIDs = append(r.PIDs, pids...)
	announce(r)
	select {
	case <-ctx.Done():
		return nil
	case <-n.ended:
		return fmt.Errorf("nginx ended: %w", n.err)
	}
}

// serveChecker answers nginx's questions about tokens on a Unix socket, until the
// context ends.
func serveChecker(ctx context.Context, socket string, secret []byte) error {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: checkToken(secret)}
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(listener)
	return nil
}

// writeNginxConf writes nginx's configuration into the folder and returns its
// path.
func writeNginxConf(folder, checker string, o options) (string, error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return "", err
	}
	var conf bytes.Buffer
	err := nchanTemplate.Execute(&conf, map[string]any{
		"Module":    nchanModule,
		"Workers":   o.workers,
		"Files":     min(files.Max, maxFiles),
		"Folder":    folder,
		"Root":      os.Geteuid() == 0, // its workers then stay root, and may use the folder
		"Heartbeat": int(heartbeat / time.Second),
		"Checker":   checker,
		"Listen":    o.listen,
	})
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "nginx.conf")
	return path, os.WriteFile(path, conf.Bytes(), 0o600)
}

// An nginx is a running nginx: its master process and the workers.
type nginx struct {
	cmd   *exec.Cmd
	begun chan struct{} // closed when the process exists or could not be started
	ended chan struct{} // closed when it has ended; err says how
	err   error
}

func startNginx(folder, conf string) *nginx {
	n := &nginx{cmd: exec.Command(nginxBinary, "-e", "stderr", "-p", folder, "-c", conf),
		begun: make(chan struct{}), ended: make(chan struct{})}
	n.cmd.Stderr = os.Stderr
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	go func() {
		runtime.LockOSThread() // Pdeathsig looks at the thread that forks
		defer close(n.ended)
		n.err = n.cmd.Start()
		close(n.begun)
		if n.err == nil {
			n.err = n.cmd.Wait()
		}
	}()
	<-n.begun
	return n
}

// stop ends nginx and waits until it has gone.
func (n *nginx) stop() {
	if n.cmd.Process != nil {
		n.cmd.Process.Signal(syscall.SIGTERM)
	}
	<-n.ended
}

// processes waits until nginx has started its workers, which it does once it
// listens, and returns their ids and the master's.
func (n *nginx) processes(ctx context.Context, workers int) ([]int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("nginx did not start its workers: %w", ctx.Err())
		case <-n.ended:
			return nil, fmt.Errorf("nginx did not start: %w", n.err)
		case <-time.After(20 * time.Millisecond):
		}
		pids := []int{n.cmd.Process.Pid}
		children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pids[0]))
		if err != nil {
			continue // it is just ending, and that is seen above
		}
		for field := range strings.FieldsSeq(string(children)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
		if len(pids) == 1+workers {
			return pids, nil
		}
	}
}

// nchanVersion asks nginx and Debian's package for their versions.
func nchanVersion() string {
	_, nginx, _ := strings.Cut(output(nginxBinary, "-v"), "nginx/")
	nchan := output("dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan")
	return fmt.Sprintf("nginx %s, nchan %s", cmp.Or(nginx, "of unknown version"), cmp.Or(nchan, "of unknown version"))
}

// output returns what a command prints, and nothing when it fails.
func output(name string, arguments ...string) string {
	out, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
