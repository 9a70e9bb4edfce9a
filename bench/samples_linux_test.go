package bench

import (
	"bytes"
	"testing"
	"time"
)

func TestSpreadsAreExact(t *testing.T) {
	samples := make([]int64, 1000)
	for i := range samples {
		samples[i] = int64(len(samples) - i)
	}
	want := Spread{Count: 1000, P50: 500, P90: 900, P99: 990, P999: 999, Max: 1000}
	if got := spread(samples); got != want {
		t.Errorf("of 1 to 1000: %+v", got)
	}
	if got := spread([]int64{7}); got.P50 != 7 || got.Max != 7 {
		t.Errorf("of one: %+v", got)
	}
	if got := spread(nil); got != (Spread{}) {
		t.Errorf("of none: %+v", got)
	}
}

func TestFiguresAreMediansAndCountsTheWorst(t *testing.T) {
	r := &Report{Subject: "it", Date: time.Unix(0, 0).UTC()}
	for _, v := range []float64{3, 1, 2} {
		r.add("latency.500.p50", "p50", Seconds, v)
		r.add("latency.lost", "lost", Count, v)
	}
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	reports, err := ReadReports(&b)
	if err != nil || len(reports) != 1 {
		t.Fatalf("read %d reports back: %v", len(reports), err)
	}
	if p50, ok := reports[0].Figure("latency.500.p50"); !ok || p50.Value != 2 || len(p50.Runs) != 3 {
		t.Errorf("p50: %+v", p50)
	}
	if lost, _ := reports[0].Figure("latency.lost"); lost.Value != 3 {
		t.Errorf("lost: %+v", lost)
	}
}

func TestFiguresShowWhatMeansSomething(t *testing.T) {
	for _, c := range []struct {
		unit  Unit
		value float64
		want  string
	}{
		{Bytes, 716.8, "0.7 KB"}, {Bytes, 28_560, "27.9 KB"}, {Bytes, 3 << 20, "3.0 MB"}, {Bytes, 420 << 20, "420 MB"},
		{Seconds, .000842, "0.84 ms"}, {Seconds, .0331, "33 ms"}, {Seconds, 1.523, "1.52 s"}, {Seconds, 42.27, "42.3 s"},
		{Rate, 6023.4, "6,023/s"}, {Amount, 1_234_567, "1,234,567"}, {Amount, -1_500, "-1,500"}, {Share, .11, "11 %"},
	} {
		if got := c.unit.format(c.value); got != c.want {
			t.Errorf("%v %s is shown as %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}

func TestMetricsAreRead(t *testing.T) {
	samples, err := readMetrics(bytes.NewReader([]byte("# HELP x y\nx{a=\"b c\"} 2\nx{a=\"d\"} 3.5e1\ngo_goroutines 7\n")))
	if err != nil {
		t.Fatal(err)
	}
	if got := total(samples, "x", ""); got != 37 {
		t.Errorf("x adds up to %v", got)
	}
	if got := total(samples, "x", `a="d"`); got != 35 || samples["go_goroutines"] != 7 {
		t.Errorf("x of d is %v, goroutines %v", got, samples["go_goroutines"])
	}
}

func TestEveryOrderComesBeforeOneComesAgain(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 300, 10_000} {
		seen, at, step := make([]bool, n), 0, stride(n)
		for range n {
			at = (at + step) % n
			seen[at] = true
		}
		for i, ok := range seen {
			if !ok {
				t.Fatalf("of %d, %d does not come", n, i)
			}
		}
	}
}
