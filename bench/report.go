package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// A Report is what was measured of one subject.
type Report struct {
	Subject  string    `json:"subject"`
	Version  string    `json:"version,omitempty"` // of the subject
	Mode     string    `json:"mode,omitempty"`    // how it was set up
	Command  string    `json:"command"`
	Date     time.Time `json:"date"`
	Machine  Machine   `json:"machine"`
	Figures  []Figure  `json:"figures"`
	Failures []string  `json:"failures"` // promises that did not hold; none: all did
	LeftOut  []string  `json:"left_out,omitempty"`
}

// A Machine is where it was measured.
type Machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	Memory     int64  `json:"memory_bytes"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	FileSystem string `json:"file_system"` // of the folder for temporary files, where ledgers are
}

// A Figure is one thing that was measured.
type Figure struct {
	Key   string    `json:"key"`  // "latency.500.p99"; begins with the scenario's name
	Name  string    `json:"name"` // for people
	Unit  Unit      `json:"unit"`
	Value float64   `json:"value"` // the median of the runs; of a count the highest
	Runs  []float64 `json:"runs"`
}

// A Unit says what a figure counts.
type Unit string

// The units.
const (
	Bytes   Unit = "bytes"
	Seconds Unit = "s"
	Rate    Unit = "per second"
	Count   Unit = "count" // of what should not happen, mostly: the highest run is the figure
	Amount  Unit = "amount"
	Share   Unit = "share" // 1 is all
)

// Figure returns the figure of a key, and whether it was measured.
func (r *Report) Figure(key string) (Figure, bool) {
	i := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Key == key })
	if i < 0 {
		return Figure{}, false
	}
	return r.Figures[i], true
}

// add notes the value of one run.
func (r *Report) add(key, name string, unit Unit, value float64) {
	i := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Key == key })
	if i < 0 {
		i = len(r.Figures)
		r.Figures = append(r.Figures, Figure{Key: key, Name: name, Unit: unit})
	}
	f := &r.Figures[i]
	f.Runs = append(f.Runs, value)
	f.Value = median(f.Runs)
	if unit == Count {
		f.Value = slices.Max(f.Runs)
	}
}

// String shows the value with its unit, in as many digits as mean something.
func (f Figure) String() string { return f.Unit.format(f.Value) }

func (u Unit) format(v float64) string {
	switch u {
	case Bytes:
		switch {
		case math.Abs(v) >= 10<<20:
			return fmt.Sprintf("%.0f MB", v/(1<<20))
		case math.Abs(v) >= 1<<20:
			return fmt.Sprintf("%.1f MB", v/(1<<20))
		}
		return fmt.Sprintf("%.1f KB", v/(1<<10))
	case Seconds:
		switch {
		case v >= 10:
			return fmt.Sprintf("%.1f s", v)
		case v >= 1:
			return fmt.Sprintf("%.2f s", v)
		case v >= .01:
			return fmt.Sprintf("%.0f ms", v*1e3)
		}
		return fmt.Sprintf("%.2f ms", v*1e3)
	case Rate:
		return thousands(v) + "/s"
	case Share:
		return fmt.Sprintf("%.0f %%", v*100)
	}
	return thousands(v)
}

// thousands writes a number with commas, whole unless it is small.
func thousands(v float64) string {
	if v != math.Trunc(v) && math.Abs(v) < 100 {
		return fmt.Sprintf("%.2g", v)
	}
	text := fmt.Sprintf("%.0f", math.Abs(v))
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	if v < 0 {
		text = "-" + text
	}
	return text
}

// Table prints the report for people.
func (r *Report) Table(w io.Writer) {
	width := 0
	for _, f := range r.Figures {
		width = max(width, len([]rune(f.Name)), len(r.none(f.Scenario())))
	}
	scenario := ""
	for _, f := range r.Figures {
		if name := f.Scenario(); name != scenario {
			scenario = name
			fmt.Fprintf(w, "\n%s: %s\n", r.Subject, name)
			if none := r.none(name); none != "" {
				fmt.Fprintf(w, "  %-*s  %12s\n", width, none, "0")
			}
		}
		if f.Unit != Count || f.Value != 0 {
			fmt.Fprintf(w, "  %-*s  %12s%s\n", width, f.Name, f, f.spread())
		}
	}
	for _, text := range r.LeftOut {
		fmt.Fprintf(w, "\nLeft out: %s\n", text)
	}
	if len(r.Failures) > 0 {
		fmt.Fprintf(w, "\nDid not hold:\n  %s\n", strings.Join(r.Failures, "\n  "))
	}
}

// Scenario is the name of the scenario that measured it.
func (f Figure) Scenario() string {
	name, _, _ := strings.Cut(f.Key, ".")
	return name
}

// none names what a scenario counted none of.
func (r *Report) none(scenario string) string {
	var names []string
	for _, f := range r.Figures {
		if f.Unit == Count && f.Value == 0 && f.Scenario() == scenario {
			name := f.Key[strings.LastIndexByte(f.Key, '.')+1:]
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}

// spread shows the lowest and highest run, where they differ.
func (f Figure) spread() string {
	if len(f.Runs) < 2 || slices.Min(f.Runs) == slices.Max(f.Runs) {
		return ""
	}
	return fmt.Sprintf("   %s … %s", f.Unit.format(slices.Min(f.Runs)), f.Unit.format(slices.Max(f.Runs)))
}

// JSON prints the report for programs.
func (r *Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if r.Failures == nil {
		r.Failures = []string{}
	}
	return encoder.Encode(r)
}

// ReadReports reads reports as JSON printed them, one after another.
func ReadReports(r io.Reader) ([]*Report, error) {
	var reports []*Report
	for decoder := json.NewDecoder(r); ; {
		report := &Report{}
		if err := decoder.Decode(report); err == io.EOF {
			return reports, nil
		} else if err != nil {
			return nil, fmt.Errorf("bench: read a report: %w", err)
		}
		reports = append(reports, report)
	}
}
