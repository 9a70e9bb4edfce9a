package hub

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
)

var updateGolden = flag.Bool("update", false, "write testdata/messages anew")

// sample is an order that says everything, with text that tries to break out.
func sample() order.State {
	return order.State{
		Order: "A1001", Version: 3, Epoch: "5f0c4be2a1d94c7f8f3f0a3a6a4c9d10",
		Status: order.Failed, Amount: 9900, Currency: "CNY", Paid: 100, Refunded: 50,
		Disputed: true, Overpaid: true, Method: "alipay", Reason: "line\nbreak \u2028 \"quoted\" </script>",
		ActionURL: "https://pay.example/3ds?a=1&b=2", Livemode: true,
		UpdatedAt: time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC),
	}
}

// The golden messages are what clients see; those in JSON are read by
// client-js's tests too.
func TestGoldenMessages(t *testing.T) {
	first := newMessage(order.Unknown("A1001", "5f0c4be2a1d94c7f8f3f0a3a6a4c9d10"), time.Time{})
	type form interface {
		appendSocket([]byte) []byte
		appendEvent([]byte) []byte
	}
	for name, m := range map[string]form{
		"snapshot":       outgoing{kind: snapshot, message: first, alone: true},
		"update":         outgoing{kind: update, message: newMessage(sample(), time.Time{}), alone: true},
		"ping":           outgoing{kind: ping},
		"token_expiring": outgoing{kind: tokenExpiring, expiresIn: 30 * time.Second},
		"goodbye":        cause{name: "drain", code: 1001, reason: "goodbye", retry: 1200 * time.Millisecond},
	} {
		golden(t, name+".json", append(m.appendSocket(nil), '\n'))
		golden(t, name+".sse", m.appendEvent(nil))
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "messages", name)
	if *updateGolden {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is now\n%s\nand was\n%s", name, got, want)
	}
}

// Both forms of a message say the same.
func TestFormsAgree(t *testing.T) {
	o := outgoing{kind: update, message: newMessage(sample(), time.Time{})}
	var socket struct{ Order json.RawMessage }
	if err := json.Unmarshal(o.appendSocket(nil), &socket); err != nil {
		t.Fatal(err)
	}
	readSSE(strings.NewReader(string(o.appendEvent(nil))), func(kind, id, data string) {
		if kind != "update" || data != string(socket.Order) || id != "" {
			t.Errorf("SSE says %s %q %s\nWebSocket says %s", kind, id, data, socket.Order)
		}
	})
}

// No text of a provider can end a line, and so begin an event of its own.
func TestTextCannotInjectEvents(t *testing.T) {
	for _, text := range []string{
		"\n\nevent: update\ndata: {}\n\n", "\r\rdata: x\r\r", "\r\n\r\ndata: x", "\x00", "\u2028data: x", "\x85", "\xff\n",
	} {
		s := sample()
		s.Reason, s.Method, s.ActionURL = text, text, text
		b := string(outgoing{kind: update, message: newMessage(s, time.Time{}), alone: true}.appendEvent(nil))
		if strings.ContainsAny(b, "\r\x00") || strings.Count(b, "\n") != 4 {
			t.Errorf("%q becomes %q", text, b)
		}
		events := 0
		readSSE(strings.NewReader(b), func(kind, id, data string) {
			events++
			var got order.State
			if err := json.Unmarshal([]byte(data), &got); err != nil || got.Version != 3 || kind != "update" || id != s.Tag() {
				t.Errorf("%q becomes %s %q %s", text, kind, id, data)
			}
		})
		if events != 1 {
			t.Errorf("%q becomes %d events", text, events)
		}
	}
}

func BenchmarkMessage(b *testing.B) {
	s := sample()
	b.Run("state", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			newMessage(s, time.Time{})
		}
	})
	o := outgoing{kind: update, message: newMessage(s, time.Time{}), alone: true}
	buffer := make([]byte, 0, 1024)
	b.Run("websocket", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o.appendSocket(buffer)
		}
	})
	b.Run("sse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o.appendEvent(buffer)
		}
	})
}
