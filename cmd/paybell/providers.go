package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"

	"github.com/paybell/paybell/auth"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/adyen"
	"github.com/paybell/paybell/webhook/airwallex"
	"github.com/paybell/paybell/webhook/alipay"
	"github.com/paybell/paybell/webhook/antom"
	"github.com/paybell/paybell/webhook/braintree"
	"github.com/paybell/paybell/webhook/btcpay"
	"github.com/paybell/paybell/webhook/checkout"
	"github.com/paybell/paybell/webhook/coinbasecommerce"
	"github.com/paybell/paybell/webhook/flutterwave"
	"github.com/paybell/paybell/webhook/gocardless"
	"github.com/paybell/paybell/webhook/lemonsqueezy"
	"github.com/paybell/paybell/webhook/mercadopago"
	"github.com/paybell/paybell/webhook/mollie"
	"github.com/paybell/paybell/webhook/paddle"
	"github.com/paybell/paybell/webhook/paypal"
	"github.com/paybell/paybell/webhook/paystack"
	"github.com/paybell/paybell/webhook/razorpay"
	"github.com/paybell/paybell/webhook/shopify"
	"github.com/paybell/paybell/webhook/square"
	"github.com/paybell/paybell/webhook/standard"
	"github.com/paybell/paybell/webhook/stripe"
	"github.com/paybell/paybell/webhook/unionpay"
	"github.com/paybell/paybell/webhook/wechatpay"
	"github.com/paybell/paybell/webhook/woocommerce"
	"github.com/paybell/paybell/webhook/xendit"
)

// providers are all there are, by what a source names in the configuration. The
// keys that a source may have are the fields of what the constructor takes.
var providers = map[string]provider{
	"adyen":            from(adyen.New),
	"airwallex":        from(airwallex.New),
	"alipay":           from(alipay.New),
	"antom":            from(antom.New),
	"braintree":        from(braintree.New),
	"btcpay":           from(btcpay.New),
	"checkout":         from(checkout.New),
	"coinbasecommerce": from(coinbasecommerce.New),
	"custom":           from(newCustom),
	"flutterwave":      from(flutterwave.New),
	"gocardless":       from(gocardless.New),
	"lemonsqueezy":     from(lemonsqueezy.New),
	"mercadopago":      from(mercadopago.New),
	"mollie":           from(mollie.New),
	"paddle":           from(paddle.New),
	"paypal":           from(paypal.New),
	"paystack":         from(paystack.New),
	"razorpay":         from(razorpay.New),
	"relayed":          from(newRelayed),
	"shopify":          from(shopify.New),
	"square":           from(square.New),
	"standard":         from(standard.New),
	"stripe":           from(stripe.New),
	"unionpay":         from(unionpay.New),
	"wechatpay":        from(wechatpay.New),
	"woocommerce":      from(woocommerce.New),
	"xendit":           from(xendit.New),
}

// A provider is how one is made of a source's options.
type provider struct {
	options reflect.Type
	build   func(options any) (webhook.Provider, error)
}

// from makes a line of the table out of a provider's constructor.
func from[Options any, P webhook.Provider](newProvider func(Options) (P, error)) provider {
	return provider{reflect.TypeFor[Options](), func(options any) (webhook.Provider, error) {
		p, err := newProvider(options.(Options))
		if err != nil {
			return nil, err
		}
		return p, nil
	}}
}

// build makes the provider of a source whose configuration was checked.
func (s sourceConfig) build() (webhook.Provider, error) {
	return providers[s.Provider].build(s.Options)
}

// buildSources makes the provider of every source, by name. The error holds
// what is wrong with each, and no secret.
func buildSources(c *config) ([]webhook.Source, error) {
	var sources []webhook.Source
	var wrong []error
	for _, name := range sortedKeys(c.Sources) {
		s := c.Sources[name]
		built, err := s.build()
		if err != nil {
			path := "sources." + name
			wrong = append(wrong, fmt.Errorf("%s: %s: %w", place(c.file, c.from[path].line), path, err))
			continue
		}
		sources = append(sources, webhook.Source{Name: name, Provider: built, Mode: s.Mode})
	}
	return sources, errors.Join(wrong...)
}

// buildVerifier makes what tells genuine tokens from others.
func buildVerifier(c *config, revoked *auth.Revocations, log *slog.Logger) (*auth.Verifier, error) {
	var keys []auth.Key
	for _, k := range c.Auth.Keys {
		keys = append(keys, k.key())
	}
	v, err := auth.NewVerifier(keys, auth.Options{
		Issuer: c.Auth.Issuer, Audience: c.Auth.Audience, TokenType: c.Auth.TokenType, Revocations: revoked, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: auth.keys: %w", place(c.file, c.from["auth.keys"].line), err)
	}
	return v, nil
}

// errNoSigningKey means that tokens are made elsewhere.
var errNoSigningKey = errors.New("no configured key can sign: auth.keys has neither a secret nor a private_key")

// buildMinter makes what signs tokens with the first key that can, or returns
// errNoSigningKey. It mints none that is revoked; nil: nobody knows what is.
func buildMinter(c *config, revoked *auth.Revocations) (*auth.Minter, error) {
	for _, k := range c.Auth.Keys {
		if k.Secret == "" && k.PrivateKey == "" {
			continue
		}
		return auth.NewMinter(k.key(), auth.Options{
			Issuer: c.Auth.Issuer, Audience: c.Auth.Audience, TokenType: c.Auth.TokenType, Revocations: revoked,
		})
	}
	return nil, errNoSigningKey
}

func (k keyConfig) key() auth.Key {
	return auth.Key{
		ID: k.ID, Algorithm: k.Algorithm,
		Secret: string(k.Secret), PublicKey: string(k.PublicKey), PrivateKey: string(k.PrivateKey), JWKS: string(k.JWKS),
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
