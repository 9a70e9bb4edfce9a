//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/paybell/paybell/internal/rig"
)

// TestDoctorScripts runs the command as people type it: testdata/doctor. Before it
// are a gateway with its configuration, paybell.yaml, and real proxies.
func TestDoctorScripts(t *testing.T) {
	direct, good, buffers, cuts := openClinic(t, nil), openClinic(t, nil), openClinic(t, nil), openClinic(t, nil)
	good.behind("nginx.conf")
	buffers.behind("nginx.conf", "proxy_buffering off;", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;")
	cuts.behind("haproxy.cfg", "timeout tunnel 75s", "timeout tunnel 5s")
	authority := rig.NewAuthority(t)
	cert, key := authority.Issue(true, 60*24*time.Hour, "localhost")
	secure := openClinic(t, func(c *config) { c.TLS = tlsConfig{cert, key} })
	port := secure.address[strings.LastIndex(secure.address, ":"):]
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/doctor",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			if dir := os.Getenv("GOCOVERDIR"); dir != "" {
				env.Setenv("GOCOVERDIR", dir)
			}
			env.Setenv("AUTHORITY", authority.Root)
			env.Setenv("NAMED", "https://localhost"+port)
			env.Setenv("UNNAMED", "https://127.0.0.1"+port)
			for name, c := range map[string]*clinic{"GATEWAY": direct, "GOOD": good, "BUFFERS": buffers, "CUTS": cuts, "SECURE": secure} {
				env.Setenv(name, c.address)
				path := filepath.Join(env.WorkDir, name+".yaml")
				if err := writeDemoFile(path, c.config); err != nil {
					return err
				}
				if err := appendTo(path, "admin: "+strings.TrimPrefix(c.admin, "http://")+"\n"); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func appendTo(path, text string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, text...), 0o600)
}
