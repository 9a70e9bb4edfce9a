//go:build unix

package rig

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// PostgresPassword is the password of the user "paybell", who may do everything.
const PostgresPassword = "rig-pa55word"

// A Postgres is a running server with an empty cluster of its own. It listens on
// 127.0.0.1 and asks for a password.
type Postgres struct {
	*Process
	t    testing.TB
	dir  string // of the cluster
	port int
	as   *syscall.Credential
}

// StartPostgres makes a cluster and starts a server on it, with settings such as
// "max_connections=20". Nothing of what makes it durable is turned off.
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	p := &Postgres{t: t, dir: filepath.Join(Folder(t), "data"), port: FreePort(t)}
	p.as = p.account()
	secret := filepath.Join(filepath.Dir(p.dir), "password")
	if err := os.WriteFile(secret, []byte(PostgresPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	if p.as != nil { // it refuses to run as root
		for _, path := range []string{filepath.Dir(p.dir), secret} {
			if err := os.Chown(path, int(p.as.Uid), int(p.as.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	initdb := exec.Command(postgresProgram("initdb"), "--pgdata", p.dir, "--username=paybell", "--pwfile", secret,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	initdb.Dir = filepath.Dir(p.dir)
	initdb.SysProcAttr = attributes(p.as)
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v (is postgresql installed? make setup)\n%s", err, out)
	}
	for _, s := range append([]string{
		"listen_addresses='127.0.0.1'", fmt.Sprint("port=", p.port), "unix_socket_directories=''", "timezone='Asia/Shanghai'",
	}, settings...) {
		p.set(s)
	}
	p.start()
	return p
}

// account is whom to run as: nil for the test's own.
func (p *Postgres) account() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		p.t.Fatalf("%v (is postgresql installed? make setup)", err)
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// postgresProgram finds a server's program, of which the newest version is on no
// PATH under Debian.
func postgresProgram(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return name
	}
	return slices.MaxFunc(found, func(a, b string) int { return postgresVersion(a) - postgresVersion(b) })
}

func postgresVersion(path string) int {
	version, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return version
}

func (p *Postgres) set(setting string) {
	f, err := os.OpenFile(filepath.Join(p.dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintln(f, setting)
		f.Close()
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *Postgres) start() {
	p.t.Helper()
	p.Process = Start(p.t, Command{Name: postgresProgram("postgres"), Args: []string{"-D", p.dir}, Dir: p.dir, As: p.as})
	running := p.Process
	p.t.Cleanup(func() { running.Stop(syscall.SIGQUIT) }) // before it is killed: it takes its own children along
	p.Until(p.t, func() error { _, err := p.psql("postgres", "SELECT 1"); return err })
}

// URL is where a database is, with the user and password to open it.
func (p *Postgres) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("paybell", PostgresPassword),
		Host: Address(p.port), Path: database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Database makes an empty database and returns its URL.
func (p *Postgres) Database(name string) string {
	p.t.Helper()
	p.SQL("postgres", `CREATE DATABASE "`+name+`"`)
	return p.URL(name)
}

// SQL runs statements as psql does and returns what they print, without frills.
func (p *Postgres) SQL(database, statements string) string {
	p.t.Helper()
	out, err := p.psql(database, statements)
	if err != nil {
		p.t.Fatalf("psql: %v\n%s", err, out)
	}
	return out
}

func (p *Postgres) psql(database, statements string) (string, error) {
	cmd := exec.Command("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statements, p.URL(database))
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Hang stops the server and all its children, whose sockets stay open, until
// GoOn.
func (p *Postgres) Hang() { p.signalAll(syscall.SIGSTOP) }

// GoOn ends a Hang.
func (p *Postgres) GoOn() { p.signalAll(syscall.SIGCONT) }

func (p *Postgres) signalAll(s syscall.Signal) {
	p.t.Helper()
	for _, process := range append(p.children(), p.Pid()) {
		if err := syscall.Kill(process, s); err != nil && err != syscall.ESRCH {
			p.t.Fatal(err)
		}
	}
}

// children are the server's processes besides the first.
func (p *Postgres) children() (pids []int) {
	out, err := exec.Command("ps", "-o", "pid=", "--ppid", strconv.Itoa(p.Pid())).Output()
	if err != nil {
		p.t.Fatalf("ps: %v", err)
	}
	for _, field := range strings.Fields(string(out)) {
		pid, _ := strconv.Atoi(field)
		pids = append(pids, pid)
	}
	return pids
}

// StopFast ends the server as an operator does: connections are cut, what they
// have not committed is undone, and the cluster is left tidy.
func (p *Postgres) StopFast() error { return p.Stop(syscall.SIGINT) }

// StopImmediate ends the server as a crash does: the next start recovers from
// the log.
func (p *Postgres) StopImmediate() { p.Stop(syscall.SIGQUIT) }

// Restart starts a server that has ended, at the same address.
func (p *Postgres) Restart() {
	p.t.Helper()
	p.start()
}

// SaveAs copies the cluster of a server that has ended to a place of its own,
// which PutBack brings back: a cold backup.
func (p *Postgres) SaveAs(name string) {
	p.t.Helper()
	p.copyFolder(p.dir, filepath.Join(filepath.Dir(p.dir), name))
}

// PutBack replaces the cluster of a server that has ended with one that was
// saved.
func (p *Postgres) PutBack(name string) {
	p.t.Helper()
	if err := os.RemoveAll(p.dir); err != nil {
		p.t.Fatal(err)
	}
	p.copyFolder(filepath.Join(filepath.Dir(p.dir), name), p.dir)
}

func (p *Postgres) copyFolder(from, to string) {
	p.t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		p.t.Fatalf("copy a cluster: %v\n%s", err, out)
	}
}
