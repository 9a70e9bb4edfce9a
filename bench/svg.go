package bench

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// A bar is a row of a bar chart.
type bar struct {
	label string
	value float64
	shown string // the value for people
	ours  bool   // in the colour that stands out
}

// A line is a series of a line chart.
type line struct {
	label  string
	points []point
}

type point struct{ x, y float64 }

// svgStyle has colours that are legible on white and on black, and better ones
// where a reader is known to prefer the dark.
const svgStyle = `<style>
text{font:13px system-ui,sans-serif;fill:#6e7781}.title{font-size:15px;font-weight:600}.axis{stroke:#8c959f;stroke-opacity:.35}
.ours{fill:#0969da}.other{fill:#8c959f}.line{fill:none;stroke-width:2}.name{font-weight:600}
.l0 .line{stroke:#0969da}.l1 .line{stroke:#bc4c00}.l2 .line{stroke:#8250df}
.l0 .dot,.l0 .name{fill:#0969da}.l1 .dot,.l1 .name{fill:#bc4c00}.l2 .dot,.l2 .name{fill:#8250df}
@media(prefers-color-scheme:dark){text{fill:#adbac7}.ours{fill:#539bf5}.other{fill:#768390}
.l0 .line{stroke:#539bf5}.l1 .line{stroke:#f69d50}.l2 .line{stroke:#b083f0}
.l0 .dot,.l0 .name{fill:#539bf5}.l1 .dot,.l1 .name{fill:#f69d50}.l2 .dot,.l2 .name{fill:#b083f0}}
</style>
`

// barChart draws bars below each other, the smallest on top.
func barChart(title string, bars []bar) string {
	bars = slices.Clone(bars)
	slices.SortStableFunc(bars, func(a, b bar) int { return cmp.Compare(a.value, b.value) })
	const width, left, row, top = 760, 250, 28, 44
	room := float64(width - left - 90)
	most := 0.0
	for _, b := range bars {
		most = max(most, b.value)
	}
	var s strings.Builder
	beginSVG(&s, width, top+row*len(bars)+10, title)
	for i, b := range bars {
		y := top + row*i
		class := "other"
		if b.ours {
			class = "ours"
		}
		w := max(2, room*max(0, b.value)/max(most, 1e-9))
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-10, y+17, html.EscapeString(b.label))
		fmt.Fprintf(&s, `<rect class="%s" x="%d" y="%d" width="%.1f" height="18" rx="2"/>`, class, left, y+4, w)
		fmt.Fprintf(&s, `<text x="%.1f" y="%d">%s</text>`+"\n", left+w+8, y+17, html.EscapeString(b.shown))
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// lineChart draws lines over logarithmic axes, each above the one before. The
// values on the y axis are shown as a unit shows them.
func lineChart(title, xName string, unit Unit, lines []line) string {
	const width, height, left, right, top, bottom = 760, 380, 80, 110, 50, 50
	var xs, ys []float64
	for _, l := range lines {
		for _, p := range l.points {
			xs, ys = append(xs, p.x), append(ys, p.y)
		}
	}
	if len(xs) == 0 {
		return ""
	}
	x := logScale(slices.Min(xs), slices.Max(xs), left, width-right)
	y := logScale(decade(slices.Min(ys), math.Floor), decade(slices.Max(ys), math.Ceil), height-bottom, top)

	var s strings.Builder
	beginSVG(&s, width, height, title)
	for v := decade(slices.Min(ys), math.Floor); v <= decade(slices.Max(ys), math.Ceil)*1.01; v *= 10 {
		fmt.Fprintf(&s, `<path class="axis" d="M%d %.1fH%d"/>`, left, y(v), width-right)
		fmt.Fprintf(&s, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left-10, y(v)+4, html.EscapeString(tick(unit, v)))
	}
	slices.Sort(xs)
	for _, v := range slices.Compact(xs) {
		fmt.Fprintf(&s, `<path class="axis" d="M%.1f %dV%d"/>`, x(v), top, height-bottom)
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(v), height-bottom+20, thousands(v))
	}
	fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-8, html.EscapeString(xName))
	above := 0.0 // where the last name is
	for i, l := range lines {
		fmt.Fprintf(&s, `<g class="l%d"><path class="line" d="`, i%3)
		for n, p := range l.points {
			fmt.Fprintf(&s, "%c%.1f %.1f", "ML"[min(n, 1)], x(p.x), y(p.y))
		}
		s.WriteString(`"/>`)
		for _, p := range l.points {
			fmt.Fprintf(&s, `<circle class="dot" cx="%.1f" cy="%.1f" r="3"/>`, x(p.x), y(p.y))
		}
		last := l.points[len(l.points)-1]
		if at := y(last.y) + 4; i == 0 || at < above-15 {
			above = at
		} else {
			above -= 15 // or the names would lie on each other
		}
		fmt.Fprintf(&s, `<text class="name" x="%.1f" y="%.1f">%s</text></g>`+"\n", x(last.x)+10, above, html.EscapeString(l.label))
	}
	s.WriteString("</svg>\n")
	return s.String()
}

func beginSVG(s *strings.Builder, width, height int, title string) {
	title = html.EscapeString(title)
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, height, title)
	s.WriteString(svgStyle)
	fmt.Fprintf(s, `<text class="title" x="10" y="24">%s</text>`+"\n", title)
}

// logScale maps values from least to most onto pixels.
func logScale(least, most float64, from, to int) func(float64) float64 {
	span := math.Log(most / least)
	if span == 0 {
		span = 1
	}
	return func(v float64) float64 { return float64(from) + math.Log(v/least)/span*float64(to-from) }
}

// decade rounds to a power of ten, up or down.
func decade(v float64, round func(float64) float64) float64 {
	return math.Pow(10, round(math.Log10(max(v, 1e-9))))
}

// tick shows a value of an axis, which is round.
func tick(unit Unit, v float64) string {
	if unit == Seconds && v < 1 {
		return fmt.Sprintf("%g ms", math.Round(v*1e6)/1e3)
	}
	if unit == Seconds {
		return fmt.Sprintf("%g s", v)
	}
	return unit.format(v)
}
