package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/auth"
	"github.com/paybell/paybell/bench"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/standard"
)

// A benchDialect is how the load speaks to a gateway over one transport.
//
// Event n of an order is one more cent, so the order's "paid" says how many of its
// events are in a state: that none is missing can be seen from the state alone.
type benchDialect struct {
	wire   bench.Wire
	prefix string // of the orders' ids
	minter *auth.Minter
	signer benchSigner
}

// A benchSigner appends the signed webhook of a part of an order's payment: of all
// its parts, each is a cent.
type benchSigner interface {
	sign(b []byte, event, order, part string) []byte
}

// benchDialects returns both transports of a gateway with a configuration, about
// orders that it does not know yet.
func benchDialects(c *config) ([]bench.Dialect, error) {
	minter, err := buildMinter(c, nil)
	if err != nil {
		return nil, err
	}
	signer, err := newBenchSigner(c)
	if err != nil {
		return nil, err
	}
	prefix := "bench-" + strings.ToLower(rand.Text()[:8]) + "-"
	socket := &benchDialect{bench.WebSocket, prefix, minter, signer}
	stream := &benchDialect{bench.EventStream, prefix, minter, signer}
	return []bench.Dialect{stream, socket}, nil
}

func (d *benchDialect) Wire() bench.Wire { return d.wire }

func (d *benchDialect) order(i int) string { return d.prefix + strconv.Itoa(i) }

func (d *benchDialect) Subscribe(b []byte, i int) []byte { return d.SubscribeAll(b, i, i+1) }

// SubscribeAll makes the dialect a bench.Crowder.
func (d *benchDialect) SubscribeAll(b []byte, from, to int) []byte {
	var orders []string
	for i := from; i < to; i++ {
		orders = append(orders, d.order(i))
	}
	token, _, err := d.minter.Mint("", orders, 15*time.Minute)
	if err != nil {
		panic(fmt.Sprintf("mint a token for %q: %v", orders, err)) // the ids are ours, and well formed
	}
	if d.wire == bench.EventStream {
		b = append(append(b, "GET /v1/sse?order="...), strings.Join(orders, "&order=")...)
		b = append(b, " HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"...)
	} else {
		b = append(b, "GET /v1/ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"...)
		b = append(b, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: paybell.v1\r\n"...)
	}
	return append(append(append(b, "Authorization: Bearer "...), token...), "\r\n\r\n"...)
}

func (d *benchDialect) Publish(b []byte, i int, n uint32) []byte {
	id, part := d.order(i), strconv.Itoa(int(n))
	return d.signer.sign(b, "evt-"+id+"-"+part, id, part)
}

// Hear implements bench.Dialect. It takes from a message just what it needs: the
// form of the messages is the hub's business, and tested there.
func (d *benchDialect) Hear(_ int, message, say []byte) (bench.Heard, []byte) {
	kind, state := bench.EventField(message, "event"), message
	if d.wire == bench.WebSocket {
		kind = between(message, `{"type":"`, '"')
	}
	h := bench.Heard{Order: -1}
	switch string(kind) {
	case "snapshot":
		h.What = bench.Up
	case "update":
		h.What = bench.State
	case "goodbye":
		h.What, h.Number = bench.Goodbye, digits(between(state, `"retry_ms":`, '}'))
		return h, say
	default:
		return bench.Heard{}, say
	}
	h.Number = digits(between(state, `"paid":`, ','))
	if number, ours := bytes.CutPrefix(between(state, `"order":"`, '"'), []byte(d.prefix)); ours {
		h.Order = int(digits(number))
	}
	return h, say
}

// between returns what follows a text in b, up to an end.
func between(b []byte, text string, end byte) []byte {
	_, rest, _ := bytes.Cut(b, []byte(text))
	value, _, _ := bytes.Cut(rest, []byte{end})
	return value
}

// digits reads a decimal number; 0 where there is none.
func digits(b []byte) uint32 {
	n := uint32(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint32(c-'0')
	}
	return n
}

// newBenchSigner signs for the first source of a configuration for which it can.
func newBenchSigner(c *config) (benchSigner, error) {
	for _, name := range sortedKeys(c.Sources) {
		s := c.Sources[name]
		if s.Provider != "standard" && s.Provider != "stripe" || len(s.secrets()) == 0 {
			continue
		}
		built, err := s.build()
		if err != nil {
			return nil, err
		}
		simulator, ok := built.(webhook.Simulator)
		if !ok {
			continue
		}
		if o, ok := s.Options.(standard.Options); ok && o.Order == "" {
			return newLeanSigner(name, o.Secrets[0])
		}
		return simulatedSigner{"/webhooks/" + name, simulator}, nil
	}
	return nil, errNoBenchSource
}

// A simulatedSigner signs as `paybell simulate` does, which takes its time. To it,
// each part is a payment of its own.
type simulatedSigner struct {
	path      string
	simulator webhook.Simulator
}

func (s simulatedSigner) sign(b []byte, event, id, part string) []byte {
	signed, err := s.simulator.Simulate(webhook.Simulation{
		ID: event, Order: id, Payment: id + "-" + part, Status: order.Paid, Amount: 1, Currency: "EUR", Method: "card", At: time.Now(), Live: true,
	})
	if err != nil {
		panic(fmt.Sprintf("sign for %s: %v", id, err)) // the ids are ours, and well formed
	}
	b = fmt.Appendf(b, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n", s.path, len(signed.Body))
	for name, values := range signed.Header {
		b = fmt.Appendf(b, "%s: %s\r\n", name, values[0])
	}
	return append(append(b, "\r\n"...), signed.Body...)
}

// A leanSigner writes the webhooks of provider standard, for a load that must not
// measure itself. It has one user at a time.
type leanSigner struct {
	path string
	mac  hash.Hash
	body []byte
	sum  []byte
	at   string // when the payments were, in their words
}

func newLeanSigner(source, secret string) (*leanSigner, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, fmt.Errorf("sources.%s: the secret is not base64", source)
	}
	return &leanSigner{
		path: "/webhooks/" + source, mac: hmac.New(sha256.New, key), at: time.Now().UTC().Format(time.RFC3339),
	}, nil
}

func (s *leanSigner) sign(b []byte, event, id, part string) []byte {
	s.body = append(append(append(s.body[:0], `{"type":"payment.paid","timestamp":"`...), s.at...), `","data":{"order":"`...)
	s.body = append(append(append(s.body, id...), `","payment":"pay-`...), id...)
	s.body = append(append(s.body, `","ref":"`...), part...)
	s.body = append(s.body, `","amount":1,"currency":"EUR","method":"card","livemode":true}}`...)

	var digits [20]byte
	now := strconv.AppendInt(digits[:0], time.Now().Unix(), 10)
	s.sum = append(append(append(append(s.sum[:0], event...), '.'), now...), '.')
	s.mac.Reset()
	s.mac.Write(s.sum)
	s.mac.Write(s.body)
	s.sum = s.mac.Sum(s.sum[:0])

	b = append(append(append(b, "POST "...), s.path...), " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(s.body)), 10), "\r\nWebhook-Id: "...)
	b = append(append(append(b, event...), "\r\nWebhook-Timestamp: "...), now...)
	b = base64.StdEncoding.AppendEncode(append(b, "\r\nWebhook-Signature: v1,"...), s.sum)
	return append(append(b, "\r\n\r\n"...), s.body...)
}
