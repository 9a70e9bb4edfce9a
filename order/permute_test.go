package order_test

import "slices"

// permute calls visit with every order of list, until visit returns false. It
// visits by Heap's algorithm, which swaps two at a time; visit may not keep or
// change what it is given.
func permute[T any](list []T, visit func([]T) bool) {
	list = slices.Clone(list)
	counts := make([]int, len(list))
	if !visit(list) {
		return
	}
	for i := 1; i < len(list); {
		if counts[i] == i {
			counts[i] = 0
			i++
			continue
		}
		j := 0
		if i%2 == 1 {
			j = counts[i]
		}
		list[i], list[j] = list[j], list[i]
		if !visit(list) {
			return
		}
		counts[i]++
		i = 1
	}
}
