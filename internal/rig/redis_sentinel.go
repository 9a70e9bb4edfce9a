//go:build unix

package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A RedisSentinel is a primary and two replicas, with three sentinels that make
// another the primary when it is away for a second.
type RedisSentinel struct {
	Servers   []*Redis
	Sentinels []*Redis
}

// SentinelMaster is the name under which sentinels watch the primary.
const SentinelMaster = "shop"

// StartRedisSentinel starts all and waits until they know each other.
func StartRedisSentinel(t testing.TB, o RedisOptions) *RedisSentinel {
	t.Helper()
	s := &RedisSentinel{}
	for i := range 3 {
		o := o
		if i > 0 {
			o.Args = append([]string{"--replicaof", "127.0.0.1", strconv.Itoa(s.Servers[0].Port)}, o.Args...)
		}
		s.Servers = append(s.Servers, StartRedis(t, o))
	}
	for range 3 {
		s.Sentinels = append(s.Sentinels, startSentinel(t, s.Servers[0].Port))
	}
	s.Settle(t)
	return s
}

func startSentinel(t testing.TB, primary int) *Redis {
	t.Helper()
	r := &Redis{Port: FreePort(t), Dir: Folder(t), t: t}
	file := filepath.Join(r.Dir, "sentinel.conf") // which it keeps its memory in
	config := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %s
sentinel monitor %[3]s 127.0.0.1 %[4]d 2
sentinel down-after-milliseconds %[3]s 1000
sentinel failover-timeout %[3]s 3000
sentinel parallel-syncs %[3]s 2
`, r.Port, r.Dir, SentinelMaster, primary)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r.args = []string{file, "--sentinel"}
	r.start(t)
	return r
}

// Settle waits until every sentinel sees a primary, two replicas of it and two more
// sentinels.
func (s *RedisSentinel) Settle(t testing.TB) {
	t.Helper()
	for _, sentinel := range s.Sentinels {
		sentinel.Until(t, func() error {
			out, err := sentinel.do("SENTINEL", "MASTER", SentinelMaster)
			if err != nil {
				return err
			}
			fields := strings.Split(out, "\n")
			about := map[string]string{}
			for i := 0; i+1 < len(fields); i += 2 {
				about[fields[i]] = fields[i+1]
			}
			if about["flags"] != "master" || about["num-slaves"] != "2" || about["num-other-sentinels"] != "2" {
				return fmt.Errorf("it sees %v", about)
			}
			return nil
		})
	}
	primary := s.Primary(t)
	primary.Until(t, func() error { return primary.says("connected_slaves:2", "INFO", "replication") })
}

// Primary is the server that the first sentinel names.
func (s *RedisSentinel) Primary(t testing.TB) *Redis {
	t.Helper()
	answer := strings.Fields(s.Sentinels[0].Do(t, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SentinelMaster))
	for _, server := range s.Servers {
		if len(answer) == 2 && answer[1] == strconv.Itoa(server.Port) {
			return server
		}
	}
	t.Fatalf("the primary is %v, which is none of ours", answer)
	return nil
}

// Hosts are the sentinels' addresses, as URLs list them.
func (s *RedisSentinel) Hosts() string { return hosts(s.Sentinels) }

func hosts(servers []*Redis) string {
	var list []string
	for _, r := range servers {
		list = append(list, r.Address())
	}
	return strings.Join(list, ",")
}
