package redis_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/bus/bustest"
	"github.com/paybell/paybell/bus/redis"
	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
)

// open returns a bus that logs to the test.
func open(t testing.TB, url string, o bus.Observer) *redis.Bus {
	t.Helper()
	b, err := redis.Open(url, bustest.Secret, redis.Options{Observer: o, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A server that refuses is named in the log, with what to do about it, and without
// the password; once it accepts, the bus goes on by itself.
func TestARefusalIsLoggedWithItsMend(t *testing.T) {
	server := rig.StartRedis(t, rights("+publish"))
	for name, c := range map[string]struct{ user, password, says, mend string }{
		"no right to subscribe": {"bus", "secret", "NOPERM", "+subscribe +publish resetchannels &paybell:*"},
		"a wrong password":      {"bus", "hunter2", "WRONGPASS", "check user and password"},
	} {
		t.Run(name, func(t *testing.T) {
			log, trusted := run(t, "redis://"+c.user+":"+c.password+"@"+server.Address())
			for {
				line := <-log
				if strings.Contains(line, "hunter2") || strings.Contains(line, "secret@") {
					t.Fatalf("the log shows a password: %s", line)
				}
				if strings.Contains(line, c.says) && strings.Contains(line, c.mend) {
					break
				}
			}
			if c.password != "hunter2" {
				server.Do(t, "ACL", "SETUSER", "bus", "+subscribe")
				<-trusted
			}
		})
	}
}

// A node with another secret is in the log with its mend, and none of the secrets.
func TestANodeWithAnotherClusterSecretIsLoggedWithItsMend(t *testing.T) {
	server := rig.StartRedis(t, rig.RedisOptions{})
	log, trusted := run(t, "redis://"+server.Address()+"?prefix=shop")
	<-trusted
	key, err := bus.NewKey("hunter2")
	if err != nil {
		t.Fatal(err)
	}
	wire, err := key.Encode(bus.Hint{Change: order.Change{State: order.State{Order: "A1"}}})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, server, "PUBLISH", "shop", 0, string(wire))
	for line := range log {
		if strings.Contains(line, "hunter2") || strings.Contains(line, bustest.Secret) {
			t.Fatalf("the log shows a secret: %s", line)
		}
		if strings.Contains(line, "forged") && strings.Contains(line, "the same cluster_secret") {
			return
		}
	}
}

// TestARedisThatComesBackIsLoggedOnce, when it was logged that it had gone.
func TestARedisThatComesBackIsLoggedOnce(t *testing.T) {
	server := rig.StartRedis(t, rig.RedisOptions{})
	log, trusted := run(t, "redis://"+server.Address())
	<-trusted
	server.Kill()
	for line := range log {
		if strings.Contains(line, "hints come again") {
			t.Fatalf("at the start or without Redis: %s", line)
		}
		if strings.Contains(line, "level=WARN") {
			break
		}
	}
	server.Restart(t)
	<-trusted
	for line := range log {
		if strings.Contains(line, "level=INFO") {
			if !strings.Contains(line, `msg="hints come again" bus=redis://`) {
				t.Errorf("the log says %s", line)
			}
			break
		}
	}
}

// run runs a bus until the test ends. It returns the lines of its log, and says
// each time that it is trusted.
func run(t *testing.T, url string) (log lines, trusted trusts) {
	t.Helper()
	log, trusted = make(lines, 1000), make(trusts, 1000)
	b, err := redis.Open(url, bustest.Secret, redis.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx, trusted) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return log, trusted
}

type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

type trusts chan bool

func (trusts) Hints([]order.Change) {}
func (trusts) Gap()                 {}
func (t trusts) Suspect(suspect bool) {
	if !suspect {
		t <- true
	}
}

// TestAStopDoesNotWaitForAQueueThatNobodyTakes: the batch that is on its way fails,
// and those behind it are not tried.
func TestAStopDoesNotWaitForAQueueThatNobodyTakes(t *testing.T) {
	hole := rig.NewBlackHole(t, rig.Address(rig.FreePort(t)))
	hole.Swallow()
	f := &failures{first: make(chan struct{})}
	b := open(t, "redis://"+hole.Address(), f)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx, make(trusts, 1000)) })
	for range 8 { // a full queue, and what was taken from it meanwhile
		b.Publish(make([]order.Change, 1024))
	}
	<-f.first
	stop()
	before := f.hints.Load()
	running.Wait()
	if after := f.hints.Load() - before; after > 1024 {
		t.Errorf("%d hints were tried after the stop", after)
	}
}

// A failures counts the hints that were tried and not sent.
type failures struct {
	hints atomic.Int64
	once  sync.Once
	first chan struct{}
}

func (f *failures) Published(fate bus.Fate, hints int) {
	if fate == bus.Failed {
		f.hints.Add(int64(hints))
		f.once.Do(func() { close(f.first) })
	}
}
func (*failures) Received(bus.Refusal, time.Duration) {}
func (*failures) Link(bus.LinkEvent)                  {}
func (*failures) Suspect(bool)                        {}

func TestTLS(t *testing.T) {
	cert, key := rig.Certificate(t)
	files := []string{"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert}
	cli := []string{"--tls", "--cert", cert, "--key", key, "--cacert", cert}
	server := rig.StartRedis(t, rig.RedisOptions{TLS: true, Args: files, CLI: cli})
	bustest.Run(t, bustest.Bed{
		Join:        joins("rediss://" + server.Address() + "?ca=" + cert + "&cert=" + cert + "&key=" + key),
		Connections: server.Connections,
		Away: func(t *testing.T) func() {
			server.Kill()
			return func() { server.Restart(t) }
		},
	})
}

func joins(url string) func(*testing.T, bus.Observer) bustest.Bus {
	return func(t *testing.T, o bus.Observer) bustest.Bus { return open(t, url, o) }
}

func TestStandalone(t *testing.T) {
	server := rig.StartRedis(t, rig.RedisOptions{})
	hole := rig.NewBlackHole(t, server.Address())
	bed := bustest.Bed{
		Join:        joins("redis://" + hole.Address() + "/0?prefix=shop"),
		Forge:       func(t *testing.T, shard int, message string) { publish(t, server, "PUBLISH", "shop", shard, message) },
		Connections: server.Connections,
		Away: func(t *testing.T) func() {
			server.Kill()
			return func() { server.Restart(t) }
		},
		Faults: []bustest.Fault{
			{Name: "a restart, empty", Strike: func(t *testing.T) func() {
				server.Kill()
				return func() { server.Restart(t) }
			}},
			{Name: "a connection that is cut, again and again", Strike: func(t *testing.T) func() {
				for range 5 {
					server.Do(t, "CLIENT", "KILL", "TYPE", "pubsub")
					time.Sleep(50 * time.Millisecond)
				}
				return nil
			}},
			{Name: "connections that are dead and do not say so", Strike: func(*testing.T) func() {
				hole.Lose()
				return nil
			}},
			{Name: "a network that drops everything", Strike: func(*testing.T) func() {
				hole.Swallow()
				return hole.Forward
			}},
			{Name: "a server that stands still", Strike: func(*testing.T) func() {
				server.Pause()
				return server.Resume
			}},
		},
	}
	if testing.Short() {
		bed.Faults = bed.Faults[:2]
	}
	bustest.Run(t, bed)
}
