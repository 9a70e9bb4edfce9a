//go:build unix

package fault_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A composition is what of deploy/compose.yaml must fit the other files there.
type composition struct {
	Services map[string]struct {
		Build struct {
			Context, Dockerfile string
		}
		Volumes     []string
		Environment map[string]string
		DependsOn   any `yaml:"depends_on"`
		Networks    map[string]struct {
			Address string `yaml:"ipv4_address"`
		}
	}
	Volumes  map[string]any
	Networks map[string]any
}

func TestTheCompositionFitsItsFiles(t *testing.T) {
	content, err := os.ReadFile("../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c composition
	if err := yaml.Unmarshal(content, &c); err != nil {
		t.Fatal(err)
	}
	for name, service := range c.Services {
		for _, volume := range service.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if _, named := c.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(filepath.Join("../deploy", from)); err != nil {
				t.Errorf("%s mounts %s: %v", name, from, err)
			}
		}
		if b := service.Build; b.Context != "" {
			if _, err := os.Stat(filepath.Join("../deploy", b.Context, b.Dockerfile)); err != nil {
				t.Errorf("%s is built from: %v", name, err)
			}
		}
	}
	nginx, err := os.ReadFile("../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`(?m)^\s*server (\S+):8080`).FindAllStringSubmatch(string(nginx), -1) {
		if _, ok := c.Services[found[1]]; !ok {
			t.Errorf("nginx.conf names %s, which is no service", found[1])
		}
	}
	cluster, err := os.ReadFile("../deploy/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var trusted struct {
		Proxies []string `yaml:"trusted_proxies"`
	}
	if err := yaml.Unmarshal(cluster, &trusted); err != nil {
		t.Fatal(err)
	}
	if at := c.Services["nginx"].Networks["default"].Address; !slices.Contains(trusted.Proxies, at) {
		t.Errorf("nginx is at %s, and the nodes trust %v", at, trusted.Proxies)
	}
}
