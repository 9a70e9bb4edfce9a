package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// A syncedDisk replays the writes of a process, as strace recorded them, onto
// files that keep only what was synced. It is the harshest disk that may be: at
// a power cut, nothing that was not synced is there.
type syncedDisk struct {
	written map[string][]byte // as the process sees its files
	synced  map[string][]byte // as they are after a power cut
}

func newSyncedDisk() *syncedDisk {
	return &syncedDisk{written: map[string][]byte{}, synced: map[string][]byte{}}
}

// A line of the trace: "1234 pwrite64(7</tmp/x/paybell.db>, "\x00…", 4096, 0) = 4096",
// perhaps cut in two by another thread: "… <unfinished ...>" and "<... resumed>".
var (
	traceCall    = regexp.MustCompile(`^(\d+) +(\w+)\(\d+<((?:\\x[0-9a-f]{2}|[^>])*)>(.*)$`)
	traceResumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
)

// replay reads a trace. A sync makes durable what was written when it began, and
// only once it has returned.
func (d *syncedDisk) replay(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	type begun struct {
		path  string
		bytes []byte
	}
	syncing := map[string]begun{} // by thread
	for lines.Scan() {
		line := lines.Text()
		if m := traceResumed.FindStringSubmatch(line); m != nil {
			if b, ok := syncing[m[1]]; ok && strings.HasSuffix(line, "= 0") {
				d.synced[b.path] = b.bytes
			}
			delete(syncing, m[1])
			continue
		}
		m := traceCall.FindStringSubmatch(line)
		if m == nil {
			continue // a thread's end
		}
		thread, call, arguments := m[1], m[2], strings.TrimPrefix(m[4], ", ")
		name, err := unescape(m[3])
		if err != nil {
			return err
		}
		switch call {
		case "fsync", "fdatasync":
			now := begun{string(name), append([]byte(nil), d.written[string(name)]...)}
			if strings.Contains(line, "<unfinished") {
				syncing[thread] = now
			} else if strings.HasSuffix(line, "= 0") {
				d.synced[now.path] = now.bytes
			}
		case "ftruncate":
			size, err := strconv.Atoi(strings.FieldsFunc(arguments, func(r rune) bool { return r < '0' || r > '9' })[0])
			if err != nil {
				return fmt.Errorf("ftruncate(%s: %w", arguments, err)
			}
			d.resize(string(name), size)
		case "pwrite64":
			if err := d.write(string(name), arguments); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the trace has a %s of the ledger, which the replay does not know", call)
		}
	}
	return lines.Err()
}

// write applies `"\x…"..., count, offset)`.
func (d *syncedDisk) write(name, arguments string) error {
	text, rest, ok := strings.Cut(strings.TrimPrefix(arguments, `"`), `"`)
	fields := strings.FieldsFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if !ok || len(fields) < 2 {
		return fmt.Errorf("cannot read a write in the trace: …%s", rest)
	}
	data, err := unescape(text)
	if err != nil {
		return err
	}
	offset, err := strconv.Atoi(fields[1])
	if err != nil {
		return err
	}
	if size := offset + len(data); size > len(d.written[name]) {
		d.resize(name, size)
	}
	copy(d.written[name][offset:], data)
	return nil
}

func (d *syncedDisk) resize(name string, size int) {
	sized := make([]byte, size)
	copy(sized, d.written[name])
	d.written[name] = sized
}

// restore writes the files as they are after the power cut. One that was never
// synced is empty.
func (d *syncedDisk) restore(paths map[string]string) error {
	for from, to := range paths {
		if err := os.WriteFile(to, d.synced[from], 0o600); err != nil {
			return err
		}
	}
	return nil
}

func unescape(text string) ([]byte, error) {
	if !strings.HasPrefix(text, `\x`) {
		return []byte(text), nil
	}
	return hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
}
