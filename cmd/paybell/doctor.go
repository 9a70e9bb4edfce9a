package main

import (
	"cmp"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/internal/doctor"
)

const doctorHelp = `Examine a gateway through its public address, and say what a proxy on the way does
to a customer who waits: nginx, HAProxy, Caddy, Cloudflare, an ALB. It opens a
WebSocket, an event stream and polls as pages and phones do, and looks for buffers,
idle limits, lost headers, caches, CORS, certificates, redirects and clocks.

With the address alone it examines what needs no token. States, buffers and idle
limits need one: --token, or $PAYBELL_TOKEN, or one is made with the keys of the
configuration, for an order that nobody has registered. Nothing is written to the
ledger either way. An order of a customer, by --token, shows this as a visit in its
timeline.

It takes as long as --idle says, and some seconds. For each finding it says what was
seen, what it means to a customer who waits, and the lines that mend it: those for
the proxy that the answers name, or --proxy, or else for all.

Exit code 0: no fault and no warning; 1: there are; 2: it could not be examined.`

const doctorExample = `  # What can be seen without a token
  paybell doctor https://pay.example.com

  # Everything, for pages of the shop; beside the gateway, with its configuration
  paybell doctor https://pay.example.com --config paybell.yaml --origin https://shop.example

  # Everything, from somewhere else
  paybell doctor https://pay.example.com --token "$(ssh pay1 paybell token --order paybell-doctor --ttl 15m)"

  # How long does a stream last, at all?
  paybell doctor https://pay.example.com --config paybell.yaml --idle 10m

  # For programs
  paybell doctor https://pay.example.com --json | jq '.findings[].code'`

// longestIdle leaves a token of 15 minutes time for the rest.
const longestIdle = 14 * time.Minute

// A consultation is what `paybell doctor` was asked to do.
type consultation struct {
	doctor.Options
	address *url.URL
	json    bool

	without string // why there is no token
}

func newDoctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor URL",
		Short:   "Say what the proxies before a gateway do to waiting customers",
		Long:    doctorHelp,
		Example: doctorExample,
		Args:    exactly("URL"),
	}
	path := configFlag(cmd, "the configuration file, to make a token with")
	c := &consultation{}
	flags := cmd.Flags()
	flags.StringVar(&c.Token, "token", "", "the token to watch with, for an order of yours")
	flags.StringVar(&c.Origin, "origin", "", "the shop's pages are of this origin: https://shop.example (default the first of the configuration)")
	flags.DurationVar(&c.Idle, "idle", doctor.DefaultIdle, "for how long connections are watched, 14m at most")
	flags.StringVar((*string)(&c.Proxy), "proxy", "", "mends for this one: nginx, haproxy, caddy, cloudflare, alb")
	flags.StringVar(&c.Admin, "admin", "", "the gateway's admin address: http://127.0.0.1:9090 (default that of the configuration)")
	authority := flags.String("ca", "", "a PEM file of an authority of your own, to be trusted too")
	flags.BoolVar(&c.json, "json", false, "print the report as one object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.check(cmd, args[0], *authority); err != nil {
			return err
		}
		if err := c.prescribe(cmd, *path); err != nil {
			return misuse{err.Error()}
		}
		return c.run(cmd)
	}
	return cmd
}

// check makes sense of the command line.
func (c *consultation) check(cmd *cobra.Command, address, authority string) error {
	var err error
	if c.address, err = doctor.Check(address); err != nil {
		return misusef(cmd, "%s %v", address, err)
	}
	if c.Proxy != "" && !slices.Contains(doctor.Proxies, c.Proxy) {
		var names []string
		for _, p := range doctor.Proxies {
			names = append(names, string(p))
		}
		return misusef(cmd, "no mends for %q%s", c.Proxy, hintOr(string(c.Proxy), names))
	}
	if c.Idle < time.Second || c.Idle > longestIdle {
		return misusef(cmd, "--idle is from 1s to 14m")
	}
	if origin, err := url.Parse(c.Origin); c.Origin != "" && (err != nil || origin.Host == "" || origin.Scheme+"://"+origin.Host != c.Origin) {
		return misusef(cmd, "--origin is not one such as https://shop.example, without a slash at the end")
	}
	if authority == "" {
		return nil
	}
	content, err := os.ReadFile(authority)
	if err != nil {
		return misusef(cmd, "--ca: %v", err)
	}
	if c.Roots, err = x509.SystemCertPool(); err != nil {
		c.Roots = x509.NewCertPool()
	}
	if !c.Roots.AppendCertsFromPEM(content) {
		return misusef(cmd, "--ca: %s holds no certificate in PEM", authority)
	}
	return nil
}

// prescribe sees to a token and an origin. A configuration that was not named,
// and cannot be read, is no error: there is something to examine without.
func (c *consultation) prescribe(cmd *cobra.Command, path string) error {
	c.Token = cmp.Or(c.Token, os.Getenv("PAYBELL_TOKEN"))
	named := cmd.Flags().Changed("config") || os.Getenv("PAYBELL_CONFIG") != ""
	if c.Token != "" && !named {
		return nil
	}
	token, config, err := doctorToken(path, c.Idle)
	switch {
	case err == nil:
		c.Token = cmp.Or(c.Token, token)
		c.Admin = cmp.Or(c.Admin, "http://"+config.Admin)
		if c.Origin == "" && len(config.Origins) > 0 {
			c.Origin = config.Origins[0]
		}
	case named:
		return err
	default:
		c.without = err.Error()
	}
	return nil
}

// doctorToken makes a token for an order that is nobody's, so that watching it
// leaves nothing in the ledger, and returns the configuration that has the keys.
func doctorToken(path string, idle time.Duration) (string, *config, error) {
	config, err := loadConfig(path, os.Environ())
	if err != nil {
		return "", nil, fmt.Errorf("make a token: %w", err)
	}
	minter, err := buildMinter(config, nil)
	if err != nil {
		return "", nil, err
	}
	id := "paybell-doctor-" + strings.ToLower(rand.Text()[:8])
	token, _, err := minter.Mint("paybell-doctor", []string{id}, idle+time.Minute)
	return token, config, err
}

// run examines and prints. Findings end it with exitFailed, and without a word:
// the report has said it.
func (c *consultation) run(cmd *cobra.Command) error {
	ctx, cancel := untilSignal(cmd.Context())
	defer cancel()
	progress := &progress{out: cmd.ErrOrStderr(), told: time.Now()}
	c.Tell = func(text string) { progress.tell("paybell doctor: " + text) }
	report, err := doctor.Examine(ctx, c.address, c.Options)
	progress.end()
	if err != nil {
		return misuse{fmt.Sprintf("%s: %v", c.address, err)}
	}
	if c.json {
		out := json.NewEncoder(cmd.OutOrStdout())
		out.SetIndent("", "  ")
		err = out.Encode(report)
	} else {
		err = printReport(cmd.OutOrStdout(), report, c.without)
	}
	if err == nil && report.Count(doctor.Fault)+report.Count(doctor.Warning) > 0 {
		err = errors.New("")
	}
	return err
}
