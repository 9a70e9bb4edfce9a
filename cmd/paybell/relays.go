package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/airwallex"
	"github.com/paybell/paybell/webhook/btcpay"
	"github.com/paybell/paybell/webhook/coinbasecommerce"
	"github.com/paybell/paybell/webhook/custom"
	"github.com/paybell/paybell/webhook/flutterwave"
	"github.com/paybell/paybell/webhook/gocardless"
	"github.com/paybell/paybell/webhook/lemonsqueezy"
	"github.com/paybell/paybell/webhook/relayed"
	"github.com/paybell/paybell/webhook/stripe"
	"github.com/paybell/paybell/webhook/xendit"
)

// customOptions are the keys of a source of provider custom.
type customOptions struct {
	Secrets       []string
	PublicKeys    []string
	custom.Config `yaml:",inline"`
}

func newCustom(o customOptions) (webhook.Provider, error) {
	return custom.New(o.Config, o.Secrets, o.PublicKeys)
}

// relayedOptions are the keys of a source of provider relayed: those of the relay,
// and of the provider whose bodies it passes on.
type relayedOptions struct {
	Relay     string
	Inner     string
	Secrets   []string
	Tolerance time.Duration
	Order     string
	Account   string
	Store     string
}

// readers make what reads the bodies of providers that can be relayed.
var readers = map[string]func(relayedOptions) (webhook.Reader, error){
	"airwallex": func(o relayedOptions) (webhook.Reader, error) {
		return airwallex.NewReader(airwallex.Options{Order: o.Order, Account: o.Account}), nil
	},
	"btcpay": func(o relayedOptions) (webhook.Reader, error) {
		return btcpay.NewReader(btcpay.Options{Order: o.Order, Store: o.Store}), nil
	},
	"coinbasecommerce": func(o relayedOptions) (webhook.Reader, error) {
		return coinbasecommerce.NewReader(coinbasecommerce.Options{Order: o.Order}), nil
	},
	"flutterwave": func(o relayedOptions) (webhook.Reader, error) {
		return flutterwave.NewReader(flutterwave.Options{Order: o.Order}), nil
	},
	"gocardless": func(o relayedOptions) (webhook.Reader, error) {
		return gocardless.NewReader(gocardless.Options{Order: o.Order}), nil
	},
	"lemonsqueezy": func(o relayedOptions) (webhook.Reader, error) {
		return lemonsqueezy.NewReader(lemonsqueezy.Options{Order: o.Order}), nil
	},
	"stripe": func(o relayedOptions) (webhook.Reader, error) {
		return stripe.NewReader(stripe.Options{Order: o.Order, Account: o.Account})
	},
	"xendit": func(o relayedOptions) (webhook.Reader, error) {
		return xendit.NewReader(xendit.Options{Order: o.Order}), nil
	},
}

func newRelayed(o relayedOptions) (webhook.Provider, error) {
	read, ok := readers[o.Inner]
	if !ok {
		return nil, fmt.Errorf("relayed: inner is none of those that can be relayed: %s", strings.Join(sortedKeys(readers), ", "))
	}
	reader, err := read(o)
	if err != nil {
		return nil, err
	}
	return relayed.New(relayed.Options{Relay: o.Relay, Secrets: o.Secrets, Tolerance: o.Tolerance}, reader)
}
