package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

// A badServer answers each connection of a watch with the next of its answers.
type badServer struct {
	answers  []http.HandlerFunc
	requests atomic.Int64
}

func (s *badServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.answers[min(s.requests.Add(1), int64(len(s.answers)))-1](w, r)
}

// stream answers with events and then ends the connection.
func stream(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, strings.Join(events, ""))
	}
}

// shown is a message with a state of order A1.
func shown(name string, version int64, status order.Status, final bool) string {
	s := order.State{Order: "A1", Version: version, Epoch: "e", Status: status, Final: final}
	return fmt.Sprintf("event: %s\ndata: %s\n\n", name, s.AppendJSON(nil))
}

func refuse(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, `{"title":"No","detail":"Not \u001b[2Jnow."}`)
	}
}

// watchOf watches order A1 on a server that gives these answers, until it ends.
func watchOf(t *testing.T, answers ...http.HandlerFunc) (out, talk string, err error) {
	t.Helper()
	server := httptest.NewServer(&badServer{answers: answers})
	defer server.Close()
	var stdout, stderr bytes.Buffer
	w := &watch{
		url: server.URL, order: "A1", untilFinal: true, out: &stdout, talk: &stderr,
		token: func() (string, error) { return "t", nil },
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = w.run(ctx)
	if ctx.Err() != nil {
		t.Fatalf("still watching; it said:\n%s%s", &stdout, &stderr)
	}
	return stdout.String(), stderr.String(), err
}

func TestWatchComesBackAndRepeatsNothing(t *testing.T) {
	const soon = "retry: 1\n\n"
	out, talk, err := watchOf(t,
		refuse(http.StatusServiceUnavailable, "Retry-After", "0"),
		stream(soon, ":\n\n", shown("snapshot", 1, order.Pending, false), "event: update\ndata: {\"order\":"), // cut off
		stream(shown("snapshot", 1, order.Pending, false), "event: goodbye\ndata: {\"reason\":\"drain\",\"retry_ms\":2}\n\n"),
		stream(soon, "event: token_expiring\ndata: {\"expires_in\":30}\n\n"),
		stream(shown("snapshot", 3, order.Failed, false), shown("update", 2, order.Pending, false),
			strings.ReplaceAll(shown("update", 9, order.Paid, true), "A1", "B1"), shown("update", 4, order.Paid, true)),
	)
	if err != nil {
		t.Errorf("ended with %v", err)
	}
	want := "-  v1  pending  test\n-  v3  failed  test\n-  v4  paid  test  final\n"
	if out != want {
		t.Errorf("printed\n%swant\n%s", out, want)
	}
	for _, line := range []string{"answered 503 Service Unavailable: No. Not \uFFFD[2Jnow.; again in", "unexpected EOF; again in", "goodbye (drain); again in 2ms"} {
		if !strings.Contains(talk, line) {
			t.Errorf("said nothing of %q:\n%s", line, talk)
		}
	}
}

func TestWatchEndsWhereTryingAgainIsVain(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound} {
		_, _, err := watchOf(t, refuse(status))
		if !errors.Is(err, errUnsuited) {
			t.Errorf("after %d: %v", status, err)
		}
	}
	for _, status := range []int{http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway} {
		_, _, err := watchOf(t, refuse(status, "Retry-After", "0"), stream(shown("snapshot", 1, order.Paid, true)))
		if err != nil {
			t.Errorf("after %d: %v", status, err)
		}
	}
}

func TestWatchTellsAnotherEnd(t *testing.T) {
	_, _, err := watchOf(t, stream(shown("snapshot", 1, order.Expired, true)))
	if err == nil || err.Error() != "order A1 ended expired, not paid" {
		t.Errorf("ended with %v", err)
	}
}

func TestWatchComesBackAfterNonsense(t *testing.T) {
	paid := stream(shown("snapshot", 1, order.Paid, true))
	for _, nonsense := range []string{"event: update\ndata: {\n\n", "event: goodbye\ndata: no\n\n", "data: " + strings.Repeat("x", maxEventBytes) + "\n\n"} {
		if _, _, err := watchOf(t, stream("retry: 1\n\n"+nonsense), paid); err != nil {
			t.Errorf("after %.40q: %v", nonsense, err)
		}
	}
}

func TestWatchShowsOrdersOfANewEpoch(t *testing.T) {
	restored := strings.Replace(shown("snapshot", 1, order.Paid, true), `"epoch":"e"`, `"epoch":"f"`, 1)
	out, _, err := watchOf(t, stream(shown("snapshot", 7, order.Pending, false), restored))
	if err != nil || !strings.Contains(out, "v7  pending") || !strings.Contains(out, "v1  paid") {
		t.Errorf("printed\n%s%v", out, err)
	}
}

func TestWatchWithoutATokenEnds(t *testing.T) {
	w := &watch{url: "http://127.0.0.1:1", order: "A1", talk: io.Discard, token: func() (string, error) { return "", errors.New("no ink") }}
	if err := w.run(t.Context()); err == nil || !strings.Contains(err.Error(), "no ink") {
		t.Errorf("ended with %v", err)
	}
}

func TestWatchWaitsAsItIsTold(t *testing.T) {
	for name, test := range map[string]struct {
		watch    watch
		attempt  int
		from, to time.Duration
	}{
		"first":         {watch{goodbye: -1}, 0, 0, firstRetry},
		"third":         {watch{goodbye: -1}, 2, 0, 4 * firstRetry},
		"hundredth":     {watch{goodbye: -1}, 100, 0, longestWait},
		"asked":         {watch{goodbye: -1, retry: 3 * time.Second}, 1, 0, 6 * time.Second},
		"asked much":    {watch{goodbye: -1, retry: 1 << 31 * time.Millisecond}, 50, 0, longestWait},
		"goodbye":       {watch{goodbye: 7 * time.Second, retry: time.Second}, 9, 7 * time.Second, 7 * time.Second},
		"goodbye, long": {watch{goodbye: time.Hour}, 0, longestWait, longestWait},
		"goodbye, now":  {watch{}, 5, 0, 0},
	} {
		var waits []time.Duration
		for range 200 {
			waits = append(waits, test.watch.wait(test.attempt))
		}
		if low, high := slices.Min(waits), slices.Max(waits); low < test.from || high > test.to {
			t.Errorf("%s: waits from %v to %v, want %v to %v", name, low, high, test.from, test.to)
		} else if test.to > test.from && high < test.to/2 {
			t.Errorf("%s: waits at most %v of %v", name, high, test.to)
		}
	}
}

func TestReadEvents(t *testing.T) {
	const body = "\ufeff: hello\r\nretry: 1500\r\n\r\nevent: a\ndata: 1\ndata:2\ndata\nid: x\n\n" +
		"event: lost\n\nretry: soon\n\nretry: -1\n\ndata: plain\n\nevent: cut\ndata: off\n"
	var got []sseEvent
	lines := 0
	err := readEvents(strings.NewReader(body), func() { lines++ }, func(e sseEvent) error {
		got = append(got, e)
		return nil
	})
	want := []sseEvent{{retry: 1500 * time.Millisecond}, {name: "a", data: "1\n2\n"}, {data: "plain"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if lines != strings.Count(body, "\n") {
		t.Errorf("heard %d lines of %d", lines, strings.Count(body, "\n"))
	}
}

func TestStateLine(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC)
	for want, s := range map[string]order.State{
		"-  v0  created": {Status: order.Created, Livemode: true},
		"2026-11-23T08:00:00.123Z  v2  partially_refunded  99.00 of 99.00 CNY  refunded 9.05  alipay  disputed  final": {
			Version: 2, Status: order.PartiallyRefunded, Amount: 9900, Paid: 9900, Refunded: 905, Currency: "CNY", Method: "alipay",
			Disputed: true, Final: true, Livemode: true, UpdatedAt: at,
		},
		"-  v3  paid  1500 of 1000 JPY  overpaid  test": {Version: 3, Status: order.Paid, Amount: 1000, Paid: 1500, Currency: "JPY", Overpaid: true},
		"-  v4  requires_action  0.000 of 0.005 KWD  reason sca\uFFFD[31m  action https://bank.example/3ds": {
			Version: 4, Status: order.RequiresAction, Amount: 5, Currency: "KWD", Reason: "sca\x1b[31m", ActionURL: "https://bank.example/3ds", Livemode: true,
		},
	} {
		if got := stateLine(s); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"secret", "secrets", "id", "paid", "listen", "LEDGER"}
	for given, want := range map[string]string{
		"secert": "secret", "secretes": "secrets", "payed": "paid", "Listen": "listen", "ledgr": "LEDGER",
		"ix": "id", "zz": "", "verbosity": "", "": "",
	} {
		if got := nearest(given, names); got != want {
			t.Errorf("nearest to %q is %q, want %q", given, got, want)
		}
	}
}

func FuzzWatchNeverWaitsForEver(f *testing.F) {
	f.Add("event: update\ndata: {}\nretry: 1\n\n")
	f.Add("event: goodbye\ndata: {\"retry_ms\":9223372036854775}\n\n")
	f.Fuzz(func(t *testing.T, body string) {
		w := &watch{order: "A1", out: io.Discard, goodbye: -1}
		readEvents(strings.NewReader(body), func() {}, func(e sseEvent) error {
			w.event(e) // its errors end a stream, and more may come on the next
			if wait := w.wait(0); wait < 0 || wait > longestWait {
				t.Errorf("waits %v", wait)
			}
			return nil
		})
	})
}
