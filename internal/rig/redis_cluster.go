//go:build unix

package rig

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A RedisCluster has three primaries and a replica of each, which takes over when
// its primary is away for one to three seconds.
type RedisCluster struct{ Nodes []*Redis }

// StartRedisCluster starts all and waits until they agree.
func StartRedisCluster(t testing.TB, o RedisOptions) *RedisCluster {
	t.Helper()
	c := &RedisCluster{}
	var buses, ids []string
	for range 6 {
		o := o
		// By itself the port of the cluster's own bus would be 10,000 higher, and
		// often above all there are.
		bus := strconv.Itoa(FreePort(t))
		buses = append(buses, bus)
		o.Args = append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-port", bus}, o.Args...)
		n := StartRedis(t, o)
		c.Nodes = append(c.Nodes, n)
		ids = append(ids, n.Do(t, "CLUSTER", "MYID"))
	}
	for i, n := range c.Nodes {
		n.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i < 3 {
			n.Do(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*16384/3), strconv.Itoa((i+1)*16384/3-1))
		}
		if i > 0 {
			n.Do(t, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(c.Nodes[0].Port), buses[0])
		}
	}
	for i, n := range c.Nodes[3:] {
		n.Until(t, func() error { return n.says("OK", "CLUSTER", "REPLICATE", ids[i]) })
	}
	c.Settle(t)
	return c
}

// Settle waits until every node sees all slots served, and each primary with a
// replica that follows it.
func (c *RedisCluster) Settle(t testing.TB) {
	t.Helper()
	for _, n := range c.Nodes {
		n.Until(t, func() error {
			if err := n.says("cluster_state:ok", "CLUSTER", "INFO"); err != nil {
				return err
			}
			table, err := n.nodes()
			if err != nil {
				return err
			}
			replicas := map[string]int{}
			for _, about := range table {
				if strings.Contains(about[2], "fail") || about[7] != "connected" {
					return fmt.Errorf("it sees %v", about)
				}
				replicas[about[3]]++
			}
			for _, about := range table {
				if len(about) > 8 && replicas[about[0]] == 0 || len(table) != 6 {
					return fmt.Errorf("it sees %v", table)
				}
			}
			return n.follows()
		})
	}
}

// follows is nil for a primary, and for a replica that hears its own.
func (r *Redis) follows() error {
	out, err := r.do("INFO", "replication")
	if err == nil && strings.Contains(out, "role:slave") && !strings.Contains(out, "master_link_status:up") {
		err = fmt.Errorf("it does not follow its primary: %s", out)
	}
	return err
}

// nodes is CLUSTER NODES as a table: id, address, flags, primary, … slots.
func (r *Redis) nodes() ([][]string, error) {
	out, err := r.do("CLUSTER", "NODES")
	var table [][]string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) >= 8 {
			table = append(table, fields)
		}
	}
	return table, err
}

// Owner is the primary that a channel's or key's slot is at, as an other node that
// runs sees it.
func (c *RedisCluster) Owner(t testing.TB, key string) *Redis {
	t.Helper()
	slot, err := strconv.Atoi(c.Nodes[0].Do(t, "CLUSTER", "KEYSLOT", key))
	if err != nil {
		t.Fatal(err)
	}
	table, err := c.Nodes[0].nodes()
	if err != nil {
		t.Fatal(err)
	}
	for _, about := range table {
		for _, slots := range about[8:] {
			from, to, isRange := strings.Cut(slots, "-")
			if !isRange {
				to = from
			}
			first, err := strconv.Atoi(from)
			last, err2 := strconv.Atoi(to)
			if err == nil && err2 == nil && first <= slot && slot <= last {
				return c.node(t, about[1])
			}
		}
	}
	t.Fatalf("slot %d is at no node", slot)
	return nil
}

// node finds a node by its address in CLUSTER NODES, host:port@busport.
func (c *RedisCluster) node(t testing.TB, address string) *Redis {
	t.Helper()
	address, _, _ = strings.Cut(address, "@")
	i := slices.IndexFunc(c.Nodes, func(n *Redis) bool { return n.Address() == address })
	if i < 0 {
		t.Fatalf("%s is none of ours", address)
	}
	return c.Nodes[i]
}

// Move gives the slot of a channel or key, in which there is nothing, to another
// primary.
func (c *RedisCluster) Move(t testing.TB, key string) {
	t.Helper()
	from := c.Owner(t, key)
	table, err := from.nodes()
	if err != nil {
		t.Fatal(err)
	}
	self := from.Do(t, "CLUSTER", "MYID")
	slot := from.Do(t, "CLUSTER", "KEYSLOT", key)
	i := slices.IndexFunc(table, func(about []string) bool {
		return about[0] != self && len(about) > 8 && !strings.Contains(about[2], "fail")
	})
	id, to := table[i][0], c.node(t, table[i][1])
	to.Do(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", self)
	from.Do(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", id)
	to.Do(t, "CLUSTER", "SETSLOT", slot, "NODE", id)
	from.Do(t, "CLUSTER", "SETSLOT", slot, "NODE", id)
}

// Hosts are the nodes' addresses, as URLs list them.
func (c *RedisCluster) Hosts() string { return hosts(c.Nodes) }
