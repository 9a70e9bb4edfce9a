//go:build unix

package rig

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"testing"
)

// A Redis is one redis-server without persistence: whenever it starts, it is empty.
type Redis struct {
	*Process
	Port int
	Dir  string

	t    testing.TB // ends it, whoever restarts it
	args []string   // of the server
	cli  []string   // what redis-cli needs besides the port
}

// RedisOptions tune a server. The zero value is one that everybody on this machine
// may use.
type RedisOptions struct {
	// Args are further arguments: "--requirepass", "secret".
	Args []string
	// CLI is what redis-cli must then be told: "-a", "secret".
	CLI []string
	// TLS has the port speak TLS alone. Args and CLI say with which certificates.
	TLS bool
}

// StartRedis starts a server and waits until it answers.
func StartRedis(t testing.TB, o RedisOptions) *Redis {
	t.Helper()
	r := &Redis{Port: FreePort(t), Dir: Folder(t), t: t, cli: o.CLI}
	port := []string{"--port", strconv.Itoa(r.Port)}
	if o.TLS {
		port = []string{"--port", "0", "--tls-port", strconv.Itoa(r.Port)}
	}
	r.args = append(port, "--bind", "127.0.0.1", "--dir", r.Dir, "--save", "", "--appendonly", "no")
	r.args = append(r.args, o.Args...)
	r.start(t)
	return r
}

func (r *Redis) start(t testing.TB) {
	t.Helper()
	r.Process = Start(r.t, Command{Name: "redis-server", Args: r.args})
	r.Until(t, func() error { return r.says("PONG", "PING") })
}

// Address is where the server listens.
func (r *Redis) Address() string { return Address(r.Port) }

// Restart kills the server, unless that is done, and starts it again, empty, at
// the same port.
func (r *Redis) Restart(t testing.TB) {
	t.Helper()
	r.Kill()
	r.start(t)
}

// Do runs a command and returns the answer as redis-cli prints it.
func (r *Redis) Do(t testing.TB, args ...string) string {
	t.Helper()
	out, err := r.do(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (r *Redis) do(args ...string) (string, error) {
	all := append([]string{"-p", strconv.Itoa(r.Port), "--no-auth-warning"}, r.cli...)
	out, err := exec.Command("redis-cli", append(all, args...)...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	for _, prefix := range []string{"ERR ", "NOAUTH", "NOPERM", "CLUSTERDOWN", "WRONGPASS", "Could not connect"} {
		if strings.HasPrefix(text, prefix) {
			err = errors.New(text)
		}
	}
	if err != nil {
		return "", fmt.Errorf("redis-cli %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// says is nil when the answer to a command holds a text.
func (r *Redis) says(want string, args ...string) error {
	got, err := r.do(args...)
	if err == nil && !strings.Contains(got, want) {
		err = fmt.Errorf("%s answers %q", strings.Join(args, " "), got)
	}
	return err
}

// Connections is how many clients are connected, besides the one that asks and
// other servers.
func (r *Redis) Connections(t testing.TB) int { return r.UserConnections(t, "") }

// UserConnections counts the connections of one user.
func (r *Redis) UserConnections(t testing.TB, user string) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(r.Do(t, "CLIENT", "LIST")) {
		other := strings.Contains(line, "cmd=client|list") || strings.Contains(line, "flags=S") || strings.Contains(line, "flags=M")
		if !other && (user == "" || strings.Contains(line, " user="+user+" ")) {
			n++
		}
	}
	return n
}
