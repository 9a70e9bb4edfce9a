package strictjson

import (
	"bytes"
	"os"
	"testing"
)

// BenchmarkParse reads a provider's webhook of the usual size.
func BenchmarkParse(b *testing.B) {
	request, err := os.ReadFile("../../webhook/stripe/testdata/wallet-apple-pay.http")
	if err != nil {
		b.Fatal(err)
	}
	_, body, _ := bytes.Cut(request, []byte("\r\n\r\n"))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseObject(body); err != nil {
			b.Fatal(err)
		}
	}
}
