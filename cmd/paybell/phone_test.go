package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// phoneClasses compiles the client that docs/mobile.md shows for Android, and the
// app in testdata/phone that uses it, and returns Java's class path. Android has
// the library org.json; its sources as a library of the JVM are Debian's.
func phoneClasses(t *testing.T) string {
	t.Helper()
	const library = "/usr/share/java/json-android.jar"
	if _, err := os.Stat(library); err != nil {
		t.Fatalf("%v (make setup)", err)
	}
	dir := t.TempDir()
	javac := exec.Command("javac", "--release", "11", "-Xlint:all", "-Werror", "-cp", library, "-d", dir,
		filepath.FromSlash("../../docs/mobile/PaybellOrder.java"), filepath.FromSlash("testdata/phone/Follow.java"))
	if out, err := javac.CombinedOutput(); err != nil {
		t.Fatalf("javac: %v (make setup)\n%s", err, out)
	}
	return dir + string(filepath.ListSeparator) + library
}

// A phone is a running app that follows an order.
type phone struct {
	t      *testing.T
	in     io.Writer
	lines  chan string
	tokens *atomic.Int64 // that it has asked for
}

// A phonePlan is what an app is told to do.
type phonePlan struct {
	classes, gateway, order string
	token                   func(n int64) string // the nth, from 1; "" is an error of the backend
	firstByte, silence      time.Duration        // 0: the client's own
	leaves                  bool                 // it goes to the background with the first state that it shows
}

// startPhone starts an app, which ends with the test.
func startPhone(t *testing.T, p phonePlan) *phone {
	t.Helper()
	ph := &phone{t: t, lines: make(chan string, 100), tokens: &atomic.Int64{}}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if token := p.token(ph.tokens.Add(1)); token != "" {
			io.WriteString(w, token)
		} else {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(backend.Close)
	ms := func(d, usual time.Duration) string {
		if d == 0 {
			d = usual
		}
		return strconv.FormatInt(d.Milliseconds(), 10)
	}
	ctx, cancel := context.WithCancel(context.Background())
	java := exec.CommandContext(ctx, "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-cp", p.classes, "io.github.paybell.Follow",
		p.gateway, p.order, backend.URL, ms(p.firstByte, 10*time.Second), ms(p.silence, 45*time.Second), strconv.FormatBool(p.leaves))
	in, err := java.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := java.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var talk syncBuffer
	java.Stderr = &talk
	if err := java.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(ph.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			ph.lines <- lines.Text()
		}
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
		java.Wait() // it was killed
		if talk.String() != "" {
			t.Errorf("the app complained:\n%s", &talk)
		}
	})
	ph.in = in
	return ph
}

// line waits for what the app says next.
func (p *phone) line() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatal("the app has ended")
		}
		return line
	case <-time.After(2 * patience):
		p.t.Fatal("the app says nothing")
	}
	return ""
}

// want waits for a state, which must be what the app shows next.
func (p *phone) want(version int64, status order.Status) order.State {
	p.t.Helper()
	text, ok := strings.CutPrefix(p.line(), "state ")
	if !ok {
		p.t.Fatalf("the app says %q, and no state", text)
	}
	s := decode[order.State](p.t, text)
	if s.Version != version || s.Status != status {
		p.t.Fatalf("the app shows version %d %s, want version %d %s", s.Version, s.Status, version, status)
	}
	return s
}

// says waits for a line, which must be what the app says next.
func (p *phone) says(want string) {
	p.t.Helper()
	if line := p.line(); line != want {
		p.t.Fatalf("the app says %q, want %q", line, want)
	}
}

// tell sends the app to the background ("stop") or back ("start").
func (p *phone) tell(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		p.t.Fatal(err)
	}
}

// A visit is one request that a recorder has seen.
type visit struct {
	path, bearer, tag string
	at                time.Time
}

// A recorder is a gateway out of a book: it gives its answers in turn, and notes
// who asked.
type recorder struct {
	*httptest.Server
	badServer

	mu     sync.Mutex
	visits []visit
}

func startRecorder(t *testing.T, answers ...http.HandlerFunc) *recorder {
	t.Helper()
	rec := &recorder{badServer: badServer{answers: answers}}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.mu.Lock()
		rec.visits = append(rec.visits, visit{
			r.URL.Path, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), r.Header.Get("If-None-Match"), time.Now(),
		})
		rec.mu.Unlock()
		rec.badServer.ServeHTTP(w, r)
	}))
	t.Cleanup(rec.Server.Close)
	return rec
}

func (rec *recorder) seen() []visit {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return append([]visit(nil), rec.visits...)
}

// held answers with pieces of a stream, each sent by itself, and then holds the
// stream open until the client is gone.
func held(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, piece := range pieces {
			io.WriteString(w, piece)
			http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
		<-r.Context().Done()
	}
}
