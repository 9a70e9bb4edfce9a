package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/order"
)

func newWatchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch ORDER",
		Short: "Print an order's states as they come",
		Long: `Watch an order as a customer's browser does, over server-sent events, and print
a line for each state: time, version, status, money, and what else there is to say.
It comes back by itself when the connection is lost.

The token is --token, or $PAYBELL_TOKEN, or one is made with the keys of --config.

With --until-final it ends as soon as nothing more is expected: exit code 0 when
the order is paid, 1 when it ended otherwise.`,
		Example: `  paybell watch A1001
  paybell watch A1001 --json | jq .status
  paybell watch A1001 --url https://pay.example.com --token "$TOKEN" --until-final && ship A1001`,
		Args: exactly("ORDER"),
	}
	path := configFlag(cmd, "the configuration file, to make a token with")
	w := &watch{}
	flags := cmd.Flags()
	flags.StringVar(&w.url, "url", gatewayURL(), "where the gateway is")
	flags.BoolVar(&w.json, "json", false, "print the objects as they are sent, one a line")
	flags.BoolVar(&w.untilFinal, "until-final", false, "end when nothing more is expected")
	token := flags.String("token", "", "the token to watch with")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		w.order = args[0]
		if err := order.CheckID(w.order); err != nil {
			return misusef(cmd, "ORDER %v", err)
		}
		if err := checkGatewayURL(cmd, w.url); err != nil {
			return err
		}
		var err error
		if w.token, err = tokens(cmp.Or(*token, os.Getenv("PAYBELL_TOKEN")), *path, w.order); err != nil {
			return err
		}
		w.out, w.talk = cmd.OutOrStdout(), cmd.ErrOrStderr()
		ctx, cancel := untilSignal(cmd.Context())
		defer cancel()
		return w.run(ctx)
	}
	return cmd
}

// tokens returns what gives the token for each connection: always the one that
// was given, or else a new one.
func tokens(given, path, id string) (func() (string, error), error) {
	if given != "" {
		return func() (string, error) { return given, nil }, nil
	}
	c, err := loadConfig(path, os.Environ())
	if err != nil {
		return nil, fmt.Errorf("make a token: %w", err)
	}
	minter, err := buildMinter(c, nil)
	if err != nil {
		return nil, err
	}
	return func() (string, error) {
		token, _, err := minter.Mint("paybell-watch", []string{id}, 0)
		return token, err
	}, nil
}

// A watch shows one order's states.
type watch struct {
	url, order       string
	token            func() (string, error)
	json, untilFinal bool
	out, talk        io.Writer

	// Owned by run.
	last    order.State   // as it was printed
	retry   time.Duration // what the server asked to wait between connections; 0: nothing
	goodbye time.Duration // what it asked once, as it ended the stream; -1: it did not
}

const (
	firstRetry  = 500 * time.Millisecond
	longestWait = 30 * time.Second
	// silence is how long a stream may say nothing: three heartbeats.
	silence = 60 * time.Second
)

// errFinal ends a watch that waited for the end. errUnsuited is wrapped by what
// trying again will not cure.
var (
	errFinal    = errors.New("the order is final")
	errUnsuited = errors.New("the gateway refused")
)

// run watches until ctx ends, which is no error.
func (w *watch) run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		w.goodbye = -1
		begun, err := w.stream(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errFinal) && w.last.Status == order.Paid:
			return nil
		case errors.Is(err, errFinal):
			return fmt.Errorf("order %s ended %s, not paid", w.order, w.last.Status)
		case errors.Is(err, errUnsuited):
			return err
		}
		if begun {
			attempt = 0
		}
		wait := w.wait(attempt)
		fmt.Fprintf(w.talk, "paybell: %v; again in %v\n", err, wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// wait is random over a span that doubles from what the server asked for, so
// that those who lost a node do not come back at once. What a goodbye names is
// spread already.
func (w *watch) wait(attempt int) time.Duration {
	if w.goodbye >= 0 {
		return min(w.goodbye, longestWait)
	}
	span := min(longestWait, cmp.Or(w.retry, firstRetry)<<min(attempt, 10))
	return rand.N(max(span, 1))
}

// stream reads one connection to its end. begun says that the gateway let it in.
func (w *watch) stream(ctx context.Context) (begun bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(fmt.Errorf("nothing heard for %v", silence)) })
	defer watchdog.Stop()

	token, err := w.token()
	if err != nil {
		return false, fmt.Errorf("%w: %w", errUnsuited, err)
	}
	address := strings.TrimRight(w.url, "/") + "/v1/sse?order=" + url.QueryEscape(w.order)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errUnsuited, err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, cmp.Or(context.Cause(ctx), err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return false, w.refusal(answer)
	}
	err = readEvents(answer.Body, func() { watchdog.Reset(silence) }, w.event)
	return true, cmp.Or(context.Cause(ctx), err, io.ErrUnexpectedEOF)
}

// refusal reads an answer other than 200, and when to ask again.
func (w *watch) refusal(answer *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10)) // shown for what it is worth
	if seconds, err := strconv.ParseUint(answer.Header.Get("Retry-After"), 10, 16); err == nil {
		w.goodbye = time.Duration(seconds)*time.Second + rand.N(time.Second)
	}
	text := problemOf(answer, body)
	if answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusRequestTimeout {
		return errors.New(text)
	}
	return fmt.Errorf("%w: %s", errUnsuited, text)
}

// event takes one message of the stream.
func (w *watch) event(e sseEvent) error {
	if e.retry > 0 {
		w.retry = e.retry
	}
	switch e.name {
	case "snapshot", "update":
		return w.show([]byte(e.data))
	case "goodbye":
		var bye struct {
			Reason  string `json:"reason"`
			RetryMS int64  `json:"retry_ms"`
		}
		if err := json.Unmarshal([]byte(e.data), &bye); err != nil {
			return fmt.Errorf("goodbye: %w", err)
		}
		w.goodbye = time.Duration(min(max(bye.RetryMS, 0), longestWait.Milliseconds())) * time.Millisecond
		return fmt.Errorf("the gateway says goodbye (%s)", printable(bye.Reason))
	}
	return nil
}

// show prints a state, if it is not what was printed last.
func (w *watch) show(data []byte) error {
	var s order.State
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	if s.Order != w.order {
		return nil
	}
	if w.last.Epoch != s.Epoch || w.last.Version < s.Version {
		line := data
		if !w.json {
			line = []byte(stateLine(s))
		}
		if _, err := fmt.Fprintf(w.out, "%s\n", line); err != nil {
			return fmt.Errorf("%w: %w", errUnsuited, err)
		}
		w.last = s
	}
	if w.untilFinal && s.Final {
		return errFinal
	}
	return nil
}
