package bench

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const partsText = `goos: linux
goarch: amd64
pkg: github.com/paybell/paybell/hub
cpu: AMD EPYC
BenchmarkDispatch/1000-2     	    5000	    212345 ns/op	  480 B/op	       2 allocs/op
BenchmarkDispatch/1000-2     	    5000	    212347 ns/op	  480 B/op	       2 allocs/op
BenchmarkDispatch/1000-2     	    5000	    900000 ns/op	  480 B/op	       2 allocs/op
PASS
ok  	github.com/paybell/paybell/hub	3.2s
pkg: github.com/paybell/paybell/cmd/paybell
BenchmarkWebhooks-2   	    5000	       357.5 ns/op	      2797 webhooks/s
--- BENCH: BenchmarkOther-2
    other_test.go:12: Benchmark words 1 2 3
`

func TestPartsAreReadWhateverTheyMeasure(t *testing.T) {
	parts := readParts(partsText)
	if len(parts) != 2 {
		t.Fatalf("%d parts: %+v", len(parts), parts)
	}
	dispatch, webhooks := parts[0], parts[1]
	if dispatch.name != "Dispatch/1000" || dispatch.of("ns/op") != "212.3 µs" || dispatch.of("B/op") != "480" || dispatch.of("allocs/op") != "2" {
		t.Errorf("the first: %+v", dispatch)
	}
	if webhooks.of("ns/op") != "358 ns" || webhooks.of("B/op") != "–" || webhooks.others() != "2,797 webhooks/s" {
		t.Errorf("the second: %+v", webhooks)
	}
}

// sampleReport has a few figures of each kind.
func sampleReport(subject string) *Report {
	r := &Report{Subject: subject, Version: "v1", Mode: "as <always>", Command: "paybell bench", Date: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)}
	r.add("idle.sse.memory", "memory", Bytes, 2_000)
	r.add("idle.websocket.memory", "memory", Bytes, 5_000)
	for i, rate := range []string{"100", "500", "2000"} {
		for _, key := range []string{"p50", "p99", "p999"} {
			r.add("latency."+rate+"."+key, key, Seconds, .001*float64(i+1))
		}
	}
	r.add("latency.lost", "events that a client never heard of", Count, 2)
	r.add("burst.lost", "events that a client never heard of", Count, 1)
	return r
}

func TestThePageHasWhatWasMeasured(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.md")
	r := sampleReport("paybell")
	r.Failures = []string{"latency: lost 2: events that a client never heard of"}
	if err := WritePage(path, []*Report{r, sampleReport("nchan")}, partsText); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Measured on 2026-11-25 with Paybell v1", "make bench     # paybell bench\n",
		"| memory of the gateway per client | 2.0 KB | 4.9 KB | – |",
		"| 500 | 2.00 ms | 2.00 ms | 2.00 ms | – |",
		"- latency: lost 2: events",
		"| events that a client never heard of | 3 |",
		"| nchan | v1 | 2.0 KB | 4.9 KB |", "- nchan: as <always>",
		"| `hub` | Dispatch/1000 | 212.3 µs | 480 | 2 |  |",
		"(performance-memory.svg)", "(performance-latency.svg)",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, not := range []string{"## A deploy", "<no value>", "%!"} {
		if strings.Contains(string(text), not) {
			t.Errorf("the page has %q, which was not measured", not)
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
	for _, name := range []string{"performance-memory.svg", "performance-latency.svg"} {
		wellFormed(t, filepath.Join(filepath.Dir(path), name))
	}
}

// wellFormed reads a picture as XML, and demands that nothing in it is not a
// number.
func wellFormed(t *testing.T, path string) {
	t.Helper()
	picture, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(strings.NewReader(string(picture)))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", filepath.Base(path), err)
		}
	}
	if strings.Contains(string(picture), "NaN") || strings.Contains(string(picture), "Inf") || !strings.Contains(string(picture), "prefers-color-scheme:dark") {
		t.Errorf("%s:\n%s", filepath.Base(path), picture)
	}
}

func TestAReportOfOneRateIsDrawnToo(t *testing.T) {
	r := &Report{Subject: "paybell"}
	r.add("latency.50.p50", "p50", Seconds, .001)
	path := filepath.Join(t.TempDir(), "performance.md")
	if err := WritePage(path, []*Report{r}, ""); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, strings.TrimSuffix(path, ".md")+"-latency.svg")
	if _, err := os.Stat(strings.TrimSuffix(path, ".md") + "-memory.svg"); err == nil {
		t.Error("there is a picture of no memory")
	}
}
