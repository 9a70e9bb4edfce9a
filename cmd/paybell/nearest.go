package main

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest returns the name that was probably meant by given, or "" when none is
// like it: up to a third of the letters may differ, rounded up.
func nearest(given string, names []string) string {
	best, distance := "", (len(given)+2)/3+1
	for _, name := range names {
		if d := levenshtein.ComputeDistance(strings.ToLower(given), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// didYouMean is the end of a sentence about an unknown name: a hint, or nothing.
func didYouMean(given string, names []string) string {
	if name := nearest(given, names); name != "" {
		return fmt.Sprintf("; did you mean %q?", name)
	}
	return ""
}
