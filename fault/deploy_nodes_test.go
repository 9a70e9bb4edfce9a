//go:build unix

package fault_test

import (
	"os"
	"os/exec"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What the nodes of the composition are given is what their configuration asks
// for, and no more is needed for a start.
func TestTheNodesOfTheCompositionAreConfigured(t *testing.T) {
	content, err := os.ReadFile("../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c composition
	if err := yaml.Unmarshal(content, &c); err != nil {
		t.Fatal(err)
	}
	check := exec.Command(program(t), "config", "check", "--config", "../deploy/cluster.yaml")
	check.Env = []string{}
	for name := range c.Services["paybell-1"].Environment {
		value := tokenSecret
		if name == "SHOP_WEBHOOK_SECRET" {
			value = webhookSecret()
		}
		check.Env = append(check.Env, name+"="+value)
	}
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("config check: %v\n%s", err, out)
	}
}
