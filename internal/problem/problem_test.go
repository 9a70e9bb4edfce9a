package problem

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestRawAnswerIsTheSame compares what is written without net/http with what is
// written through it.
func TestRawAnswerIsTheSame(t *testing.T) {
	p := Problem{Status: http.StatusServiceUnavailable, Name: "busy", Title: "Too busy", Detail: "Come back.", RetryAfter: 1500 * time.Millisecond}
	recorder := httptest.NewRecorder()
	p.Write(recorder)
	want := recorder.Result()
	wantBody, _ := io.ReadAll(want.Body)

	got, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(p.Response())), nil)
	if err != nil {
		t.Fatal(err)
	}
	gotBody, err := io.ReadAll(got.Body)
	if err != nil || !bytes.Equal(gotBody, wantBody) || got.StatusCode != want.StatusCode || !got.Close {
		t.Errorf("got %d %q, %v, closes: %v; want %d %q", got.StatusCode, gotBody, err, got.Close, want.StatusCode, wantBody)
	}
	for name := range want.Header {
		if got.Header.Get(name) != want.Header.Get(name) {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want.Header.Get(name))
		}
	}
	if got.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After is %q: a part of a second is a whole one", got.Header.Get("Retry-After"))
	}
	if _, err := http.ParseTime(got.Header.Get("Date")); err != nil {
		t.Error(err)
	}
}
