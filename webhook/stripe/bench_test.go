package stripe

import (
	"testing"
	"time"

	"github.com/paybell/paybell/webhook/webhooktest"
)

// What opening a request costs: to prove who sent it, and to read it.

func BenchmarkVerify(b *testing.B) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	p, err := New(Options{Secrets: []string{testSecret}})
	if err != nil {
		b.Fatal(err)
	}
	request := webhooktest.ReadRequest(b, "testdata/paid.http", at)
	request = sign(p.secrets[0], request.Body, at)
	b.SetBytes(int64(len(request.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.verify(request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNormalize(b *testing.B) {
	p, err := New(Options{Secrets: []string{testSecret}})
	if err != nil {
		b.Fatal(err)
	}
	body := webhooktest.ReadRequest(b, "testdata/paid.http", time.Time{}).Body
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.normalize(body); err != nil {
			b.Fatal(err)
		}
	}
}
