//go:build unix

package rig

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A Proxy is a running load balancer.
type Proxy struct {
	*Process
	Port   int
	Socket string // of HAProxy, on which it takes commands
}

// Address is where the proxy listens.
func (p *Proxy) Address() string { return Address(p.Port) }

// StartNginx starts nginx with a configuration of deploy/, before two or more
// nodes at host:port. It replaces the texts that the file says, brings the line of
// the third node into force, or several like it, where there are more than two, and
// does nothing else to it.
func StartNginx(t testing.TB, conf string, nodes ...string) *Proxy {
	t.Helper()
	p := &Proxy{Port: FreePort(t)}
	dir := Folder(t)
	path := fill(t, conf, filepath.Join(dir, "nginx.conf"), nodes, map[string]string{
		"listen 8000": "listen " + p.Address(),
		"/tmp/nginx":  filepath.Join(dir, "nginx"),
	})
	// One process: workers would outlive a master that is killed.
	p.start(t, Command{Name: nginx(), Args: []string{"-p", dir, "-e", "stderr", "-c", path, "-g", "daemon off; master_process off;"}})
	return p
}

// StartHAProxy starts HAProxy with a configuration of deploy/, as [StartNginx]
// does.
func StartHAProxy(t testing.TB, conf string, nodes ...string) *Proxy {
	t.Helper()
	dir := Folder(t)
	p := &Proxy{Port: FreePort(t), Socket: filepath.Join(dir, "haproxy.sock")}
	path := fill(t, conf, filepath.Join(dir, "haproxy.cfg"), nodes, map[string]string{
		"bind :8000":        "bind " + p.Address(),
		"/tmp/haproxy.sock": p.Socket,
	})
	p.start(t, Command{Name: "haproxy", Args: []string{"-db", "-f", path}})
	return p
}

func (p *Proxy) start(t testing.TB, c Command) {
	t.Helper()
	p.Process = Start(t, c)
	p.Until(t, func() error {
		conn, err := net.Dial("tcp", p.Address())
		if err == nil {
			conn.Close()
		}
		return err
	})
	t.Cleanup(func() { p.Stop(syscall.SIGTERM) })
}

// nginx finds the program, which Debian keeps off the PATH of most users.
func nginx() string {
	if _, err := os.Stat("/usr/sbin/nginx"); err == nil {
		return "/usr/sbin/nginx"
	}
	return "nginx"
}

// fill writes a configuration with texts of it replaced, and returns where. The
// test fails when one of the texts is not there, or only in a comment.
func fill(t testing.TB, from, to string, nodes []string, texts map[string]string) string {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	for i, node := range nodes {
		texts[fmt.Sprintf("paybell-%d:8080", i+1)] = node
	}
	var kept strings.Builder
	for line := range strings.Lines(string(content)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			kept.WriteString(line)
			continue
		}
		third, found := strings.CutPrefix(strings.TrimSpace(line), "# server ")
		for i := 3; i <= len(nodes) && found; i++ {
			kept.WriteString("server " + strings.ReplaceAll(third, "paybell-3", fmt.Sprintf("paybell-%d", i)) + "\n")
		}
	}
	filled := kept.String()
	for text, value := range texts {
		if !strings.Contains(filled, text) {
			t.Fatalf("%s has no %q to replace", from, text)
		}
		filled = strings.ReplaceAll(filled, text, value)
	}
	if err := os.WriteFile(to, []byte(filled), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}
