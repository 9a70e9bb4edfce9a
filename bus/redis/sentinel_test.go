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
			// It goes on as if it were the primary, and takes what nodes publish.
			{Name: "a primary that only sentinels and replicas do not reach", Strike: func(t *testing.T) func() {
				primary := s.Primary(t)
				primary.Do(t, "ACL", "SETUSER", "default", "off")
				primary.Do(t, "CLIENT", "KILL", "USER", "default")
				back(t, func() { primary.Do(t, "ACL", "SETUSER", "default", "on") })
				return nil
			}},
		},
	})
}
