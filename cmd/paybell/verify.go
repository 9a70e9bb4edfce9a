package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

const verifyHelp = `Say of captured webhook requests what a gateway would do with them: whether each
is verified, why not, what is answered, and which events it becomes. Nothing is
stored, and no gateway needs to run.

A REQUEST is a file with a request as it came over the wire, or - for standard
input: request line, headers, an empty line and then the body, byte for byte.
Lines of the head may end with LF or CRLF. The body must be what was sent: one
that was parsed, printed or pasted anew is another one to a signature, and then
this command says so.

Most signatures hold for some minutes only. --at asks as of another time.

The exit code is 0 when all are verified, 1 when some are not, and 2 when the
command, the configuration or a file makes no sense.`

const verifyExample = `  # Of a request that the gateway refused: would it be verified, and why not?
  paybell verify --config paybell.yaml --source stripe refused.http

  # As of the time it came; Unix seconds do as well
  paybell verify --source stripe --at 2026-11-23T08:00:00Z refused.http

  # Out of what you have: a body, and the headers that came with it
  (printf 'POST /webhooks/stripe HTTP/1.1\nStripe-Signature: t=…,v1=…\n\n'; cat body.json) |
    paybell verify --source stripe -

  # For programs: one JSON object for each request
  paybell verify --source stripe --json *.http | jq -c 'select(.verified | not) | .reason'`

func newVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "verify --source SOURCE REQUEST...",
		Short:   "Say whether captured webhooks are genuine, and what they tell",
		Long:    verifyHelp,
		Example: verifyExample,
	}
	path := configFlag(cmd, "the configuration file with the source and its secrets")
	flags := cmd.Flags()
	source := flags.String("source", "", "the source that the requests were sent to")
	at := flags.String("at", "", "when they came, as 2026-11-23T08:00:00Z or Unix seconds (default now)")
	asJSON := flags.Bool("json", false, "print one JSON object for each request")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		now, err := readAt(*at)
		switch {
		case len(args) == 0:
			return misusef(cmd, "REQUEST is missing")
		case *source == "":
			return misusef(cmd, "name the source with --source")
		case err != nil:
			return misusef(cmd, "--at %v", err)
		}
		e, err := newExaminer(*path, *source, now)
		if err != nil {
			return misuse{err.Error()}
		}
		show := showVerdict
		if *asJSON {
			show = writeVerdict
		}
		verified := true
		for _, file := range args {
			raw, err := readInput(file, cmd.InOrStdin())
			if err != nil {
				return misuse{err.Error()}
			}
			v := e.examine(file, raw)
			verified = verified && v.Verified
			if err := show(cmd.OutOrStdout(), v); err != nil {
				return err
			}
		}
		if !verified {
			return errors.New("") // it was said above
		}
		return nil
	}
	return cmd
}

// readAt reads a time; "" is now.
func readAt(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errors.New("is neither a time such as 2026-11-23T08:00:00Z nor Unix seconds")
	}
	return at, nil
}

func readInput(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}

// An examiner asks the handler of webhooks about requests, with nothing behind
// it that could keep them.
type examiner struct {
	source  webhook.Source
	others  map[string]webhook.Provider // of the other sources
	baseURL string
	now     time.Time
}

func newExaminer(path, name string, now time.Time) (*examiner, error) {
	c, err := loadConfig(path, os.Environ())
	if err != nil {
		return nil, err
	}
	s, ok := c.Sources[name]
	if !ok {
		return nil, fmt.Errorf("the configuration has no source %q%s", name, hintOr(name, sortedKeys(c.Sources)))
	}
	p, err := s.build()
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", name, err)
	}
	e := &examiner{
		source: webhook.Source{Name: name, Provider: p, Mode: s.Mode},
		others: map[string]webhook.Provider{}, baseURL: c.PublicURL, now: now,
	}
	for other, s := range c.Sources {
		if p, err := s.build(); err == nil && other != name {
			e.others[other] = p
		}
	}
	return e, nil
}

// A verdict is what is said of a request.
type verdict struct {
	Request  string         `json:"request"` // the file's name
	Verified bool           `json:"verified"`
	Reason   string         `json:"reason"` // why it is not verified, or counts for no order; or empty
	Answer   *verdictAnswer `json:"answer"` // null: it is no request
	Events   []verdictEvent `json:"events"`
}

type verdictAnswer struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Body        string `json:"body"`
}

type verdictEvent struct {
	EventID  string       `json:"event_id"`
	Order    string       `json:"order"`
	Payment  string       `json:"payment"`
	Kind     order.Kind   `json:"kind"`
	Status   order.Status `json:"status"`
	Amount   int64        `json:"amount"` // minor units
	Currency string       `json:"currency"`
	Method   string       `json:"method"`
	Livemode bool         `json:"livemode"`
}

// examine gives a captured request to the handler that serve has.
func (e *examiner) examine(name string, raw []byte) verdict {
	v := verdict{Request: name, Events: []verdictEvent{}}
	r, err := readCaptured(raw, "/webhooks/"+e.source.Name)
	if err != nil {
		v.Reason = err.Error()
		return v
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.Reason = err.Error()
		return v
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.SetPathValue("source", e.source.Name)
	var outcome webhook.Outcome
	var kept wouldRecord
	w := &answerWriter{header: http.Header{}}
	webhook.NewHandler([]webhook.Source{e.source}, &kept, webhook.Options{
		BaseURL: e.baseURL, Now: func() time.Time { return e.now }, Log: slog.New(slog.DiscardHandler),
		Observe: func(_ string, o webhook.Outcome, _ time.Duration) { outcome = o },
	}).ServeHTTP(w, r)
	v.Answer = &verdictAnswer{w.status, w.header.Get("Content-Type"), w.body.String()}
	v.Verified = kept.recorded
	for _, event := range kept.events {
		v.Events = append(v.Events, verdictEvent{
			event.ID, event.Order, event.Payment, event.Kind, event.Status, event.Amount, event.Currency, event.Method, event.Livemode,
		})
	}
	switch outcome {
	case webhook.Unverified:
		v.Reason = webhook.Diagnose(e.source.Provider, webhook.Request{
			Method: r.Method, URL: webhook.Address(e.baseURL, r), Header: r.Header, Body: body, At: e.now,
		}, e.others, addresses(e.baseURL, r))
	case webhook.Refused:
		v.Reason = w.problem()
		if r.ContentLength > int64(len(body)) {
			v.Reason = fmt.Sprintf("the capture has %d bytes of a body of %d: was it stored as text, or cut off?", len(body), r.ContentLength)
		}
	case webhook.Quarantined:
		v.Reason = strings.TrimPrefix(kept.callback.Quarantine, webhook.ErrUnreadable.Error()+": ")
		v.Reason = "verified, but unreadable: " + v.Reason
	case webhook.OtherMode:
		v.Reason = fmt.Sprintf("the source's mode is %s, and the event is of the other one: it moves no order", e.source.Mode)
	}
	return v
}

// addresses are what a provider may have signed for, when a proxy stands before
// the gateway.
func addresses(base string, r *http.Request) []string {
	var all []string
	for _, host := range []string{r.Header.Get("X-Forwarded-Host"), r.Host, strings.Split(r.Host, ":")[0]} {
		if host != "" {
			all = append(all, "https://"+host+r.URL.RequestURI(), "http://"+host+r.URL.RequestURI())
		}
	}
	if base != "" {
		all = append(all, base+r.URL.Path, base+r.URL.Path+"/", strings.TrimSuffix(base+r.URL.Path, "/"))
	}
	return all
}

// wouldRecord stands where the ledger is, and keeps nothing beyond the command.
type wouldRecord struct {
	recorded bool
	callback order.Callback
	events   []order.Event
}

// Record implements [webhook.Recorder].
func (w *wouldRecord) Record(_ context.Context, c order.Callback, events []order.Event) (order.Receipt, error) {
	w.recorded, w.callback, w.events = true, c, events
	return order.Receipt{Fresh: len(events)}, nil
}

// An answerWriter takes in what is answered to a request that came over no
// connection.
type answerWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answerWriter) Header() http.Header               { return w.header }
func (w *answerWriter) WriteHeader(status int)            { w.status = status }
func (w *answerWriter) Write(p []byte) (int, error)       { return w.body.Write(p) }
func (w *answerWriter) SetReadDeadline(_ time.Time) error { return nil }

// problem is what the answer says is wrong.
func (w *answerWriter) problem() string {
	var p struct{ Title, Detail string }
	if err := json.Unmarshal(w.body.Bytes(), &p); err != nil {
		return http.StatusText(w.status)
	}
	return cmp.Or(p.Detail, p.Title)
}

func writeVerdict(out io.Writer, v verdict) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// showVerdict prints a verdict for people.
func showVerdict(out io.Writer, v verdict) error {
	said := "verified"
	if !v.Verified {
		said = "not verified"
	}
	if why := strings.TrimPrefix(v.Reason, "verified, but "); why != "" {
		said += map[bool]string{true: ", but ", false: ": "}[v.Verified] + why
	}
	fmt.Fprintf(out, "%s: %s\n", v.Request, printable(said))
	if v.Answer != nil {
		fmt.Fprintf(out, "  answered %d %s\n", v.Answer.Status, printable(strings.TrimSpace(v.Answer.Body)))
	}
	if len(v.Events) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  EVENT\tORDER\tPAYMENT\tKIND\tSTATUS\tAMOUNT\tMETHOD\tMODE")
	for _, e := range v.Events {
		amount, mode := "-", order.Live
		if e.Currency != "" {
			amount = e.Currency + " " + order.FormatDecimal(e.Amount, e.Currency)
		}
		if !e.Livemode {
			mode = order.Test
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.EventID, cmp.Or(e.Order, "-"), cmp.Or(e.Payment, "-"), e.Kind,
			cmp.Or(e.Status, "-"), amount, cmp.Or(printable(e.Method), "-"), mode)
	}
	return table.Flush()
}
