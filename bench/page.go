package bench

import (
	_ "embed"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed page.md.tmpl
var pageText string

// WritePage writes a page in Markdown about Paybell's figures, the first report,
// beside those of other servers, and two pictures next to it. parts is what
// `go test -bench` printed; it may be empty.
func WritePage(path string, reports []*Report, parts string) error {
	p := &page{Report: reports[0], Peers: reports[1:], parts: readParts(parts), name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))}
	var b strings.Builder
	if err := p.write(&b); err != nil {
		return err
	}
	files := map[string]string{path: b.String()}
	for suffix, picture := range map[string]string{"memory": p.memoryPicture(), "latency": p.latencyPicture()} {
		if picture != "" {
			files[filepath.Join(filepath.Dir(path), p.Picture(suffix))] = picture
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(name, []byte(files[name]), 0o644); err != nil {
			return fmt.Errorf("bench: write the page: %w", err)
		}
	}
	return nil
}

// A page is what the template sees.
type page struct {
	*Report
	Peers []*Report
	parts []part
	name  string
}

func (p *page) write(w io.Writer) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("bench: the page's template: %w", err)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("bench: the page's template: %w", err)
	}
	return nil
}

// Picture is the file of a picture, beside the page.
func (p *page) Picture(suffix string) string { return p.name + "-" + suffix + ".svg" }

// F shows a figure of Paybell, or a dash where it was not measured.
func (p *page) F(key string) string { return p.Of(p.Report, key) }

// Of shows a figure of a report.
func (p *page) Of(r *Report, key string) string {
	if f, ok := r.Figure(key); ok {
		return f.String()
	}
	return "–"
}

// Has says whether a scenario was measured.
func (p *page) Has(scenario string) bool {
	return slices.ContainsFunc(p.Figures, func(f Figure) bool { return f.Scenario() == scenario })
}

// More says whether a figure is higher than a number.
func (p *page) More(key string, than float64) bool {
	f, ok := p.Figure(key)
	return ok && f.Value > than
}

// Day is the date.
func (p *page) Day() string { return p.Date.Format("2006-01-02") }

// MostRuns is how often figures were measured.
func (p *page) MostRuns() int {
	n := 0
	for _, f := range p.Figures {
		n = max(n, len(f.Runs))
	}
	return n
}

// RAM shows the machine's memory.
func (p *page) RAM() string { return fmt.Sprintf("%.0f GB", float64(p.Machine.Memory)/(1<<30)) }

// Rates are the rates that latency was measured at, the lowest first.
func (p *page) Rates() []string {
	var rates []int
	for _, f := range p.Figures {
		if rate, ok := strings.CutSuffix(strings.TrimPrefix(f.Key, "latency."), ".p50"); ok && f.Scenario() == "latency" {
			if n, err := strconv.Atoi(rate); err == nil {
				rates = append(rates, n)
			}
		}
	}
	slices.Sort(rates)
	var texts []string
	for _, rate := range rates {
		texts = append(texts, strconv.Itoa(rate))
	}
	return texts
}

// Middle is the rate at which others are compared.
func (p *page) Middle() string {
	var rates []int
	for _, text := range p.Rates() {
		rate, _ := strconv.Atoi(text)
		rates = append(rates, rate)
	}
	return strconv.Itoa(ComparedRate(rates))
}

// ComparedRate is the one of several rates, in events a second, at which a page
// compares servers.
func ComparedRate(rates []int) int {
	if len(rates) == 0 || slices.Contains(rates, 500) {
		return 500
	}
	sorted := slices.Sorted(slices.Values(rates))
	return sorted[len(sorted)/2]
}

// Wrong counts what must not happen, over all scenarios, by its name.
func (p *page) Wrong() []Figure {
	var sums []Figure
	for _, f := range p.Figures {
		if f.Unit != Count {
			continue
		}
		name := f.Key[strings.LastIndexByte(f.Key, '.')+1:]
		i := slices.IndexFunc(sums, func(s Figure) bool { return s.Key == name })
		if i < 0 {
			sums = append(sums, Figure{Key: name, Name: f.Name, Unit: Count})
			i = len(sums) - 1
		}
		sums[i].Value += f.Value
	}
	return sums
}

// All are Paybell's report and the others'.
func (p *page) All() []*Report { return append([]*Report{p.Report}, p.Peers...) }

// Parts are the rows of the table of benchmarks.
func (p *page) Parts() []string {
	var rows []string
	for _, one := range p.parts {
		folder := strings.TrimPrefix(one.folder, "github.com/paybell/paybell/")
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s |",
			folder, one.name, one.of("ns/op"), one.of("B/op"), one.of("allocs/op"), one.others()))
	}
	return rows
}

// memoryPicture shows what a waiting client costs, here and elsewhere.
func (p *page) memoryPicture() string {
	var bars []bar
	for n, r := range p.All() {
		for _, w := range []Wire{EventStream, WebSocket} {
			if f, ok := r.Figure("idle." + w.String() + ".memory"); ok {
				bars = append(bars, bar{label: r.Subject + ", " + w.title(), value: f.Value, shown: f.String(), ours: n == 0})
			}
		}
	}
	if len(bars) == 0 {
		return ""
	}
	return barChart("Memory of the server for one waiting client", bars)
}

// latencyPicture shows how long events take at each rate.
func (p *page) latencyPicture() string {
	var lines []line
	for _, q := range []struct{ key, label string }{{"p50", "p50"}, {"p99", "p99"}, {"p999", "p99.9"}} {
		l := line{label: q.label}
		for _, rate := range p.Rates() {
			x, _ := strconv.ParseFloat(rate, 64)
			if f, ok := p.Figure("latency." + rate + "." + q.key); ok && f.Value > 0 {
				l.points = append(l.points, point{x, f.Value})
			}
		}
		if len(l.points) > 0 {
			lines = append(lines, l)
		}
	}
	return lineChart("From webhook to screen", "webhooks a second", Seconds, lines)
}
