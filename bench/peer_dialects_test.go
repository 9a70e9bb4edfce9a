package bench

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

var peerSecret = []byte(strings.Repeat("s", 32))

// A hearing is a listener that lets a dialect hear for client 7.
type hearing struct {
	dialect Dialect
	heard   []Heard
	said    []string
}

func (h *hearing) hear(message []byte) {
	heard, say := h.dialect.Hear(7, message, nil)
	if heard.What != Nothing {
		h.heard = append(h.heard, heard)
	}
	if len(say) > 0 {
		h.said = append(h.said, string(say))
	}
}

func (h *hearing) pong([]byte) {}

// everyPeerDialect runs a test on every dialect of every peer.
func everyPeerDialect(t *testing.T, test func(t *testing.T, peer string, d Dialect)) {
	for _, peer := range []string{"nchan", "nchan-auth", "centrifuge", "mercure"} {
		dialects := PeerDialects(peer, peerSecret)
		if len(dialects) == 0 {
			t.Errorf("%s has no dialect", peer)
		}
		for _, d := range dialects {
			t.Run(peer+"/"+d.Wire().String(), func(t *testing.T) { test(t, peer, d) })
		}
	}
}

// What each peer said to client 7 from its connect to its end, with events 1 and
// 2 and a heartbeat, is in testdata as it came off the socket.
func TestAClientUnderstandsWhatAPeerSays(t *testing.T) {
	want := []Heard{{What: Up}, {What: Message, Order: 7, Number: 1}, {What: Message, Order: 7, Number: 2}}
	everyPeerDialect(t, func(t *testing.T, peer string, d Dialect) {
		recorded, err := os.ReadFile("testdata/peers/" + strings.TrimSuffix(peer, "-auth") + "." + d.Wire().String())
		if err != nil {
			t.Fatal(err)
		}
		s, h := stream{wire: d.Wire()}, hearing{dialect: d}
		if err := s.feed(recorded, new([]byte), &h); err != nil && !errors.As(err, new(closed)) {
			t.Error(err)
		}
		if !slices.Equal(h.heard, want) {
			t.Errorf("heard %v, want %v", h.heard, want)
		}
	})
}

func TestAnotherOrdersEventIsHeardAsSuch(t *testing.T) {
	if h := hearState(appendState(nil, 8, 3)); h != (Heard{What: Message, Order: 8, Number: 3}) {
		t.Errorf("heard %v", h)
	}
	if h := hearState([]byte(`{"order":"A1001","version":3,"status":"paid"}`)); h.What != Message || h.Order != -1 {
		t.Errorf("a strange order: heard %v", h)
	}
}

func TestEveryClientAsksForItsOwnOrderWithItsOwnToken(t *testing.T) {
	everyPeerDialect(t, func(t *testing.T, peer string, d Dialect) {
		r := parseRequest(t, d.Subscribe(nil, 7))
		if want := d.Wire() == WebSocket; (r.Header.Get("Upgrade") == "websocket") != want {
			t.Errorf("asks for an upgrade: %v, want %v", !want, want)
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if peer == "centrifuge" {
			command := r.URL.Query().Get("cf_connect")
			if d.Wire() == WebSocket {
				_, say := d.Hear(7, nil, nil)
				command = string(say)
			}
			_, token, _ = strings.Cut(command, `"token":"`)
			token, _, _ = strings.Cut(token, `"`)
		} else if order := r.URL.Query().Get("channel") + r.URL.Query().Get("topic"); order != "bench-7" {
			t.Errorf("asks for %q", order)
		}
		if peer == "nchan" {
			if token != "" {
				t.Errorf("sends the token %q", token)
			}
			return
		}
		claims := jwt.MapClaims{}
		if _, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return peerSecret, nil }, jwt.WithExpirationRequired()); err != nil {
			t.Fatal(err)
		}
		orders, _ := claims["channels"].([]any)
		if peer == "mercure" {
			orders, _ = claims["mercure"].(map[string]any)["subscribe"].([]any)
		}
		if !slices.Equal(orders, []any{"bench-7"}) {
			t.Errorf("the token names %v", orders)
		}
	})
}

func TestAnEventIsPublishedAsTheStateThatClientsGet(t *testing.T) {
	state := string(appendState(nil, 7, 3))
	everyPeerDialect(t, func(t *testing.T, peer string, d Dialect) {
		r := parseRequest(t, d.Publish(nil, 7, 3))
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		order, data := r.URL.Query().Get("channel"), string(body)
		if peer == "mercure" {
			form, err := url.ParseQuery(data)
			if err != nil || form.Get("private") != "on" {
				t.Fatalf("%v, %v", form, err)
			}
			order, data = form.Get("topic"), form.Get("data")
		}
		if order != "bench-7" || data != state {
			t.Errorf("published %q of %q", data, order)
		}
	})
}

// parseRequest reads exactly one request.
func parseRequest(t *testing.T, b []byte) *http.Request {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(b))
	r, err := http.ReadRequest(in)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if rest := in.Buffered(); err != nil || rest > 0 {
		t.Fatalf("%d bytes after the request, %v", rest, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}
