//go:build unix

package fault_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybell/paybell/fault/checker"
)

func webhookSecret() string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(webhookKey)) }

// A target is where webhooks and clients go: a node, or a proxy before several.
type target struct {
	name    string
	address func() string // http://host:port
}

// A sender is a provider. It sends each event when it is due, whatever has become of
// those before, and again until it is accepted; some it sends twice, at once or
// later, some late, and some as a forger would.
type sender struct {
	targets []target
	record  *record
	client  *http.Client
	fair    bool // sends no forgeries and nothing twice

	acked  atomic.Int64
	failed atomic.Int64 // attempts that were not accepted
	open   sync.WaitGroup
}

func newSender(targets []target, log *record) *sender {
	return &sender{targets: targets, record: log, client: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: 5 * time.Second},
	}}
}

// tell sends the events of a story at a rate per second, all or until enough is
// closed, and returns those that it sent, once every one has been accepted or ctx
// has ended.
func (s *sender) tell(ctx context.Context, events []told, rate int, enough <-chan struct{}) []told {
	begin := time.Now()
	sent := 0
	for open := true; open && sent < len(events); {
		due := begin.Add(time.Duration(sent) * time.Second / time.Duration(rate))
		select {
		case <-time.After(time.Until(due)):
			e := events[sent]
			s.open.Go(func() { s.deliver(ctx, e) })
			sent++
		case <-enough:
			open = false
		case <-ctx.Done():
			open = false
		}
	}
	s.open.Wait()
	return events[:sent]
}

// again sends events anew, each until it is accepted.
func (s *sender) again(ctx context.Context, events []told) {
	turn := make(chan struct{}, 16)
	for _, e := range events {
		turn <- struct{}{}
		s.open.Go(func() {
			defer func() { <-turn }()
			s.until(ctx, e)
		})
	}
	s.open.Wait()
}

func (s *sender) deliver(ctx context.Context, e told) {
	if !s.fair {
		switch rand.IntN(20) {
		case 0: // late, and so after what came later
			pause(ctx, rand.N(500*time.Millisecond))
		case 1, 2: // two at once
			s.open.Go(func() { s.until(ctx, e) })
		case 3: // and once more, for no reason
			s.open.Go(func() {
				pause(ctx, rand.N(2*time.Second))
				s.until(ctx, e)
			})
		case 4:
			s.post(ctx, e, true)
		}
	}
	s.until(ctx, e)
}

// until sends an event again, and again, as a provider does until it is told
// that it is safe.
func (s *sender) until(ctx context.Context, e told) {
	for wait := 50 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, time.Second) {
		if s.post(ctx, e, false) {
			s.acked.Add(1)
			return
		}
		s.failed.Add(1)
		pause(ctx, wait/2+rand.N(wait))
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// post sends an event once, and says whether it was accepted.
func (s *sender) post(ctx context.Context, e told, forged bool) bool {
	to := s.targets[rand.IntN(len(s.targets))]
	a := checker.Attempt{Sent: now(), Node: to.name, ID: e.id, Event: e.event, Forged: forged}
	a.Code = s.send(ctx, to.address(), e, forged)
	a.Answered = now()
	if ctx.Err() == nil || a.Code != 0 {
		s.record.write(a)
	}
	return a.Accepted()
}

// send returns the status of the answer, or 0.
func (s *sender) send(ctx context.Context, base string, e told, forged bool) int {
	body := payload(e.event)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/webhooks/shop", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header = sign(e.id, body, forged)
	response, err := s.client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// sign makes the headers of Standard Webhooks; forged ones cover another body.
func sign(id string, body []byte, forged bool) http.Header {
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(webhookKey))
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	if forged {
		mac.Write([]byte(" "))
	}
	return http.Header{
		"Content-Type":      {"application/json"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {stamp},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

// words are what a sender of Standard Webhooks calls refunds and disputes.
var words = map[string]string{
	"refund refunded": "refund.succeeded", "refund failed": "refund.failed",
	"dispute disputed": "dispute.opened", "dispute won": "dispute.won", "dispute lost": "dispute.lost",
}

func payload(e checker.Event) []byte {
	typ := words[e.Kind+" "+e.Status]
	if typ == "" {
		typ = e.Kind + "." + e.Status
	}
	data := map[string]any{"order": e.Order, "livemode": !e.Test}
	for name, text := range map[string]string{"payment": e.Payment, "ref": e.Ref, "currency": e.Currency} {
		if text != "" {
			data[name] = text
		}
	}
	if e.Currency != "" {
		data["amount"] = e.Amount
	}
	at := time.UnixMicro(int64(e.At)).UTC().Format(time.RFC3339Nano)
	body, err := json.Marshal(map[string]any{"type": typ, "timestamp": at, "data": data})
	if err != nil {
		panic(err) // it is plain maps and texts
	}
	return body
}
