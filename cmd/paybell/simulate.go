package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

const simulateHelp = `Sign a webhook as a source's provider would, and send it to a running gateway.

The source's first secret signs, so that the gateway takes it for the provider's
own. Payments are in test mode, unless --live says otherwise.

Without a configuration it signs for the demo that runs on this machine ('paybell
demo'), which has a source of every provider that can be simulated, by its name.

Statuses:
  created, pending, requires_action, authorized, paid, failed, canceled, expired
  partially_paid, refunded, partially_refunded (--amount is the running total)
  disputed, won, lost
A provider that has no webhook for one of them says so.

One line is printed for each request: source, event, status answered, time taken.
The exit code is 1 when an answer is not a success; with --bad-signature, when
it is anything but 401.`

const simulateExample = `  # A payment of CNY 99.00
  paybell simulate stripe --order A1001 --status paid --amount 9900 --currency CNY

  # What providers do to everybody in time: repeat, delay, reorder
  paybell simulate stripe --order A1001 --status paid --amount 9900 --currency CNY --twice
  paybell simulate stripe --order A1001 --status pending --late 30s
  paybell simulate stripe --order A1002 --amount 9900 --currency CNY --shuffle

  # What a stranger tries
  paybell simulate stripe --order A1001 --status paid --amount 9900 --currency CNY --bad-signature`

// simulated are the statuses that a webhook can tell of. What is missing here
// only a gateway can conclude.
var simulated = []string{
	string(order.Created), string(order.Pending), string(order.RequiresAction), string(order.Authorized),
	string(order.Paid), string(order.Failed), string(order.Canceled), string(order.Expired),
	string(order.PartiallyPaid), string(order.Refunded), string(order.PartiallyRefunded),
	string(order.Disputed), string(order.Won), string(order.Lost),
}

// A simulation is what `paybell simulate` was asked to send.
type simulation struct {
	source  string
	url     string
	step    webhook.Simulation // of the first order; ID and At are set as it is sent
	count   int
	late    time.Duration
	twice   bool
	shuffle bool
	forged  bool
}

func newSimulateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "simulate SOURCE --order ORDER",
		Short:   "Send a gateway the webhooks that a provider would",
		Long:    simulateHelp,
		Example: simulateExample,
		Args:    exactly("SOURCE"),
	}
	var s simulation
	path := configFlag(cmd, "the configuration file with the source and its secrets")
	flags := cmd.Flags()
	flags.StringVar(&s.url, "url", gatewayURL(), "where the gateway is")
	flags.StringVar(&s.step.Order, "order", "", "the order that is paid")
	flags.StringVar((*string)(&s.step.Status), "status", string(order.Paid), "what happened")
	flags.Int64Var(&s.step.Amount, "amount", 0, "how much, in minor units: 9900 is CNY 99.00")
	flags.StringVar(&s.step.Currency, "currency", "", "of the amount, such as CNY")
	flags.StringVar(&s.step.Payment, "payment", "", "the provider's id of the payment (default made from the order)")
	flags.StringVar(&s.step.Method, "method", "card", "how it was paid: card, alipay, wechat_pay …")
	flags.BoolVar(&s.step.Live, "live", false, "say that real money moves")
	flags.BoolVar(&s.twice, "twice", false, "send each request two times")
	flags.DurationVar(&s.late, "late", 0, "say that it happened this long ago, signed now as a provider's retry is")
	flags.BoolVar(&s.shuffle, "shuffle", false, "send created, pending and paid, in random order")
	flags.BoolVar(&s.forged, "bad-signature", false, "sign with a secret that is not the source's")
	flags.IntVar(&s.count, "count", 1, "for how many orders: ORDER, ORDER-2, ORDER-3 …")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.source = args[0]
		if err := s.check(cmd); err != nil {
			return err
		}
		c, demo, err := configOrDemo(cmd, *path)
		if err != nil {
			return err
		}
		if demo {
			s.toDemo(cmd, c)
		}
		provider, err := simulator(c, s.source, s.forged)
		if err != nil {
			return err
		}
		ctx, cancel := untilSignal(cmd.Context())
		defer cancel()
		return s.run(ctx, provider, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// toDemo fills in what was not said, for a running demo.
func (s *simulation) toDemo(cmd *cobra.Command, c *config) {
	if given := cmd.Flags().Changed; !given("url") && os.Getenv("PAYBELL_URL") == "" {
		s.url = c.PublicURL
	}
	if s.step.Currency == "" {
		s.step.Amount, s.step.Currency = demoAmount, demoCurrency
	}
}

// gatewayURL is where commands look for a running gateway.
func gatewayURL() string { return cmp.Or(os.Getenv("PAYBELL_URL"), "http://127.0.0.1:8080") }

// checkGatewayURL refuses what cannot be asked over HTTP.
func checkGatewayURL(cmd *cobra.Command, text string) error {
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return misusef(cmd, "--url is not an address such as http://127.0.0.1:8080")
	}
	return nil
}

func (s *simulation) check(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	status := string(s.step.Status)
	switch err := order.CheckID(s.step.Order); {
	case s.step.Order == "":
		return misusef(cmd, "name an order with --order")
	case err != nil:
		return misusef(cmd, "--order %v", err)
	case s.shuffle && given("status"):
		return misusef(cmd, "--shuffle sends created, pending and paid; leave out --status")
	case !slices.Contains(simulated, status):
		return misusef(cmd, "no webhook tells of status %q%s", status, hintOr(status, simulated))
	case given("amount") != given("currency"):
		return misusef(cmd, "--amount and --currency belong together")
	case s.step.Amount < 0 || s.step.Amount > order.MaxAmount:
		return misusef(cmd, "--amount must be from 0 to %d", int64(order.MaxAmount))
	case given("currency") && !order.IsCurrency(s.step.Currency):
		return misusef(cmd, `--currency is three capital letters (ISO 4217), such as CNY`)
	case s.count < 1:
		return misusef(cmd, "--count must be at least 1")
	case s.late < 0:
		return misusef(cmd, "--late must not be negative")
	}
	return checkGatewayURL(cmd, s.url)
}

// simulator makes the source's provider, or for a forgery the same provider
// with a stranger's secret.
func simulator(c *config, name string, forged bool) (webhook.Simulator, error) {
	s, ok := c.Sources[name]
	if !ok {
		return nil, fmt.Errorf("the configuration has no source %q%s", name, hintOr(name, sortedKeys(c.Sources)))
	}
	if forged {
		s = s.stolen()
	}
	built, err := s.build()
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", name, err)
	}
	able, ok := built.(webhook.Simulator)
	if !ok {
		return nil, fmt.Errorf("source %s: provider %s cannot be simulated", name, s.Provider)
	}
	return able, nil
}

// errRefused says that answers were not as they should be. They were printed.
var errRefused = errors.New("the gateway did not answer as it should")

func (s *simulation) run(ctx context.Context, provider webhook.Simulator, out, talk io.Writer) error {
	refused := false
	for i := range s.count {
		for _, step := range s.steps(i) {
			request, err := provider.Simulate(step)
			if err != nil {
				return fmt.Errorf("source %s: %w", s.source, err)
			}
			for range map[bool]int{false: 1, true: 2}[s.twice] {
				ok, err := s.send(ctx, step.ID, request, out, talk)
				if err != nil {
					return err
				}
				refused = refused || !ok
			}
		}
	}
	if refused {
		return errRefused
	}
	return nil
}

// steps are what is told of the i-th order, in the order it is sent in.
func (s *simulation) steps(i int) []webhook.Simulation {
	first := s.step
	if i > 0 {
		first.Order = fmt.Sprintf("%s-%d", first.Order, i+1)
	}
	if first.Payment == "" || i > 0 {
		sum := sha256.Sum256([]byte(first.Payment + " " + first.Order))
		first.Payment = "pay_" + hex.EncodeToString(sum[:8])
	}
	first.At, first.Late = time.Now().Add(-s.late), s.late
	steps := []webhook.Simulation{first}
	if s.shuffle {
		steps = nil
		for n, status := range []order.Status{order.Created, order.Pending, order.Paid} {
			step := first
			ago := time.Duration(2-n) * time.Second
			step.Status, step.At, step.Late = status, first.At.Add(-ago), first.Late+ago
			steps = append(steps, step)
		}
		mathrand.Shuffle(len(steps), func(a, b int) { steps[a], steps[b] = steps[b], steps[a] })
	}
	for n := range steps {
		steps[n].ID = "evt_" + rand.Text()
	}
	return steps
}

// answers is how a provider reads one: it follows no redirect, and does not
// wait for ever.
var answers = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// send says whether the gateway answered as it should.
func (s *simulation) send(ctx context.Context, id string, r webhook.Request, out, talk io.Writer) (bool, error) {
	address := strings.TrimRight(s.url, "/") + "/webhooks/" + url.PathEscape(s.source)
	if _, query, ok := strings.Cut(r.URL, "?"); ok {
		address += "?" + query
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, address, bytes.NewReader(r.Body))
	if err != nil {
		return false, fmt.Errorf("send event %s: %w", id, err)
	}
	request.Header = r.Header
	begin := time.Now()
	answer, err := answers.Do(request)
	if err != nil {
		return false, fmt.Errorf("send event %s: %w; is the gateway running there?", id, err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10)) // shown for what it is worth
	fmt.Fprintf(out, "%s %s %d %v\n", s.source, id, answer.StatusCode, time.Since(begin).Round(10*time.Microsecond))
	accepted := answer.StatusCode/100 == 2
	switch {
	case s.forged && answer.StatusCode == http.StatusUnauthorized:
		fmt.Fprintf(talk, "paybell: refused, as expected: %s\n", problemOf(answer, body))
		return true, nil
	case s.forged && accepted:
		fmt.Fprintln(talk, "paybell: a forged webhook was accepted")
	case !accepted:
		fmt.Fprintf(talk, "paybell: %s\n", problemOf(answer, body))
	}
	return accepted && !s.forged, nil
}
