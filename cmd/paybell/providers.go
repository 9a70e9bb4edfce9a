package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/paybell/paybell/auth"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/custom"
	"github.com/paybell/paybell/webhook/standard"
	"github.com/paybell/paybell/webhook/stripe"
)

// providers are all there are, by what a source names in the configuration.
var providers = map[string]provider{
	"stripe":   {newStripe, []string{"secrets", "order", "tolerance", "account"}},
	"standard": {newStandard, []string{"secrets", "public_keys", "order", "tolerance"}},
	"custom":   {newCustom, []string{"secrets", "public_keys", "verify", "event", "answer"}},
}

// A provider is how one is made of a source's configuration, and the keys that
// the source may have besides provider.
type provider struct {
	build func(sourceConfig) (webhook.Provider, error)
	takes []string
}

func newStripe(s sourceConfig) (webhook.Provider, error) {
	return stripe.New(stripe.Options{
		Secrets: reveal(s.Secrets), Order: s.Order, Tolerance: s.Tolerance, Account: s.Account,
	})
}

func newStandard(s sourceConfig) (webhook.Provider, error) {
	return standard.New(standard.Options{
		Secrets: reveal(s.Secrets), PublicKeys: texts(s.PublicKeys), Order: s.Order, Tolerance: s.Tolerance,
	})
}

func newCustom(s sourceConfig) (webhook.Provider, error) {
	return custom.New(s.Custom, reveal(s.Secrets), texts(s.PublicKeys))
}

// buildSources makes the provider of every source, by name. The error holds
// what is wrong with each, and no secret.
func buildSources(c *config) ([]webhook.Source, error) {
	var sources []webhook.Source
	var wrong []error
	for _, name := range sortedKeys(c.Sources) {
		s := c.Sources[name]
		built, err := providers[s.Provider].build(s)
		if err != nil {
			path := "sources." + name
			wrong = append(wrong, fmt.Errorf("%s: %s: %w", place(c.file, c.from[path].line), path, err))
			continue
		}
		sources = append(sources, webhook.Source{Name: name, Provider: built})
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
