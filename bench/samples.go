package bench

import (
	"cmp"
	"slices"
	"time"
)

// A Spread is a distribution of times, exact: no sample was rounded into a
// bucket.
type Spread struct {
	Count                    int
	P50, P90, P99, P999, Max time.Duration
}

// spread sorts samples of nanoseconds and says how they spread.
func spread(samples []int64) Spread {
	slices.Sort(samples)
	at := func(share float64) time.Duration { return time.Duration(quantile(samples, share)) }
	return Spread{Count: len(samples), P50: at(.5), P90: at(.9), P99: at(.99), P999: at(.999), Max: at(1)}
}

// quantile returns the smallest of sorted samples that a share of them does not
// exceed (the nearest rank); 0 when there are none.
func quantile[T cmp.Ordered](sorted []T, share float64) T {
	var none T
	if len(sorted) == 0 {
		return none
	}
	rank := int(share*float64(len(sorted)) + .999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median returns the middle of values, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
