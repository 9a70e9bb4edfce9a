package doctor

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Everything that can be found is in the documentation, and nothing else is.
func TestEveryCodeIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("kinds*.go")
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`&kind\{\n\t"([^"]+)"`).FindAllSubmatch(source, -1) {
			codes = append(codes, string(found[1]))
		}
	}
	_, table, _ := strings.Cut(string(page), "## What it finds")
	var told []string
	for _, found := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(table, -1) {
		told = append(told, found[1])
	}
	slices.Sort(codes)
	slices.Sort(told)
	if len(codes) < 40 || !slices.Equal(codes, told) {
		t.Errorf("there are %v\ntold are %v", codes, told)
	}
}

func TestAProxyIsKnownByWhatItSays(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        Proxy
	}{
		{"Server", "nginx", Nginx}, {"Server", "nginx/1.22.1", Nginx}, {"Server", "openresty", Nginx}, {"Server", "Caddy", Caddy},
		{"Via", "1.1 Caddy", Caddy}, {"Server", "cloudflare", Cloudflare}, {"Cf-Ray", "8f-FRA", Cloudflare}, {"Server", "awselb/2.0", ALB},
		{"Set-Cookie", "AWSALB=x", ALB}, {"Server", "HAProxy", HAProxy}, {"Server", "Apache", ""}, {"X", "", ""},
	} {
		if got := proxyIn(with(test.name, test.value)); got != test.want {
			t.Errorf("%s: %s is %q, want %q", test.name, test.value, got, test.want)
		}
	}
}

func TestAnAddressIsSchemeHostAndPath(t *testing.T) {
	for _, good := range []string{"https://pay.example.com", "http://127.0.0.1:8080/", "https://shop.example/pay/"} {
		if u, err := Check(good); err != nil || strings.HasSuffix(u.String(), "/") {
			t.Errorf("%s: %v, %v", good, u, err)
		}
	}
	for _, bad := range []string{"", "pay.example.com", "ftp://x", "https://", "https://u:p@x", "https://x?y", "https://x#y", "https://x:y"} {
		if _, err := Check(bad); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
}

// On this machine nobody else reads along.
func TestWhatIsNotEncryptedIsToldElsewhere(t *testing.T) {
	for address, want := range map[string]int{"http://pay.example.com": 1, "http://127.0.0.1:8080": 0, "http://localhost": 0, "http://[::1]:80": 0} {
		base, err := Check(address)
		if err != nil {
			t.Fatal(err)
		}
		e := &exam{base: base, report: &Report{}}
		e.served(answer{header: http.Header{}})
		if len(e.report.Findings) != want {
			t.Errorf("%s: %d findings, want %d", address, len(e.report.Findings), want)
		}
	}
}

// What an operator reads off a stream that was watched, by what was heard on it.
func TestAStreamIsJudgedByItsSilences(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, test := range []struct {
		name string
		line *line
		want string
		seen string
	}{
		{"open, with heartbeats", &line{opened: ago(70 * time.Second), last: ago(9 * time.Second), beats: 4, longest: 20 * time.Second}, "", ""},
		{"open, too short for one", &line{opened: ago(5 * time.Second), last: ago(5 * time.Second)}, "", ""},
		{"open and silent", &line{opened: ago(70 * time.Second), last: ago(70 * time.Second)}, "heartbeats-held", "silent for 70 s"},
		{"heartbeats in a bunch", &line{opened: ago(70 * time.Second), last: ago(time.Second), beats: 3, longest: 60 * time.Second}, "heartbeats-held", "silent for 60 s"},
		{"cut in the first silence", &line{opened: ago(5 * time.Second), last: ago(5 * time.Second), ended: now}, "idle-cut", "after 5 s of silence"},
		{"cut in a later one", &line{opened: ago(40 * time.Second), last: ago(19 * time.Second), beats: 1, ended: now}, "idle-cut", "after 19 s of silence"},
		{"cut by age", &line{opened: ago(45 * time.Second), last: ago(3 * time.Second), beats: 2, ended: now}, "lifetime-cut", "after 45 s, although"},
		{"sent away", &line{opened: ago(5 * time.Second), last: now, bye: "drain", ended: now}, "goodbye", "drain"},
	} {
		e := &exam{report: &Report{}}
		test.line.name, test.line.state = "SSE", test.line.opened
		e.judge(test.line)
		code, seen := "", ""
		for _, f := range e.report.Findings {
			code, seen = code+f.Code, seen+f.Seen[0]
		}
		if code != test.want || !strings.Contains(seen, test.seen) {
			t.Errorf("%s: %q, %q; want %q, %q", test.name, code, seen, test.want, test.seen)
		}
		if fact := e.report.Facts[0].Value; test.line.beats == 1 && !strings.HasSuffix(fact, ", 1 heartbeat") {
			t.Errorf("%s: %q", test.name, fact)
		}
	}
}

// A poll that nothing keeps awake shows what lies between heartbeat and a minute.
func TestAHeldPollIsJudgedByWhenItFailed(t *testing.T) {
	now := time.Now()
	tagged := func(status int, tag string) *answer { return &answer{status: status, header: with("Etag", tag)} }
	for _, test := range []struct {
		name string
		held time.Duration
		a    *answer
		want string
	}{
		{"held to the end", 60 * time.Second, tagged(304, "1"), ""},
		{"news", 3 * time.Second, tagged(200, "2"), ""},
		{"no news, at once", time.Second, tagged(304, "1"), "poll-not-held"},
		{"what it had", time.Second, tagged(200, "1"), "poll-not-held"},
		{"504 early", 5 * time.Second, &answer{status: 504, header: http.Header{}}, "poll-cut"},
		{"504 late", 30 * time.Second, &answer{status: 504, header: http.Header{}}, "poll-cut-late"},
		{"cut", 5 * time.Second, nil, "poll-cut"},
		{"sent away", 5 * time.Second, &answer{status: 503, header: http.Header{}, name: "draining"}, "goodbye"},
	} {
		e := &exam{report: &Report{}}
		e.judgeHeld(&line{name: "long poll", opened: now.Add(-test.held), ended: now, refused: test.a, err: io.EOF}, time.Minute, "1")
		code := ""
		for _, f := range e.report.Findings {
			code += f.Code
		}
		if code != test.want {
			t.Errorf("%s: %q, want %q", test.name, code, test.want)
		}
	}
}

// A clock that is wrong shows in what a token says.
func TestARefusalNamesTheClock(t *testing.T) {
	date := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	a := answer{status: 401, name: "token-invalid", detail: "iat is in the future", header: with("Date", date.Format(http.TimeFormat))}
	if text := (token{issued: date.Add(95 * time.Second)}).refusal(a); !strings.Contains(text, "its iat is 95 s ahead of the answer's Date") {
		t.Error(text)
	}
	if text := (token{issued: date, expires: date.Add(-time.Minute)}).refusal(a); !strings.Contains(text, "its exp is 60 s behind") {
		t.Error(text)
	}
	if text := (token{issued: date}).refusal(a); strings.Contains(text, "ahead") || strings.Contains(text, "behind") {
		t.Error(text)
	}
}

// A terminal is shown nothing that commands it, whatever a proxy answers.
func TestWhatStrangersSayIsCleaned(t *testing.T) {
	a := answer{status: 502, header: with("Server", "\x1b[2Jnginx"+strings.Repeat("x", 1000))}
	if text := a.what(); strings.Contains(text, "\x1b") || len(text) > 300 {
		t.Errorf("%q", text)
	}
}

func TestAReportIsOneObject(t *testing.T) {
	r := &Report{URL: "https://pay.example.com", Proxy: Nginx, Facts: []Fact{}, LeftOut: []string{}}
	r.find(readyzShown, "a")
	r.find(idleCut, "WebSocket")
	r.find(idleCut, "SSE")
	r.find(idleCut, "SSE")
	r.finish(1500 * time.Millisecond)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		URL      string
		Seconds  float64
		Findings []struct {
			Code, Severity string
			Seen           []string
			Mend           []struct {
				Where string
				Lines []string
			}
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if f := got.Findings[0]; got.Seconds != 1.5 || f.Code != "idle-cut" || f.Severity != "fault" || len(f.Seen) != 2 ||
		len(f.Mend) != 1 || f.Mend[0].Where != "nginx" || !strings.HasPrefix(f.Mend[0].Lines[0], "proxy_read_timeout 75s;") {
		t.Errorf("%s", text)
	}
}
