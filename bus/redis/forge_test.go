package redis_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/paybell/paybell/internal/rig"
)

// publish puts bytes on a shard's channel, as anybody can who may use the server.
func publish(t *testing.T, server *rig.Redis, command, prefix string, shard int, message string) {
	t.Helper()
	user := "default"
	if command == "SPUBLISH" || prefix == "paybell" {
		user = "tester"
	}
	cmd := exec.Command("redis-cli", "-p", strconv.Itoa(server.Port), "--user", user, "--pass", "x", "-c", "-x", command, fmt.Sprintf("%s:{%d}", prefix, shard))
	cmd.Stdin = strings.NewReader(message)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
