// Package webhook takes payment providers' webhooks in. It promises that
// nothing of a request is believed before its sender is proved, that what it
// answers 2xx is durable, and that each event counts once however often it is
// sent. What each provider signs and says is the business of the packages below
// it; keeping events is package order's.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/order"
)

// A Source is one configured account at a provider. Its address is
// /webhooks/{name}.
type Source struct {
	Name     string
	Provider Provider
	// Mode is what its events must be of, to count for an order. Empty: whatever
	// they say.
	Mode order.Mode
}

// A Recorder keeps callbacks and their events. It returns once they are durable.
type Recorder interface {
	Record(ctx context.Context, c order.Callback, events []order.Event) (order.Receipt, error)
}

// A MediaTyper is a Provider whose sender posts something else than JSON.
type MediaTyper interface {
	// MediaTypes are those that are accepted, without parameters.
	MediaTypes() []string
}

// An Outcome is what became of a request, for metrics and logs.
type Outcome string

// The outcomes.
const (
	Accepted    Outcome = "accepted"    // at least one event was new
	Duplicate   Outcome = "duplicate"   // all events were known
	NoOrder     Outcome = "no_order"    // of a payment whose order is not known yet
	Ignored     Outcome = "ignored"     // verified, kept, and nothing to an order
	OtherMode   Outcome = "other_mode"  // verified, kept, and of test money at a live source, or the other way round
	Quarantined Outcome = "quarantined" // verified and unreadable: a person must look
	Unverified  Outcome = "unverified"  // the sender is not proved
	Refused     Outcome = "refused"     // not a webhook by its form
	Unavailable Outcome = "unavailable" // the ledger cannot commit
)

// Options tune a [Handler]. The zero value is what production runs.
type Options struct {
	// BaseURL is the public scheme and host, for providers that sign the URL.
	// Empty: taken from the request.
	BaseURL string

	// BodyTimeout is how long a body may take to arrive. 0 means 10 s.
	BodyTimeout time.Duration

	// Observe is told of every request to a known source. nil: nobody is told.
	Observe func(source string, outcome Outcome, took time.Duration)

	// ToFetch is told that there is news whose content must be fetched. nil:
	// nobody is told.
	ToFetch func()

	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means slog.Default
}

// maxBody bounds a webhook's body. The largest that providers send are about
// 100 KB.
const maxBody = 1 << 20

// A Handler answers POST /webhooks/{source}.
type Handler struct {
	sources map[string]Source
	ledger  Recorder
	opts    Options
}

// NewHandler returns a handler for the sources, which records in ledger.
func NewHandler(sources []Source, ledger Recorder, opts Options) *Handler {
	if opts.BodyTimeout == 0 {
		opts.BodyTimeout = 10 * time.Second
	}
	if opts.Observe == nil {
		opts.Observe = func(string, Outcome, time.Duration) {}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	h := &Handler{sources: map[string]Source{}, ledger: ledger, opts: opts}
	for _, s := range sources {
		h.sources[s.Name] = s
	}
	return h
}

// ServeHTTP answers one request. It must be registered with the source's name
// as the path value "source".
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	// The deadline comes first, because net/http reads what is left of a body
	// even when the request is refused.
	if err := http.NewResponseController(w).SetReadDeadline(began.Add(h.opts.BodyTimeout)); err != nil {
		h.opts.Log.Error("webhooks need a connection with read deadlines", "err", err)
		unavailable.Write(w)
		return
	}
	name := r.PathValue("source")
	source, ok := h.sources[name]
	if !ok {
		unknownSource.Write(w)
		return
	}
	result := h.serve(w, r, source)
	if level := levels[result.outcome]; h.opts.Log.Enabled(r.Context(), level) {
		h.opts.Log.LogAttrs(r.Context(), level, "webhook", result.attrs(name)...)
	}
	h.opts.Observe(name, result.outcome, time.Since(began))
}

// A result is what is logged of a request: never a header's value, nor anything
// of the body but the provider's id of the event, once it is verified.
type result struct {
	outcome Outcome
	events  []order.Event
	why     string
}

func (r result) attrs(source string) []slog.Attr {
	attrs := []slog.Attr{slog.String("source", source), slog.String("outcome", string(r.outcome))}
	if len(r.events) > 0 {
		attrs = append(attrs, slog.Int("events", len(r.events)), slog.String("event", r.events[0].ID))
	}
	if r.why != "" {
		attrs = append(attrs, slog.String("why", r.why))
	}
	return attrs
}

var levels = map[Outcome]slog.Level{
	NoOrder: slog.LevelWarn, OtherMode: slog.LevelWarn, Unverified: slog.LevelWarn, Quarantined: slog.LevelError, Unavailable: slog.LevelError,
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, source Source) result {
	if challenged(w, r, source.Provider) {
		return result{outcome: Challenged}
	}
	if p, refused := refuse(w, r, source.Provider); refused {
		p.Write(w)
		return result{outcome: Refused, why: p.Name}
	}
	body, p, ok := read(w, r)
	if !ok {
		p.Write(w)
		return result{outcome: Refused, why: p.Name}
	}
	request := Request{Method: r.Method, URL: Address(h.opts.BaseURL, r), Header: r.Header, Body: body, At: h.opts.Now()}
	if g, ok := source.Provider.(Greeter); ok && g.Greeting(request) {
		w.WriteHeader(http.StatusOK)
		return result{outcome: Ignored, why: "a greeting"}
	}
	events, foreign, err := h.open(source, request)
	if errors.Is(err, ErrUnverified) {
		w.Header().Set("WWW-Authenticate", "Signature")
		unverified(err).Write(w)
		return result{outcome: Unverified, why: err.Error()}
	}
	callback := order.Callback{Source: source.Name, ReceivedAt: request.At.UTC(), Body: Mask(body)}
	if err != nil {
		callback.Quarantine, events = err.Error(), nil
	}
	receipt, failure := h.ledger.Record(r.Context(), callback, events)
	if failure != nil {
		unavailable.Write(w)
		return result{Unavailable, events, failure.Error()}
	}
	if h.opts.ToFetch != nil && slices.ContainsFunc(events, func(e order.Event) bool { return e.Status == order.ToFetch }) {
		h.opts.ToFetch()
	}
	answer(w, source.Provider, request)
	result := result{outcome(events, callback, receipt), events, callback.Quarantine}
	switch {
	case foreign && result.outcome == Ignored:
		result.outcome, result.why = OtherMode, "of the mode that the source is not in: it moves no order"
	case result.outcome == NoOrder:
		result.why = "a payment event names no order; it is kept until another event of the payment does"
	}
	return result
}

// open asks the provider, and logs where it broke down.
func (h *Handler) open(source Source, r Request) (events []order.Event, foreign bool, err error) {
	return source.open(r, func(cause any) {
		h.opts.Log.Error("provider panicked", "type", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
	})
}

// open asks the provider, and makes its events those of the source. foreign says
// that some are of another mode, and are notes by now. If the provider panics,
// its sender counts as not proved: what was not verified must not fill the disk.
// What the panic says is dropped, because it may quote the body; panicked is
// told of it. An error wraps ErrUnverified or ErrUnreadable.
func (s Source) open(r Request, panicked func(cause any)) (events []order.Event, foreign bool, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			panicked(cause)
			events, err = nil, fmt.Errorf("%w: the provider's reader broke down", ErrUnverified)
		}
	}()
	events, err = s.Provider.Open(r)
	if err == nil {
		err = stamp(events, s.Name)
	}
	switch {
	case err == nil:
		return events, settle(events, s.Mode, s.Provider), nil
	case errors.Is(err, ErrUnverified) || errors.Is(err, ErrUnreadable):
		return nil, false, err
	}
	return nil, false, fmt.Errorf("%w: %w", ErrUnverified, err)
}

// stamp gives events the source that told them, and checks their form.
func stamp(events []order.Event, source string) error {
	for i := range events {
		events[i].Source = source
		if err := events[i].Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
	}
	return nil
}

func outcome(events []order.Event, c order.Callback, receipt order.Receipt) Outcome {
	switch {
	case c.Quarantine != "":
		return Quarantined
	case receipt.Fresh == 0 && len(events) > 0:
		return Duplicate
	case receipt.Orderless > 0 && len(receipt.Changes) == 0:
		return NoOrder
	}
	for _, e := range events {
		if e.Kind != order.KindNote || e.Status == order.ToFetch {
			return Accepted
		}
	}
	return Ignored
}

// answer says what the provider wants to hear.
func answer(w http.ResponseWriter, provider Provider, r Request) {
	status, contentType, body := recorded(provider, r)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body)
}

// recorded is the answer to a request that was recorded.
func recorded(provider Provider, r Request) (status int, contentType string, body []byte) {
	if a, ok := provider.(Answerer); ok {
		return a.Answer(r)
	}
	return http.StatusOK, "application/json", []byte("{\"received\":true}\n")
}

// refuse says whether a request is no webhook by its method or headers.
func refuse(w http.ResponseWriter, r *http.Request, provider Provider) (problem.Problem, bool) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return wrongMethod, true
	case slices.ContainsFunc(r.Header.Values("Content-Encoding"), encoded):
		return compressed, true
	case !mediaTypeFits(r.Header, provider):
		return wrongType, true
	case len(r.TransferEncoding) > 0 || r.ContentLength < 0:
		// net/http lets Transfer-Encoding win over Content-Length and drops the
		// latter; a proxy in front may have read them the other way round.
		w.Header().Set("Connection", "close")
		return noLength, true
	case r.ContentLength > maxBody:
		w.Header().Set("Connection", "close")
		return tooLarge, true
	}
	return problem.Problem{}, false
}

func encoded(coding string) bool { return coding != "" && !strings.EqualFold(coding, "identity") }

// mediaTypeFits lets a missing type pass: the body decides what it is.
func mediaTypeFits(header http.Header, provider Provider) bool {
	values := header.Values("Content-Type")
	if len(values) == 0 {
		return true
	}
	given, _, err := mime.ParseMediaType(values[0])
	if err != nil || len(values) > 1 {
		return false
	}
	if p, ok := provider.(MediaTyper); ok {
		return slices.Contains(p.MediaTypes(), given)
	}
	return given == "application/json" || strings.HasSuffix(given, "+json")
}

// read takes the whole body in, within its time. What came of a body that broke
// off is not looked at. Memory is taken as the bytes arrive, not as they are
// announced.
func read(w http.ResponseWriter, r *http.Request) ([]byte, problem.Problem, bool) {
	body := bytes.NewBuffer(make([]byte, 0, min(r.ContentLength, 32<<10)+bytes.MinRead))
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	if err == nil && int64(body.Len()) == r.ContentLength {
		return body.Bytes(), problem.Problem{}, true
	}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, tooLarge, false
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, tooSlow, false
	}
	return nil, brokenOff, false
}

// Address is where the provider sent a request to. The base, a scheme and host,
// comes before the path; where it is empty, they are taken from the request.
func Address(base string, r *http.Request) string {
	if base == "" {
		base = "http://" + r.Host
		if r.TLS != nil {
			base = "https://" + r.Host
		}
	}
	return base + r.URL.RequestURI()
}
