package auth

import "testing"

// BenchmarkVerifyToken is the check of one customer's token.
func BenchmarkVerifyToken(b *testing.B) {
	v := newVerifier(b, Options{})
	token := genuine().sign(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
