package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A part is one benchmark of `go test -bench`: a part of the way that an event
// takes, alone.
type part struct {
	folder, name string
	values       []quantity
}

type quantity struct {
	value float64
	unit  string // "ns/op", "B/op", or the benchmark's own
}

// readParts reads what `go test -bench` printed, of any packages and with any
// metrics. Benchmarks that ran several times become medians.
func readParts(text string) []part {
	var parts []part
	folder := ""
	runs := map[string]map[string][]float64{} // by place and unit
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(line, "pkg: "); ok {
			folder = strings.TrimSpace(path)
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue
		}
		p := part{folder: folder, name: benchmarkName(fields[0])}
		place := p.folder + " " + p.name
		known := runs[place] != nil
		if !known {
			runs[place] = map[string][]float64{}
		}
		for pair := range slices.Chunk(fields[2:], 2) {
			value, err := strconv.ParseFloat(pair[0], 64)
			if err != nil || len(pair) < 2 {
				break
			}
			runs[place][pair[1]] = append(runs[place][pair[1]], value)
			p.values = append(p.values, quantity{unit: pair[1]})
		}
		if !known {
			parts = append(parts, p)
		}
	}
	for _, p := range parts {
		for i := range p.values {
			p.values[i].value = median(runs[p.folder+" "+p.name][p.values[i].unit])
		}
	}
	return parts
}

// benchmarkName leaves out the prefix and the number of processors.
func benchmarkName(text string) string {
	text = strings.TrimPrefix(text, "Benchmark")
	if at := strings.LastIndexByte(text, '-'); at > 0 {
		if _, err := strconv.Atoi(text[at+1:]); err == nil {
			text = text[:at]
		}
	}
	return text
}

// of returns the value of a unit for people, or a dash.
func (p part) of(unit string) string {
	i := slices.IndexFunc(p.values, func(m quantity) bool { return m.unit == unit })
	if i < 0 {
		return "–"
	}
	v := p.values[i].value
	switch {
	case unit == "ns/op" && v < 1e3:
		return fmt.Sprintf("%.0f ns", v)
	case unit == "ns/op" && v < 1e6:
		return fmt.Sprintf("%.1f µs", v/1e3)
	case unit == "ns/op":
		return fmt.Sprintf("%.2f ms", v/1e6)
	}
	return thousands(v)
}

// others are the values with units that Go does not know.
func (p part) others() string {
	var texts []string
	for _, m := range p.values {
		if !slices.Contains([]string{"ns/op", "B/op", "allocs/op"}, m.unit) {
			texts = append(texts, thousands(m.value)+" "+m.unit)
		}
	}
	return strings.Join(texts, ", ")
}
