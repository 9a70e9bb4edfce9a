package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

func TestDescriptorsAreSharedOut(t *testing.T) {
	for name, test := range map[string]struct {
		limit int
		asked limitsConfig
		want  budget // but its limit
		warns string
	}{
		"usual":                   {1024, limitsConfig{}, budget{connections: 704, reserve: 256}, ""},
		"large":                   {20_000, limitsConfig{}, budget{connections: 17_888, reserve: 2048}, ""},
		"middle":                  {4096, limitsConfig{}, budget{connections: 3520, reserve: 512}, ""},
		"small":                   {256, limitsConfig{}, budget{connections: 128, reserve: 64}, ""},
		"least":                   {128, limitsConfig{}, budget{connections: 32, reserve: 32}, ""},
		"as good as none":         {1 << 30, limitsConfig{}, budget{connections: 100_000, reserve: 2048}, ""},
		"asked for":               {1024, limitsConfig{Connections: 500, Reserve: 300}, budget{connections: 500, reserve: 300}, ""},
		"asked for no limit":      {1 << 20, limitsConfig{Connections: -1}, budget{connections: 1<<20 - 64 - 2048, reserve: 2048}, ""},
		"too many connections":    {1024, limitsConfig{Connections: 15_000}, budget{connections: 704, reserve: 256}, "limits.connections does not fit"},
		"too large a reserve":     {1024, limitsConfig{Reserve: 1000}, budget{connections: 480, reserve: 480}, "limits.reserve does not fit"},
		"unknown":                 {0, limitsConfig{}, budget{connections: 0, reserve: 2048}, ""},
		"unknown, and asked for":  {0, limitsConfig{Connections: 5, Reserve: 20}, budget{connections: 5, reserve: 20}, ""},
		"unknown, and no limit":   {0, limitsConfig{Connections: -1}, budget{connections: -1, reserve: 2048}, ""},
		"reserve that just fits":  {1024, limitsConfig{Reserve: 480}, budget{connections: 480, reserve: 480}, ""},
		"connections just fit in": {1024, limitsConfig{Connections: 704}, budget{connections: 704, reserve: 256}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			logs := &bytes.Buffer{}
			got, err := shareOut(test.limit, test.asked, slog.New(slog.NewTextHandler(logs, nil)))
			test.want.limit = test.limit
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
			if !strings.Contains(logs.String(), test.warns) || test.warns == "" && logs.Len() > 0 {
				t.Errorf("logged %q, want %q", logs, test.warns)
			}
		})
	}
}

// TestWarningSaysWhatWouldFit does what the warning says.
func TestWarningSaysWhatWouldFit(t *testing.T) {
	for _, asked := range []limitsConfig{
		{Connections: 15_000}, {Connections: 1000}, {Connections: 1 << 20}, {Reserve: 1000}, {Connections: 700, Reserve: 300}, {Connections: 15_000, Reserve: 1000}, {Connections: 1000, Reserve: 5000},
	} {
		logs := &bytes.Buffer{}
		log := slog.New(slog.NewTextHandler(logs, nil))
		shareOut(1024, asked, log)
		raise := regexp.MustCompile(`raise the limit to (\d+)`).FindAllStringSubmatch(logs.String(), -1)
		if len(raise) == 0 {
			t.Fatalf("%+v: logged %q", asked, logs)
		}
		limit, _ := strconv.Atoi(raise[len(raise)-1][1])
		logs.Reset()
		b, err := shareOut(limit, asked, log)
		if err != nil || logs.Len() > 0 || asked.Connections > 0 && b.connections != asked.Connections || asked.Reserve > 0 && b.reserve != asked.Reserve {
			t.Errorf("%+v with a limit of %d: %+v, %v, logged %q", asked, limit, b, err, logs)
		}
	}
}

func TestTooFewDescriptorsStopTheStart(t *testing.T) {
	_, err := shareOut(100, limitsConfig{}, slog.New(slog.DiscardHandler))
	if want := "the process may open 100 files, and needs 128 at the least"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A served gateway is a process of its own.
type served struct {
	*crashBed
	base  string // of the public listener
	admin string
	pid   int
	logs  *syncBuffer
}

// serveUnder runs `paybell serve` in a process with limits as for a shell's
// ulimit, and with more in its configuration.
func serveUnder(t *testing.T, ulimit, more string) *served {
	t.Helper()
	b := newCrashBed(t, "")
	content, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.config, append(content, more...), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(b.dir, "paybell") // by which name TestMain is the program
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", ulimit+` && exec "$0" serve --config "$1"`, program, b.config)
	s := &served{crashBed: b, logs: &syncBuffer{}}
	cmd.Stderr = s.logs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	addresses := regexp.MustCompile(`on (\S+), admin on (\S+)`).FindStringSubmatch(line)
	if addresses == nil {
		t.Fatalf("the gateway did not start: %q, %v\n%s", line, err, s.logs)
	}
	s.base, s.admin = "http://"+addresses[1], "http://"+addresses[2]
	return s
}

// pay sends a signed webhook over a connection of its own, and returns the status.
func (s *served) pay(id string) (int, error) {
	signed, err := s.signer.Simulate(webhook.Simulation{
		ID: "evt_" + id, Order: id, Payment: "p_" + id, Status: order.Paid, Amount: 100, Currency: "EUR", Live: true, At: time.Now(),
	})
	if err != nil {
		return 0, err
	}
	return send(signed, s.base+"/webhooks/shop")
}

// send sends a webhook over a connection of its own.
func send(signed webhook.Request, address string) (int, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	request, err := http.NewRequest(signed.Method, address, bytes.NewReader(signed.Body))
	if err != nil {
		return 0, err
	}
	request.Header = signed.Header
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode, nil
}

func (s *served) descriptors() int {
	s.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	if err != nil {
		s.t.Skip("cannot count the descriptors of a process here:", err)
	}
	return len(entries)
}

// TestLimitOfOpenFilesIsRaised: the soft limit is for programs that use select,
// and package syscall raises it to the hard one.
func TestLimitOfOpenFilesIsRaised(t *testing.T) {
	s := serveUnder(t, "ulimit -Sn 200 && ulimit -Hn 1000", "limits: {connections: 5000}\n")
	for _, want := range []string{"descriptors=999", "limits.connections does not fit", "asked=5000"} {
		// What it says to the log may be read later than what it says to us.
		eventually(t, want+" is in the log", func() bool { return strings.Contains(s.logs.String(), want) })
	}
	if status, err := s.pay("A1"); status/100 != 2 {
		t.Errorf("a webhook was answered %d, %v", status, err)
	}
	if n := s.descriptors(); n > ownDescriptors/2 {
		t.Errorf("the gateway itself has %d descriptors open, and %d are set aside", n, ownDescriptors)
	}
}

// TestCrowdLeavesRoomForWebhooks has more than twice as many connections as the
// process may open, which say half a request, have said a whole one, or nothing.
func TestCrowdLeavesRoomForWebhooks(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for silent connections")
	}
	s := serveUnder(t, "ulimit -n 256", "")
	address := strings.TrimPrefix(s.base, "http://")
	before := s.descriptors()
	var crowd []net.Conn
	answered := map[string]int{}
	for i := range 600 {
		c := dialFrom(t, fmt.Sprintf("127.0.%d.%d", 1+i/200, 1+i%200), address)
		crowd = append(crowd, c)
		switch i % 3 {
		case 0:
			io.WriteString(c, "GET /livez HTTP/1.1\r\nHost:")
		case 1:
			response, _, err := ask(c, getLivez)
			if err != nil {
				answered["cut off"]++
				continue
			}
			answered[response.Status]++
		}
		if i == 300 {
			time.Sleep(freshFor)
		}
	}
	t.Log("the crowd was answered", answered)
	if answered["200 OK"] == 0 || answered["503 Service Unavailable"] == 0 {
		t.Error("a crowd that is too large is let in in part, and told so in part")
	}
	time.Sleep(freshFor)
	for i := range 20 {
		if status, err := s.pay(fmt.Sprint("A", i)); status/100 != 2 {
			t.Fatalf("webhook %d was answered %d, %v", i, status, err)
		}
	}
	for _, address := range []string{s.base + "/livez", s.admin + "/readyz"} {
		response, err := (&http.Client{Timeout: patience}).Get(address)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", address, response, err)
		}
	}
	for _, c := range crowd {
		c.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	// But those of the ledger's readers, of which there are up to four once several
	// read at the same time.
	eventually(t, "all descriptors are free again", func() bool { return s.descriptors() <= before+12 })
	if status, err := s.pay("after"); status/100 != 2 {
		t.Errorf("afterwards a webhook was answered %d, %v", status, err)
	}
	if logs := s.logs.String(); strings.Contains(logs, "level=ERROR") {
		t.Errorf("errors in the log:\n%s", logs)
	}
}
