package redis_test

import (
	"strings"
	"testing"

	"github.com/paybell/paybell/bus/bustest"
	"github.com/paybell/paybell/internal/rig"
)

// rights have a server know the bus's user, with no more than docs/bus.md asks for,
// and another for the tests themselves.
func rights(rules string) rig.RedisOptions {
	args := append([]string{"--user", "bus", "on", ">secret", "resetchannels", "&paybell:*"}, strings.Fields(rules)...)
	args = append(args, "--user", "tester", "on", "nopass", "~*", "&*", "+@all")
	return rig.RedisOptions{Args: args, CLI: []string{"--user", "tester", "--pass", "x"}}
}

// A node leaves an old primary because a sentinel says so, and not only once probes
// are lost: while both its connections are at the old one, none are.
func TestASentinelsWordIsEnough(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	s := rig.StartRedisSentinel(t, rights("+subscribe +publish"))
	log, trusted := run(t, "redis+sentinel://bus:secret@"+s.Hosts()+"/"+rig.SentinelMaster)
	<-trusted
	leaveAlone(t, s)
	for line := range log {
		switch {
		case strings.Contains(line, "there is a new primary"):
			<-trusted
			return
		case strings.Contains(line, "hints do not come"):
			t.Fatalf("it leaves for another reason: %s", line)
		}
	}
}

// leaveAlone has sentinels and replicas lose their primary, which goes on as if it
// were one, and takes what nodes publish.
func leaveAlone(t *testing.T, s *rig.RedisSentinel) *rig.Redis {
	t.Helper()
	primary := s.Primary(t)
	primary.Do(t, "ACL", "SETUSER", "default", "off")
	primary.Do(t, "CLIENT", "KILL", "USER", "default")
	return primary
}

func TestSentinel(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	s := rig.StartRedisSentinel(t, rights("+subscribe +publish"))
	// back has a test end with all servers in their places.
	back := func(t *testing.T, mend func()) {
		t.Cleanup(func() {
			mend()
			s.Settle(t)
		})
	}
	bustest.Run(t, bustest.Bed{
		Join: joins("redis+sentinel://bus:secret@" + s.Hosts() + "/" + rig.SentinelMaster),
		Forge: func(t *testing.T, shard int, message string) {
			publish(t, s.Primary(t), "PUBLISH", "paybell", shard, message)
		},
		Connections: func(t testing.TB) (n int) {
			for _, r := range s.Servers {
				n += r.UserConnections(t, "bus")
			}
			return n
		},
		Away: func(t *testing.T) func() {
			servers := append(s.Servers[:3:3], s.Sentinels...)
			for _, r := range servers {
				r.Kill()
			}
			return func() {
				for _, r := range servers {
					r.Restart(t)
				}
				s.Settle(t)
			}
		},
		Faults: []bustest.Fault{
			{Name: "the primary's death", Strike: func(t *testing.T) func() {
				primary := s.Primary(t)
				primary.Kill()
				back(t, func() { primary.Restart(t) })
				return nil
			}},
			{Name: "a primary that stands still", Strike: func(t *testing.T) func() {
				primary := s.Primary(t)
				primary.Pause()
				back(t, primary.Resume)
				return nil
			}},
			{Name: "a failover on request", Strike: func(t *testing.T) func() {
				s.Sentinels[1].Do(t, "SENTINEL", "FAILOVER", rig.SentinelMaster)
				back(t, func() {})
				return nil
			}},
			{Name: "a primary that only sentinels and replicas do not reach", Strike: func(t *testing.T) func() {
				primary := leaveAlone(t, s)
				back(t, func() { primary.Do(t, "ACL", "SETUSER", "default", "on") })
				return nil
			}},
		},
	})
}
