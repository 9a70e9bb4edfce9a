package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/paybell/paybell/webhook/standard"
	"github.com/paybell/paybell/webhook/stripe"
)

// demoConfig is the configuration of a demo: new secrets at every start, and
// nothing that a stranger could reach. Its sources are those that the page has
// buttons for.
func demoConfig(port int, file string) *config {
	c := defaults()
	c.PublicURL = fmt.Sprintf("http://127.0.0.1:%d", port)
	c.Origins = []string{c.PublicURL, fmt.Sprintf("http://localhost:%d", port)}
	c.Ledger = ledger("sqlite:" + file)
	c.ClusterSecret = secret(rand.Text() + rand.Text())
	c.Hosted = hostedConfig{Enabled: true, Name: "Paybell demo shop", Back: c.PublicURL + "/demo"}
	c.Drain = 100 * time.Millisecond
	c.Auth.Issuer = c.PublicURL
	c.Auth.Keys = []keyConfig{{ID: "demo", Algorithm: "HS256", Secret: secret(rand.Text() + rand.Text())}}
	c.Auth.APIKeys = []secret{secret(rand.Text())}
	c.Sources = map[string]sourceConfig{
		"stripe": {Provider: "stripe", Options: stripe.Options{Secrets: []string{"whsec_" + rand.Text()}}},
		"shop":   {Provider: "standard", Options: standard.Options{Secrets: []string{string(standardSecret())}}},
	}
	return c
}

// standardSecret makes a secret in the form of Standard Webhooks.
func standardSecret() secret {
	random := make([]byte, 32)
	rand.Read(random)
	return secret("whsec_" + base64.StdEncoding.EncodeToString(random))
}

// demoDir is where a demo is that was told no other place.
func demoDir() string { return filepath.Join(os.TempDir(), "paybell-demo") }

// demoFile is the configuration of the demo in a folder, for as long as it runs:
// the secrets with which commands sign and mint beside it.
func demoFile(dir string) string { return filepath.Join(dir, "paybell.yaml") }

// writeDemoFile writes it for its owner's eyes alone.
func writeDemoFile(path string, c *config) error {
	sources := map[string]any{}
	for name, s := range c.Sources {
		source := map[string]any{"provider": s.Provider, "mode": string(s.Mode)}
		for _, key := range s.keys() {
			if !key.value.IsZero() {
				source[key.name] = key.value.Interface()
			}
		}
		sources[name] = source
	}
	key := c.Auth.Keys[0]
	content, err := yaml.Marshal(map[string]any{
		"public_url": c.PublicURL, "origins": c.Origins, "ledger": string(c.Ledger),
		"auth": map[string]any{
			"issuer": c.Auth.Issuer, "api_keys": []string{string(c.Auth.APIKeys[0])},
			"keys": []any{map[string]any{"id": key.ID, "algorithm": key.Algorithm, "secret": string(key.Secret)}},
		},
		"sources": sources,
	})
	if err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replace the demo's configuration: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	_, err = f.Write(append([]byte("# Of the demo that runs here now. It goes when the demo ends.\n"), content...))
	return errors.Join(err, f.Close())
}

// configOrDemo reads the configuration at path or, where nobody named one and
// there is none, that of the demo which runs on this machine.
func configOrDemo(cmd *cobra.Command, path string) (c *config, demo bool, err error) {
	running := demoFile(demoDir())
	info, err := os.Stat(running)
	_, none := os.Stat(path)
	if cmd.Flags().Changed("config") || os.Getenv("PAYBELL_CONFIG") != "" || !errors.Is(none, fs.ErrNotExist) || err != nil {
		c, err = loadConfig(path, os.Environ())
		return c, false, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // Windows keeps no such modes
		return nil, false, fmt.Errorf("%s is open to others, and so is not what a demo wrote; name a configuration with --config", running)
	}
	c, err = loadConfig(running, nil)
	return c, true, err
}
