package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/doctor"
)

// reportWidth is that of a narrow terminal's line.
const reportWidth = 100

// printReport shows a report to a person: what was measured, then what is wrong.
// without says why there was no token, if there was none.
func printReport(out io.Writer, r *doctor.Report, without string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.URL)
	for _, f := range r.Facts {
		fmt.Fprintf(&b, "  %-10s  %s\n", f.Name, f.Value)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s  %s\n", strings.ToUpper(string(f.Severity)), f.Code)
		for i, seen := range f.Seen {
			paragraph(&b, []string{"seen", ""}[min(i, 1)], seen)
		}
		paragraph(&b, "means", f.Means)
		for _, m := range f.Mend {
			label := string(m.Where)
			for _, line := range m.Lines {
				fmt.Fprintf(&b, "  %-10s  %s\n", label, line)
				label = ""
			}
		}
	}
	if len(r.LeftOut) > 0 {
		b.WriteString("\nnot examined\n")
		for _, what := range r.LeftOut {
			paragraph(&b, "-", what)
		}
		if without != "" {
			paragraph(&b, "-", "no token: "+without)
		}
	}
	fmt.Fprintf(&b, "\n%s, %s, %s, in %v\n", count(r, doctor.Fault), count(r, doctor.Warning), count(r, doctor.Note), r.Took.Round(time.Second))
	_, err := io.WriteString(out, b.String())
	return err
}

// paragraph writes text beside a label, in lines.
func paragraph(b *strings.Builder, label, text string) {
	line := fmt.Sprintf("  %-10s ", label)
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > reportWidth && strings.TrimSpace(line) != label {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", 13)
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

func count(r *doctor.Report, s doctor.Severity) string {
	n := r.Count(s)
	if n == 1 {
		return "1 " + string(s)
	}
	return fmt.Sprintf("%d %ss", n, s)
}
