package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

func phoneGetsOverRefusals(t *testing.T, classes string) {
	const ours = "application/problem+json"
	elsewhere := startRecorder(t, stream(shown("snapshot", 1, order.Failed, false)))
	rec := startRecorder(t,
		refuse(http.StatusForbidden, "Content-Type", "text/html"), // a portal
		refuse(http.StatusFound, "Location", elsewhere.URL+"/v1/sse"),
		refuse(http.StatusUnauthorized, "Content-Type", ours),
		refuse(http.StatusTooManyRequests, "Content-Type", ours),
		stream(shown("snapshot", 1, order.Paid, true)))
	p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: always("t")})
	p.want(1, order.Paid)
	p.says("end null")
	if v := elsewhere.seen(); len(v) > 0 {
		t.Error("it followed a redirect, with its token")
	}
}

func phonePollsWithTags(t *testing.T, classes string) {
	rec := startRecorder(t,
		answer("<p>No streams here.</p>"), refuse(http.StatusBadGateway),
		answer(polled(1, order.Created, false)), refuse(http.StatusNotModified), answer(polled(2, order.Paid, true)))
	p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: always("t")})
	p.want(1, order.Created)
	p.want(2, order.Paid)
	p.says("end null")
	var asked []string
	for _, v := range rec.seen() {
		asked = append(asked, v.path+v.tag)
	}
	want := `/v1/sse /v1/orders/A1 /v1/orders/A1 /v1/orders/A1"e.1" /v1/orders/A1"e.1"`
	if got := strings.Join(asked, " "); got != want {
		t.Fatalf("it asked for %s, want %s", got, want)
	}
	if waited := rec.seen()[4].at.Sub(rec.seen()[3].at); waited < 2*time.Second {
		t.Errorf("%v after an answer that was not held, it asked again", waited)
	}
}

// answer answers a poll.
func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
}

// polled is a state of order A1 as a poll has it.
func polled(version int64, status order.Status, final bool) string {
	_, data, _ := strings.Cut(shown("snapshot", version, status, final), "data: ")
	return data
}

func phoneGetsOverNonsense(t *testing.T, classes string) {
	rec := startRecorder(t,
		stream("event: snapshot\ndata: {\"order\":\"A1\",\"ver"), // cut off
		stream("event: snapshot\ndata: no JSON\n\n"),
		stream(shown("snapshot", 1, order.Paid, true)))
	p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: func(n int64) string {
		if n == 2 {
			return "" // the backend has a bad moment
		}
		return "t"
	}})
	p.want(1, order.Paid)
	p.says("end null")
}

func phoneWaits(t *testing.T, classes string) {
	rec := startRecorder(t,
		refuse(http.StatusServiceUnavailable, "Retry-After", "1"),
		stream("event: goodbye\ndata: {\"reason\":\"drain\",\"retry_ms\":900}\n\n"),
		stream("retry: 800\n\n"),
		stream(shown("snapshot", 1, order.Paid, true)))
	p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: always("t")})
	p.want(1, order.Paid)
	p.says("end null")
	v := rec.seen()
	for i, ms := range []time.Duration{1000, 900, 800} {
		if waited := v[i+1].at.Sub(v[i].at); waited < ms*time.Millisecond {
			t.Errorf("before request %d it waited %v, and was asked for %d ms", i+2, waited, ms)
		}
	}
}

func phoneReadsCutCharacters(t *testing.T, classes string) {
	gw := startGateway(t)
	cutter := rig.NewCutter(t, strings.TrimPrefix(gw.base, "http://"), 100*time.Millisecond)
	p := startPhone(t, phonePlan{classes: classes, gateway: "http://" + cutter, order: "A1", token: tokensOf(gw, "A1")})
	p.want(1, order.Created)
	gw.backend(http.StatusCreated, "POST", "/v1/orders/A1/events", `{"status":"failed","payment":"p1","reason":"余额不足 😔"}`)
	if s := p.want(2, order.Failed); s.Reason != "余额不足 😔" {
		t.Errorf("the reason is %q", s.Reason)
	}
	pay(gw, "A1")
	p.want(3, order.Paid)
	p.says("end null")
}

func phoneReadsOddStreams(t *testing.T, classes string) {
	rec := startRecorder(t, held(
		": a comment\r\n", "retry: soon\r", "\nid: e.1\r\n", "event: snapshot\r\n", "color: blue\r\n", "data\r\n",
		"data: {\"order\":\"A1\",\"epoch\":\"e\",\r\ndata:\"version\":1,\"status\":\"a_new_one\",\"more\":{\"final\":true}}\r\n\r\n",
		"event: confetti\rdata: {}\r\r", // a later gateway's
		":\n\n", "data: of no name\n\n", "event: update\n\n",
		strings.ReplaceAll(shown("update", 2, order.Paid, true), "\n", "\r"),
	))
	p := startPhone(t, phonePlan{classes: classes, gateway: rec.URL, order: "A1", token: always("t")})
	p.want(1, "a_new_one")
	p.want(2, order.Paid)
	p.says("end null")
}

func phonePolls(t *testing.T, classes string) {
	gw := startGateway(t)
	port := rig.FreePort(t)
	dir := rig.Folder(t)
	conf := filepath.Join(dir, "nginx.conf")
	err := os.WriteFile(conf, fmt.Appendf(nil, `
daemon off; master_process off; pid %[1]s/pid;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen %[2]s;
		location / { proxy_pass %[3]s; proxy_http_version 1.1; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; }
	}
}`, dir, rig.Address(port), gw.base), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	nginx := rig.Start(t, rig.Command{Name: "/usr/sbin/nginx", Args: []string{"-p", dir, "-e", "stderr", "-c", conf}})
	nginx.Until(t, func() error {
		conn, err := net.Dial("tcp", rig.Address(port))
		if err == nil {
			conn.Close()
		}
		return err
	})
	p := startPhone(t, phonePlan{
		classes: classes, gateway: "http://" + rig.Address(port), order: "A1", token: tokensOf(gw, "A1"), firstByte: 1500 * time.Millisecond,
	})
	p.want(1, order.Created)
	gw.deliver("stripe", webhook.Simulation{ID: "evt_1", Order: "A1", Status: order.Pending})
	p.want(2, order.Pending)
	pay(gw, "A1")
	p.want(3, order.Paid)
	p.says("end null")
}

func phoneLeavesSilence(t *testing.T, classes string) {
	gw := startGateway(t)
	hole := rig.NewBlackHole(t, strings.TrimPrefix(gw.base, "http://"))
	p := startPhone(t, phonePlan{classes: classes, gateway: "http://" + hole.Address(), order: "A1", token: tokensOf(gw, "A1"), silence: 1500 * time.Millisecond})
	p.want(1, order.Created)
	hole.Lose() // the connection stays open, and nothing comes any more
	pay(gw, "A1")
	p.want(2, order.Paid)
	p.says("end null")
}
