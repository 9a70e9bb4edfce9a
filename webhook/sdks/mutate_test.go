package sdks_test

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A mutation changes a genuine message to an adapter, in a way that it draws.
// It reports false where there is nothing to change so.
type mutation struct {
	name   string
	change func(r *rand.Rand, a adapter, m *message) bool
}

var mutations = slices.Concat(bodyMutations, signatureMutations, headerMutations, listMutations, timeMutations, secretMutations, addressMutations, formMutations)

// mutate returns count mutated messages and the names of how each was, drawn
// from the genuine ones. Each mutation has its turn as often as the others.
func mutate(r *rand.Rand, a adapter, genuine []message, count int) (from, to []message, names []string) {
	for turn, without := 0, 0; len(to) < count; turn++ {
		how := mutations[turn%len(mutations)]
		base := genuine[r.IntN(len(genuine))]
		m := base.clone()
		if !how.change(r, a, &m) || !m.sendable() {
			if without++; without > 20*len(mutations) {
				break // nothing can be changed
			}
			continue
		}
		without = 0
		from, to, names = append(from, base), append(to, m), append(names, how.name)
	}
	return from, to, names
}

// pick draws one of some choices.
func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// anew is a mutation that the sender itself made, who signs what it sends.
func anew(change func(r *rand.Rand, a adapter, m *message) bool) func(*rand.Rand, adapter, *message) bool {
	return func(r *rand.Rand, a adapter, m *message) bool {
		if a.text == nil || !change(r, a, m) {
			return false
		}
		return a.sign(m)
	}
}

// at is when a message of seconds' age is received, with some milliseconds more.
func at(seconds, millis int) time.Time {
	return now.Add(time.Duration(seconds)*time.Second + time.Duration(millis)*time.Millisecond)
}

var secretMutations = []mutation{
	{"secret: another", func(_ *rand.Rand, a adapter, m *message) bool { m.secret = a.other; return true }},
	{"secret: empty", func(_ *rand.Rand, _ adapter, m *message) bool { m.secret = ""; return true }},
	{"secret: empty, and signed so", anew(func(_ *rand.Rand, _ adapter, m *message) bool { m.secret = ""; return true })},
	ofSecret("one character another", func(r *rand.Rand, secret string) string {
		text, at := []byte(secret), r.IntN(len(secret)-8)+7
		text[at] = pick[byte](r, 'A', 'b', '7', '3')
		return string(text)
	}),
	ofSecret("cut short", func(r *rand.Rand, secret string) string { return secret[:len(secret)-1-r.IntN(8)] }),
	ofSecret("white space after it", func(r *rand.Rand, secret string) string { return secret + pick(r, " ", "\n", "\r\n", "\t") }),
	ofSecret("of the other case", func(_ *rand.Rand, secret string) string { return otherCase(secret) }),
}

// ofSecret is a mutation of a secret that is a text.
func ofSecret(name string, change func(r *rand.Rand, secret string) string) mutation {
	return mutation{"secret: " + name, func(r *rand.Rand, a adapter, m *message) bool {
		if a.public {
			return false
		}
		before := m.secret
		m.secret = change(r, m.secret)
		return m.secret != before
	}}
}
