//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/doctor"
	"github.com/paybell/paybell/internal/rig"
)

// newcomersNginx is what a newcomer writes who knows nothing of streams: it cuts
// what is quiet for 5 s, passes no upgrades on, and buffers.
const newcomersNginx = `
pid /tmp/nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path /tmp/nginx-body; proxy_temp_path /tmp/nginx-proxy;
	fastcgi_temp_path /tmp/nginx-fastcgi; uwsgi_temp_path /tmp/nginx-uwsgi; scgi_temp_path /tmp/nginx-scgi;
	upstream paybell { server paybell-1:8080; }
	server {
		listen 8000;
		proxy_read_timeout 5s;
		location / {
			proxy_http_version 1.1;
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $remote_addr;
			proxy_ignore_headers X-Accel-Buffering;
			proxy_pass http://paybell;
		}
		location = /readyz { return 404; }
	}
}
`

// Who writes down each mend as it is told has nothing left to mend, and no new
// finding either.
func TestDoctorsMendsWorkTogether(t *testing.T) {
	for _, test := range []struct {
		name  string
		sound []string // what is right from the start, and how
		want  []string
	}{
		{"all three faults", nil, []string{"stream-buffered", "upgrade-stripped", "idle-cut", "poll-cut"}},
		{"no upgrade alone", []string{"proxy_read_timeout 5s;", "proxy_read_timeout 75s;", "proxy_ignore_headers X-Accel-Buffering;", ""},
			[]string{"upgrade-stripped"}},
		{"a buffer, and no upgrade", []string{"proxy_read_timeout 5s;", "proxy_read_timeout 75s;"}, []string{"stream-buffered", "upgrade-stripped"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := openClinic(t, nil)
			conf := strings.NewReplacer(test.sound...).Replace(newcomersNginx)
			c.behindText(conf)
			r := c.examine(doctor.Options{Idle: 12 * time.Second})
			c.want(r, test.want...)
			c.behindText(writeDown(t, conf, r))
			if r = c.examine(doctor.Options{Idle: 12 * time.Second}); len(r.LeftOut) > 0 { // as where some come without an address
				t.Errorf("not examined: %q", r.LeftOut)
			}
			c.want(r)
		})
	}
}

// behindText puts an nginx with a configuration of the test's own before it.
func (c *clinic) behindText(conf string) {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.address = "http://" + rig.StartNginx(c.t, path, strings.TrimPrefix(c.base, "http://")).Address()
}

// writeDown writes a report's mends into a configuration, each once.
func writeDown(t *testing.T, conf string, r *doctor.Report) string {
	t.Helper()
	told := map[string]bool{}
	for _, f := range r.Findings {
		for _, m := range f.Mend {
			text := strings.Join(m.Lines, "\n")
			if m.Where != doctor.Nginx || told[text] {
				continue
			}
			told[text] = true
			text = strings.ReplaceAll(text, "# and your proxy_pass", "proxy_pass http://paybell;")
			if strings.HasPrefix(text, "proxy_read_timeout") {
				conf = replaceOnce(t, conf, "location / {", "location / {\n"+text+"\n") // the server's own 5 s stay for the rest
				continue
			}
			if head, rest, found := strings.Cut(text, "\n"); found && strings.HasPrefix(head, "map ") {
				conf, text = replaceOnce(t, conf, "http {", "http {\n"+head+"\n"), rest
			}
			conf = replaceOnce(t, conf, "listen 8000;", "listen 8000;\n"+text+"\n")
		}
	}
	return conf
}

func replaceOnce(t *testing.T, text, old, with string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not there once:\n%s", old, text)
	}
	return strings.Replace(text, old, with, 1)
}
