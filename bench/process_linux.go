package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the processor time that a process has used, in user and kernel
// mode, over all its threads, also those that have ended. pid 0 is this one.
func cpuTime(pid int) time.Duration {
	// The clock of another process: clock_getcpuclockid(3). It counts
	// nanoseconds, where /proc/PID/stat counts hundredths of a second.
	const scheduled = 2
	clock := int32(unix.CLOCK_PROCESS_CPUTIME_ID)
	if pid != 0 {
		clock = int32(^pid<<3 | scheduled)
	}
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// memory is the proportional set size of a process in bytes: what is its own, and
// its part of what it shares. What the kernel holds for its sockets is not in it.
func memory(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("bench: memory of the server: %w", err)
	}
	for line := range lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("bench: memory of the server: %w", err)
			}
			return kb << 10, nil
		}
	}
	return 0, errors.New("bench: memory of the server: the kernel does not tell it")
}

// descriptors is how many files a process has open.
func descriptors(pid int) int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	return len(entries)
}

// socketMemory is what the kernel holds for the data in all TCP sockets of the
// machine, in bytes.
func socketMemory() int64 {
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0
	}
	for line := range lines(b) {
		fields := strings.Fields(string(line))
		for i := 1; i+1 < len(fields) && fields[0] == "TCP:"; i++ {
			if pages, err := strconv.ParseInt(fields[i+1], 10, 64); err == nil && fields[i] == "mem" {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	return 0
}

// An admin reads a server's metrics.
type admin struct {
	base   string
	client *http.Client
}

func newAdmin(address string) *admin {
	if address == "" {
		return nil
	}
	return &admin{base: "http://" + address, client: &http.Client{Timeout: 20 * time.Second}}
}

// metrics returns all samples by their names as written: name{label="value"}. A
// server without metrics has none.
func (a *admin) metrics(ctx context.Context) (map[string]float64, error) {
	if a == nil {
		return nil, nil
	}
	body, err := a.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	return readMetrics(bytes.NewReader(body))
}

// collect makes a Go server collect its garbage, so that what its heap holds is
// what is in use.
func (a *admin) collect(ctx context.Context) error {
	if a == nil {
		return nil
	}
	_, err := a.get(ctx, "/debug/pprof/heap?gc=1")
	return err
}

func (a *admin) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("bench: ask the server about itself: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("bench: ask the server about itself: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("bench: ask the server about itself: %s answered %s", path, response.Status)
	}
	return body, nil
}

// readMetrics reads the text format of Prometheus.
func readMetrics(r io.Reader) (map[string]float64, error) {
	samples := map[string]float64{}
	text := bufio.NewScanner(r)
	text.Buffer(nil, 1<<20)
	for text.Scan() {
		line := text.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			samples[line[:at]] = value
		}
	}
	return samples, text.Err()
}

// total sums the samples of a metric over its labels; those whose labels hold a
// text, where one is given.
func total(samples map[string]float64, name, holding string) float64 {
	sum := 0.0
	for key, value := range samples {
		metric, labels, _ := strings.Cut(key, "{")
		if metric == name && strings.Contains(labels, holding) {
			sum += value
		}
	}
	return sum
}

// ListenerPIDs returns the processes that listen on a TCP port of this machine,
// where that can be told.
func ListenerPIDs(port int) (pids []int) {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range lines(b) { // sl local_address rem_address st … inode
			f := strings.Fields(string(line))
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		files, err := os.ReadDir(dir)
		if err != nil {
			continue // another user's
		}
		for _, file := range files {
			if to, err := os.Readlink(dir + "/" + file.Name()); err == nil && sockets[to] {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}
