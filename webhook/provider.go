package webhook

import (
	"errors"
	"net/http"
	"time"

	"github.com/paybell/paybell/order"
)

// A Request is one HTTP request from a provider, as received.
type Request struct {
	Method string
	URL    string // as the provider called it: scheme, host, path and query
	Header http.Header
	Body   []byte    // the raw bytes, never decoded or re-serialized
	At     time.Time // when it came; signed times are judged against it
}

// A Provider reads one payment company's webhooks. It holds the secrets of one
// source, and many requests use it at once.
type Provider interface {
	// Open proves who sent a request and returns the events in it, oldest
	// first, without Source set. Checking and reading are one call, so that
	// nobody can read first.
	//
	// An error wrapping ErrUnverified means that the sender is not proved; its
	// text names the cause and holds nothing secret. An error wrapping
	// ErrUnreadable means that the sender is proved and the content makes no
	// sense, which trying again will not cure. There are no other errors.
	Open(r Request) ([]order.Event, error)
}

// An Answerer is a Provider whose sender insists on an answer of its own. The
// others get 200 and a short JSON object.
type Answerer interface {
	// Answer returns what to say to a request that was recorded.
	Answer(r Request) (status int, contentType string, body []byte)
}

// A Greeter is a Provider whose sender asks, before it sends anything, whether
// anybody is there.
type Greeter interface {
	// Greeting says whether a request asks no more than that. It need not be
	// signed, is answered 200 and leaves nothing behind.
	Greeting(r Request) bool
}

// A Simulator is a Provider that can also sign as its sender would. The demo,
// `paybell simulate` and the tests use it; the gateway itself never does.
type Simulator interface {
	// Simulate returns the request that would tell what s says. It is signed
	// with the first of the source's secrets.
	Simulate(s Simulation) (Request, error)
}

// A Simulation is one step of a pretended payment.
type Simulation struct {
	ID       string // of the event; two requests with one ID are a repetition
	Order    string
	Payment  string
	Status   order.Status // an order status, or disputed, won, lost
	Amount   int64        // minor units; of a refund: the running total refunded
	Currency string
	Method   string        // card, alipay …
	At       time.Time     // when it happened
	Late     time.Duration // how much later the request is signed, as in a retry
	Live     bool
}

// SignedAt is when the request is signed.
func (s Simulation) SignedAt() time.Time { return s.At.Add(s.Late) }

var (
	// ErrUnverified is wrapped by errors about a sender that is not proved.
	ErrUnverified = errors.New("webhook: not verified")
	// ErrUnreadable is wrapped by errors about verified content that cannot be
	// understood.
	ErrUnreadable = errors.New("webhook: verified but unreadable")
)
