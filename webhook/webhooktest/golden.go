package webhooktest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

var update = flag.Bool("update", false, "write testdata anew: read the difference before you commit it")

// An outcome is what a request must become.
type outcome struct {
	Error  string        `json:"error,omitempty"`
	Events []order.Event `json:"events,omitempty"`
}

func (o outcome) text(t *testing.T) []byte {
	t.Helper()
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(o); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// Golden opens every dir/<case>.http at the time at, and compares what comes of
// it with dir/<case>.json: the events, or the error's text. A case is a request
// as it goes over the wire, with or without carriage returns in its head. With
// -update the .json are written instead.
func Golden(t *testing.T, p webhook.Provider, dir string, at time.Time) {
	files, err := filepath.Glob(filepath.Join(dir, "*.http"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s/*.http: %v", dir, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".http")
		t.Run(name, func(t *testing.T) {
			var got outcome
			if got.Events, err = p.Open(ReadRequest(t, file, at)); err != nil {
				got.Error = err.Error()
			}
			Compare(t, filepath.Join(dir, name+".json"), got.text(t))
		})
	}
}

// Record checks that dir/<name>.http is the request r. With -update it is
// written instead.
func Record(t *testing.T, dir, name string, r webhook.Request) {
	t.Helper()
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\n", r.Method, r.URL)
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			fmt.Fprintf(&text, "%s: %s\r\n", name, value)
		}
	}
	fmt.Fprintf(&text, "Content-Length: %d\r\n\r\n%s", len(r.Body), r.Body)
	Compare(t, filepath.Join(dir, name+".http"), text.Bytes())
}

// Compare checks that a file holds just these bytes. With -update they are
// written to it instead.
func Compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		line, a, b := firstDifference(got, want)
		t.Errorf("differs from %s in line %d; if it should, run the test with -update\ngot:\n%s\nwant:\n%s", file, line, a, b)
	}
}

// firstDifference is the first line, counted from 1, that two different texts do
// not share, and what they have from there on: at most some lines of it.
func firstDifference(got, want []byte) (line int, a, b []byte) {
	x, y := bytes.SplitAfter(got, []byte("\n")), bytes.SplitAfter(want, []byte("\n"))
	for line < len(x) && line < len(y) && bytes.Equal(x[line], y[line]) {
		line++
	}
	const shown = 20
	return line + 1, bytes.Join(x[line:min(len(x), line+shown)], nil), bytes.Join(y[line:min(len(y), line+shown)], nil)
}

// ReadRequest reads a request as it goes over the wire. The body is every byte
// after the empty line, whatever Content-Length says.
func ReadRequest(t testing.TB, file string, at time.Time) webhook.Request {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, body, found := bytes.Cut(text, []byte("\r\n\r\n"))
	if plain, rest, ok := bytes.Cut(text, []byte("\n\n")); ok && (!found || len(plain) < len(head)) {
		head, body, found = plain, rest, true
	}
	reader := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(head, "\n\n"...))))
	line, err := reader.ReadLine()
	if err != nil || !found {
		t.Fatalf("%s: no request line, or no empty line after the headers", file)
	}
	header, err := reader.ReadMIMEHeader()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	method, rest, _ := strings.Cut(line, " ")
	target, _, _ := strings.Cut(rest, " ")
	return webhook.Request{Method: method, URL: target, Header: http.Header(header), Body: body, At: at}
}

// GoldenAnswers reads every dir/<case>.answer, which is what a provider's API
// answers about a payment, and compares what comes of it with dir/<case>.json,
// as [Golden] does with requests.
func GoldenAnswers(t *testing.T, dir string, read func(answer []byte) ([]order.Event, error)) {
	files, err := filepath.Glob(filepath.Join(dir, "*.answer"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s/*.answer: %v", dir, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".answer")
		t.Run(name, func(t *testing.T) {
			answer, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got outcome
			if got.Events, err = read(answer); err != nil {
				got.Error = err.Error()
			}
			Compare(t, filepath.Join(dir, name+".json"), got.text(t))
		})
	}
}
